"""The checkpoints that are compared: four systems and what differs from one of them in what it is
rewarded for, some seeds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mars_lib import alignment, config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.experiments.comparison import (
    REWARD_HEADS,
    SIGNAL_ALONE,
    SIGNAL_SAMPLED,
    SYSTEMS,
)
from mars_lib.inference.pretrained import load_encoder, load_minibind
from mars_lib.io import assets, checkpoint
from mars_lib.training.method import OMNISEP
from mars_lib.training.query_bank import QueryBank

NAMES = tuple(dict.fromkeys((*SYSTEMS, *REWARD_HEADS, SIGNAL_ALONE, SIGNAL_SAMPLED)))
METHODS = {method.kind: method for method in (OMNISEP, CLIPSEP_NIT, AUDIOSEP)}


@dataclass(frozen=True)
class Contender:
    """One checkpoint of one system; `heads` of the encoder embed its queries (`system.ALIGNED`),
    the encoder's own where there are none.
    """

    system: str
    seed: int
    network: torch.nn.Module
    separate: Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
    heads: str | None = None


def load(folder: Path | None = None, device: str = "cpu") -> list[Contender]:
    """The checkpoints `SYSTEM-SEED.safetensors` of a folder, by default those that ship.

    Raises `InputError` where there are none, and for a system that is not known.
    """
    folder = folder or assets.folder() / "checkpoints" / "systems"
    found = []
    for path in sorted(folder.glob("*.safetensors")):
        name = re.fullmatch(r"(.+)-(\d+)", path.stem)
        if name is None or name[1] not in NAMES:
            fail(
                f"checkpoint {path}",
                "is of no system",
                f"name it {'|'.join(NAMES)}-SEED.safetensors",
            )
        saved = checkpoint.load(path, *METHODS)
        method = METHODS[saved.meta["kind"]]
        settings = config.from_dict(saved.meta["config"], f"checkpoint {path}")
        network = checkpoint.build(
            lambda: method.build(settings), saved.part("separator"), f"checkpoint {path}"
        )
        network = network.to(device).eval().requires_grad_(False)
        found.append(Contender(name[1], int(name[2]), network, method.separate))
    if not found:
        fail(
            f"checkpoints of systems in {folder}",
            "are not there",
            "give --systems FOLDER: data/checkpoints/systems of a clone, or `mars train systems`",
        )
    return sorted(found, key=lambda each: (NAMES.index(each.system), each.seed))


def alignment_alone(
    systems: Sequence[Contender], clips: int = 16, progress: bool = True
) -> list[Contender]:
    """Table 4's third row: OmniSep asked through heads that were aligned after it was trained, as
    it is and with its gate adapted to them.

    `clips` of each class teach the gate the new embeddings (`alignment.adapt_gate`).
    """
    first, music = systems[0].network, manifests.music()
    device = next(first.parameters()).device
    both = [
        each.to(device)
        for each in (load_encoder(first.config.encoder), load_minibind(heads="stage3"))
    ]
    banks = QueryBank.embed_by(
        both, music, music.classes("train"), "train", clips, device=device, progress=progress
    )
    found = []
    for each in (each for each in systems if each.system == "omnisep"):
        adapted = alignment.adapt_gate(each.network, *banks).requires_grad_(False)
        found.append(replace(each, system="alignment-alone", heads="stage3"))
        found.append(
            replace(each, system="alignment-alone-adapted", network=adapted, heads="stage3")
        )
    return found
