"""What a run of reinforcement learning must remember to go on from where it stopped, bit for
bit.
"""

import copy
import math
from collections import deque
from pathlib import Path

import torch
from torch import nn

from mars_lib import config as configs
from mars_lib.advantage import MovingBaseline
from mars_lib.config import Config
from mars_lib.io import checkpoint
from mars_lib.separator import Separator
from mars_lib.training import distributed
from mars_lib.training.optimisation import (
    scaler_of,
)
from mars_lib.training.rl_config import RLConfig


class RLRun:
    """What a run must remember to go on: weights, optimiser, old policies, baseline, best reward;
    and what it is.
    """

    def __init__(
        self,
        config: Config,
        rl: RLConfig,
        ours: dict,
        separator: Separator,
        optimizer: torch.optim.Optimizer,
        fabric,
        folder: Path,
    ):
        self.config, self.rl, self.identity, self.folder, self.fabric = (
            config,
            rl,
            ours,
            folder,
            fabric,
        )
        self.separator, self.optimizer = separator, optimizer
        self.old = copy.deepcopy(separator).requires_grad_(False)
        self.past: deque[dict] = deque(maxlen=max(1, rl.policy.lag))
        self.baseline = MovingBaseline(rl.policy.baseline_decay)
        self.step, self.best, self.waited = 0, float("-inf"), 0

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do: all steps are taken, or patience has run out."""
        return self.step >= self.rl.steps or self.waited >= self.rl.patience

    def old_policy(self) -> Separator | None:
        """theta_{t - lag}; with lag 0 the present weights, which makes every ratio 1. None where
        nothing is sampled from it.
        """
        if self.rl.estimator != "score":
            return None
        weights = self.past[0] if self.past and self.rl.policy.lag else self.separator.state_dict()
        self.old.load_state_dict(weights)
        return self.old

    def remember(self) -> None:
        """Keep theta_t, before the optimiser moves it."""
        if self.rl.estimator == "score":
            self.past.append(
                {k: v.detach().clone() for k, v in self.separator.state_dict().items()}
            )

    def judge_progress(self, reward: float) -> None:
        """After a validation: keep the best, count the others, save."""
        self.waited = 0 if reward > self.best else self.waited + 1
        if reward > self.best:
            self.best = reward
            self.save("best")
        self.save("last")

    def save(self, name: str) -> None:
        """`best` carries the separator alone, `last` all that a resumed run needs."""
        if not distributed.first():
            return
        scaler = scaler_of(self.fabric)
        tensors, meta = separator_checkpoint(
            configs.to_dict(self.config),
            self.separator,
            identity=self.identity,
            rl=self.rl.to_dict(),
            step=self.step,
            best=self.best if self.best > float("-inf") else None,
            waited=self.waited,
            baseline=self.baseline.value,
            scaler=scaler and scaler.state_dict(),
        )
        if name == "last":
            tensors |= optimizer_tensors(self.optimizer)
            for i, weights in enumerate(self.past):
                tensors |= {f"past.{i}.{k}": v for k, v in weights.items()}
        checkpoint.save(self.folder / f"{name}.safetensors", tensors, meta)

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """The inverse of `save("last")`."""
        restore_training(saved, self.folder, self.separator, self.optimizer, self.fabric)
        for i in range(self.past.maxlen):
            weights = saved.part(f"past.{i}")
            if weights:
                self.past.append(
                    {k: v.to(next(self.separator.parameters()).device) for k, v in weights.items()}
                )
        self.step, self.waited, self.baseline.value = (
            saved.meta[k] for k in ("step", "waited", "baseline")
        )
        self.best = float("-inf") if saved.meta["best"] is None else saved.meta["best"]


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's state as named tensors."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """The inverse of `optimizer_tensors`, for the part of a checkpoint under "optimizer"."""
    state = optimizer.state_dict()
    for key, value in tensors.items():
        index, name = key.split(".")
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)


def restore_training(
    saved: checkpoint.Checkpoint,
    folder: Path,
    separator: nn.Module,
    optimizer: torch.optim.Optimizer,
    fabric,
) -> None:
    """Put weights, optimiser and, in float16, the gradient scale of `folder`'s last checkpoint
    back.
    """
    checkpoint.restore(
        separator, saved.part("separator"), f"checkpoint {folder / 'last.safetensors'}"
    )
    restore_optimizer(optimizer, saved.part("optimizer"))
    if saved.meta["scaler"]:
        scaler_of(fabric).load_state_dict(saved.meta["scaler"])


def separator_checkpoint(
    config: dict, separator: nn.Module, kind: str = "separator", **meta
) -> tuple[dict, dict]:
    """(tensors, meta) of a checkpoint of a `Method`'s kind; "separator" is OmniSep's and
    MARS-Sep's.
    """
    tensors = {f"separator.{k}": v for k, v in separator.state_dict().items()}
    return tensors, {"kind": kind, "config": config, **meta}


class SupervisedRun:
    """What a run must remember to go on: weights, optimiser, step, best score; and what it is."""

    def __init__(
        self,
        config: Config,
        kind: str,
        ours: dict,
        separator: nn.Module,
        optimizer,
        fabric,
        folder: Path,
    ):
        self.config, self.kind, self.identity, self.folder, self.fabric = (
            config,
            kind,
            ours,
            folder,
            fabric,
        )
        self.separator, self.optimizer = separator, optimizer
        # The validation SI-SDRi of `best`: none before the first validation.
        self.step, self.best = 0, None

    def judge_progress(self, si_sdri: float) -> None:
        """After a validation: keep the best, which the first one is whatever it says, and save."""
        if self.best is None or si_sdri > self.best:
            self.best = -math.inf if math.isnan(si_sdri) else si_sdri
            self.save("best")
        self.save("last")

    def save(self, name: str) -> None:
        if not distributed.first():
            return
        scaler = scaler_of(self.fabric)
        tensors, meta = separator_checkpoint(
            configs.to_dict(self.config),
            self.separator,
            self.kind,
            identity=self.identity,
            step=self.step,
            validation_si_sdri=self.best,
            scaler=scaler and scaler.state_dict(),
        )
        checkpoint.save(
            self.folder / f"{name}.safetensors", tensors | optimizer_tensors(self.optimizer), meta
        )

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """The inverse of `save("last")`."""
        restore_training(saved, self.folder, self.separator, self.optimizer, self.fabric)
        self.step, self.best = saved.meta["step"], saved.meta["validation_si_sdri"]
