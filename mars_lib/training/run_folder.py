"""The folder of a run: one run at a time, with its identity, never overwritten unasked."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from mars_lib.check import fail
from mars_lib.config import VERSION
from mars_lib.encoders.base import Encoder
from mars_lib.io import checkpoint
from mars_lib.io.published_weights import fingerprint
from mars_lib.training import distributed

LOCK = ".lock"  # in a folder that is held


def identity(**parts: object) -> dict:
    """What makes a run this run and no other: `parts` as plain JSON, and the code's version."""
    return json.loads(json.dumps({"version": VERSION, **parts}))


def differences(ours: dict, theirs: dict, prefix: str = "") -> list[str]:
    """The names of what two identities differ in, by their dotted path.

    >>> differences({"data": 1, "options": {"seed": 0}}, {"data": 1, "options": {"seed": 1}})
    ['options.seed']
    """
    names = []
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name), theirs.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            names += differences(one, other, f"{prefix}{name}.")
        elif one != other:
            names.append(prefix + name)
    return names


def check_identity(what: str, ours: dict, meta: dict, option: str = "--out") -> None:
    """Raise `InputError` where `meta`, of a file that `what` names, is of a run other than ours;
    `option` is the command's for another place.
    """
    theirs = meta.get("identity") or {}
    wrong = differences(ours, theirs)
    if "version" in wrong:
        version = theirs.get("version", "unknown")
        problem = f"is of another run: it differs in version, {version} and not {ours['version']}"
        fail(what, problem, f"give another {option}, or go on with that version of mars_lib")
    if wrong:
        fail(
            what,
            f"is of another run: it differs in {', '.join(wrong[:5])}",
            f"give the same ones, or another {option}",
        )


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """12 digits that tell weights apart."""
    found = hashlib.sha256()
    for name in sorted(tensors):
        found.update(f"{name} {tuple(tensors[name].shape)} ".encode())
        found.update(tensors[name].detach().cpu().contiguous().float().numpy().tobytes())
    return found.hexdigest()[:12]


def digest_of_encoder(encoder: Encoder) -> str:
    """12 digits that tell encoders apart.

    Of the heads alone where there are some: trunks take seconds, and alignment leaves them as they
    are.
    """
    module = getattr(encoder, "heads", encoder)
    assert isinstance(module, torch.nn.Module)
    return fingerprint(module)[:12]


@contextmanager
def claimed(
    folder: Path,
    *,
    resume: bool,
    overwrite: bool = False,
    holds: tuple[str, ...] = ("last", "best"),
    option: str = "--out",
) -> Iterator[None]:
    """Hold `folder` for one run; of its processes the first holds it for all.

    Args:
        folder: of the run.
        resume, overwrite: what may happen to a run that is there.
        holds: names of the checkpoints that the run writes.
        option: the command's for another folder.

    Raises:
        InputError: where another process holds the folder, and where one of the checkpoints is
            neither to be resumed nor to be overwritten.
    """
    if not distributed.first():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        fail(
            f"run {folder}",
            "is held by another process",
            f"wait for it, or give another {option}",
        )
    except OSError as error:
        fail(f"folder {folder}", f"cannot be written ({error.strerror})", f"give another {option}")
    try:
        if not (resume or overwrite):
            no_run(folder, *holds)
        yield
    finally:
        lock.release()


def last_of(folder: Path, kind: str, ours: dict) -> checkpoint.Checkpoint:
    """The checkpoint that a run in `folder` goes on from.

    Raises `InputError` where it is not there, damaged, or of another run than `ours`.
    """
    path = folder / "last.safetensors"
    saved = checkpoint.load(path, kind)
    check_identity(f"checkpoint {path}", ours, saved.meta)
    return saved


def no_run(folder: Path, *names: str) -> None:
    """Raise `InputError` where one of these checkpoints is in `folder` already."""
    there = [name for name in names if (folder / f"{name}.safetensors").exists()]
    if there:
        fail(
            f"run {folder}",
            f"is there already ({there[0]}.safetensors)",
            "go on with --resume, give another --out, or remove it",
        )
