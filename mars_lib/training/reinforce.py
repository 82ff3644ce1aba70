"""`mars train rl`: a supervised separator goes on learning, from the rewards of its estimates.

AdamW, clipped gradients, the separator in `RLConfig.precision`, policy and reward in float32.
BatchNorm keeps its running statistics in both policies, so that their ratio compares weights and
nothing else; the paper does not say. The rate warms up over a tenth of the steps, 50 at most, and
falls linearly to a tenth; the paper does not say.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch

from mars_lib import config as configs
from mars_lib.check import fail
from mars_lib.config import TrainingConfig
from mars_lib.data import random_streams
from mars_lib.data.loader import mixtures, workers_for
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.encoders.frozen import frozen
from mars_lib.evaluation.judge import Judge
from mars_lib.io import checkpoint
from mars_lib.reward import MLBP, Reward
from mars_lib.rollout import QueriedBatch
from mars_lib.separator import Separator
from mars_lib.training import distributed
from mars_lib.training.loop import OnStep, loop_of
from mars_lib.training.optimisation import backward, clip_and_step, explained_divergence, read
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.rl_config import RLConfig, make_reward
from mars_lib.training.rl_run import RLRun
from mars_lib.training.run_folder import claimed, digest, digest_of_encoder, identity
from mars_lib.training.state import placed
from mars_lib.training.steps import Stats, rl_step
from mars_lib.training.targets import RewardEncoder, queried_batch
from mars_lib.training.validation import HeldOut, Validation

STATS = (
    "loss",
    "reward",
    "reward_spread",
    "ratio",
    "clip_fraction",
    "approx_kl",
    "entropy",
    "kl",
    "dead_advantages",
    "wbce",
    "mask_spread",
    "gradient_norm",
    "learning_rate",
    "kappa",
)
VALIDATION = ("validation_reward", "validation_si_sdri", "validation_judge")
# Below this standard deviation over its bins a mask is a constant: the policy says nothing any
# more.
COLLAPSED = 0.01
OnStart = Callable[[dict[str, float]], None]


@distributed.explained
def train_rl(
    start: str | Path,
    rl: RLConfig,
    music: Music,
    encoder: Encoder,
    pooling: MLBP,
    folder: str | Path,
    *,
    reward_encoder: Encoder | None = None,
    reward: Reward | None = None,
    judge: Judge | None = None,
    bank: QueryBank | None = None,
    accelerator: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    progress: bool = True,
    workers: int | None = None,
    on_step: OnStep | None = None,
    on_start: OnStart | None = None,
) -> Path:
    """Reinforcement learning from the checkpoint `start` (Section 3.2, Appendix D).

    Writes `last` and `best` (by validation reward), `metrics.csv` and TensorBoard files into
    `folder`. Stops early after `rl.patience` validations without a better reward, and on Ctrl-C
    and SIGTERM, which wait for the end of their step. With `resume` it goes on from `last`, on one
    CPU bit for bit; a run that has ended is returned as it is.

    Args:
        encoder: embeds the queries, and targets and estimates unless a `reward_encoder` does.
        pooling: the fusion that fits the reward encoder.
        reward: replaces the reward that `rl` names.
        judge: classifies the estimates at validations; nothing is learned from it.
        bank: examples of queries that several runs share.
        workers: processes that read clips, 0 for a thread; by default none on a CPU.
        on_step, on_start: see every row of the log, (step, row); the validation before them.

    Returns: the path of the best checkpoint.
    Raises:
        InputError: for a checkpoint that does not fit, and for a folder that holds another run, a
            run neither to be resumed nor overwritten, or one that another process trains in.
        FloatingPointError: names what is no longer finite, or masks that became constants.
    """
    folder = Path(folder)
    reward_encoder = encoder if reward_encoder is None else reward_encoder
    fabric = distributed.make_fabric(accelerator, rl.precision)
    workers = workers_for(fabric.device, workers)
    distributed.check_batch("batch size", rl.batch_size, rl.accumulate)
    begun = checkpoint.load(start, "separator")
    separator = _separator_of(begun, f"checkpoint {start}")
    with claimed(folder, resume=resume, overwrite=overwrite):
        ours = _identity(begun, rl, music, encoder, reward_encoder, pooling)
        run = RLRun.start_or_resume(fabric, separator, rl, ours, folder, resume)
        if not run.finished:
            shown = progress and distributed.first()
            data = rl_data(run, music, encoder, reward_encoder, bank, shown)
            fusion = placed(pooling, fabric.device)
            reward = reward or make_reward(rl, data.reward_encoder.encoder.embed_audio, fusion)
            held_out = HeldOut(data.validation, data.reward_encoder, reward, judge, run.network)
            _train(run, data, reward, held_out, workers, shown, on_step, on_start)
    return folder / "best.safetensors"


def _train(
    run: RLRun,
    data: "RLData",
    reward: Reward,
    held_out: HeldOut,
    workers: int,
    progress: bool,
    on_step: OnStep | None,
    on_start: OnStart | None,
) -> None:
    """The steps that are left of a run."""
    if on_start is not None and run.step == 0:
        on_start(held_out.measure(run.network))
    with loop_of(run, STATS + VALIDATION, run.rl.estimator, progress, on_step) as loop:
        for step, batch in data.batches(run, workers):
            with explained_divergence(step, run.folder):
                row = optimiser_step(run, batch, reward)
                if run.due_validation:
                    row |= held_out.measure(run.network)
                    run.validated(row["validation_reward"])
            loop.record(step, row, reward=row.get("reward"), best=run.best)
            if run.out_of_patience:
                break
        if run.step < run.steps:
            waited = f"{run.waited} validations without a better reward"
            loop.say(f"stopped early at step {run.step}: {waited}")


def optimiser_step(run: RLRun, batch: QueriedBatch, reward: Reward) -> dict[str, float]:
    """One step of the estimator's loss, in `rl.accumulate` passes; its row of the log."""
    rl, old, step = run.rl, run.old_policy(), run.step
    # Fabric's wrapper has the attributes of the network that it wraps.
    separator = cast(Separator, run.wrapped)

    def loss_of(part: QueriedBatch) -> tuple[torch.Tensor, Stats]:
        noise = random_streams.generator("policy noise", rl.seed, step, device=run.fabric.device)
        # Each pass is compared with the baseline of the step, which moves once, at its end.
        return rl_step(separator, old, part, reward, copy.copy(run.baseline), rl, noise)

    stats = backward(run, batch.passes(rl.accumulate), loss_of)
    row = read(run, stats | clip_and_step(run, before=run.remember))
    if row["mask_spread"] < COLLAPSED:
        problem = f"mask_spread is {row['mask_spread']:.4f}, the masks are constants,"
        raise FloatingPointError(problem)
    if rl.estimator == "score":
        run.baseline.move(stats["reward"])
    return row | {"kappa": batch.kappa}


@dataclass(frozen=True)
class RLData:
    """Mixtures, their queries and targets, and the validation set of a run."""

    stream: MixtureStream
    encoder: Encoder
    bank: QueryBank
    reward_encoder: RewardEncoder
    validation: Validation

    def batches(self, run: RLRun, workers: int) -> Iterator[tuple[int, QueriedBatch]]:
        """(step, queried mixtures) of the steps that are left of a run."""
        device, share = run.fabric.device, distributed.share()
        for step, batch in mixtures(self.stream, run.step, run.steps, device, share, workers):
            queried = queried_batch(
                run.network,
                self.encoder,
                self.bank,
                batch,
                run.rl.seed,
                step,
                run.kappa(step),
                device,
                self.reward_encoder,
            )
            yield step, queried


def rl_data(
    run: RLRun,
    music: Music,
    encoder: Encoder,
    reward_encoder: Encoder,
    bank: QueryBank | None,
    progress: bool,
) -> RLData:
    """What a run trains on; both encoders embed the same examples, which are made once, here.

    Args:
        run: the run.
        music: the sounds to train on.
        encoder: of the queries.
        reward_encoder: of targets and estimates; it may be the same one.
        bank: the examples as `encoder` embeds them, where they are there already.
        progress: show a progress bar.
    """
    rl, device = run.rl, run.fabric.device
    encoder, reward_encoder = placed(encoder, device), placed(reward_encoder, device)
    t = _training_config(run)
    stream = MixtureStream(music, "train", t)
    lacking = [encoder] if bank is None else []
    lacking += [reward_encoder] if reward_encoder is not encoder else []
    embedded = (
        QueryBank.embed_by(
            lacking,
            stream.music,
            stream.classes,
            "train",
            rl.queries_per_class,
            rl.seed,
            device,
            progress,
            augment=t.augment,
        )
        if lacking
        else []
    )
    banks = embedded if bank is None else [bank, *embedded]
    if not torch.equal(banks[0].counts, banks[-1].counts):
        problem = f"holds other examples than {rl.queries_per_class} of a class"
        fail("bank", problem, "embed it with the run's queries_per_class")
    validation = Validation.make(t, music, encoder)
    rewarding = RewardEncoder(frozen(reward_encoder), banks[-1])
    return RLData(stream, encoder, banks[0], rewarding, validation)


def _training_config(run: RLRun) -> TrainingConfig:
    """How the separator was trained, with what `run.rl` has of its own."""
    rl = run.rl
    return replace(
        run.config.training,
        batch_size=rl.batch_size,
        seed=rl.seed,
        clips_per_class=rl.clips_per_class,
        augment=rl.augment,
        queries_per_class=rl.queries_per_class,
        validation_mixtures=rl.validation_mixtures,
    )


def _separator_of(begun: checkpoint.Checkpoint, name: str) -> Separator:
    """The separator of a checkpoint; `name` is what an `InputError` about it says."""
    separator = Separator(configs.from_dict(begun.meta["config"], name))
    checkpoint.restore(separator, begun.part("separator"), name)
    return separator


def _identity(
    begun: checkpoint.Checkpoint,
    rl: RLConfig,
    music: Music,
    encoder: Encoder,
    reward_encoder: Encoder,
    pooling: MLBP,
) -> dict:
    """What makes a run this run and no other."""
    return identity(
        options=rl.to_dict(),
        start=digest(begun.part("separator")),
        data=music.fingerprint(),
        encoder=digest_of_encoder(encoder),
        heads=digest_of_encoder(reward_encoder),
        fusion=digest(pooling.state_dict()),
    )
