"""What every training run needs: data ahead of time, queries, a validation set, a safe step, optimiser state in a checkpoint."""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mars_lib import streams
from mars_lib.config import TrainingConfig
from mars_lib.data.mixtures import MixtureBatch, MixtureStream
from mars_lib.data.render import MiniMusic
from mars_lib.encoders import Encoder
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.query import random_weights
from mars_lib.separator import separate
from mars_lib.training import checkpoint, processes
from mars_lib.training.query_bank import MODALITIES, QueryBank


def ahead(make: Callable[[int], Any], first: int, last: int) -> Iterator[tuple[int, Any]]:
    """(step, make(step)) for steps first to last - 1, the next one made in a thread while the present one is used."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(make, first)
        for step in range(first, last):
            batch = waiting.result()
            if step + 1 < last:
                waiting = pool.submit(make, step + 1)
            yield step, batch


def mixed_or_single(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """Weights of Eq. 1 for (B, N) queries, half of them single modalities, so that those which people use occur as they are: (B, N, 3).

    The paper does not say; OmniSep mixes all three always.
    """
    weights = random_weights((*shape, len(MODALITIES)), generator)
    single = torch.randint(len(MODALITIES), shape, generator=generator)
    alone = torch.rand(shape, generator=generator) < 0.5
    one_hot = nn.functional.one_hot(single, len(MODALITIES)).float()
    return torch.where(alone[..., None], one_hot, weights)


def draw_queries(
    bank: QueryBank, labels: torch.Tensor, seed: int, step: int,
    weights: Callable[[torch.Size, torch.Generator], torch.Tensor] = mixed_or_single,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One example a modality for every source (B, N, 3, D), and Query-Mixup weights (B, N, 3) of Eq. 1.

    Several processes draw for the whole batch, each keeps its part.
    """
    labels = processes.gather(labels)
    generator = streams.generator("queries", seed, step)
    embeddings = bank.draw(labels, generator)
    return processes.part(embeddings), processes.part(weights(labels.shape, generator))


@dataclass(frozen=True)
class Validation:
    """Fixed mixtures of the validation split, not varied, and a text query (B, N, D) for every source."""

    batch: MixtureBatch
    query: torch.Tensor
    names: list[str]

    @classmethod
    @torch.no_grad()
    def make(cls, training: TrainingConfig, music: MiniMusic, encoder: Encoder) -> "Validation":
        """`training.validation_mixtures` mixtures, the same for every seed; of these, this process's part."""
        processes.check_batch("validation mixtures", training.validation_mixtures)
        fixed = replace(training, batch_size=training.validation_mixtures, seed=0)
        batch = MixtureStream(replace(music, augment=0.0), "validation", fixed).batch(0, processes.share())
        classes = music.classes("validation")
        names = [classes[k].name for k in batch.labels.flatten().tolist()]
        query = encoder.embed_text(names).reshape(*batch.labels.shape, -1)
        return cls(batch, query, names)

    @torch.no_grad()
    def estimates(self, separator: nn.Module, separate: Callable = separate) -> torch.Tensor:
        """What a separator returns for the queries, (B, N, L) on the CPU; `separate` as `Method` says."""
        was_training, device = separator.training, self.query.device
        separator.eval()
        found = [
            separate(separator, self.batch.mixture[i : i + 16].to(device), self.query[i : i + 16]).cpu()
            for i in range(0, len(self.query), 16)
        ]
        separator.train(was_training)
        return torch.cat(found)

    def improvement(self, estimates: torch.Tensor) -> float:
        """Mean SI-SDRi in dB of estimates from `estimates`: over this process's part."""
        references = self.batch.references
        before = si_sdr(estimate=self.batch.mixture[:, None].expand_as(references), reference=references)
        return float((si_sdr(estimate=estimates, reference=references) - before).mean())


def scaler_of(fabric):
    """The gradient scaler of a run in float16 ("16-mixed"); None in every other precision."""
    return getattr(fabric.strategy.precision, "scaler", None)


def clip_and_step(fabric, separator: nn.Module, optimizer, clip: float, before: Callable[[], None] = lambda: None) -> float:
    """Clip the gradients to norm `clip`, call `before`, take the optimiser's step; returns the norm before clipping.

    In float16 gradients may overflow, as a scaler starts too high on purpose: then the step is left out, the scale is
    halved, and the norm is infinite. Raises FloatingPointError for gradients that are not finite in any other precision,
    and in float16 where no scale is low enough.
    """
    norm = float(fabric.clip_gradients(separator, optimizer, max_norm=clip, error_if_nonfinite=False))
    scaler = scaler_of(fabric)
    if not math.isfinite(norm):
        if scaler is None or scaler.get_scale() <= 1:
            raise FloatingPointError(f"gradient_norm is {norm}")
        norm = math.inf
    before()
    optimizer.step()
    return norm


@contextmanager
def explained_divergence(step: int, folder: Path) -> Iterator[None]:
    """A FloatingPointError from a step says at which step, and what to do about it."""
    try:
        yield
    except FloatingPointError as error:
        raise FloatingPointError(
            f"{error} at step {step}; {folder / 'last.safetensors'} holds the last good state, "
            "start again with a lower learning rate or, in reinforcement learning, an anchor"
        ) from None


def check_finite(**quantities: float) -> None:
    """Raise FloatingPointError for a number that is not finite."""
    for name, value in quantities.items():
        if not math.isfinite(value):
            raise FloatingPointError(f"{name} is {value}")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """An optimiser's state as named tensors."""
    return {
        f"optimizer.{index}.{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]) -> None:
    """The inverse of `optimizer_tensors`, for the part of a checkpoint under "optimizer"."""
    state = optimizer.state_dict()
    for key, value in tensors.items():
        index, name = key.split(".")
        state["state"].setdefault(int(index), {})[name] = value
    optimizer.load_state_dict(state)


def restore_training(saved: checkpoint.Checkpoint, folder: Path, separator: nn.Module, optimizer: torch.optim.Optimizer, fabric) -> None:
    """Put weights, optimiser and, in float16, the gradient scale of `folder`'s last checkpoint back."""
    checkpoint.restore(separator, saved.part("separator"), f"checkpoint {folder / 'last.safetensors'}")
    restore_optimizer(optimizer, saved.part("optimizer"))
    if saved.meta["scaler"]:
        scaler_of(fabric).load_state_dict(saved.meta["scaler"])


def separator_checkpoint(config: dict, separator: nn.Module, kind: str = "separator", **meta) -> tuple[dict, dict]:
    """(tensors, meta) of a checkpoint of a `Method`'s kind; "separator" is OmniSep's and MARS-Sep's."""
    tensors = {f"separator.{k}": v for k, v in separator.state_dict().items()}
    return tensors, {"kind": kind, "config": config, **meta}
