"""Scores of several systems on the same mixtures, and the table they make."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from mars_lib.check import fail
from mars_lib.evaluation import metrics
from mars_lib.evaluation.statistics import summary

METRICS = ("si_sdri", "si_sdr", "sdr", "sir", "sar")
PROTOCOLS = ("appendix-c", "target-only")


@dataclass(frozen=True)
class Score:
    """One system on one mixture, dB; `None` values where the energy guard skipped it."""

    si_sdri: float | None = None
    si_sdr: float | None = None
    sdr: float | None = None
    sir: float | None = None
    sar: float | None = None
    closer_to_target: float | None = None


def score(
    estimate: torch.Tensor,
    reference: torch.Tensor,
    mixture: torch.Tensor,
    protocol: str = "appendix-c",
) -> list[Score]:
    """Scores of (B, N, L) estimates, one query a source: a list of B.

    "appendix-c" is the paper's protocol: all N sources, matched by the Hungarian algorithm on SI-SDR.
    "target-only" is that of OmniSep's code: source 0 alone, no matching. SDR, SIR and SAR are
    means over the sources that the protocol scores. `closer_to_target` never matches: it asks
    whether the estimate for a query is more like its own source than like the other ones.
    """
    if protocol not in PROTOCOLS:
        fail("protocol", f"is {protocol!r}", f"give one of {', '.join(PROTOCOLS)}")
    scored = 1 if protocol == "target-only" else reference.shape[1]
    gains = [
        metrics.si_sdr_improvement(
            estimate=e[:scored], reference=r[:scored], mixture=x, permute=scored > 1
        )
        for e, r, x in zip(estimate, reference, mixture)
    ]
    rows = [Score() for _ in gains]
    kept = [b for b, gain in enumerate(gains) if not gain.skipped]
    kept = [b for b in kept if not metrics.is_silent(torch.cat([estimate[b], reference[b]])).any()]
    if not kept:
        return rows
    order = [gains[b].permutation + list(range(scored, reference.shape[1])) for b in kept]
    matched = torch.stack([estimate[b][o] for b, o in zip(kept, order)])
    bss = metrics.bss_eval(estimate=matched, reference=reference[kept])
    for i, b in enumerate(kept):
        rows[b] = Score(
            si_sdri=gains[b].mean,
            si_sdr=sum(gains[b].si_sdr) / scored,
            sdr=bss.sdr[i, :scored].mean().item(),
            sir=bss.sir[i, :scored].mean().item(),
            sar=bss.sar[i, :scored].mean().item(),
            closer_to_target=_share_closer(estimate[b, :scored], reference[b]),
        )
    return rows


def _share_closer(estimate: torch.Tensor, reference: torch.Tensor) -> float:
    """Share of the estimates that are nearest to their own reference."""
    scores = metrics.si_sdr(estimate=estimate[:, None], reference=reference[None])
    return (scores.argmax(dim=1) == torch.arange(len(estimate))).double().mean().item()


def table(scores: dict[str, Sequence[Score]]) -> tuple[dict, int]:
    """({system: {metric: {"mean", "sem", "ci95"}, "closer_to_target": share}}, skipped mixtures).

    A mixture that is skipped for one system is left out for all, so that rows compare.
    """
    kept = [
        all(row.si_sdri is not None for row in rows) for rows in zip(*scores.values(), strict=True)
    ]
    if not any(kept):
        fail("evaluation", "skipped every mixture as silent", "check the checkpoint and the data")
    systems = {}
    for name, rows in scores.items():
        used = [row for row, keep in zip(rows, kept) if keep]
        systems[name] = {m: summary([getattr(row, m) for row in used]) for m in METRICS}
        share = sum(row.closer_to_target for row in used) / len(used)
        systems[name]["closer_to_target"] = share
    return systems, len(kept) - sum(kept)
