"""Queries for training: embeddings of each class in each modality, computed once."""

from typing import Sequence

import torch
from tqdm.std import tqdm

from mars_lib.data.classes import SoundClass
from mars_lib.data.pictures import load_rgba, vary_pictures
from mars_lib.data.render import QUERY_CLIPS, MiniMusic
from mars_lib.encoders import Encoder

MODALITIES = ("audio", "image", "text")


class QueryBank:
    """For every class a pool of embeddings a modality: other clips of the class, drawings, prompts.

    Audio queries are never the target's own recording: they are drawn from clips with other numbers (OmniSep trains
    on the target's own embedding; see `TrainingConfig.query_own_recording`).
    """

    def __init__(self, pools: dict[str, list[torch.Tensor]]):
        self.pools = pools

    @classmethod
    def embed(
        cls,
        encoder: Encoder,
        music: MiniMusic,
        classes: Sequence[SoundClass],
        split: str,
        count: int,
        seed: int = 0,
        device: torch.device | str = "cpu",
        progress: bool = True,
    ) -> "QueryBank":
        """Embed `count` clips, `count` varied drawings and every prompt of each class."""
        return cls.embed_by([encoder], music, classes, split, count, seed, device, progress)[0]

    @classmethod
    @torch.no_grad()
    def embed_by(
        cls, encoders: Sequence[Encoder], music: MiniMusic, classes: Sequence[SoundClass], split: str, count: int, seed: int = 0,
        device: torch.device | str = "cpu", progress: bool = True,
    ) -> list["QueryBank"]:
        """`embed` by several encoders, of the same examples, which are rendered and drawn once."""
        generator = torch.Generator().manual_seed(seed)
        pools = [{name: [] for name in MODALITIES} for _ in encoders]
        for sound in tqdm(classes, "embedding queries", unit="class", disable=not progress):
            clips = [music.clip(split, sound, QUERY_CLIPS + i) for i in range(count)]
            waveforms = torch.stack([torch.from_numpy(clip) for clip in clips]).to(device)
            files, pictures = [load_rgba(path) for path in music.pictures(sound, split)], None
            if files:
                picks = torch.randint(len(files), (count,), generator=generator)
                pictures = vary_pictures(torch.stack([files[i] for i in picks]), generator).to(device)
            for encoder, pool in zip(encoders, pools):
                pool["audio"].append(encoder.embed_audio(waveforms).cpu())
                pool["text"].append(encoder.embed_text(sound.prompts()).cpu())
                # A class without pictures, in a folder of one's own: its words stand in for them.
                pool["image"].append(pool["text"][-1] if pictures is None else encoder.embed_image(pictures).cpu())
        return [cls(pool) for pool in pools]

    def draw(self, labels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """One embedding a modality for every label: (B, N) -> (B, N, 3, D), order audio, image, text."""
        rows = []
        for label in labels.flatten().tolist():
            row = []
            for modality in MODALITIES:
                pool = self.pools[modality][label]
                pick = int(torch.randint(len(pool), (1,), generator=generator))
                row.append(pool[pick])
            rows.append(torch.stack(row))
        return torch.stack(rows).reshape(*labels.shape, len(MODALITIES), -1)
