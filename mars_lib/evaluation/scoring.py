"""Scores of several systems on the same mixtures, and the table they make."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from mars_lib.check import fail
from mars_lib.evaluation import metrics
from mars_lib.evaluation.statistics import Summary, summary

METRICS = ("si_sdri", "si_sdr", "sdr", "sir", "sar")
# What tables call those that they show.
METRIC_TITLES = {"si_sdri": "SI-SDRi", "sdr": "SDR", "sir": "SIR", "sar": "SAR"}
PROTOCOLS = ("appendix-c", "target-only")
# dB. Sounds are float32: what rounding leaves of a perfect estimate lies 135 to 160 dB below it.
LIMIT = 100

# What names a system, or one checkpoint of it with one kind of query.
Key = TypeVar("Key", bound=Hashable)


def meaningful(decibels: torch.Tensor) -> bool:
    """Whether all are scores of a separation; those beyond `LIMIT`, infinite or NaN are of
    rounding.

    The mixture has no artefacts, and where sources never sound together an ideal mask is perfect.
    """
    return bool((decibels.abs() < LIMIT).all())


@dataclass(frozen=True)
class Score:
    """One system on one mixture: decibels of `METRICS`, then shares and a similarity.

    All are None where the energy guard skipped the mixture; one alone is None where it means
    nothing (`meaningful`) or was not measured.

    Attributes:
        closer_to_target: share of the estimates that are nearest to their own source.
        judge: share of the estimates whose class the held-out classifier names.
        clap: mean similarity to the words, in [-1, 1].
    """

    si_sdri: float | None = None
    si_sdr: float | None = None
    sdr: float | None = None
    sir: float | None = None
    sar: float | None = None
    closer_to_target: float | None = None
    judge: float | None = None
    clap: float | None = None

    @property
    def skipped(self) -> bool:
        """True where a source or an estimate is silent."""
        return self.closer_to_target is None


class MetricSummary(Summary):
    """A summary that says how many mixtures it leaves out, as their scores mean nothing."""

    left_out: int


def score(
    estimates: Mapping[Key, torch.Tensor],
    reference: torch.Tensor,
    mixture: torch.Tensor,
    protocol: str = "appendix-c",
    judged: Mapping[Key, torch.Tensor] | None = None,
    clap: Mapping[Key, torch.Tensor] | None = None,
) -> dict[Key, list[Score]]:
    """Scores of several systems' estimates of the same mixtures.

    SDR, SIR and SAR are means over the sources that the protocol scores. `closer_to_target` never
    matches: it asks whether the estimate for a query is more like its own source than like the
    other ones. Nor are verdicts and similarities matched.

    Args:
        estimates: (B, N, L) by system, one estimate a query, one query a source.
        reference: (B, N, L), the sources.
        mixture: (B, L).
        protocol: "appendix-c" is the paper's: all N sources, matched by the Hungarian algorithm on
            SI-SDR. "target-only" is that of OmniSep's code: source 0 alone, no matching.
        judged: (B, N) verdicts by system, 1 where the held-out classifier names the queried class.
        clap: (B, N) similarities to the words by system.

    Returns:
        B scores by system.
    """
    if protocol not in PROTOCOLS:
        fail("protocol", f"is {protocol!r}", f"give one of {', '.join(PROTOCOLS)}")
    n = 1 if protocol == "target-only" else reference.shape[1]
    scores: dict[Key, list[Score]] = {key: [] for key in estimates}
    for b in range(len(reference)):
        of_mixture = {key: estimate[b] for key, estimate in estimates.items()}
        for key, row in _score_one(of_mixture, reference[b], mixture[b], n).items():
            if judged and not row.skipped:
                row = replace(row, judge=judged[key][b, :n].float().mean().item())
            if clap and not row.skipped:
                row = replace(row, clap=clap[key][b, :n].float().mean().item())
            scores[key].append(row)
    return scores


def _score_one(
    estimates: dict[Key, torch.Tensor], reference: torch.Tensor, mixture: torch.Tensor, n: int
) -> dict[Key, Score]:
    """The first `n` sources of one mixture, all systems: the references are analysed once."""
    rows: dict[Key, Score] = {}
    gains: dict[Key, metrics.Improvement] = {}
    matched = []
    for key, estimate in estimates.items():
        rows[key] = Score()
        gain = metrics.si_sdr_improvement(
            estimate=estimate[:n], reference=reference[:n], mixture=mixture, permute=n > 1
        )
        if not gain.skipped and not metrics.is_silent(torch.cat([estimate, reference])).any():
            matched.append(estimate[gain.permutation + list(range(n, len(reference)))])
            gains[key] = gain
    if not gains:
        return rows
    bss = metrics.bss_eval(estimate=torch.stack(matched), reference=reference)
    for i, (key, gain) in enumerate(gains.items()):
        rows[key] = Score(
            si_sdri=gain.mean if meaningful(torch.tensor([gain.si_sdr, gain.baseline])) else None,
            si_sdr=_mean(torch.tensor(gain.si_sdr, dtype=torch.float64)),
            sdr=_mean(bss.sdr[i, :n]),
            sir=_mean(bss.sir[i, :n]),
            sar=_mean(bss.sar[i, :n]),
            closer_to_target=_share_closer(estimates[key][:n], reference, gain.matrix),
        )
    return rows


def _mean(decibels: torch.Tensor) -> float | None:
    """Over the sources; None where the score of one of them means nothing."""
    return decibels.mean().item() if meaningful(decibels) else None


def _share_closer(estimate: torch.Tensor, reference: torch.Tensor, matrix: torch.Tensor) -> float:
    """Share of the estimates that are nearest to their own reference; `matrix` is known where all
    references were scored.
    """
    if len(matrix) < len(reference):
        matrix = metrics.si_sdr(estimate=estimate[None], reference=reference[:, None])
    return (matrix.argmax(dim=0).cpu() == torch.arange(len(estimate))).double().mean().item()


def table(
    scores: Mapping[str, Sequence[Score]],
) -> tuple[dict[str, dict[str, MetricSummary | float]], int]:
    """({system: {metric: its summary, "closer_to_target": share}}, skipped mixtures).

    A mixture that is skipped as silent for one system is left out for all, so that rows compare.
    One score that means nothing is left out of its own mean alone; `left_out` counts them, and a
    metric that has no other has no entry. "judge" is a metric like the others where verdicts were
    given.
    """
    kept = [not any(row.skipped for row in rows) for rows in zip(*scores.values(), strict=True)]
    if not any(kept):
        fail("evaluation", "skipped every mixture as silent", "check the checkpoint and the data")
    systems: dict[str, dict[str, MetricSummary | float]] = {}
    for name, rows in scores.items():
        used = [row for row, keep in zip(rows, kept) if keep]
        systems[name] = {}
        for metric in (*METRICS, "judge"):
            values = [v for row in used if (v := getattr(row, metric)) is not None]
            if values:
                left_out = len(used) - len(values)
                systems[name][metric] = MetricSummary(**summary(values), left_out=left_out)
        share = sum(row.closer_to_target or 0.0 for row in used) / len(used)
        systems[name]["closer_to_target"] = share
    return systems, len(kept) - sum(kept)


def left_out(counts: Mapping[str, Mapping[str, int]]) -> str:
    """A sentence on {system's title: {metric's title: mixtures}}; "" where nothing was left out."""
    parts = [f"{name} {metric} {n}" for name, by in counts.items() for metric, n in by.items() if n]
    return f"Left out of a mean, as beyond {LIMIT} dB: {', '.join(parts)}." if parts else ""
