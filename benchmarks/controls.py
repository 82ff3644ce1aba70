"""Does reinforcement learning help, and is it the reward that helps? Controls from one start, for
as many steps.

Every row gets the same small search of learning rates (the better by SI-SDRi on the validation
split), then the same seeds; scores are those of the last step on the first mixtures of a manifest,
means over seeds. Differences are paired by mixture and seed, against "supervised continued",
"supervised + SI-SDR, sampled mask" and the frozen start. Results are kept in OUT, and a second call
goes on from there.

    python benchmarks/controls.py --steps 100 --seeds 3 python benchmarks/controls.py --start
    runs/systems/work/0/start/best.safetensors    # after mars train systems
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm.std import tqdm

from mars_lib.config import PolicyConfig
from mars_lib.data import manifests
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.synthesis.soundfonts import find
from mars_lib.evaluation.judge import right
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.evaluation.scoring import LIMIT
from mars_lib.evaluation.statistics import paired_bootstrap
from mars_lib.experiments.evaluate import embed_queries
from mars_lib.inference import pretrained, system
from mars_lib.io import assets, atomic, checkpoint
from mars_lib.policy import BetaMaskPolicy
from mars_lib.reward import Reward, Target, fused
from mars_lib.rollout import analyse, ideal_estimate, reconstruct
from mars_lib.separator import separate
from mars_lib.training import run_folder
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.reinforce import train_rl
from mars_lib.training.rl_config import RLConfig, make_reward

START = assets.checkpoint("separator-small")
RATES = (1e-4, 1e-3)
BEST_OF = 8
FROZEN, BASE, FAIR = "frozen start", "supervised continued", "supervised + SI-SDR, sampled mask"


def rows(run: RLConfig) -> dict[str, RLConfig]:
    """Name of a row -> what is trained. `run` carries steps, batch and validation.

    "recipe" is the default of `mars train rl`: a pathwise gradient of R = sim + 0.03 SI-SDR, WBCE x
    0.3, heard by MiniBind with the heads of the third stage of alignment. "supervised + SI-SDR,
    sampled mask" has the same signal term and sampling and no ear: the fair control. "supervised +
    SI-SDR" takes the mask un-sampled. "PPO on patches" is the score function, 8 x 8 patches, G = 4,
    no anchor.
    """
    patches = PolicyConfig(
        group_size=4, patch=8, entropy_coefficient=0.0, kl_coefficient=0.1, antithetic=True
    )
    pathwise = replace(run, estimator="pathwise", anchor=0.3)
    ours = replace(pathwise, signal_weight=0.03)
    return {
        BASE: replace(run, estimator="supervised"),
        "recipe": ours,
        FAIR: replace(ours, reward="signal"),
        "supervised + SI-SDR": replace(ours, estimator="mode", reward="signal"),
        "PPO on patches": replace(run, policy=patches),
        "PPO, the paper's defaults": run,
        "recipe, shuffled reward": ours,
        "recipe without SI-SDR": pathwise,
        "PPO on patches, WBCE x 0.3": replace(run, policy=patches, anchor=0.3),
        "PPO on patches, G = 8, SI-SDR x 0.1": replace(
            run, policy=replace(patches, group_size=8), signal_weight=0.1
        ),
        "recipe, un-sampled mask": replace(ours, estimator="mode"),
        "recipe, SI-SDR x 0.1": replace(ours, signal_weight=0.1),
        "recipe, un-sampled mask, SI-SDR x 0.1": replace(ours, estimator="mode", signal_weight=0.1),
    }


def shuffled(reward: Reward) -> Reward:
    """The same reward against targets of other items of the batch: as large, and about nothing."""

    def other(estimate: torch.Tensor, target: Target) -> torch.Tensor:
        order = torch.randperm(
            len(estimate), generator=torch.Generator().manual_seed(len(estimate))
        )
        order = order.to(estimate.device)
        moved = {name: z[order] for name, z in target.embeddings.items()}
        return reward(estimate, Target(target.reference[order], moved))

    return other


class Test:
    """The first mixtures of a manifest, rendered once, with queries of some kinds and the targets
    of the reward.
    """

    __test__ = False

    def __init__(
        self, start: system.System, ear, pooling, judge, split: str, count: int, kinds=("text",)
    ):
        self.judge, self.reward = judge, fused(ear.embed_audio, pooling)
        self.kinds, self.music, self.part = kinds, manifests.music(), manifests.read(split)[:count]
        music, part = self.music, self.part
        rendered = [manifests.render(row, music) for row in tqdm(part, f"mixtures of {split}")]
        self.mixture = torch.stack([x for x, _ in rendered])
        self.reference = torch.stack([r for _, r in rendered])
        self.names = [name for row in part for name in row.classes]
        self.queries = self.asked_by(start)
        hearing = system.System(start.separator, ear, "ear")
        text, image = (embed_queries(hearing, part, kind, music) for kind in ("text", "image"))
        self.targets = []
        for i in range(0, count, 16):
            here = slice(i, i + 16)
            with torch.no_grad():
                heard = ideal_estimate(start.separator, self.mixture[here], self.reference[here])
                audio = ear.embed_audio(heard.flatten(0, 1))
            embeddings = {
                "audio": audio,
                "text": text[here].flatten(0, 1),
                "image": image[here].flatten(0, 1),
            }
            self.targets.append(Target(self.reference[here].flatten(0, 1), embeddings))

    def asked_by(self, asking: system.System) -> dict[str, torch.Tensor]:
        """(B, N, D) queries of each kind, in the language of a system's encoder."""
        return {kind: embed_queries(asking, self.part, kind, self.music) for kind in self.kinds}

    @torch.no_grad()
    def measure(self, estimates: torch.Tensor) -> dict[str, list[float]]:
        """Per mixture: SI-SDRi without matching, the judge's share, the reward."""
        floor = si_sdr(
            estimate=self.mixture[:, None].expand_as(self.reference), reference=self.reference
        )
        gain = (si_sdr(estimate=estimates, reference=self.reference) - floor).mean(dim=1)
        parts, heard, paid = estimates.split(16), [], []
        for i, (part, target) in enumerate(zip(parts, self.targets)):
            names = self.names[32 * i : 32 * i + part.shape[0] * 2]
            heard.append(
                right(self.judge, part.flatten(0, 1), names).float().reshape(-1, 2).mean(dim=1)
            )
            paid.append(self.reward(part.flatten(0, 1), target).reshape(-1, 2).mean(dim=1))
        return {
            "si_sdri": gain.tolist(),
            "judge": torch.cat(heard).tolist(),
            "reward": torch.cat(paid).tolist(),
        }

    @torch.no_grad()
    def separated(self, separator, kind: str = "text") -> torch.Tensor:
        """(B, N, L) estimates by the mode."""
        queries = self.queries[kind].split(16)
        return torch.cat(
            [separate(separator, x, q) for x, q in zip(self.mixture.split(16), queries)]
        )

    @torch.no_grad()
    def best_of(self, separator, count: int, seed: int) -> torch.Tensor:
        """Of the mode and `count` samples a query, the one that the reward likes best: no training
        at all.
        """
        generator, chosen = torch.Generator().manual_seed(seed), []
        for x, q, target in zip(
            self.mixture.split(16), self.queries["text"].split(16), self.targets
        ):
            magnitude, spectrogram = analyse(separator, x)
            policy = BetaMaskPolicy(separator(magnitude, q))
            best, paid = None, None
            for action in [policy.mode, *(policy.sample(generator)[0] for _ in range(count))]:
                estimate = reconstruct(
                    separator, policy.mask(action), spectrogram, x.shape[-1]
                ).flatten(0, 1)
                value = self.reward(estimate, target)
                if best is None:
                    best, paid = estimate, value
                else:
                    better = value > paid
                    best, paid = (
                        torch.where(better[:, None], estimate, best),
                        torch.maximum(value, paid),
                    )
            chosen.append(best.reshape(len(x), -1, x.shape[-1]))
        return torch.cat(chosen)


def train_row(
    name: str, run: RLConfig, start: Path, out: Path, music, encoder, bank, ear, pooling, judge
) -> tuple[Path, dict[str, float]]:
    """Train one row; (the checkpoint of its last step, its validation: SI-SDRi in dB, reward, the
    judge's share).
    """
    reward = make_reward(run, ear.embed_audio, pooling)
    final = {}

    def keep(step: int, row: dict) -> None:
        final.update({key: value for key, value in row.items() if key.startswith("validation_")})

    # What the last call broke off begins anew: its validation is what is returned.
    train_rl(
        start,
        run,
        music,
        encoder,
        pooling,
        out,
        reward_encoder=ear,
        bank=bank,
        accelerator="cpu",
        on_step=keep,
        judge=judge,
        reward=shuffled(reward) if "shuffled" in name else None,
        overwrite=True,
    )
    return out / "last.safetensors", final


def folder_of(out: Path, name: str, run: str) -> Path:
    """Where a run of a row is kept; runs of the first seed are named by their learning rate, the
    others by their seed.
    """
    return out / name.replace(" ", "-") / run


def best_rate(row: dict) -> float:
    """The learning rate of a row's search with the best SI-SDRi on the validation split."""
    return float(max(row["search"], key=lambda rate: row["search"][rate]["validation_si_sdri"]))


def table(results: dict[str, dict]) -> str:
    """Means over seeds; differences from `BASE`, `FAIR` and `FROZEN` paired by mixture and seed,
    with 95 % intervals over both.

    A mixture whose score means nothing in one row (silence, rounding) is left out of all.
    """

    def everything(name: str, metric: str) -> np.ndarray:
        return np.array([run[metric] for run in results[name]["runs"].values()])

    def runs(name: str, metric: str) -> np.ndarray:
        return everything(name, metric)[:, used]

    trained = [name for name, row in results.items() if row["runs"]]
    used = (np.abs(np.concatenate([everything(name, "si_sdri") for name in trained])) < LIMIT).all(
        axis=0
    )
    lines = [f"{(~used).sum()} mixtures left out"] * (not used.all())
    lines += [f"{'':36}{'seeds':>6}{'rate':>7}{'SI-SDRi':>9}{'judge':>8}{'reward':>8}"]
    for name in trained:
        row = results[name]
        rate = f"{best_rate(row):g}" if row["search"] else ""
        cells = f"{len(row['runs']):6}{rate:>7}{runs(name, 'si_sdri').mean():9.2f}{100 * runs(name, 'judge').mean():7.1f}%"
        lines.append(f"{name:36}{cells}{runs(name, 'reward').mean():8.3f}")
    for base in (BASE, FAIR, FROZEN):
        if base not in trained:
            continue
        lines += ["", f"against {base}"]
        for name in trained:
            if name == base:
                continue
            cells = ""
            for metric, scale, digits, unit in (
                ("si_sdri", 1, 2, "dB"),
                ("judge", 100, 1, "points"),
                ("reward", 1, 3, "reward"),
            ):
                d = paired_bootstrap(runs(name, metric), runs(base, metric))
                mid, low, high = (f"{scale * x:+.{digits}f}" for x in (d.mean, *d.ci95))
                cells += f"   {mid} [{low}, {high}] {unit}"
            lines.append(f"{name:36}{cells}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--start",
        type=Path,
        default=START,
        help="a supervised checkpoint; without it, the one that ships",
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
    parser.add_argument("--out", type=Path, default=Path("runs/controls"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    music = CachedMusic(MiniMusic(tuple(find()), manifests.LENGTH))
    kept = options.out / "setup.json"
    setup = run_folder.identity(
        options={
            name: getattr(options, name) for name in ("steps", "batch_size", "mixtures", "split")
        },
        start=run_folder.digest(checkpoint.load(options.start, "separator").tensors),
        data=music.fingerprint(),
    )
    if kept.is_file():
        run_folder.check_identity(
            f"results in {options.out}", setup, {"identity": json.loads(kept.read_text())}
        )
    atomic.write_json(kept, setup)
    run = RLConfig(
        steps=options.steps,
        batch_size=options.batch_size,
        queries_per_class=16,
        patience=10**6,
        validate_every=options.steps,
        validation_mixtures=96,
    )
    start, ear, pooling = (
        system.load(options.start, "cpu"),
        pretrained.load_minibind(heads="stage3"),
        pretrained.load_mlbp(heads="stage3"),
    )
    judge = pretrained.load_judge()
    test = Test(start, ear, pooling, judge, options.split, options.mixtures)
    varied = replace(music, augment=run.augment)
    bank = QueryBank.embed(
        start.encoder, varied, varied.classes("train"), "train", run.queries_per_class
    )
    shared = (music, start.encoder, bank, ear, pooling, judge)
    ledger = options.out / "controls.json"
    results = json.loads(ledger.read_text()) if ledger.is_file() else {}

    def record(name: str, key: str, scores: Callable[[], dict]) -> None:
        row = results.setdefault(name, {"runs": {}, "search": {}})
        if key not in row["runs"]:
            row["runs"][key] = scores()
            atomic.write_json(ledger, results)

    record(FROZEN, "0", lambda: test.measure(test.separated(start.separator)))
    record(
        f"frozen, best of {BEST_OF} by the reward",
        "0",
        lambda: test.measure(test.best_of(start.separator, BEST_OF, 0)),
    )
    jobs = {
        name: job for name, job in rows(run).items() if not options.only or name in options.only
    }
    for seed in range(options.seeds):
        for name, job in jobs.items():
            row = results.setdefault(name, {"runs": {}, "search": {}})
            for rate in options.rates if seed == 0 else ():
                if str(rate) not in row["search"]:
                    folder = folder_of(options.out, name, f"{rate:g}")
                    trained = replace(job, learning_rate=rate)
                    last, validated = train_row(name, trained, options.start, folder, *shared)
                    row["search"][str(rate)] = validated
                    scores = test.measure(test.separated(system.load(last, "cpu").separator))
                    if best_rate(row) == rate:
                        row["runs"]["0"] = scores
                    atomic.write_json(ledger, results)
            if seed and str(seed) not in row["runs"]:
                folder = folder_of(options.out, name, f"seed-{seed}")
                trained = replace(job, learning_rate=best_rate(row), seed=seed)
                last, _ = train_row(name, trained, options.start, folder, *shared)
                record(
                    name,
                    str(seed),
                    lambda: test.measure(test.separated(system.load(last, "cpu").separator)),
                )
            print(table(results), flush=True)


if __name__ == "__main__":
    main()
