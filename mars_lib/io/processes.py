"""Work that is spread over processes, and how many a machine has room for."""

import multiprocessing
import os
import pickle
import signal
import threading
import time
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
    Where it is killed, they end within a second.

    Raises:
        InputError: where `make` cannot be sent to them, or one of them dies.
    """
    if workers <= 1:
        yield from map(make, items)
        return
    check_main()
    _check_sendable(make)
    # Started as torch's loader starts its own: a forked one needs no guard in the user's script.
    context = multiprocessing.get_context()
    pool = ProcessPoolExecutor(workers, context, _begin)
    try:
        yield from pool.map(make, items)
    except BrokenProcessPool as error:
        # A forked one has no script to run, and says nothing where it is killed.
        silent = context.get_start_method() == "fork"
        problem = "died, for lack of memory perhaps" + ("" if silent else ", or as it says above")
        if error.__cause__ is not None:  # its result came, and could not be read
            problem = "gave a result, or an error, that cannot be sent between processes"
        fail("a worker", problem, "run again with fewer --workers; what is made stays")
    finally:
        pool.shutdown(cancel_futures=True)


def check_main() -> None:
    """Raise `InputError` in a worker that is still reading its parent's script.

    Without a guard the script would do there what it does in the parent, and start workers too.
    """
    # As `multiprocessing` itself knows it; there is no public name.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        problem = "is run again by every worker that it starts"
        fail("the script", problem, "put what it does under `if __name__ == '__main__':`")


def _check_sendable(make: Callable) -> None:
    try:
        pickle.dumps(make)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        fail("the work", f"cannot be sent to other processes ({error})", "give --workers 1")


def _begin() -> None:
    """What a worker does first. With more threads a copy of a process that had some may hang."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, whose locks it holds too."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
