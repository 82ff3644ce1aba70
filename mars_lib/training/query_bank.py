"""Queries for training: embeddings of each class in each modality, computed once."""

from collections.abc import Callable, Hashable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.data.pictures import augment_pictures, load_rgba
from mars_lib.data.pooled_music import make_ready
from mars_lib.data.synthesis.classes import SoundClass
from mars_lib.data.variation import Chains, vary
from mars_lib.encoders.base import Encoder
from mars_lib.query import random_weights
from mars_lib.training import distributed

MODALITIES = ("audio", "image", "text")
# The same clips for every seed, which draws how they are augmented: they are made once.
QUERY_CLIPS = random_streams.Stream("query clips")


class QueryBank:
    """For every class a pool of embeddings a modality: other clips of the class, drawings, prompts.

    All of them lie in one table, on one device, from which a batch is gathered at once. Audio
    queries are never the target's own recording: they are clips of a stream of their own
    (OmniSep trains on the target's own embedding; see `TrainingConfig.query_own_recording`).

    Args:
        pools: of each modality, for every class (P, D) embeddings; P differs.
        recordings: what each embedding of a sound was cut from, class by class; without it each is
            of another recording.
        names: of the classes.
        device: of the embeddings that are drawn.
    """

    def __init__(
        self,
        pools: dict[str, list[torch.Tensor]],
        recordings: Sequence[Sequence[Hashable]] | None = None,
        names: Sequence[str] = (),
        device: torch.device | str = "cpu",
    ):
        self.pools, self.names = pools, tuple(names)
        self.recordings = recordings or [range(len(pool)) for pool in pools["audio"]]
        in_turn = [pool for column in zip(*(pools[name] for name in MODALITIES)) for pool in column]
        self.table = torch.cat(in_turn).to(device)
        # (classes, 3): how many rows each pool has in the table, and the first of them.
        self.counts = torch.tensor([len(pool) for pool in in_turn]).reshape(-1, len(MODALITIES))
        ends = self.counts.flatten().cumsum(0).reshape(self.counts.shape)
        self.starts = ends - self.counts

    @classmethod
    def embed(
        cls,
        encoder: Encoder,
        music: Music,
        classes: Sequence[SoundClass],
        split: str,
        count: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        progress: bool = True,
        stream: random_streams.Stream = QUERY_CLIPS,
        augment: float = 0.0,
    ) -> "QueryBank":
        """Embed `count` clips, `count` augmented drawings and every prompt of each class.

        Args:
            encoder: on `device`.
            music, classes, split: where the examples come from.
            count: of clips and of drawings.
            seed: of what is augmented, and how.
            device: where the examples are augmented and embedded.
            progress: show a progress bar.
            stream: whose clips.
            augment: share of the clips that is augmented.
        """
        return cls.embed_by(
            [encoder], music, classes, split, count, seed, device, progress, stream, augment
        )[0]

    @classmethod
    @torch.no_grad()
    def embed_by(
        cls,
        encoders: Sequence[Encoder],
        music: Music,
        classes: Sequence[SoundClass],
        split: str,
        count: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        progress: bool = True,
        stream: random_streams.Stream = QUERY_CLIPS,
        augment: float = 0.0,
    ) -> list["QueryBank"]:
        """`embed` by several encoders, of the same examples, which are made once."""
        recordings = []
        make_ready(music, split, stream, count)
        pools: list[dict[str, list[torch.Tensor]]] = [
            {name: [] for name in MODALITIES} for _ in encoders
        ]
        for sound in tqdm(classes, "embedding queries", unit="class", disable=not progress):
            clips = [music.clip(split, sound, i, stream) for i in range(count)]
            recordings.append([music.recording(split, sound, i, stream) for i in range(count)])
            rng = random_streams.rng("query clips", seed, split, sound.name)
            waveforms = torch.from_numpy(np.stack(clips)).to(device)
            waveforms = vary(waveforms, Chains.draw(rng, count, augment))
            paths, index = music.pictures(sound, split), (seed, split, sound.name)
            pictures = _pictures(paths, count, index, device)
            for encoder, pool in zip(encoders, pools):
                pool["audio"].append(encoder.embed_audio(waveforms).cpu())
                pool["text"].append(encoder.embed_text(sound.prompts()).cpu())
                # A class without pictures, in a folder of one's own: its words stand in for them.
                pool["image"].append(
                    pool["text"][-1] if pictures is None else encoder.embed_image(pictures).cpu()
                )
        names = [sound.name for sound in classes]
        return [cls(pool, recordings, names, device) for pool in pools]

    def draw(self, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """One row of the table a modality for every label: (B, N) -> (B, N, 3), as MODALITIES.

        Banks of the same examples have them in the same rows.
        """
        counts = self.counts[labels]
        picks = torch.rand(counts.shape, generator=generator, dtype=torch.float64) * counts
        return self.starts[labels] + picks.long()

    def embeddings(self, rows: torch.Tensor) -> torch.Tensor:
        """The embeddings of rows of the table: (...) -> (..., D), on the bank's device."""
        return self.table[rows.to(self.table.device, non_blocking=True)]


def _pictures(
    paths: Sequence[Path], count: int, index: tuple[int, str, str], device: torch.device | str
) -> torch.Tensor | None:
    """`count` augmented drawings of a class, (count, 3, H, W); None where it has none."""
    if not paths:
        return None
    generator = random_streams.generator("query pictures", *index, device=device)
    files = torch.stack([load_rgba(path) for path in paths]).to(device)
    picks = torch.randint(len(files), (count,), generator=generator, device=device)
    return augment_pictures(files[picks], generator)


def elsewhere(recordings: Sequence[Hashable], pick: int) -> list[int]:
    """Places of the clips of other recordings than that of clip `pick`.

    Where there is one recording: of all other clips.

    >>> elsewhere(["a", "b", "a"], 0), elsewhere(["a", "a"], 0)
    ([1], [1])
    """
    others = [i for i, each in enumerate(recordings) if each != recordings[pick]]
    return others or [i for i in range(len(recordings)) if i != pick]


def mixed_or_single(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Weights of Eq. 1 for (B, N) queries, (B, N, 3): half of the queries are single modalities.

    So the queries that people use occur as they are. The paper does not say; OmniSep mixes all
    three always.
    """
    weights = random_weights((*shape, len(MODALITIES)), generator)
    single = torch.randint(len(MODALITIES), shape, generator=generator)
    alone = torch.rand(shape, generator=generator) < 0.5
    one_hot = nn.functional.one_hot(single, len(MODALITIES)).float()
    return torch.where(alone[..., None], one_hot, weights)


def draw_queries(
    bank: QueryBank,
    labels: torch.Tensor,
    seed: int,
    step: int,
    weights: Callable[[torch.Size, torch.Generator], torch.Tensor] = mixed_or_single,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One example a modality for every source, and the weights that mix them (Eq. 1), on the CPU.

    Several processes draw for the whole batch, each keeps its part.

    Args:
        bank: the examples.
        labels: (B, N), of this process.
        seed, step: what the drawing depends on.
        weights: of a shape and a generator, the weights.

    Returns:
        (B, N, 3) rows of the bank's table, and (B, N, 3) weights.
    """
    labels = distributed.gather(labels)
    generator = random_streams.generator("queries", seed, step)
    rows = bank.draw(labels, generator)
    return distributed.part(rows), distributed.part(weights(labels.shape, generator))
