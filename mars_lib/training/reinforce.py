"""`mars train rl`: a supervised separator goes on learning from what an encoder hears."""

import copy
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tqdm.std import tqdm

from mars_lib import config as configs
from mars_lib.config import TrainingConfig
from mars_lib.data import random_streams
from mars_lib.data.mixtures import MixtureStream, ahead
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation.judge import Judge
from mars_lib.io import checkpoint
from mars_lib.policy import kappa_at
from mars_lib.reward import MLBP, Reward
from mars_lib.rollout import QueriedBatch
from mars_lib.separator import Separator
from mars_lib.training import distributed
from mars_lib.training.budget import Budget
from mars_lib.training.interrupts import Interrupts
from mars_lib.training.log import RunLog, tell
from mars_lib.training.optimisation import (
    check_finite,
    clip_and_step,
    explained_divergence,
)
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.rl_config import RLConfig, make_reward
from mars_lib.training.run_folder import (
    claimed,
    digest,
    digest_of_encoder,
    identity,
    last_of,
)
from mars_lib.training.schedule import learning_rate
from mars_lib.training.state import RLRun
from mars_lib.training.steps import rl_step
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
    compiled: bool = False,
    on_step: Callable[[int, dict], None] | None = None,
) -> Path:
    """Reinforcement learning from the checkpoint `start` (Section 3.2, Appendix D); returns the
    best checkpoint's path.

    AdamW, clipped gradients, the separator in `rl.precision`, policy and reward in float32. Writes
    `last` and `best` (by validation reward), `metrics.csv` and TensorBoard files into `folder`.
    BatchNorm keeps its running statistics in both policies, so that their ratio compares weights
    and nothing else; the paper does not say. The rate warms up over a tenth of the steps, 50 at
    most, and falls linearly to a tenth; the paper does not say. `encoder` embeds the queries, and
    hears for the reward unless a `reward_encoder` does; `pooling` fits the one that hears. `reward`
    replaces the one that `rl` names; `judge` is heard at validations and learned from never; `bank`
    holds queries that several runs share; `on_step(step, row)` sees every row of the log.
    `compiled` puts the networks of both policies through torch.compile, which takes a minute or
    two.

    Stops early after `rl.patience` validations without a better reward; on Ctrl-C and SIGTERM,
    which wait for the end of their step (`last` is saved); and with FloatingPointError that names
    what broke when a quantity is no longer finite or the masks collapse to constants. With `resume`
    it goes on from `last`, on one CPU bit for bit; a run that has ended is returned as it is.

    Raises `InputError` for a checkpoint that does not fit; for a folder that holds a run already,
    unless it is to be resumed or (`overwrite`) made anew, or that another process trains in; and
    for another start, other options, data, encoders or version of the code than the interrupted
    run's.
    """
    folder = Path(folder)
    fabric = distributed.make_fabric(accelerator, rl.precision)
    distributed.check_batch("batch size", rl.batch_size, rl.accumulate)
    begun = checkpoint.load(start, "separator")
    config = configs.from_dict(begun.meta["config"], f"checkpoint {start}")
    with claimed(folder, resume=resume, overwrite=overwrite):
        separator = Separator(config)
        checkpoint.restore(separator, begun.part("separator"), f"checkpoint {start}")
        separator = separator.to(fabric.device, memory_format=torch.channels_last).eval()
        optimizer = torch.optim.AdamW(
            separator.parameters(), rl.learning_rate, weight_decay=rl.weight_decay
        )
        hearing = encoder if reward_encoder is None else reward_encoder
        ours = identity(
            options=rl.to_dict(),
            start=digest(begun.part("separator")),
            data=music.fingerprint(),
            encoder=digest_of_encoder(encoder),
            heads=digest_of_encoder(hearing),
            fusion=digest(pooling.state_dict()),
        )
        run = RLRun(config, rl, ours, separator, optimizer, fabric, folder)
        if resume:
            run.restore(last_of(folder, "separator", ours))
        if not run.ended:
            t = replace(
                config.training,
                batch_size=rl.batch_size,
                seed=rl.seed,
                augment=rl.augment,
                queries_per_class=rl.queries_per_class,
                validation_mixtures=rl.validation_mixtures,
            )
            music, encoder = (
                replace(music, length=config.signal.length),
                encoder.to(fabric.device).eval(),
            )
            hearing, pooling = hearing.to(fabric.device).eval(), pooling.to(fabric.device).eval()
            reward = reward or make_reward(rl, hearing.embed_audio, pooling)
            shown = progress and distributed.first()
            asked = _queried(t, music, encoder, hearing, bank, fabric.device, shown)
            heldout = HeldOut(
                Validation.make(t, music, encoder), asked.reward_encoder, reward, judge, separator
            )
            _train(run, asked, reward, heldout, shown, compiled, on_step)
    return folder / "best.safetensors"


@dataclass(frozen=True)
class _Queried:
    """The stream of mixtures, who asks for their sources, and who hears what comes out."""

    stream: MixtureStream
    encoder: Encoder
    bank: QueryBank
    reward_encoder: RewardEncoder


def _queried(
    t: TrainingConfig,
    music: Music,
    encoder: Encoder,
    hearing: Encoder,
    bank: QueryBank | None,
    device: torch.device,
    progress: bool,
) -> _Queried:
    """Mixtures and embedded examples; both encoders embed the same examples, which are made
    once.
    """
    stream = MixtureStream(replace(music, augment=t.augment), "train", t)
    lacking = [
        each
        for each, lacks in ((encoder, bank is None), (hearing, hearing is not encoder))
        if lacks
    ]
    banks = (
        QueryBank.embed_by(
            lacking,
            stream.music,
            stream.classes,
            "train",
            t.queries_per_class,
            t.seed,
            device,
            progress,
        )
        if lacking
        else [bank]
    )
    return _Queried(stream, encoder, bank or banks[0], RewardEncoder(hearing, banks[-1]))


def _train(
    run: RLRun,
    asked: _Queried,
    reward: Reward,
    heldout: HeldOut,
    progress: bool,
    compiled: bool,
    on_step: Callable | None,
) -> None:
    """The steps that are left of a run."""
    rl, fabric, first = run.rl, run.fabric, run.step
    past = 1 + rl.policy.lag if rl.estimator == "score" else 0
    budget = Budget(
        run.separator, fabric.device, run.folder, weights=4 + past, saved=4 + past, steps=rl.steps
    )
    if compiled:
        run.separator.compile(), run.old.compile()
    separator, optimizer = fabric.setup(run.separator, run.optimizer)
    log = RunLog(run.folder, STATS + VALIDATION, first)
    bar = tqdm(total=rl.steps, initial=first, desc=rl.estimator, unit="step", disable=not progress)
    tell(bar, budget.before())
    if first == 0:
        run.save("last")
    with Interrupts() as interrupts, closing(log), closing(bar):
        for step, batch in ahead(
            partial(asked.stream.batch, share=distributed.share()), first, rl.steps
        ):
            kappa = kappa_at(
                step, rl.steps, rl.policy.kappa, rl.policy.kappa_end, rl.policy.kappa_schedule
            )
            rate = learning_rate(step + 1, rl.learning_rate, min(50, rl.steps // 10), rl.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            queried = queried_batch(
                run.separator,
                asked.encoder,
                asked.bank,
                batch,
                rl.seed,
                step,
                kappa,
                fabric.device,
                asked.reward_encoder,
            )
            optimizer.zero_grad()
            with explained_divergence(step, run.folder):
                row = _losses(run, separator, queried, reward, step)
                norm = clip_and_step(
                    fabric, separator, optimizer, rl.gradient_clip, before=run.remember
                )
            if rl.estimator == "score":
                run.baseline.move(row["reward"])
            run.step = step + 1
            row |= {"gradient_norm": norm, "learning_rate": rate, "kappa": kappa}
            if run.step % rl.validate_every == 0 or run.step == rl.steps:
                with explained_divergence(step, run.folder):
                    row |= heldout.measure(run.separator)
                run.judge_progress(row["validation_reward"])
            log.write(step, **row)
            if on_step is not None:
                on_step(step, row)
            bar.update()
            tell(bar, budget.after(run.step, first))
            shown = {"reward": row.get("reward", math.nan), "best": run.best}
            bar.set_postfix(
                {name: f"{value:.3f}" for name, value in shown.items() if math.isfinite(value)}
            )
            if distributed.agreed(interrupts.asked):
                run.save("last")
                distributed.agreed(
                    True
                )  # the others wait: who ends ends all, also the one that writes
                tell(bar, f"stopped at step {run.step}; go on with --resume")
                raise KeyboardInterrupt
            if run.ended:
                break
        if run.step < rl.steps:
            tell(
                bar,
                f"stopped early at step {run.step}: {run.waited} validations without a better reward",
            )


def _losses(
    run: RLRun, separator, queried: QueriedBatch, reward: Reward, step: int
) -> dict[str, float]:
    """Forward and backward of one step in `rl.accumulate` passes: its statistics, means over passes
    and processes.
    """
    rl, fabric, old, found = run.rl, run.fabric, run.old_policy(), []
    for i, each in enumerate(queried.parts(rl.accumulate), 1):
        generator = random_streams.generator("policy noise", rl.seed, step, device=fabric.device)
        # Each pass is compared with the baseline of the step, which moves once, at its end.
        baseline = copy.copy(run.baseline)
        with fabric.no_backward_sync(separator, enabled=i < rl.accumulate):
            with fabric.autocast():
                loss, stats = rl_step(separator, old, each, reward, baseline, rl, generator)
            fabric.backward(loss / rl.accumulate)
        found.append({"loss": loss.item(), **stats})
    row = distributed.mean(
        {name: sum(each[name] for each in found) / len(found) for name in found[0]}
    )
    check_finite(**row)
    if row["mask_spread"] < COLLAPSED:
        raise FloatingPointError(
            f"mask_spread is {row['mask_spread']:.4f}, the masks are constants,"
        )
    return row
