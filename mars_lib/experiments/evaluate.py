"""`mars evaluate`: a checkpoint on a fixed manifest or on a folder, between the mixture (floor) and
the oracle mask (ceiling).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import torch
from tqdm.std import tqdm

from mars_lib import check
from mars_lib.data import manifests, pictures
from mars_lib.data.folder_mixtures import FolderMixtures
from mars_lib.data.synthesis.classes import warn_of_unknown
from mars_lib.evaluation import scoring
from mars_lib.evaluation.judge import Judge, right
from mars_lib.experiments.query_modes import QUERIES, embed, embed_queries
from mars_lib.inference.pretrained import load_judge
from mars_lib.inference.system import System
from mars_lib.io import atomic
from mars_lib.rollout import ideal_estimate, scene_of
from mars_lib.separator import Separator, separate


@dataclass(frozen=True)
class Batch:
    """What is scored at once.

    Attributes:
        classes: the N class names of each mixture.
        mixture: (B, L).
        reference: (B, N, L).
        query: (B, N, D), one for each source.
    """

    classes: list[tuple[str, ...]]
    mixture: torch.Tensor
    reference: torch.Tensor
    query: torch.Tensor


class Scored(TypedDict):
    """The part of the JSON that every evaluation has."""

    mixtures: int
    skipped: int
    systems: dict[str, dict[str, scoring.MetricSummary | float]]
    per_mixture: str | None


def evaluate(
    system: System,
    split: str,
    query: str,
    *,
    limit: int | None = None,
    protocol: str = "appendix-c",
    per_mixture: str | Path | None = None,
    progress: bool = True,
    batch_size: int = 16,
) -> dict:
    """Score one system on a fixed manifest with one kind of query.

    Args:
        system: a separator with its encoder.
        split: "test" or "unseen".
        query: one of `query_modes.QUERIES`. Audio queries are other clips of the class, image
            queries are drawings held out from training, text queries are the class names.
        limit: take the first mixtures only.
        protocol: one of `scoring.PROTOCOLS`.
        per_mixture: a file for the scores of every mixture, as JSON lines.
        progress: show a progress bar.
        batch_size: mixtures that are separated at once.

    Returns:
        The JSON of `mars evaluate`. `judge` is the share of estimates in which the held-out
        classifier names the queried class.
    """
    check.one_of("query", query, QUERIES)
    rows = manifests.read(split)[:limit]
    music, device = manifests.music(), _device(system)
    mixtures: list[torch.Tensor] = []

    def batch(start: int) -> Batch:
        part = rows[start : start + batch_size]
        mixture, reference = (
            torch.stack(each) for each in zip(*(manifests.render(row, music) for row in part))
        )
        mixtures.extend(mixture)
        embedded = embed_queries(system.encoder, part, query, music, device)
        return Batch([row.classes for row in part], mixture, reference, embedded)

    starts = tqdm(
        range(0, len(rows), batch_size), desc=f"{split}, {query} query", disable=not progress
    )
    scored = _score(system, map(batch, starts), protocol, per_mixture, load_judge())
    changed = manifests.verify(rows, mixtures)
    return {
        "split": split,
        "query": query,
        "protocol": protocol,
        **scored,
        "changed_mixtures": changed,
    }


def evaluate_folder(
    system: System,
    folder: str | Path,
    query: str,
    *,
    interference: str | Path | None = None,
    mixtures: int = 200,
    seed: int = 0,
    protocol: str = "appendix-c",
    per_mixture: str | Path | None = None,
    progress: bool = True,
    batch_size: int = 16,
) -> dict:
    """Score one system on mixtures of the user's own recordings, as `evaluate` does on a manifest.

    There is no `judge`: it knows the classes of mini-MUSIC alone. Other arguments: see `evaluate`.

    Args:
        folder: a folder of recordings `class/*`, or a prepared CSV that lists them.
        query: one of `query_modes.QUERIES`. Text queries are the classes' names, known to the text
            encoder or not; audio queries other recordings of the class (or another stretch of its
            only one), image queries its pictures.
        interference: a CSV that the second sources are from, where they are not of `folder`
            (MUSIC-clean+ and VGGSound-clean+ are such pairs of lists).
        mixtures, seed: how many to make, and from which seed.

    Raises:
        InputError: where fewer than two classes can be queried, and for one that is silent.
    """
    check.one_of("query", query, QUERIES)
    source = FolderMixtures(folder, query, system.separator.config, seed, interference)
    names, device = source.classes, _device(system)
    for name in names if query in ("text", "composed") else ():
        warn_of_unknown(name, stacklevel=2)

    def batch(start: int) -> Batch:
        part = [source.mixture(i) for i in range(start, min(start + batch_size, mixtures))]
        classes = [name for row in part for name in row.classes]
        clips = (clip.wave for row in part for clip in row.clips)
        drawings = (pictures.load_picture(path) for row in part for path in row.pictures)
        embedded = embed(system.encoder, query, classes, clips, drawings, device)
        return Batch(
            [row.classes for row in part],
            torch.stack([row.mixture for row in part]),
            torch.stack([row.references for row in part]),
            embedded.reshape(len(part), -1, embedded.shape[-1]),
        )

    starts = tqdm(range(0, mixtures, batch_size), f"{folder}, {query} query", disable=not progress)
    scored = _score(system, map(batch, starts), protocol, per_mixture)
    return {
        "folder": str(folder),
        **({"interference": str(interference)} if interference else {}),
        "query": query,
        "protocol": protocol,
        "seed": seed,
        "classes": names,
        **scored,
    }


def _device(system: System) -> torch.device:
    return next(system.separator.parameters()).device


def _score(
    system: System,
    batches: Iterable[Batch],
    protocol: str,
    per_mixture: str | Path | None,
    judge: Judge | None = None,
) -> Scored:
    """The system, the oracle and the mixture itself on all batches."""
    scores: dict[str, list[scoring.Score]] = {system.name: [], "oracle": [], "mixture": []}
    names: list[tuple[str, ...]] = []
    for batch in batches:
        estimates = _estimates(system, batch)
        judged = None
        if judge is not None:
            judged = {name: _judged(judge, each, batch.classes) for name, each in estimates.items()}
        found = scoring.score(estimates, batch.reference, batch.mixture, protocol, judged)
        for name, new in found.items():
            scores[name] += new
        names += batch.classes
    if per_mixture:
        lines = (
            {"index": i, "classes": row, **{n: vars(s[i]) for n, s in scores.items()}}
            for i, row in enumerate(names)
        )
        atomic.write_text(per_mixture, "".join(json.dumps(line) + "\n" for line in lines))
    systems, skipped = scoring.table(scores)
    return {
        "mixtures": len(names),
        "skipped": skipped,
        "systems": systems,
        "per_mixture": str(per_mixture) if per_mixture else None,
    }


@torch.no_grad()
def _estimates(system: System, batch: Batch) -> dict[str, torch.Tensor]:
    """(B, N, L) estimates on the CPU: the system's, the ceiling and the floor."""
    device = batch.query.device
    mixture, reference = batch.mixture.to(device), batch.reference.to(device)
    return {
        system.name: separate(system.separator, mixture, batch.query).cpu(),
        "oracle": oracle(system.separator, mixture, reference).cpu(),
        "mixture": batch.mixture[:, None].expand_as(batch.reference),
    }


def _judged(judge: Judge, estimate: torch.Tensor, classes: list[tuple[str, ...]]) -> torch.Tensor:
    """Whether the judge names the queried class of each of the (B, N, L) estimates: (B, N) bool."""
    queried = [name for row in classes for name in row]
    return right(judge, estimate.flatten(0, 1), queried).reshape(estimate.shape[:2])


def oracle(separator: Separator, mixture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The ceiling: estimates (B, N, L) by ideal binary masks, of (B, L) and (B, N, L)."""
    return ideal_estimate(separator, scene_of(separator, mixture, reference))
