"""Work that is spread over processes, and how many a machine has room for."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from mars_lib.check import fail

Item = TypeVar("Item")
Made = TypeVar("Made")


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_workers(count: int) -> None:
    """Raise `InputError` for fewer than 0 worker processes, and for more than there are cores."""
    if not 0 <= count <= cores():
        problem = f"is {count}, and there are {cores()} cores"
        fail("workers", problem, f"give a number from 0 to {cores()}")


def mapped(make: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[Made]:
    """`make` of every item in order, in this process (0 or 1) or in as many others.

    On Ctrl-C this process stops handing out items, and the others finish those that they have.
    Raises `InputError` where one of them dies.
    """
    if workers <= 1:
        yield from map(make, items)
        return
    # Started as torch's loader starts its own: a forked one needs no guard in the user's script.
    context = multiprocessing.get_context()
    pool = ProcessPoolExecutor(workers, context, _begin)
    try:
        yield from pool.map(make, items)
    except BrokenProcessPool:
        remedy = "run again with fewer --workers; what is made stays"
        fail("a worker", "died, for lack of memory perhaps", remedy)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    """What a worker does first. With more threads a copy of a process that had some may hang."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
