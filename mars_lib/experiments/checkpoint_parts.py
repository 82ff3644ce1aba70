"""Parts of the pretrained checkpoints: which are made, from which others, and what is kept."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from mars_lib.check import fail, one_of
from mars_lib.config import Config
from mars_lib.data.music import Music
from mars_lib.encoders.minibind import MiniBind
from mars_lib.experiments.exported_separators import halves
from mars_lib.inference.pretrained import load_minibind
from mars_lib.io import assets, checkpoint
from mars_lib.io.checkpoint import Checkpoint
from mars_lib.training.run_folder import check_identity


@dataclass(frozen=True)
class Making:
    """What all parts are made with.

    Attributes:
        work: folder of the runs.
        config: of the small separator.
        music: the sounds.
        device: where all is trained.
    """

    work: Path
    config: Config
    music: Music
    device: str

    def minibind(self) -> MiniBind:
        """The package's MiniBind, for which all other parts are made."""
        return load_minibind().to(self.device)


class Part(NamedTuple):
    """One part: what it is, how it is made, and the parts that it is made from."""

    what: str
    make: Callable[[Making], None]
    needs: tuple[str, ...] = ()


def chosen(parts: Mapping[str, Part], only: Collection[str]) -> list[str]:
    """The parts to make, in their order: those of `only`, or all where it is empty.

    Raises `InputError` for an unknown part, and for one that needs another that is neither among
    them nor in the package.
    """
    for name in only:
        one_of("part", name, parts)
    names = [name for name in parts if name in only or not only]
    for name in names:
        for other in parts[name].needs:
            if other not in names and not assets.checkpoint(other).is_file():
                problem = f"needs {other}, which is not there"
                fail(f"part {name}", problem, f"run `mars checkpoints --only {other}` first")
    return names


def outdated(
    parts: Mapping[str, Part], made: Collection[str], changed: Collection[str]
) -> list[str]:
    """The parts beside those just `made` that need, directly or not, one that has `changed`."""
    found: list[str] = []
    for name in parts:  # each comes after what it needs
        if name not in made and {*parts[name].needs} & {*changed, *found}:
            found.append(name)
    return found


def kept(
    path: Path, ours: dict, make: Callable[[], tuple[dict[str, torch.Tensor], dict]]
) -> Checkpoint:
    """What an earlier run left at `path`, or what `make` makes now: tensors and their header.

    Raises `InputError` for a file of another identity than `ours`.
    """
    if not path.is_file():
        tensors, meta = make()
        checkpoint.save(path, tensors, meta | {"identity": ours})
    saved = checkpoint.load(path, "trunk", "words", "minibind", "minibind2", "mlbp", "judge")
    check_identity(f"checkpoint {path}", ours, saved.meta)
    return saved


def ship(name: str, saved: Checkpoint) -> None:
    """Write a part into the package, in half precision."""
    meta = {key: value for key, value in saved.meta.items() if key != "identity"}
    checkpoint.save(assets.checkpoint(name), halves(saved.tensors), meta)
