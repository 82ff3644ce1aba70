"""What a run must remember to go on from where it stopped, bit for bit."""

import math
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from mars_lib import config as configs
from mars_lib.config import Config, TrainingConfig
from mars_lib.encoders.base import Encoder
from mars_lib.io import checkpoint
from mars_lib.training import distributed
from mars_lib.training.budget import Budget
from mars_lib.training.distributed import Fabric
from mars_lib.training.rl_config import RLConfig
from mars_lib.training.run_folder import last_of

Network = TypeVar("Network", bound=nn.Module)
Frozen = TypeVar("Frozen", bound=Encoder | nn.Module)
Weights = dict[str, torch.Tensor]


class Run(ABC):
    """A run in its folder: network, optimiser, step, best validation; and what identifies it.

    Attributes:
        network: the network itself, whose weights are saved.
        wrapped, stepper: network and optimiser as Fabric wraps them, once the run is set up.
        best: the best validation so far; None before the first one.
        waited: validations since then.
    """

    # The kind of network that the checkpoints hold.
    kind: str
    # Copies of the weights that the device holds at least: the network, its gradients and the two
    # moments of Adam. The checkpoints hold as many: `last` all but the gradients, `best` the
    # weights.
    copies = 4

    def __init__(
        self,
        fabric: Fabric,
        config: Config,
        identity: dict,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        folder: Path,
        steps: int,
    ):
        self.fabric, self.config, self.identity, self.folder = fabric, config, identity, folder
        self.network, self.optimizer, self.steps = network, optimizer, steps
        self.step, self.waited = 0, 0
        self.best: float | None = None

    @property
    @abstractmethod
    def options(self) -> TrainingConfig | RLConfig:
        """What was asked for: batch size, validations, clipping ..."""

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """The learning rate of the step to come."""

    @abstractmethod
    def _meta(self) -> dict[str, Any]:
        """The entries of a checkpoint's header that runs of this kind alone have."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.step >= self.steps

    @property
    def due_validation(self) -> bool:
        """Whether the step that was just taken is followed by a validation."""
        return self.step % self.options.validate_every == 0 or self.step == self.steps

    def set_up(self, resume: bool) -> None:
        """Go back to `last` where the run is resumed; make ready for the steps that are left.

        Raises `InputError` for a `last` of another run, and where disk or device is too small.
        """
        if resume:
            self.restore(last_of(self.folder, self.kind, self.identity))
        if self.finished:
            return
        self.budget = Budget(
            self.network, self.fabric.device, self.folder, self.copies, self.copies, self.steps
        )
        self.wrapped, self.stepper = self.fabric.setup(self.network, self.optimizer)

    def validated(self, score: float) -> None:
        """After a validation: keep the best, which the first is whatever it says, and save."""
        better = self.best is None or score > self.best
        self.waited = 0 if better else self.waited + 1
        if better:
            self.best = -math.inf if math.isnan(score) else score
            self.save("best")
        self.save("last")

    def save(self, name: str) -> None:
        """Write `folder/name.safetensors`; of several processes the first writes."""
        if not distributed.first():
            return
        scaler = distributed.scaler_of(self.fabric)
        tensors, meta = separator_checkpoint(
            configs.to_dict(self.config),
            self.network,
            self.kind,
            identity=self.identity,
            step=self.step,
            **self._meta(),
            scaler=scaler and scaler.state_dict(),
        )
        checkpoint.save(self.folder / f"{name}.safetensors", tensors | self._beside(name), meta)

    def _beside(self, name: str) -> Weights:
        """What a checkpoint holds beside the network: `last` all that a resumed run needs."""
        return optimizer_tensors(self.optimizer) if name == "last" else {}

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """The inverse of `save("last")`: weights, optimiser, step and, in float16, the scale."""
        where = f"checkpoint {self.folder / 'last.safetensors'}"
        checkpoint.restore(self.network, saved.part("separator"), where)
        restore_optimizer(self.optimizer, saved.part("optimizer"))
        scaler = distributed.scaler_of(self.fabric)
        if saved.meta["scaler"] and scaler is not None:
            scaler.load_state_dict(saved.meta["scaler"])
        self.step = saved.meta["step"]


def on_device(network: Network, device: torch.device) -> Network:
    """Move a network to its device, in the memory format that convolutions run fastest in."""
    # The stubs of torch do not know `memory_format` beside a device.
    return network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def placed(module: Frozen, device: torch.device) -> Frozen:
    """A frozen network, moved to a device and put into evaluation mode in place."""
    module.to(device).eval()
    return module


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> Weights:
    """An optimiser's state as named tensors."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Weights) -> None:
    """The inverse of `optimizer_tensors`, for the part of a checkpoint under "optimizer"."""
    state = optimizer.state_dict()
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    for key, value in tensors.items():
        index, name = key.split(".")
        like = parameters[int(index)]
        # A fused step goes through memory in order: moments lie in it as their weights do.
        value = torch.empty_like(like).copy_(value) if value.shape == like.shape else value
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)


def separator_checkpoint(
    config: dict, separator: nn.Module, kind: str = "separator", **meta: Any
) -> tuple[Weights, dict[str, Any]]:
    """(tensors, meta) of a checkpoint of a network.

    Args:
        config: plain numbers and strings, from `mars_lib.config.to_dict`.
        separator: the network.
        kind: the kind of a `Method`; "separator" is OmniSep's and MARS-Sep's.
        **meta: further entries of the header.
    """
    tensors = {f"separator.{k}": v for k, v in separator.state_dict().items()}
    return tensors, {"kind": kind, "config": config, **meta}
