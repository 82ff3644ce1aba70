"""Work in other processes: it ends with its parent, and what goes wrong there is said."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from mars_lib.check import InputError
from mars_lib.io.processes import mapped

FORK = multiprocessing.get_start_method() == "fork"


def linger(folder, name):
    """Leave the number of this process, and stay."""
    (Path(folder) / name).write_text(str(os.getpid()))
    time.sleep(100)


class Unsent(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, one, two):
        super().__init__(one)


def refuse(_):
    raise Unsent(1, 2)


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def start(script, folder, root):
    path = folder / "script.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(root)!r})\n{script}")
    return subprocess.Popen([sys.executable, path], stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up there")
def test_workers_of_a_killed_process_end(tmp_path, root):
    parent = start(
        f"""
from functools import partial
from mars_lib.io.processes import mapped
from tests.io.test_processes import linger
if __name__ == "__main__":
    list(mapped(partial(linger, {str(tmp_path)!r}), ["one", "two"], 2))
""",
        tmp_path,
        root,
    )
    files = [tmp_path / "one", tmp_path / "two"]
    until = time.monotonic() + 60
    while not all(file.exists() and file.read_text() for file in files):
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    workers = [int(file.read_text()) for file in files]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.1)
    left = [worker for worker in workers if alive(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left


def test_a_script_without_a_guard_is_told_so(tmp_path, root):
    """Its workers would run it anew, and wait for the lock that it holds itself."""
    script = f"""
import multiprocessing, os
if multiprocessing.current_process().name == "MainProcess":
    multiprocessing.set_start_method("spawn")
os.environ["MARS_CACHE"] = {str(tmp_path)!r}
from mars_lib.data import clip_pool
from mars_lib.data.mixtures import CLIPS
from tests.data.few import pooled
clip_pool.ALONE_SECONDS = 0
pooled(workers=2).ready("train", CLIPS, 2)
"""
    _, said = start(script, tmp_path, root).communicate(timeout=200)
    assert "the script: is run again by every worker" in said and "__main__" in said
    assert said.strip().splitlines()[-1].endswith("what is made stays")
    assert "or as it says above" in said


@pytest.mark.skipif(not FORK, reason="otherwise a worker must find the exception's class")
def test_an_error_that_cannot_be_sent_is_no_lack_of_memory():
    with pytest.raises(InputError, match="a worker: gave a result, or an error, that cannot be"):
        list(mapped(refuse, [1, 2, 3], 2))


def test_work_that_cannot_be_sent_is_refused_at_once():
    with pytest.raises(InputError, match="the work: cannot be sent .*; give --workers 1"):
        list(mapped(partial(refuse, lambda: 0), [1, 2, 3], 2))
