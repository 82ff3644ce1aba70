"""What an interrupted `mars benchmark` keeps, for the next one to go on with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mars_lib.check import fail
from mars_lib.io import atomic
from mars_lib.training.run_folder import LOCK, check_identity, claimed

IDENTITY = "benchmark.json"


@contextmanager
def keeping(folder: Path, ours: dict, resume: bool = False) -> Iterator["KeptScores"]:
    """A benchmark's scores in a folder that it alone holds: kept if it is interrupted, removed if
    it ends.

    Raises `InputError` as `KeptScores`, and where another process holds the folder.
    """
    with claimed(folder, resume=resume, holds=(), option="--work"):
        kept = KeptScores(folder, ours, resume)
        yield kept
        kept.remove()


class KeptScores:
    """A folder of JSON lines, a file a table, which grow batch by batch.

    Args:
        folder: where they are.
        ours: the identity of this benchmark (`run_folder.identity`).
        resume: whether to go on with what is there.

    Raises:
        InputError: where the folder holds a benchmark that is not to be gone on with, or another.
    """

    def __init__(self, folder: Path, ours: dict, resume: bool = False) -> None:
        self.folder, self._files = folder, [folder / IDENTITY]
        path = self._files[0]
        if path.is_file():
            what = f"folder {folder}"
            if not resume:
                fail(what, "holds an interrupted benchmark", "give --resume, or remove it")
            theirs = {"identity": json.loads(path.read_text(encoding="utf-8"))}
            check_identity(what, ours, theirs, "--work")
        atomic.write_json(path, ours)

    def lines(self, name: str) -> list[dict]:
        """What was kept of a table, in its order; a line that was cut off is removed."""
        path = self._path(name)
        if not path.is_file():
            return []
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            atomic.write_text(path, whole)
        return [json.loads(line) for line in whole.splitlines()]

    def append(self, name: str, line: dict) -> None:
        """Keep one more line of a table."""
        with self._path(name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def remove(self) -> None:
        """Remove what was kept: the benchmark has ended."""
        for path in (*self._files, self.folder / LOCK):
            path.unlink(missing_ok=True)
        if not any(self.folder.iterdir()):
            self.folder.rmdir()

    def _path(self, name: str) -> Path:
        path = self.folder / f"{name}.jsonl"
        if path not in self._files:
            self._files.append(path)
        return path
