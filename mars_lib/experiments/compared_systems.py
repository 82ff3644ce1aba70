"""The checkpoints that are compared: four systems and what differs from one of them in its reward,
each with some seeds.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from mars_lib import alignment, config
from mars_lib.baselines.audiosep import AUDIOSEP
from mars_lib.baselines.clipsep_nit import CLIPSEP_NIT
from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.encoders.base import Encoder
from mars_lib.experiments.comparison import (
    REWARD_HEADS,
    SIGNAL_ALONE,
    SIGNAL_SAMPLED,
    SYSTEMS,
)
from mars_lib.inference.pretrained import load_encoder, load_minibind
from mars_lib.io import assets, checkpoint
from mars_lib.separator import Separator
from mars_lib.training.method import OMNISEP, Method
from mars_lib.training.query_bank import QueryBank

NAMES = tuple(dict.fromkeys((*SYSTEMS, *REWARD_HEADS, SIGNAL_ALONE, SIGNAL_SAMPLED)))
METHODS: dict[str, Method] = {method.kind: method for method in (OMNISEP, CLIPSEP_NIT, AUDIOSEP)}


@dataclass(frozen=True)
class TrainedSystem:
    """One checkpoint of one system.

    Attributes:
        system: name of the system, one of `NAMES` or what `alignment_alone` makes.
        seed: seed of its training.
        network: the trained network, frozen.
        separate: (network, (B, L) mixture, (B, N, D) query) -> (B, N, L) estimates.
        encoder: name of the encoder of its queries (`mars_lib.inference.pretrained.ENCODERS`).
        heads: aligned heads of the encoder (`pretrained.ALIGNED`); None for the encoder's own.
        steps: of its training.
    """

    system: str
    seed: int
    network: nn.Module
    separate: Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
    encoder: str = "minibind"
    heads: str | None = None
    steps: int = 0

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def load_encoder(self) -> Encoder:
        """The encoder of its queries, with its heads, on the device of the network."""
        loaded = (
            load_encoder(self.encoder) if self.heads is None else load_minibind(None, self.heads)
        )
        return loaded.to(self.device)


def load(folder: Path | None = None, device: str = "cpu") -> list[TrainedSystem]:
    """The checkpoints `SYSTEM-SEED.safetensors` of a folder, by default the pretrained ones.

    Raises `InputError` where there are none, and for a system that is not known.
    """
    folder = folder or assets.folder() / "checkpoints" / "systems"
    found = [_load_one(path, device) for path in sorted(folder.glob("*.safetensors"))]
    if not found:
        fail(
            f"checkpoints of systems in {folder}",
            "are not there",
            "give --systems FOLDER: data/checkpoints/systems of a clone, or `mars train systems`",
        )
    if len(encoders := {each.encoder for each in found}) > 1:
        problem = f"are of several encoders: {', '.join(sorted(encoders))}"
        fail(f"checkpoints of systems in {folder}", problem, "compare those of one")
    return sorted(found, key=lambda each: (NAMES.index(each.system), each.seed))


def _load_one(path: Path, device: str) -> TrainedSystem:
    title = f"checkpoint {path}"
    name = re.fullmatch(r"(.+)-(\d+)", path.stem)
    if name is None or name[1] not in NAMES:
        fail(title, "is of no system", f"name it {'|'.join(NAMES)}-SEED.safetensors")
    saved = checkpoint.load(path, *METHODS)
    method = METHODS[saved.meta["kind"]]
    settings = config.from_dict(saved.meta["config"], title)
    network = checkpoint.build(partial(method.build, settings), saved.part("separator"), title)
    network = network.to(device).eval().requires_grad_(False)
    return TrainedSystem(
        name[1],
        int(name[2]),
        network,
        method.separate,
        settings.encoder,
        steps=settings.training.steps,
    )


def first_separator(systems: Sequence[TrainedSystem]) -> Separator:
    """The first network that is a `Separator`; compared systems share its spectrogram.

    Raises `InputError` where none is one (AudioSep alone).
    """
    for each in systems:
        if isinstance(each.network, Separator):
            return each.network
    fail("systems", "hold no separator by masks", "compare omnisep or pathwise as well")


def alignment_alone(
    systems: Sequence[TrainedSystem], clips: int = 16, progress: bool = True
) -> list[TrainedSystem]:
    """Table 4's third row: OmniSep queried through heads that were aligned after its training.

    Each of its checkpoints is returned twice: as it is, and with its gate adapted to the heads;
    `clips` of each class teach the gate the new embeddings (`alignment.adapt_gate`).
    """
    music, device = manifests.music(), systems[0].device
    both = [systems[0].load_encoder(), load_minibind(heads="stage3").to(device)]
    before, after = QueryBank.embed_by(
        both, music, music.classes("train"), "train", clips, device=device, progress=progress
    )
    found = []
    for each in systems:
        if each.system != "omnisep" or not isinstance(each.network, Separator):
            continue
        adapted = alignment.adapt_gate(each.network, before, after).requires_grad_(False)
        found.append(replace(each, system="alignment-alone", heads="stage3"))
        found.append(
            replace(each, system="alignment-alone-adapted", network=adapted, heads="stage3")
        )
    return found
