"""Which rewards are hacked: training by a reward alone, without anchor and without signal term.

For each modality of the reward and for the fused one, with MiniBind's heads as they were made and
aligned in three stages and with MiniBind2's aligned ones, by PPO and by the gradient through the
reward; and with the fused reward shuffled among targets, which pays for nothing. From one start, at
one gentle rate. Reward, SI-SDRi and the held-out classifier's share, measured before the first step
and at equal distances.

A reward is called hacked here where it rises while SI-SDRi falls by more than `LOST` dB.

    python benchmarks/hacking.py --figure docs/hacking.png
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from control_rows import rows
from controls import Ledger, Shuffled, query_bank, training_music
from matplotlib.figure import Figure

from mars_lib.check import told
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.judge import Judge
from mars_lib.inference import pretrained, system
from mars_lib.io import assets
from mars_lib.show.plots import save
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig, make_reward

START = assets.checkpoint("systems/omnisep-0")
RATE, LOST = 3e-4, 0.2
# Names and heads of reward encoders. MiniBind2's own heads have no fusion.
ENCODERS = {
    "MiniBind, as made": ("minibind", None),
    "MiniBind, aligned": ("minibind", "stage3"),
    "MiniBind2, aligned": ("minibind2", "stage3"),
}
REWARDS = ("text", "audio", "image", "fused", "fused, shuffled")
MEASURES = ("validation_reward", "validation_si_sdri", "validation_judge")
Course = list[dict[str, float]]


class Lab:
    """What all runs share."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.encoder = system.load(START, "cpu").encoder
        self.music = training_music()
        self.judge: Judge = pretrained.load_judge()
        self.plain = RLConfig(
            steps=options.steps,
            batch_size=options.batch_size,
            learning_rate=RATE,
            queries_per_class=16,
            patience=10**6,
            validate_every=options.steps // 5,
            validation_mixtures=options.mixtures,
        )
        self.bank = query_bank(self.encoder, self.music, self.plain)

    def options_of(self, estimator: str, reward: str) -> RLConfig:
        """How a run is trained."""
        named = rows(self.plain)["PPO, similarity alone, no anchor"]
        return replace(named, estimator=estimator, reward=reward.partition(",")[0])

    def run(self, rl: RLConfig, encoder: str, reward: str) -> Course:
        """The measures of one run: at the start, then five times."""
        name, heads = ENCODERS[encoder]
        rewarding: Encoder = pretrained.load_packaged(name, heads)
        fusion = pretrained.load_mlbp(heads=heads, encoder=name)
        paid = make_reward(rl, rewarding.embed_audio, fusion)
        folder = "-".join((rl.estimator, encoder, reward)).replace(", ", "-").replace(" ", "-")
        course: Course = []

        def keep(step: int, row: Mapping[str, float]) -> None:
            if "validation_reward" in row:
                course.append({"step": step} | {key: row[key] for key in MEASURES})

        train_rl(
            START,
            rl,
            self.music,
            self.encoder,
            fusion,
            self.options.out / folder,
            reward_encoder=rewarding,
            bank=self.bank,
            accelerator="cpu",
            judge=self.judge,
            reward=Shuffled(paid) if "shuffled" in reward else paid,
            overwrite=True,
            on_step=lambda step, row: keep(step + 1, row),
            on_start=lambda row: keep(0, row),
        )
        return course


def table(courses: dict[str, Course]) -> str:
    """Changes from the start to the end, a line a run."""
    lines = [
        "| gradient | reward encoder | reward | gain | SI-SDRi, dB | judge, % points | hacked |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, course in courses.items():
        reward, decibels, judge = (course[-1][key] - course[0][key] for key in MEASURES)
        hacked = "yes" if reward > 0 and decibels < -LOST else "no"
        cells = (*name.split(" | "), f"{reward:+.3f}", f"{decibels:+.2f}", f"{100 * judge:+.1f}")
        lines.append(f"| {' | '.join((*cells, hacked))} |")
    return "\n".join(lines)


def draw(courses: dict[str, Course], path: Path) -> None:
    """A column for each gradient and reward encoder, a row a measure; changes from the start."""
    kinds = list(dict.fromkeys(name.rpartition(" | ")[0] for name in courses))
    labels = ("reward", "SI-SDRi, dB", "judge, % points")
    figure = Figure(figsize=(2.3 * len(kinds), 6.6), layout="constrained")
    figure.suptitle("Change from the start, trained by the reward alone")
    grid = figure.subplots(len(MEASURES), len(kinds), sharex=True, sharey="row", squeeze=False)
    for axes, key, label in zip(grid, MEASURES, labels):
        axes[0].set_ylabel(label)
        for axis, kind in zip(axes, kinds):
            for i, reward in enumerate(REWARDS):
                course = courses.get(f"{kind} | {reward}", [])
                scale = 100 if key == "validation_judge" else 1
                change = [scale * (row[key] - course[0][key]) for row in course]
                style = "--" if "shuffled" in reward else "-"
                axis.plot([row["step"] for row in course], change, style, color=f"C{i}")
            axis.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    for axis, kind in zip(grid[0], kinds):
        axis.set_title(kind.replace(" | ", "\n"), fontsize=10)
    for axis in grid[-1]:
        axis.set_xlabel("step")
    lines = grid[0][0].get_lines()
    figure.legend(lines[: len(REWARDS)], REWARDS, loc="outside lower center", ncols=len(REWARDS))
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=100, help="a multiple of 5")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--mixtures", type=int, default=96, help="of the validation split")
    parser.add_argument("--out", type=Path, default=Path("runs/hacking"))
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    lab, kept = Lab(options), Ledger(options.out / "courses.json")
    courses: dict[str, Course] = {}
    for estimator, title in (("pathwise", "pathwise"), ("score", "PPO")):
        for encoder in ENCODERS:
            for reward in REWARDS:
                name = f"{title} | {encoder} | {reward}"
                job = lab.options_of(estimator, reward)
                kept.record(name, 0, partial(lab.run, job, encoder, reward), job)
                courses[name] = kept.row(name, job)["runs"]["0"]
    print(table(courses))
    if options.figure:
        draw(courses, options.figure)


if __name__ == "__main__":
    with told():
        main()
