"""Queries for training: embeddings of each class in each modality, computed once."""

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import nn
from tqdm.std import tqdm

from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.data.pictures import augment_pictures, load_rgba
from mars_lib.data.synthesis.classes import SoundClass
from mars_lib.encoders.base import Encoder
from mars_lib.query import random_weights
from mars_lib.training import distributed

MODALITIES = ("audio", "image", "text")


class QueryBank:
    """For every class a pool of embeddings a modality: other clips of the class, drawings, prompts.

    Audio queries are never the target's own recording: they are clips of a stream of their own
    (OmniSep trains on the target's own embedding; see `TrainingConfig.query_own_recording`).

    Args:
        pools: of each modality, for every class (P, D) embeddings; P differs.
        recordings: what each embedding of a sound was cut from, class by class; without it each is
            of another recording.
        names: of the classes.
    """

    def __init__(
        self,
        pools: dict[str, list[torch.Tensor]],
        recordings: Sequence[Sequence[Hashable]] | None = None,
        names: Sequence[str] = (),
    ):
        self.pools, self.names = pools, tuple(names)
        self.recordings = recordings or [range(len(pool)) for pool in pools["audio"]]

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
        purpose: str = "query clips",
    ) -> "QueryBank":
        """Embed `count` clips, `count` augmented drawings and every prompt of each class.

        Args:
            encoder: on `device`.
            music, classes, split: where the examples come from.
            count: of clips and of drawings.
            seed, purpose: which clips; the purpose is one of
                `mars_lib.data.random_streams.PURPOSES`.
            device: where the examples are embedded.
            progress: show a progress bar.
        """
        return cls.embed_by(
            [encoder], music, classes, split, count, seed, device, progress, purpose
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
        purpose: str = "query clips",
    ) -> list["QueryBank"]:
        """`embed` by several encoders, of the same examples, which are made once."""
        stream, recordings = random_streams.Stream(purpose, seed), []
        pools: list[dict[str, list[torch.Tensor]]] = [
            {name: [] for name in MODALITIES} for _ in encoders
        ]
        for sound in tqdm(classes, "embedding queries", unit="class", disable=not progress):
            generator = random_streams.generator("query pictures", seed, split, sound.name)
            clips = [music.clip(split, sound, i, stream) for i in range(count)]
            recordings.append([music.recording(split, sound, i, stream) for i in range(count)])
            waveforms = torch.stack([torch.from_numpy(clip) for clip in clips]).to(device)
            files, pictures = [load_rgba(path) for path in music.pictures(sound, split)], None
            if files:
                picks = torch.randint(len(files), (count,), generator=generator)
                pictures = augment_pictures(torch.stack([files[i] for i in picks]), generator).to(
                    device
                )
            for encoder, pool in zip(encoders, pools):
                pool["audio"].append(encoder.embed_audio(waveforms).cpu())
                pool["text"].append(encoder.embed_text(sound.prompts()).cpu())
                # A class without pictures, in a folder of one's own: its words stand in for them.
                pool["image"].append(
                    pool["text"][-1] if pictures is None else encoder.embed_image(pictures).cpu()
                )
        names = [sound.name for sound in classes]
        return [cls(pool, recordings, names) for pool in pools]

    def draw(self, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """One embedding a modality for every label: (B, N) -> (B, N, 3, D), as MODALITIES."""
        rows = []
        for label in labels.flatten().tolist():
            row = []
            for modality in MODALITIES:
                pool = self.pools[modality][label]
                pick = int(torch.randint(len(pool), (1,), generator=generator))
                row.append(pool[pick])
            rows.append(torch.stack(row))
        return torch.stack(rows).reshape(*labels.shape, len(MODALITIES), -1)


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
    """One example a modality for every source, and the weights that mix them (Eq. 1).

    Several processes draw for the whole batch, each keeps its part.

    Args:
        bank: the examples.
        labels: (B, N), of this process.
        seed, step: what the drawing depends on.
        weights: of a shape and a generator, the weights.

    Returns:
        (B, N, 3, D) embeddings and (B, N, 3) weights.
    """
    labels = distributed.gather(labels)
    generator = random_streams.generator("queries", seed, step)
    embeddings = bank.draw(labels, generator)
    return distributed.part(embeddings), distributed.part(weights(labels.shape, generator))
