"""Batches ahead of the steps that use them: by a thread, or by worker processes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from mars_lib.check import InputError, fail
from mars_lib.data.mixtures import Ingredients, MixtureBatch, MixtureStream
from mars_lib.io.processes import check_workers, cores

Made = TypeVar("Made")
# More than these a card does not wait for, with clips from a pool.
ENOUGH = 8
# Batches that a worker has ready.
PREFETCH = 2


class _Steps(Dataset):
    """The ingredients of every step, for torch's loader: `[step]` is a function of the step."""

    def __init__(self, stream: MixtureStream, share: tuple[int, int]):
        self.stream, self.share = stream, share

    def __getitem__(self, step: int) -> Ingredients:
        return self.stream.ingredients(step, self.share)


def workers_for(device: torch.device, wanted: int | None) -> int:
    """Worker processes that read for a device; `wanted` None chooses.

    On a CPU the cores are the network's, and a thread is enough. Raises `InputError` for more than
    there are cores.
    """
    if wanted is not None:
        check_workers(wanted)
        return wanted
    return min(ENOUGH, cores() - 1) if device.type == "cuda" else 0


def mixtures(
    stream: MixtureStream,
    first: int,
    last: int,
    device: torch.device,
    share: tuple[int, int] = (0, 1),
    workers: int = 0,
) -> Iterator[tuple[int, MixtureBatch]]:
    """(step, mixtures on `device`) for the steps from `first` to `last` - 1.

    The same whatever `workers` is: 0 reads in a thread, one step ahead.

    Args:
        stream: of the mixtures.
        first, last: the steps.
        device: where clips are augmented and mixed.
        share: (which, of how many) parts of every step; no more is read.
        workers: processes that read.

    Raises:
        InputError: when a worker dies.
    """
    pinned = device.type == "cuda"
    for step, read in reading(stream, first, last, share, workers, pinned):
        yield step, read.mixed(device)


def reading(
    stream: MixtureStream,
    first: int,
    last: int,
    share: tuple[int, int] = (0, 1),
    workers: int = 0,
    pinned: bool = False,
) -> Iterator[tuple[int, Ingredients]]:
    """What `mixtures` makes its mixtures of; `pinned`: in memory that a card reads by itself."""
    if not workers:
        yield from ahead(lambda step: stream.ingredients(step, share), first, last)
        return
    loader: DataLoader = DataLoader(
        _Steps(stream, share),
        batch_size=None,
        sampler=range(first, last),
        num_workers=workers,
        pin_memory=pinned,
        prefetch_factor=PREFETCH,
        # Nothing random is left to it; the process's own numbers stay as they are.
        generator=torch.Generator(),
    )
    batches = iter(loader)
    for step in range(first, last):
        try:
            read = next(batches)
        except InputError as error:  # whose own words come last, below a worker's traceback
            raise InputError(str(error).strip().rpartition("InputError: ")[2]) from None
        except RuntimeError as error:
            check_readers(error)
            raise
        yield step, read


def check_readers(error: RuntimeError) -> None:
    """Raise `InputError` where an error says that a worker has died.

    torch raises it on a signal, between any two lines that the main thread runs.
    """
    if "DataLoader worker" in str(error):
        fail(
            "a worker that reads clips",
            "died, for lack of memory perhaps",
            "go on with --resume and fewer --workers",
        )


def ahead(make: Callable[[int], Made], first: int, last: int) -> Iterator[tuple[int, Made]]:
    """(step, make(step)) for the steps from `first` to `last` - 1.

    A thread makes the next one while the present one is used.
    """
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make, first)
        for step in range(first, last):
            batch = waiting.result()
            if step + 1 < last:
                waiting = pool.submit(make, step + 1)
            yield step, batch
