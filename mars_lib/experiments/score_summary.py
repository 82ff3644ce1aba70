"""Means, intervals and paired differences of a `ScoreTable`."""

from typing import TypedDict

import numpy as np

from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.evaluation.scoring import MetricSummary
from mars_lib.evaluation.statistics import macro_average, paired_bootstrap, summary
from mars_lib.experiments.score_table import BOUNDS, METRICS, ScoreTable

BASE = "omnisep"
NEARER = METRICS.index("closer_to_target")
# The metrics whose differences from the base are given.
COMPARED = ("si_sdri", "judge")


class Difference(TypedDict):
    """A system minus its base, paired by seed and mixture."""

    mean: float
    ci95: tuple[float, float]
    share_better: float


# A metric's (seeds, mixtures) values, and which mixtures (mixtures,) bool its mean is over.
Values = tuple[np.ndarray, np.ndarray]


def summarise(
    table: ScoreTable, among: np.ndarray | None = None, base: str = BASE
) -> dict[str, dict[str, dict]]:
    """Means over seeds and mixtures of each mode and system, and differences from `base`.

    A mixture that was skipped as silent for one system is left out for all, and counted in
    `skipped`. A score that means nothing is left out of the means of its own metric alone, for all
    systems, as they are compared; the oracle and the mixture, which bound them, leave out for
    themselves. `left_out` counts those; a metric of which nothing is left has no entry.

    Args:
        table: the scores.
        among: (mixtures,) bool, the mixtures that are taken; None for all.
        base: the system that differences are from, paired by seed and mixture.

    Returns:
        `{mode: {system: {metric: MetricSummary, "macro_si_sdri", "seeds", "mixtures", "skipped",
        "against": {"si_sdri"|"judge": Difference}}}}`.
    """
    among = np.ones(len(table.classes), bool) if among is None else among
    return {mode: _summarise_mode(table, mode, among, base) for mode in table.modes}


def _summarise_mode(table: ScoreTable, mode: str, among: np.ndarray, base: str) -> dict[str, dict]:
    seeds = table.seeds(mode)
    scores = {name: table.of_system(mode, name) for name in seeds}
    audible = np.all([np.isfinite(v[..., NEARER]).all(axis=0) for v in scores.values()], axis=0)
    kept = audible & among
    if kept.sum() < 2:
        problem = f"has {kept.sum()} mixtures to score"
        fail(f"{table.split}, {mode}", problem, "take more of them")
    values = _complete({name: v[:, kept] for name, v in scores.items()})
    first_classes = np.array([row[0] for row in table.classes])[kept]
    found = {}
    for name, by_metric in values.items():
        row: dict = {
            metric: MetricSummary(**summary(v[:, used]), left_out=int((~used).sum()))
            for metric, (v, used) in by_metric.items()
            if used.any()
        }
        if "si_sdri" in row:
            v, used = by_metric["si_sdri"]
            row["macro_si_sdri"] = macro_average(v[:, used], first_classes[used])
        row |= {
            "seeds": len(seeds[name]),
            "mixtures": int(kept.sum()),
            "skipped": int((among & ~audible).sum()),
        }
        if name not in (base, *BOUNDS) and base in values:
            row["against"] = {
                metric: _difference(by_metric[metric], values[base][metric])
                for metric in COMPARED
                if metric in row
            }
        found[name] = row
    return found


def _complete(scores: dict[str, np.ndarray]) -> dict[str, dict[str, Values]]:
    """{system: {metric: its values, and of which mixtures its mean is}} of (seeds, mixtures,
    metrics) by system.
    """
    finite = {name: np.isfinite(v).all(axis=0) for name, v in scores.items()}
    common = np.all([f for name, f in finite.items() if name not in BOUNDS], axis=0)
    used = {name: common & f if name in BOUNDS else common for name, f in finite.items()}
    return {
        name: {metric: (v[..., i], used[name][:, i]) for i, metric in enumerate(METRICS)}
        for name, v in scores.items()
    }


def _difference(ours: Values, base: Values) -> Difference:
    """A system against its base: both are meant over the same mixtures."""
    (a, used), (b, _) = ours, base
    found = paired_bootstrap(a[:, used], b[:, used])
    return {"mean": found.mean, "ci95": found.ci95, "share_better": found.share_better}


def one_family(table: ScoreTable) -> np.ndarray:
    """Table 5's pairs, by a rule: both sources are of one family of `data/classes.json`.

    (mixtures,) bool.
    """
    family = {
        sound.name: sound.family for row in manifests.read(table.split) for sound in row.sounds()
    }
    return np.array([family[a] == family[b] for a, b in table.classes])
