"""Scores of several systems on the same mixtures, and the table they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from mars_lib.check import fail
from mars_lib.evaluation import metrics
from mars_lib.evaluation.statistics import summary

METRICS = ("si_sdri", "si_sdr", "sdr", "sir", "sar")
PROTOCOLS = ("appendix-c", "target-only")


def meaningful(decibels: float) -> bool:
    """Whether a table shows it. The mixture has no artefacts: its SAR is what rounding leaves, hundreds of dB."""
    return abs(decibels) < 100


@dataclass(frozen=True)
class Score:
    """One system on one mixture, dB and shares; `None` where the energy guard skipped it or nobody judged."""

    si_sdri: float | None = None
    si_sdr: float | None = None
    sdr: float | None = None
    sir: float | None = None
    sar: float | None = None
    closer_to_target: float | None = None
    judge: float | None = None
    clap: float | None = None


def score(
    estimates: Mapping[str, torch.Tensor],
    reference: torch.Tensor,
    mixture: torch.Tensor,
    protocol: str = "appendix-c",
    judged: Mapping[str, torch.Tensor] | None = None,
    clap: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, list[Score]]:
    """Scores of named systems' (B, N, L) estimates, one query a source: {system: list of B}.

    "appendix-c" is the paper's protocol: all N sources, matched by the Hungarian algorithm on SI-SDR.
    "target-only" is that of OmniSep's code: source 0 alone, no matching. SDR, SIR and SAR are
    means over the sources that the protocol scores. `closer_to_target` never matches: it asks
    whether the estimate for a query is more like its own source than like the other ones. `judged` holds (B, N)
    verdicts a system, 1 where a judge names the class that was asked for; `judge` is their mean, unmatched too. So is `clap` of (B, N)
    similarities to the words.
    """
    if protocol not in PROTOCOLS:
        fail("protocol", f"is {protocol!r}", f"give one of {', '.join(PROTOCOLS)}")
    scores = {name: [] for name in estimates}
    for b in range(len(reference)):
        heard = {name: estimate[b] for name, estimate in estimates.items()}
        for name, row in _score_one(heard, reference[b], mixture[b], protocol).items():
            n = 1 if protocol == "target-only" else reference.shape[1]
            for opinion, given in (("judge", judged), ("clap", clap)):
                if given and row.si_sdri is not None:
                    row = replace(row, **{opinion: given[name][b, :n].float().mean().item()})
            scores[name].append(row)
    return scores


def _score_one(
    estimates: dict[str, torch.Tensor], reference: torch.Tensor, mixture: torch.Tensor, protocol: str
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
            si_sdri=gain.mean,
            si_sdr=sum(gain.si_sdr) / n,
            sdr=bss.sdr[i, :n].mean().item(),
            sir=bss.sir[i, :n].mean().item(),
            sar=bss.sar[i, :n].mean().item(),
            closer_to_target=_share_closer(estimates[name][:n], reference, gain.matrix),
        )
    return rows


def _share_closer(estimate: torch.Tensor, reference: torch.Tensor, matrix: torch.Tensor) -> float:
    """Share of the estimates that are nearest to their own reference; `matrix` is known where all references were scored."""
    if len(matrix) < len(reference):
        matrix = metrics.si_sdr(estimate=estimate[None], reference=reference[:, None])
    return (matrix.argmax(dim=0) == torch.arange(len(estimate))).double().mean().item()


def table(scores: dict[str, Sequence[Score]]) -> tuple[dict, int]:
    """({system: {metric: {"mean", "sem", "ci95"}, "closer_to_target": share}}, skipped mixtures).

    A mixture that is skipped for one system is left out for all, so that rows compare. "judge" is a metric like the
    others where verdicts were given.
    """
    kept = [
        all(row.si_sdri is not None for row in rows) for rows in zip(*scores.values(), strict=True)
    ]
    if not any(kept):
        fail("evaluation", "skipped every mixture as silent", "check the checkpoint and the data")
    systems = {}
    for name, rows in scores.items():
        used = [row for row, keep in zip(rows, kept) if keep]
        measured = METRICS if used[0].judge is None else (*METRICS, "judge")
        systems[name] = {m: summary([getattr(row, m) for row in used]) for m in measured}
        share = sum(row.closer_to_target for row in used) / len(used)
        systems[name]["closer_to_target"] = share
    return systems, len(kept) - sum(kept)
