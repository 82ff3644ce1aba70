"""Training of MLBP, whose anchor z* the fused reward compares an estimate with (Eq. 10-12)."""

import torch
from torch.nn import functional
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.data import random_streams
from mars_lib.data.music import Music
from mars_lib.encoders.base import TrainableEncoder
from mars_lib.reward import MLBP, MODALITIES
from mars_lib.training.query_bank import QueryBank, elsewhere
from mars_lib.training.schedule import learning_rate

# Every non-empty choice of modalities: each must do as an anchor, since a target may lack any of
# them.
SUBSETS = [
    [m for i, m in enumerate(MODALITIES) if code >> i & 1]
    for code in range(1, 2 ** len(MODALITIES))
]
# Clips and augmented drawings of each class.
EXAMPLES = 32
PEAK_RATE = 1e-2


def train_mlbp(
    encoder: TrainableEncoder,
    music: Music,
    *,
    examples: int = EXAMPLES,
    steps: int = 1_000,
    batch_size: int | None = None,
    seed: int = 0,
    progress: bool = True,
) -> MLBP:
    """An MLBP whose z* = MLBP(audio, text, image) lies near another clip of the same class.

    The paper does not say how MLBP's weights are trained; without training z* is a random
    direction. We use InfoNCE at the encoder's own temperature, the encoder frozen: a batch holds
    `batch_size` classes (by default all, 32 at most), one item each, so that no positive counts as
    a negative; the audio factor is one clip of the class, the positive one of another recording
    where there is one. Each step draws one of the seven subsets of modalities. Embeddings of
    `examples` clips and augmented drawings of each class of "train" are computed once. The result
    is frozen, in evaluation mode, on the CPU, and depends on the arguments alone; it is computed
    where the encoder is.

    Raises `InputError` for `steps` below 1 and for a `batch_size` below 2 or above the number of
    classes.
    """
    classes = music.classes("train")
    batch_size = min(32, len(classes)) if batch_size is None else batch_size
    _check(steps, batch_size, len(classes))
    bank = QueryBank.embed(
        encoder,
        music,
        classes,
        "train",
        examples,
        seed,
        encoder.log_temperature.device,
        progress,
        # Not those of queries: of a few recordings one or two answer queries, too few for
        # positives.
        stream=random_streams.Stream("fusion clips"),
    )
    temperature, device = float(encoder.log_temperature.exp()), encoder.log_temperature.device
    return fit_mlbp(
        bank,
        temperature,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        progress=progress,
        device=device,
    )


def mlbp_meta(pooling: MLBP) -> dict:
    """What a checkpoint says for `mars_lib.inference.pretrained.load_mlbp` to build it again."""
    return {
        "kind": "mlbp",
        "embedding_size": pooling.out.out_features,
        "rank": pooling.out.in_features,
    }


def _check(steps: int, batch_size: int, classes: int) -> None:
    if steps < 1:
        fail("steps", f"are {steps}", "give 1 or more")
    if not 2 <= batch_size <= classes:
        fail("batch size", f"is {batch_size}", f"give 2 to {classes}: a batch has one item a class")


def fit_mlbp(
    bank: QueryBank,
    temperature: float,
    *,
    steps: int = 1_000,
    batch_size: int = 32,
    seed: int = 0,
    progress: bool = True,
    device: torch.device | str = "cpu",
) -> MLBP:
    """`train_mlbp` on embeddings that are there already; the result is on the CPU.

    Args:
        bank: the embeddings.
        temperature: of the InfoNCE.
        steps, batch_size, seed, progress: as in `train_mlbp`.
        device: where it is computed.
    """
    classes = bank.pools["audio"]
    _check(steps, batch_size, len(classes))
    generator = random_streams.generator("fusion batches", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_streams.generator("initial weights", seed, "mlbp").initial_seed())
        pooling = MLBP(classes[0].shape[-1]).to(device)
    optimizer = torch.optim.Adam(pooling.parameters(), lr=PEAK_RATE)
    for step in tqdm(range(steps), "fusion", mininterval=1, disable=not progress):
        optimizer.param_groups[0]["lr"] = learning_rate(step + 1, PEAK_RATE, steps // 20, steps)
        labels = torch.randperm(len(classes), generator=generator)[:batch_size]
        chosen, positive = _draw(bank, labels, generator, device)
        subset = SUBSETS[int(torch.randint(len(SUBSETS), (1,), generator=generator))]
        anchor = pooling({name: chosen[name] for name in subset})
        loss = functional.cross_entropy(
            anchor @ positive.T / temperature, torch.arange(batch_size, device=device)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return pooling.cpu().eval().requires_grad_(False)


def _draw(
    bank: QueryBank, labels: torch.Tensor, generator: torch.Generator, device: torch.device | str
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Of every label an embedding a modality, (B, D) each, and one of another recording, (B, D)."""
    picks: dict[str, list] = {name: [] for name in (*MODALITIES, "positive")}
    for label in labels.tolist():
        for name in MODALITIES:
            pool = bank.pools[name][label]
            pick = int(torch.randint(len(pool), (1,), generator=generator))
            picks[name].append(pool[pick])
            if name == "audio":
                others = elsewhere(bank.recordings[label], pick)
                other = int(torch.randint(len(others), (1,), generator=generator))
                picks["positive"].append(pool[others[other]])
    stacked = {name: torch.stack(rows).to(device) for name, rows in picks.items()}
    return stacked, stacked.pop("positive")
