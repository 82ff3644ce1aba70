"""Does reinforcement learning help, and is it the reward that helps? Controls from one start, for
as many steps.

Every row gets the same small search of learning rates (the better by SI-SDRi on the validation
split), then the same seeds; scores are those of the last step on the first mixtures of a manifest,
means over seeds. Differences are paired by mixture and seed, against "supervised continued",
"supervised + SI-SDR, sampled mask" and the frozen start. Results are kept in OUT, and a second call
goes on from there.

    python benchmarks/controls.py --steps 100 --seeds 3

    # after mars train systems
    python benchmarks/controls.py --start runs/systems/work/0/start/best.safetensors
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from control_rows import FROZEN, best_rate, rows, table
from control_scores import Scorer

from mars_lib import check
from mars_lib.check import told
from mars_lib.data import manifests
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.synthesis.soundfonts import find
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.judge import Judge
from mars_lib.experiments.exported_separators import export_log
from mars_lib.inference import pretrained, system
from mars_lib.io import assets, atomic, checkpoint
from mars_lib.reward import MLBP, Reward, Target, fused, in_windows
from mars_lib.training import run_folder
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig, make_reward

START = assets.checkpoint("separator-small")
RATES = (1e-4, 1e-3)
BEST_OF = 8


@dataclass(frozen=True)
class Shuffled:
    """The same reward against the target of another mixture of the batch: as large, and about
    nothing. Two queries a mixture, and at least two mixtures.
    """

    reward: Reward

    def __call__(self, estimate: torch.Tensor, target: Target, /) -> torch.Tensor:
        check.at_least("rows of a batch", len(estimate), 4)
        return self.reward(estimate, self.moved(target))

    def moved(self, target: Target) -> Target:
        """That of another mixture, for each row."""
        order = torch.arange(len(target.reference), device=target.reference.device).roll(2)
        return Target(
            target.reference[order], {name: z[order] for name, z in target.embeddings.items()}
        )

    @property
    def in_windows(self) -> Reward:
        """Of windows too."""
        return Shuffled(in_windows(self.reward))


@dataclass(frozen=True)
class Contrastive:
    """The reward less the similarity to the other source of the mixture: two queries a mixture."""

    reward: Reward
    similarity: Reward

    def __call__(self, estimate: torch.Tensor, target: Target, /) -> torch.Tensor:
        order = torch.arange(len(estimate), device=estimate.device) ^ 1
        swapped = {name: z[order] for name, z in target.embeddings.items()}
        other = self.similarity(estimate, Target(target.reference[order], swapped))
        return self.reward(estimate, target) - other

    @property
    def in_windows(self) -> Reward:
        """What scores windows of the reward itself."""
        return in_windows(self.reward)


@dataclass(frozen=True)
class Setup:
    """What all rows share."""

    start: Path
    out: Path
    scorer: Scorer
    music: CachedMusic
    system: system.System
    bank: QueryBank
    reward_encoder: Encoder
    pooling: MLBP
    judge: Judge

    def train(self, name: str, run: RLConfig, folder: str) -> tuple[Path, dict[str, float]]:
        """Train one row.

        Returns:
            The checkpoint of its last step, and its validation: SI-SDRi in dB, reward, the judge's
            share.
        """
        out = self.out / name.replace(" ", "-") / folder
        final = {}

        def keep(step: int, row: dict) -> None:
            final.update(
                {key: value for key, value in row.items() if key.startswith("validation_")}
            )

        # What the last call broke off begins anew: its validation is what is returned.
        train_rl(
            self.start,
            run,
            self.music,
            self.system.encoder,
            self.pooling,
            out,
            reward_encoder=self.reward_encoder,
            bank=self.bank,
            accelerator="cpu",
            on_step=keep,
            judge=self.judge,
            reward=self.reward(name, run),
            overwrite=True,
        )
        return out / "last.safetensors", final

    def reward(self, name: str, run: RLConfig) -> Reward | None:
        """A control's reward, which the name tells; None where the run's own is meant."""
        embed, pooling = self.reward_encoder.embed_audio, self.pooling
        if "shuffled" in name:
            return Shuffled(make_reward(run, embed, pooling))
        if "contrastive" in name:
            return Contrastive(make_reward(run, embed, pooling), fused(embed, pooling))
        return None

    def measure(self, path: Path) -> dict[str, list[float]]:
        """The scores of a trained separator."""
        return self.scorer.measure(self.scorer.separated(system.load(path, "cpu").separator))


class Ledger:
    """What was measured of each row, and how the row is trained, in a file that grows run by run.

    Of a row: "identity"; "runs", {seed: scores}; "search", {rate: validation}.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results: dict[str, dict] = json.loads(path.read_text()) if path.is_file() else {}

    def row(self, name: str, job: RLConfig | None = None) -> dict:
        """What is kept of a row; `job` is how it is trained, None where it is not.

        Raises `InputError` where the row there was trained in another way.
        """
        ours = run_folder.identity(options=job.to_dict() if job else None)
        row = self.results.setdefault(name, {"identity": ours, "runs": {}, "search": {}})
        run_folder.check_identity(f"row {name!r} of {self.path}", ours, row)
        return row

    def record(
        self, name: str, seed: int, scores: Callable[[], object], job: RLConfig | None = None
    ) -> None:
        """Measure a row with a seed and keep it, where it is not there already."""
        runs = self.row(name, job)["runs"]
        if str(seed) not in runs:
            runs[str(seed)] = scores()
            self.write()

    def write(self) -> None:
        """Write all into the file."""
        atomic.write_json(self.path, self.results)


def search(setup: Setup, ledger: Ledger, name: str, job: RLConfig, rates: Sequence[float]) -> None:
    """Train a row with the first seed at each rate; the best one's scores are kept, and with them
    no seed of another rate.
    """
    row = ledger.row(name, job)
    for rate in rates:
        if str(rate) not in row["search"]:
            last, validated = setup.train(name, replace(job, learning_rate=rate), f"{rate:g}")
            row["search"][str(rate)] = validated
            scores = setup.measure(last)
            if best_rate(row) == rate:
                row["runs"] = {"0": scores}
            ledger.write()


def repeat(setup: Setup, ledger: Ledger, name: str, job: RLConfig, seed: int) -> None:
    """Train a row with a further seed at its best rate."""

    def scores() -> dict[str, list[float]]:
        run = replace(job, learning_rate=best_rate(ledger.row(name, job)), seed=seed)
        last, _ = setup.train(name, run, f"seed-{seed}")
        return setup.measure(last)

    ledger.record(name, seed, scores, job)


def keep_logs(out: Path, results: dict[str, dict]) -> None:
    """The log of each row's first seed at its best rate, shortened, into `data/logs/controls`."""
    for name, row in results.items():
        run = out / name.replace(" ", "-") / f"{best_rate(row):g}" if row["search"] else None
        if run and run.is_dir():
            short = name.lower().replace(",", "").replace(" + ", " ").replace(" ", "-")
            export_log(run, f"controls/{short}", every=25)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--start",
        type=Path,
        default=START,
        help="a supervised checkpoint; without it, the pretrained one",
    )
    parser.add_argument(
        "--reward-encoder",
        choices=tuple(pretrained.PACKAGED),
        help="without it, that of the queries",
    )
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--rates", type=float, nargs="*", default=RATES, help="learning rates to search"
    )
    parser.add_argument("--mixtures", type=int, default=256)
    parser.add_argument("--split", default="unseen", choices=("test", "unseen"))
    parser.add_argument("--only", nargs="*", default=(), metavar="ROW", help="only these rows")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--logs", action="store_true", help="keep short logs in data/logs/controls")
    parser.add_argument("--out", type=Path, default=Path("runs/controls"))
    return parser.parse_args()


def training_music() -> CachedMusic:
    """mini-MUSIC of the soundfonts at hand (`find`), each clip rendered once."""
    return CachedMusic(MiniMusic(tuple(find()), manifests.LENGTH))


def query_bank(encoder: Encoder, music: CachedMusic, run: RLConfig) -> QueryBank:
    """Queries of all classes of the training split, as many as the run has."""
    classes, count = music.classes("train"), run.queries_per_class
    return QueryBank.embed(encoder, music, classes, "train", count, augment=run.augment)


def prepare(options: argparse.Namespace, run: RLConfig) -> Setup:
    """What all rows share. Raises `InputError` where OUT holds results of another set-up."""
    music = training_music()
    kept = options.out / "setup.json"
    names = ("steps", "batch_size", "mixtures", "split", "reward_encoder")
    setup = run_folder.identity(
        options={name: getattr(options, name) for name in names},
        start=run_folder.digest(checkpoint.load(options.start, "separator").tensors),
        data=music.fingerprint(),
    )
    if kept.is_file():
        there = {"identity": json.loads(kept.read_text())}
        run_folder.check_identity(f"results in {options.out}", setup, there)
    atomic.write_json(kept, setup)
    start = system.load(options.start, "cpu")
    name = options.reward_encoder or start.separator.config.encoder
    reward_encoder = pretrained.load_packaged(name, "stage3")
    pooling = pretrained.load_mlbp(heads="stage3", encoder=name)
    judge = pretrained.load_judge()
    scorer = Scorer(start, reward_encoder, pooling, judge, options.split, options.mixtures)
    return Setup(
        options.start,
        options.out,
        scorer,
        music,
        start,
        query_bank(start.encoder, music, run),
        reward_encoder,
        pooling,
        judge,
    )


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    run = RLConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        queries_per_class=16,
        patience=10**6,
        validate_every=options.steps,
        validation_mixtures=96,
    )
    known = rows(run)
    for name in options.only:
        check.one_of("row", name, known)
    setup = prepare(options, run)
    ledger, scorer = Ledger(options.out / "controls.json"), setup.scorer
    start = setup.system.separator
    ledger.record(FROZEN, 0, lambda: scorer.measure(scorer.separated(start)))
    ledger.record(
        f"frozen, best of {BEST_OF} by the reward",
        0,
        lambda: scorer.measure(scorer.best_of(start, BEST_OF, 0)),
    )
    jobs = {name: known[name] for name in options.only or known}
    for seed in range(options.seeds):
        for name, job in jobs.items():
            if seed == 0:
                search(setup, ledger, name, job, options.rates)
            else:
                repeat(setup, ledger, name, job, seed)
            print(table(ledger.results), flush=True)
    if options.logs:
        keep_logs(options.out, ledger.results)


if __name__ == "__main__":
    with told():
        main()
