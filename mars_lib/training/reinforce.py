"""`mars train rl`: a supervised separator goes on learning from what an encoder hears."""

import copy
import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from tqdm.std import tqdm

from mars_lib import config as configs
from mars_lib.advantage import MovingBaseline
from mars_lib.check import fail
from mars_lib.config import Config
from mars_lib.data.mixtures import MixtureStream
from mars_lib.data.render import MiniMusic
from mars_lib.encoders import Encoder
from mars_lib.encoders.weights import fingerprint
from mars_lib.evaluation.judge import Judge
from mars_lib.policy import kappa_at
from mars_lib.reward import MLBP, Reward
from mars_lib.separator import Separator
from mars_lib.training import checkpoint, processes
from mars_lib.training.budget import Budget
from mars_lib.training.log import RunLog, tell
from mars_lib.training.loop import (
    Validation, ahead, optimizer_tensors, restore_optimizer, separator_checkpoint,
)
from mars_lib.training.objective import RLConfig, make_reward, rl_step
from mars_lib.training.query_bank import QueryBank
from mars_lib.training.targets import HeldOut, Listener, queried_batch
from mars_lib.training.steps import learning_rate

STATS = (
    "loss", "reward", "reward_spread", "ratio", "clip_fraction", "approx_kl", "entropy", "kl",
    "dead_advantages", "wbce", "mask_spread", "gradient_norm", "learning_rate", "kappa",
)
VALIDATION = ("validation_reward", "validation_si_sdri", "validation_judge")
# Below this standard deviation over its bins a mask is a constant: the policy says nothing any more.
COLLAPSED = 0.01


@processes.explained
def train_rl(
    start: str | Path,
    rl: RLConfig,
    music: MiniMusic,
    encoder: Encoder,
    pooling: MLBP,
    folder: str | Path,
    *,
    listener: Encoder | None = None,
    reward: Reward | None = None,
    judge: Judge | None = None,
    bank: QueryBank | None = None,
    accelerator: str = "auto",
    resume: bool = False,
    progress: bool = True,
    compiled: bool = False,
    on_step: Callable[[int, dict], None] | None = None,
) -> Path:
    """Reinforcement learning from the checkpoint `start` (Section 3.2, Appendix D); returns the best checkpoint's path.

    AdamW, clipped gradients, the separator in `rl.precision`, policy and reward in float32. Writes `last` and `best`
    (by validation reward), `metrics.csv` and TensorBoard files into `folder`. BatchNorm keeps its running statistics in both
    policies, so that their ratio compares weights and nothing else; the paper does not say. The rate warms up over a tenth
    of the steps, 50 at most, and falls linearly to a tenth; the paper does not say. `encoder` embeds the queries, and
    hears for the reward unless a `listener` does; `pooling` fits the one that hears. `reward` replaces the one that `rl` names;
    `judge` is heard at validations and learned from never; `bank` holds queries that several runs share; `on_step(step, row)`
    sees every row of the log. `compiled` puts the networks of both policies through torch.compile, which takes a minute or two.

    Stops early after `rl.patience` validations without a better reward, on Ctrl-C (`last` is saved), and with FloatingPointError
    that names what broke when a quantity is no longer finite or the masks collapse to constants. With `resume` it goes on
    from `last`, on one CPU bit for bit. Raises `InputError` for a checkpoint that does not fit.
    """
    folder = Path(folder)
    fabric = processes.make_fabric(accelerator, rl.precision)
    progress = progress and processes.first()
    processes.check_batch("batch size", rl.batch_size, rl.accumulate)
    saved = checkpoint.load(folder / "last.safetensors" if resume else start, "separator")
    config = configs.from_dict(saved.meta["config"])
    hearing = encoder if listener is None else listener
    # Its heads alone where it has some: trunks take seconds to digest, and alignment leaves them as they are.
    ear = fingerprint(getattr(hearing, "heads", hearing))
    if resume and (saved.meta.get("rl"), saved.meta.get("ear")) != (json.loads(json.dumps(rl.to_dict())), ear):
        fail(f"checkpoint {folder / 'last.safetensors'}", "is of another run", "resume with the same options and the same heads")
    separator = Separator(config)
    checkpoint.restore(separator, saved.part("separator"), f"checkpoint {start}")
    separator = separator.to(fabric.device, memory_format=torch.channels_last).eval()
    optimizer = torch.optim.AdamW(separator.parameters(), rl.learning_rate, weight_decay=rl.weight_decay)
    run = _Run(config, rl, ear, separator, optimizer, folder)
    if resume:
        run.restore(saved)
    past = 1 + rl.policy.lag if rl.estimator == "score" else 0
    budget = Budget(separator, fabric.device, folder, weights=4 + past, saved=4 + past, steps=rl.steps)
    if compiled:
        separator.compile(), run.old.compile()
    separator, optimizer = fabric.setup(separator, optimizer)
    encoder, pooling = encoder.to(fabric.device).eval(), pooling.to(fabric.device).eval()
    hearing = hearing.to(fabric.device).eval()
    reward = reward or make_reward(rl, hearing.embed_audio, pooling)
    t = replace(config.training, batch_size=rl.batch_size, seed=rl.seed, augment=rl.augment,
                queries_per_class=rl.queries_per_class, validation_mixtures=rl.validation_mixtures)
    music = replace(music, length=config.signal.length)
    stream = MixtureStream(replace(music, augment=t.augment), "train", t)

    lacking = [each for each, lacks in ((encoder, bank is None), (hearing, listener is not None)) if lacks]
    banks = QueryBank.embed_by(
        lacking, stream.music, stream.classes, "train", t.queries_per_class, t.seed, fabric.device, progress
    ) if lacking else [bank]
    bank = bank or banks[0]
    ears = Listener(hearing, banks[-1])
    heldout = HeldOut(Validation.make(t, music, encoder), ears, reward, judge, separator.module)
    log = RunLog(folder, STATS + VALIDATION, run.step)
    bar = tqdm(total=rl.steps, initial=run.step, desc=rl.estimator, unit="step", disable=not progress)
    first = run.step
    tell(bar, budget.before())
    if run.step == 0:
        run.save("last")
    try:
        for step, batch in ahead(partial(stream.batch, share=processes.share()), run.step, rl.steps):
            kappa = kappa_at(step, rl.steps, rl.policy.kappa, rl.policy.kappa_end, rl.policy.kappa_schedule)
            rate = learning_rate(step + 1, rl.learning_rate, min(50, rl.steps // 10), rl.steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            queried = queried_batch(separator.module, encoder, bank, batch, rl.seed, step, kappa, fabric.device, ears)
            optimizer.zero_grad()
            old, found = run.old_policy(), []
            for i, each in enumerate(queried.parts(rl.accumulate), 1):
                generator = torch.Generator(fabric.device).manual_seed(rl.seed * 1_000_003 + step)
                with fabric.no_backward_sync(separator, enabled=i < rl.accumulate):
                    with fabric.autocast():
                        loss, stats = rl_step(separator, old, each, reward, run.baseline, rl, generator)
                    fabric.backward(loss / rl.accumulate)
                found.append({"loss": loss.item(), **stats})
            row = processes.mean({name: sum(each[name] for each in found) / len(found) for name in found[0]})
            _sound(step, folder, **row)
            norm = fabric.clip_gradients(separator, optimizer, max_norm=rl.gradient_clip)
            _sound(step, folder, gradient_norm=float(norm))
            run.remember()
            optimizer.step()
            run.step = step + 1
            row |= {"gradient_norm": float(norm), "learning_rate": rate, "kappa": kappa}
            if run.step % rl.validate_every == 0 or run.step == rl.steps:
                row |= heldout.measure(separator.module)
                run.judge_progress(row["validation_reward"])
            log.write(step, **row)
            if on_step is not None:
                on_step(step, row)
            bar.update()
            tell(bar, budget.after(run.step, first))
            shown = {"reward": row.get("reward", math.nan), "best": run.best}
            bar.set_postfix({name: f"{value:.3f}" for name, value in shown.items() if math.isfinite(value)})
            if run.waited >= rl.patience:
                bar.write(f"stopped early at step {run.step}: {run.waited} validations without a better reward")
                break
    except KeyboardInterrupt:
        run.save("last")
        bar.write(f"stopped at step {run.step}; go on with --resume")
        raise
    finally:
        bar.close()
        log.close()
    return folder / "best.safetensors"


class _Run:
    """What a run must remember to go on: weights, optimiser, old policies, baseline, best reward."""

    def __init__(self, config: Config, rl: RLConfig, ear: str, separator: Separator, optimizer, folder: Path):
        self.config, self.rl, self.ear, self.folder = config, rl, ear, folder
        self.separator, self.optimizer = separator, optimizer
        self.old = copy.deepcopy(separator).requires_grad_(False)
        self.past: deque[dict] = deque(maxlen=max(1, rl.policy.lag))
        self.baseline = MovingBaseline(rl.policy.baseline_decay)
        self.step, self.best, self.waited = 0, float("-inf"), 0

    def old_policy(self) -> Separator | None:
        """theta_{t - lag}; with lag 0 the present weights, which makes every ratio 1. None where nothing is sampled from it."""
        if self.rl.estimator != "score":
            return None
        weights = self.past[0] if self.past and self.rl.policy.lag else self.separator.state_dict()
        self.old.load_state_dict(weights)
        return self.old

    def remember(self) -> None:
        """Keep theta_t, before the optimiser moves it."""
        if self.rl.estimator == "score":
            self.past.append({k: v.detach().clone() for k, v in self.separator.state_dict().items()})

    def judge_progress(self, reward: float) -> None:
        """After a validation: keep the best, count the others, save."""
        self.waited = 0 if reward > self.best else self.waited + 1
        if reward > self.best:
            self.best = reward
            self.save("best")
        self.save("last")

    def save(self, name: str) -> None:
        """`best` carries the separator alone, `last` all that a resumed run needs."""
        if not processes.first():
            return
        tensors, meta = separator_checkpoint(
            configs.to_dict(self.config), self.separator, rl=self.rl.to_dict(), ear=self.ear, step=self.step,
            best=self.best if self.best > float("-inf") else None, waited=self.waited,
            baseline=self.baseline.value,
        )
        if name == "last":
            tensors |= optimizer_tensors(self.optimizer)
            for i, weights in enumerate(self.past):
                tensors |= {f"past.{i}.{k}": v for k, v in weights.items()}
        checkpoint.save(self.folder / f"{name}.safetensors", tensors, meta)

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """The inverse of `save("last")`; the separator itself is restored by the caller."""
        restore_optimizer(self.optimizer, saved.part("optimizer"))
        for i in range(self.past.maxlen):
            weights = saved.part(f"past.{i}")
            if weights:
                self.past.append({k: v.to(next(self.separator.parameters()).device) for k, v in weights.items()})
        self.step, self.waited, self.baseline.value = (saved.meta[k] for k in ("step", "waited", "baseline"))
        self.best = float("-inf") if saved.meta["best"] is None else saved.meta["best"]


def _sound(step: int, folder: Path, **quantities: float) -> None:
    """Raise FloatingPointError for what is not finite, and for masks that have become constants."""
    advice = f"{folder / 'last.safetensors'} holds the last good state: lower the learning rate, or add an anchor"
    for name, value in quantities.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"{name} is {value} at step {step}; {advice}")
    if quantities.get("mask_spread", 1.0) < COLLAPSED:
        raise FloatingPointError(
            f"mask_spread is {quantities['mask_spread']:.4f} at step {step}: the masks are constants; {advice}"
        )
