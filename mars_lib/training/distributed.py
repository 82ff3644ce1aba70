"""Several processes that train one separator, each on its part of every batch (`torchrun`); one
process is the usual case.

A batch is cut into equal parts in the order of the ranks. What a statistic is made of is gathered
first, so that the result does not depend on how many processes there are. A step in several passes
is the same in any number of processes too, but not the step in one: batch normalisation, and with
G = 1 the group, are of a pass.
"""

import atexit
import functools
import os
import signal
from collections.abc import Callable
from typing import Literal, NoReturn, ParamSpec, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce

from mars_lib.check import fail
from mars_lib.data.loader import check_readers
from mars_lib.io.devices import choose_device, used

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
# The half precisions, in which weights stay float32.
MIXED: tuple[Literal["bf16-mixed", "16-mixed"], ...] = ("bf16-mixed", "16-mixed")


def make_fabric(accelerator: str, precision: str) -> Fabric:
    """Device and precision of a run: one process, or all those that `torchrun` started, on all its
    nodes.

    `accelerator` is cpu, cuda, cuda:N, mps or auto, as in `mars_lib.io.devices.choose_device`. An
    emulated bfloat16 gives way to float32 (see `mars_lib.io.devices`). Raises `InputError` for a
    device that is not there, and for one card of several processes.
    """
    accelerator, _, number = choose_device(accelerator).partition(":")
    precision = used(precision, accelerator)
    how: dict = {"precision": precision}
    for mixed in MIXED:
        if precision == mixed:
            how = {"plugins": [Autocast(mixed, accelerator)]}
    local, world = (int(os.environ.get(name, 1)) for name in ("LOCAL_WORLD_SIZE", "WORLD_SIZE"))
    if world == 1:
        return Fabric(accelerator=accelerator, devices=[int(number)] if number else 1, **how)
    if number:
        fail(
            "device",
            f"is cuda:{number}, of {world} processes",
            "give cuda: torchrun's processes take a card each",
        )
    fabric = Fabric(
        accelerator=accelerator, devices=local, num_nodes=world // local, strategy="ddp", **how
    )
    fabric.launch()
    atexit.register(leave)
    return fabric


def scaler_of(fabric: Fabric) -> torch.amp.GradScaler | None:
    """The gradient scaler of a run in float16 ("16-mixed"); None in every other precision."""
    return getattr(fabric.strategy.precision, "scaler", None)


def fuses(fabric: Fabric) -> bool:
    """Whether an optimiser may do its step in one kernel; with a gradient scaler, not."""
    return scaler_of(fabric) is None and fabric.device.type in ("cpu", "cuda")


class Autocast(MixedPrecision):
    """Half precision that leaves a network's inputs as they are: each operation rounds what it
    must.

    Fabric's own rounds all that goes into a wrapped network, spectrograms and waveforms alike. The
    old policy is not wrapped: it would see other numbers than the new one, and equal weights would
    not have the ratio 1.
    """

    def convert_input(self, data: object) -> object:
        """The input of a wrapped network, as it is."""
        return data


def leave() -> None:
    """Close this process's connections, if it has any. Left to the interpreter's end, they may
    abort a process that has done its work.
    """
    if distributed.is_initialized():
        distributed.destroy_process_group()


def share() -> tuple[int, int]:
    """(rank of this process, number of processes)."""
    if not distributed.is_initialized():
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


def own_card(device: str) -> str:
    """The card of this process, "cuda:N", where `torchrun` started it on "cuda"; else the device
    itself.
    """
    rank = os.environ.get("LOCAL_RANK")
    return f"cuda:{rank}" if device == "cuda" and rank is not None else device


def first() -> bool:
    """Whether this is the process that writes files and draws the progress bar."""
    return share()[0] == 0


def alone(command: str) -> None:
    """Raise `InputError` where `torchrun` started several processes of a command that is made for
    one.
    """
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world > 1:
        fail(
            command,
            f"was started {world} times by torchrun",
            "start it alone: one process is all that it uses",
        )


def check_batch(name: str, size: int, passes: int = 1) -> None:
    """Raise `InputError` when a batch cannot be cut into equal parts for all processes and their
    passes.
    """
    count = share()[1]
    if size % (count * passes):
        cut = f"{count} processes with {passes} passes each" if passes > 1 else f"{count} processes"
        fail(name, f"is {size}, for {cut}", f"give a multiple of {count * passes}")


def part(whole: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """This process's share, along `dim`, of something that all processes hold: the inverse of
    `gather`.
    """
    rank, count = share()
    return whole.chunk(count, dim)[rank]


def gather(own: torch.Tensor, dim: int = 0) -> torch.Tensor:
    """The parts of all processes in the order of their ranks, joined along `dim`; no gradient."""
    _, count = share()
    if count == 1:
        return own
    # NCCL moves what is on a card, and nothing else.
    on_card = own.is_cuda or distributed.get_backend() != "nccl"
    held = own.detach().to(own.device if on_card else "cuda").contiguous()
    parts = [torch.empty_like(held) for _ in range(count)]
    distributed.all_gather(parts, held)
    return torch.cat(parts, dim).to(own.device)


def mean(row: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Means over the processes of numbers that each found on its own equal part, on one device."""
    if share()[1] == 1:
        return row
    values = gather(torch.stack([value.float() for value in row.values()])[None])
    return dict(zip(row, values.mean(dim=0)))


def agreed(own: bool) -> bool:
    """Whether any process says so: what ends a run must end it at the same step in all of them."""
    if share()[1] == 1:
        return own
    return bool(gather(torch.tensor([float(own)])).any())


class SharedBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the batch of all processes, on any device (torch's own SyncBatchNorm needs a
    card).
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or share()[1] == 1:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            wide, axes, count = x.float(), (0, 2, 3), x.numel() / x.shape[1] * share()[1]
            mean = all_reduce(wide.sum(axes)) / count
            # The second pass around the mean is exact where the difference of two large sums would
            # not be.
            centred = wide - mean[:, None, None]
            variance = all_reduce(centred.square().sum(axes)) / count
            self._track(mean, variance * count / (count - 1))
            scale = self.weight * (variance + self.eps).rsqrt()
            return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Move the running statistics, as `BatchNorm2d` does with its default arguments."""
        assert self.num_batches_tracked is not None and self.momentum is not None
        assert self.running_mean is not None and self.running_var is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def share_batch_norm(module: nn.Module) -> None:
    """Let every BatchNorm2d of a module see the batch of all processes; nothing changes for one
    process. AudioSep's BatchNorm1d sees its own process's rows.
    """
    for layer in module.modules():
        if type(layer) is nn.BatchNorm2d and share()[1] > 1:
            layer.__class__ = SharedBatchNorm


def explained(train: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """A training function whose run says what to do when the other processes are gone or the card
    is full.

    Both come as RuntimeError from below, as does the death of a worker that reads clips, wherever
    the step is; all leave the last checkpoint as it was. `torchrun` ends the processes that are
    left with SIGTERM, which is explained too, but inside the loop of steps, which ends with its
    step.
    """

    @functools.wraps(train)
    def run(*args: Parameters.args, **options: Parameters.kwargs) -> Result:
        if "WORLD_SIZE" in os.environ:
            signal.signal(signal.SIGTERM, _told_to_stop)
        try:
            return train(*args, **options)
        except torch.OutOfMemoryError:
            fail(
                "memory of the device",
                "is full",
                "halve --batch-size, or double --accumulate, which makes a step in smaller passes; "
                "what was saved is safe: go on with --resume",
            )
        except RuntimeError as error:
            check_readers(error)
            if share()[1] == 1 or not _lost(error):
                raise
            _told_to_stop()

    return run


def _told_to_stop(*_: object) -> NoReturn:
    rank, count = share()
    remedy = "see its own message; start all again with --resume"
    fail(f"process {rank} of {count}", "cannot go on: another process has ended", remedy)


def _lost(error: RuntimeError) -> bool:
    words = ("connection closed", "connection reset", "broken pipe", "nccl", "gloo", "timed out")
    return any(word in str(error).lower() for word in words)
