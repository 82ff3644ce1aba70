"""Scores of several systems on the same mixtures, and the table they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from mars_lib.check import fail
from mars_lib.evaluation import metrics
from mars_lib.evaluation.statistics import summary

METRICS = ("si_sdri", "si_sdr", "sdr", "sir", "sar")
PROTOCOLS = ("appendix-c", "target-only")
# dB. Sounds are float32: what rounding leaves of a perfect estimate lies 135 to 160 dB below it.
LIMIT = 100


def meaningful(decibels: torch.Tensor) -> bool:
    """Whether all are scores of a separation; those beyond `LIMIT`, infinite or NaN are of
    rounding.

    The mixture has no artefacts, and where sources never sound together an ideal mask is perfect.
    """
    return bool((decibels.abs() < LIMIT).all())


@dataclass(frozen=True)
class Score:
    """One system on one mixture, dB and shares. All are None where the energy guard skipped it; one
    alone is where it means nothing (`meaningful`) or nobody judged.
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


def score(
    estimates: Mapping[str, torch.Tensor],
    reference: torch.Tensor,
    mixture: torch.Tensor,
    protocol: str = "appendix-c",
    judged: Mapping[str, torch.Tensor] | None = None,
    clap: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, list[Score]]:
    """Scores of named systems' (B, N, L) estimates, one query a source: {system: list of B}.

    "appendix-c" is the paper's protocol: all N sources, matched by the Hungarian algorithm on
    SI-SDR. "target-only" is that of OmniSep's code: source 0 alone, no matching. SDR, SIR and SAR
    are means over the sources that the protocol scores. `closer_to_target` never matches: it asks
    whether the estimate for a query is more like its own source than like the other ones. `judged`
    holds (B, N) verdicts a system, 1 where a judge names the class that was asked for; `judge` is
    their mean, unmatched too. So is `clap` of (B, N) similarities to the words.
    """
    if protocol not in PROTOCOLS:
        fail("protocol", f"is {protocol!r}", f"give one of {', '.join(PROTOCOLS)}")
    scores = {name: [] for name in estimates}
    for b in range(len(reference)):
        heard = {name: estimate[b] for name, estimate in estimates.items()}
        for name, row in _score_one(heard, reference[b], mixture[b], protocol).items():
            n = 1 if protocol == "target-only" else reference.shape[1]
            for opinion, given in (("judge", judged), ("clap", clap)):
                if given and not row.skipped:
                    row = replace(row, **{opinion: given[name][b, :n].float().mean().item()})
            scores[name].append(row)
    return scores


def _score_one(
    estimates: dict[str, torch.Tensor],
    reference: torch.Tensor,
    mixture: torch.Tensor,
    protocol: str,
) -> dict[str, Score]:
    """One mixture, all systems, so that the references are analysed once."""
    n = 1 if protocol == "target-only" else len(reference)
    rows, matched, gains = {}, {}, {}
    for name, estimate in estimates.items():
        rows[name] = Score()
        gain = metrics.si_sdr_improvement(
            estimate=estimate[:n], reference=reference[:n], mixture=mixture, permute=n > 1
        )
        if not gain.skipped and not metrics.is_silent(torch.cat([estimate, reference])).any():
            order = gain.permutation + list(range(n, len(reference)))
            matched[name], gains[name] = estimate[order], gain
    if matched:
        bss = metrics.bss_eval(estimate=torch.stack(list(matched.values())), reference=reference)
    for i, (name, gain) in enumerate(gains.items()):
        rows[name] = Score(
            si_sdri=gain.mean if meaningful(torch.tensor([gain.si_sdr, gain.baseline])) else None,
            si_sdr=_mean(torch.tensor(gain.si_sdr, dtype=torch.float64)),
            sdr=_mean(bss.sdr[i, :n]),
            sir=_mean(bss.sir[i, :n]),
            sar=_mean(bss.sar[i, :n]),
            closer_to_target=_share_closer(estimates[name][:n], reference, gain.matrix),
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


def table(scores: dict[str, Sequence[Score]]) -> tuple[dict, int]:
    """({system: {metric: {"mean", "sem", "ci95", "left_out"}, "closer_to_target": share}}, skipped
    mixtures).

    A mixture that is skipped as silent for one system is left out for all, so that rows compare.
    One score that means nothing is left out of its own mean alone; `left_out` counts them, and a
    metric that has no other has no entry. "judge" is a metric like the others where verdicts were
    given.
    """
    kept = [not any(row.skipped for row in rows) for rows in zip(*scores.values(), strict=True)]
    if not any(kept):
        fail("evaluation", "skipped every mixture as silent", "check the checkpoint and the data")
    systems = {}
    for name, rows in scores.items():
        used = [row for row, keep in zip(rows, kept) if keep]
        systems[name] = {}
        for metric in (*METRICS, "judge"):
            values = [v for row in used if (v := getattr(row, metric)) is not None]
            if values:
                left_out = len(used) - len(values)
                systems[name][metric] = summary(values) | {"left_out": left_out}
        share = sum(row.closer_to_target for row in used) / len(used)
        systems[name]["closer_to_target"] = share
    return systems, len(kept) - sum(kept)


def left_out(counts: Mapping[str, Mapping[str, int]]) -> str:
    """A sentence on {system's title: {metric's title: mixtures}}; "" where nothing was left out."""
    parts = [f"{name} {metric} {n}" for name, by in counts.items() for metric, n in by.items() if n]
    return f"Left out of a mean, as beyond {LIMIT} dB: {', '.join(parts)}." if parts else ""
