"""The scores of `mars benchmark`: estimate, score, tabulate.

Records (`EstimateKey`) name estimates and scores; a `ScoreTable` has the axes mode, system, seed,
mixture and metric.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import torch
from tqdm.std import tqdm

from mars_lib.data import manifests
from mars_lib.data.manifests import TestMixture
from mars_lib.data.music import Music
from mars_lib.encoders.base import Encoder
from mars_lib.evaluation import scoring
from mars_lib.evaluation.clap import Clap
from mars_lib.evaluation.judge import Judge, right
from mars_lib.evaluation.scoring import Score
from mars_lib.experiments.compared_systems import TrainedSystem, first_separator
from mars_lib.experiments.evaluate import oracle
from mars_lib.experiments.kept_scores import KeptScores
from mars_lib.experiments.query_modes import QUERIES, embed_queries
from mars_lib.inference.pretrained import load_judge
from mars_lib.query import subtract
from mars_lib.separator import Separator

# The fifth kind of query: the text of the source minus the text of the other one.
MODES = (*QUERIES, "negative")
# The metric axis.
METRICS = tuple(field.name for field in fields(Score))
# What no system can leave: the ideal mask, and doing nothing.
BOUNDS = ("oracle", "mixture")


class EstimateKey(NamedTuple):
    """What made an estimate: a system, the seed of its training and the kind of query.

    The bounds have no query: their `mode` is None and they belong to every mode.
    """

    system: str
    seed: int
    mode: str | None


class Batch(NamedTuple):
    """Mixtures (B, L), their sources (B, N, L), and the B * N names of the sources."""

    mixture: torch.Tensor
    reference: torch.Tensor
    names: list[str]


# Of a batch: the rows of a `ScoreTable`, and whether the held-out classifier names each source.
Scored = tuple[dict[EstimateKey, np.ndarray], list[bool]]


@dataclass(frozen=True)
class ScoreTable:
    """Scores by mode, system, seed, mixture and metric.

    Attributes:
        split: the manifest that the mixtures are from.
        protocol: one of `scoring.PROTOCOLS`.
        modes: the kinds of query.
        classes: class names of the sources of each mixture.
        rows: (mixtures, metrics) of each key, metrics in the order of `METRICS`; NaN where a score
            means nothing, was not measured, or the mixture was skipped as silent.
        judge_on_sources: share of the sources themselves that the held-out classifier names.
    """

    split: str
    protocol: str
    modes: tuple[str, ...]
    classes: list[tuple[str, ...]]
    rows: dict[EstimateKey, np.ndarray]
    judge_on_sources: float = math.nan

    def seeds(self, mode: str) -> dict[str, list[int]]:
        """The seeds of each system that was scored in a mode, bounds included."""
        found: dict[str, list[int]] = {}
        for key in self.rows:
            if key.mode in (mode, None):
                found.setdefault(key.system, []).append(key.seed)
        return found

    def of_system(self, mode: str, system: str) -> np.ndarray:
        """(seeds, mixtures, metrics) of one system in one mode."""
        rows = [
            row
            for key, row in self.rows.items()
            if key.system == system and key.mode in (mode, None)
        ]
        return np.stack(rows)

    def values(self, mode: str, system: str, metric: str) -> np.ndarray:
        """(seeds, mixtures) of one metric of one system in one mode."""
        return self.of_system(mode, system)[..., METRICS.index(metric)]


@torch.no_grad()
def measure(
    split: str,
    systems: Sequence[TrainedSystem],
    *,
    protocol: str = "appendix-c",
    limit: int | None = None,
    modes: Sequence[str] = MODES,
    progress: bool = True,
    batch_size: int = 8,
    clap: Clap | None = None,
    music: Music | None = None,
    kept: tuple[KeptScores, str] | None = None,
) -> ScoreTable:
    """Score all systems, the oracle mask and the mixture on the first mixtures of a manifest.

    Args:
        split: "test" or "unseen".
        systems: what is compared.
        protocol: one of `scoring.PROTOCOLS`.
        limit: take the first mixtures only.
        modes: kinds of query, of `MODES`.
        progress: show a progress bar.
        batch_size: mixtures that are separated at once.
        clap: adds its similarity between estimate and class name.
        music: `manifests.music()`, as it is or remembered.
        kept: where scores are kept batch by batch, and the table's name there; batches that are
            there already are not scored again.
    """
    rows, judge, music = manifests.read(split)[:limit], load_judge(), music or manifests.music()
    separator, device = first_separator(systems), systems[0].device
    encoders = {each.heads: each.load_encoder() for each in {s.heads: s for s in systems}.values()}

    def scored(part: Sequence[TestMixture]) -> Scored:
        mixture, reference = (
            torch.stack(each) for each in zip(*(manifests.render(row, music) for row in part))
        )
        batch = Batch(mixture, reference, [name for row in part for name in row.classes])
        queries = {
            heads: _queries(encoder, part, modes, music, device)
            for heads, encoder in encoders.items()
        }
        estimates = estimate(systems, separator, batch, queries, modes)
        found = tabulate(score(estimates, batch, protocol, judge, clap))
        return found, right(judge, reference.flatten(0, 1), batch.names).tolist()

    batches = [_from_json(line) for line in kept[0].lines(kept[1])] if kept else []
    starts = range(len(batches) * batch_size, len(rows), batch_size)
    done = {"initial": len(batches), "total": len(batches) + len(starts)}
    for start in tqdm(starts, f"{split}, {protocol}", disable=not progress, **done):
        batches.append(scored(rows[start : start + batch_size]))
        if kept:
            kept[0].append(kept[1], _to_json(batches[-1]))
    return ScoreTable(
        split,
        protocol,
        tuple(modes),
        [row.classes for row in rows],
        {key: np.concatenate([found[key] for found, _ in batches]) for key in batches[0][0]},
        np.mean([name for _, names in batches for name in names]).item(),
    )


def _to_json(batch: Scored) -> dict:
    scores, named = batch
    return {"scores": [[*key, rows.tolist()] for key, rows in scores.items()], "named": named}


def _from_json(line: dict) -> Scored:
    scores = {EstimateKey(*key): np.array(rows) for *key, rows in line["scores"]}
    return scores, line["named"]


def estimate(
    systems: Sequence[TrainedSystem],
    separator: Separator,
    batch: Batch,
    queries: Mapping[str | None, torch.Tensor],
    modes: Sequence[str],
) -> dict[EstimateKey, torch.Tensor]:
    """(B, N, L) estimates of all systems by all kinds of query, and of the bounds, on the CPU.

    A system that sees the mixture before the query analyses it once for all modes.

    Args:
        systems: what is compared.
        separator: its frequency resolution is that of the oracle mask.
        batch: what is separated.
        queries: (B, modes * N, D) by the heads of the encoder, one mode after the other.
        modes: names of the modes.
    """
    device, n_sources = systems[0].device, batch.reference.shape[1]
    mixture, reference = batch.mixture.to(device), batch.reference.to(device)
    estimates: dict[EstimateKey, torch.Tensor] = {}
    for each in systems:
        found = each.separate(each.network, mixture, queries[each.heads]).cpu()
        for mode, of_mode in zip(modes, found.split(n_sources, dim=1)):
            estimates[EstimateKey(each.system, each.seed, mode)] = of_mode
    estimates[EstimateKey("oracle", 0, None)] = oracle(separator, mixture, reference).cpu()
    estimates[EstimateKey("mixture", 0, None)] = batch.mixture[:, None].expand_as(batch.reference)
    return estimates


def score(
    estimates: Mapping[EstimateKey, torch.Tensor],
    batch: Batch,
    protocol: str,
    judge: Judge,
    clap: Clap | None = None,
) -> dict[EstimateKey, list[Score]]:
    """B scores of each key; a mixture's references are analysed once for all of its estimates."""
    judged = {
        key: right(judge, each.flatten(0, 1), batch.names).reshape(each.shape[:2])
        for key, each in estimates.items()
    }
    similar = None
    if clap is not None:
        similar = {
            key: clap.score(each.flatten(0, 1), batch.names).reshape(each.shape[:2])
            for key, each in estimates.items()
        }
    return scoring.score(estimates, batch.reference, batch.mixture, protocol, judged, similar)


def tabulate(scores: Mapping[EstimateKey, Sequence[Score]]) -> dict[EstimateKey, np.ndarray]:
    """(mixtures, metrics) numbers of each key in the order of `METRICS`, NaN for None."""
    return {
        key: np.array([[getattr(row, m) for m in METRICS] for row in rows], dtype=np.float64)
        for key, rows in scores.items()
    }


def _queries(
    encoder: Encoder,
    rows: Sequence[TestMixture],
    modes: Sequence[str],
    music: Music,
    device: torch.device,
) -> torch.Tensor:
    """(B, modes * N, D) queries of manifest rows, one mode after the other."""
    found = {
        mode: embed_queries(encoder, rows, mode, music, device)
        for mode in QUERIES
        if mode in modes or (mode == "text" and "negative" in modes)
    }
    if "negative" in modes:
        found["negative"] = subtract(found["text"], found["text"].flip(1))
    return torch.cat([found[mode] for mode in modes], dim=1)
