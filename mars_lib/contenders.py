"""The checkpoints that are compared: four systems, some seeds."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from mars_lib import config, shipped
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.check import fail
from mars_lib.training import checkpoint
from mars_lib.training.comparison import SYSTEMS
from mars_lib.training.method import OMNISEP

METHODS = {method.kind: method for method in (OMNISEP, CLIPSEP_NIT, AUDIOSEP)}


@dataclass(frozen=True)
class Contender:
    """One checkpoint of one system."""

    system: str
    seed: int
    network: torch.nn.Module
    separate: Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


def load(folder: Path | None = None, device: str = "cpu") -> list[Contender]:
    """The checkpoints `SYSTEM-SEED.safetensors` of a folder, by default those that ship.

    Raises `InputError` where there are none, for a system that is not known, and where one lacks a seed that another has.
    """
    folder = folder or shipped.folder() / "checkpoints" / "systems"
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        name = re.fullmatch(r"(.+)-(\d+)", path.stem)
        if name is None or name[1] not in SYSTEMS:
            fail(f"checkpoint {path}", "is of no system", f"name it {'|'.join(SYSTEMS)}-SEED.safetensors")
        saved = checkpoint.load(path, *METHODS)
        method = METHODS[saved.meta["kind"]]
        network = method.build(config.from_dict(saved.meta["config"])).to(device)
        checkpoint.restore(network, saved.part("separator"), f"checkpoint {path}")
        found.append(Contender(name[1], int(name[2]), network.eval().requires_grad_(False), method.separate))
    if not found:
        fail(f"checkpoints of systems in {folder}", "are not there", "make them: `mars train systems`, or give --systems FOLDER")
    return sorted(found, key=lambda each: (SYSTEMS.index(each.system), each.seed))
