"""Checks are code too: the stub fails, the solution passes, mistakes get their own message."""

import math
import re
from itertools import pairwise

import nbformat
import pytest
import torch

from mars_lib import exercises
from mars_lib.evaluation.metrics import si_sdr, snr


def from_notebooks(root):
    """(notebook, stub cell, solution) of every exercise."""
    found = []
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        for cell, following in pairwise(cells):
            if "exercise" in cell.metadata.get("tags", ()):
                solution = re.search(r"Solution.*?```python\n(.*?)```", following.source, re.S)
                found.append((path.name, cell.source, solution.group(1)))
    return found


def test_stubs_fail_and_solutions_pass(root, capsys):
    cases = from_notebooks(root)
    assert len(cases) >= 6
    for name, stub, solution in cases:
        namespace = {"exercises": exercises, "torch": torch}
        exec(stub, namespace)
        assert "not yet" in capsys.readouterr().out, (name, stub)
        call = re.search(r"^exercises\..*$", stub, re.M).group(0)
        exec(solution + "\nresult = " + call, namespace)
        assert namespace["result"] is True, (name, solution)
        assert "right" in capsys.readouterr().out


def beta_log_ratio(mask, proposal, old_proposal, kappa):
    new, old = (
        torch.distributions.Beta(1 + kappa * p, 1 + kappa * (1 - p)).log_prob(mask)
        for p in (proposal, old_proposal)
    )
    return new - old


ENDS = torch.tensor([0.025, 0.975], dtype=torch.float64)
ce = torch.nn.functional.cross_entropy


def factors(embeddings, weights):
    return [embeddings[name] @ weights[name].T for name in embeddings]


def fusion(hadamard, out_weight, out_bias):
    return torch.nn.functional.normalize(hadamard @ out_weight.T + out_bias, dim=-1)


@pytest.mark.parametrize(
    ("check", "attempt", "says"),
    [
        (exercises.check_mixture, lambda a, b: a + b, "divided by the number of sources"),
        (exercises.check_mixture, lambda a, b: a + b / 2, "mind the brackets"),
        (exercises.check_blend, lambda t, i, a, b: a * t + b * i, "divided by the sum"),
        (exercises.check_blend, lambda t, i, a, b: (b * t + a * i) / (a + b), "exchanged"),
        (exercises.check_push_away, lambda q, n, a: q - a * n, "grow by alpha"),
        (exercises.check_push_away, lambda q, n, a: (1 + a) * q + a * n, "mind the sign"),
        (exercises.check_frames, lambda n, h: n // h, "one more"),
        (exercises.check_frames, lambda n, h: (n - 1024) // h + 1, "no room for a whole window"),
        (exercises.check_binary_mask, lambda r, x: (r > x).float(), "not all of it"),
        (exercises.check_binary_mask, lambda r, x: r / x, "a ratio"),
        (
            exercises.check_wbce,
            lambda p, m, w: -(m * p.log() + (1 - m) * (1 - p).log()).mean(),
            "weight is missing",
        ),
        (
            exercises.check_wbce,
            lambda p, m, w: (w * (m * p.log() + (1 - m) * (1 - p).log())).mean(),
            "minus sign",
        ),
        (exercises.check_parameters, lambda p, k: (k * p, k * (1 - p)), "1 is missing"),
        (exercises.check_parameters, lambda p, k: (1 + k * (1 - p), 1 + k * p), "exchanged"),
        (exercises.check_ratio, lambda m, p, q, k: beta_log_ratio(m, q, p, k).exp(), "on top"),
        (exercises.check_ratio, lambda m, p, q, k: beta_log_ratio(m, p, q, k), "exponential"),
        (exercises.check_surrogate, lambda r, a, e: r.clamp(1 - e, 1 + e) * a, "always clipped"),
        (
            exercises.check_surrogate,
            lambda r, a, e: torch.minimum(r, r.clamp(1 - e, 1 + e)) * a,
            "advantage first",
        ),
        (exercises.check_cosine, lambda a, b: (a * b).sum(-1), "lengths of both"),
        (exercises.check_cosine, lambda a, b: (a * b).sum(-1) / a.norm(dim=-1), "one length only"),
        (exercises.check_fusion, lambda z, w, o, b: fusion(sum(factors(z, w)), o, b), "not added"),
        (
            exercises.check_fusion,
            lambda z, w, o, b: math.prod(factors(z, w)) @ o.T + b,
            "of length 1",
        ),
        (exercises.check_composite, lambda r, d, w: r + w * d, "[-30, 30] dB first"),
        (
            exercises.check_composite,
            lambda r, d, w: r + (w * d).clamp(-30, 30),
            "before the weight",
        ),
        (
            exercises.check_info_nce,
            lambda a, b, t: ce(a @ b.T / t, torch.arange(len(a))),
            "one of the two directions",
        ),
        (
            exercises.check_info_nce,
            lambda a, b, t: (
                (ce(a @ b.T, torch.arange(len(a))) + ce(b @ a.T, torch.arange(len(a)))) / 2
            ),
            "by the temperature",
        ),
        (
            exercises.check_triplet,
            lambda a, p, n, m: ((a * n).sum(-1) - (a * p).sum(-1)).clamp(min=0).mean(),
            "margin is missing",
        ),
        (
            exercises.check_triplet,
            lambda a, p, n, m: ((a * p).sum(-1) - (a * n).sum(-1) + m).clamp(min=0).mean(),
            "exchanged",
        ),
        (exercises.check_batch, lambda y, o: torch.ones(len(y)), "every class once"),
        (
            exercises.check_batch,
            lambda y, o: torch.tensor([1, 0, 1, 1, 0, 0, 1, 0]),
            "walk in the given order",
        ),
        (
            exercises.check_group_advantage,
            lambda r: (r - r.mean()) / (r.std(correction=0) + 1e-6),
            "the whole batch",
        ),
        (exercises.check_group_advantage, lambda r: r - r.mean(dim=0), "not yet divided"),
        (exercises.check_baseline, lambda b, r, d: (1 - d) * b + d * r.mean(), "exchanged"),
        (exercises.check_baseline, lambda b, r, d: r.mean() - b, "return the new b"),
        (exercises.check_approx_kl, lambda a, b: (b - a).mean(), "can be negative"),
        (
            exercises.check_approx_kl,
            lambda a, b: ((b - a).exp() - 1 - (b - a)).mean(),
            "new over old",
        ),
        (
            exercises.check_si_sdr,
            lambda e, r: snr(estimate=e - e.mean(), reference=r - r.mean()),
            "the plain SNR",
        ),
        (
            exercises.check_si_sdr,
            lambda e, r: 2 * si_sdr(estimate=e, reference=r),
            "10 log10, not 20",
        ),
        (exercises.check_standard_error, lambda v: v.std(), "root of their number"),
        (exercises.check_standard_error, lambda v: v.std() / len(v), "not by n"),
        (
            exercises.check_paired_interval,
            lambda a, b, i: (b - a)[i].mean(1).quantile(ENDS),
            "the sign is turned",
        ),
        (
            exercises.check_paired_interval,
            lambda a, b, i: a[i].mean(1).quantile(ENDS) - b[i].mean(1).quantile(ENDS),
            "throw the pairing away",
        ),
        (exercises.check_is_hacked, lambda p, w: (p > p[0]) | (w < w[0]), "both must hold"),
        (exercises.check_is_hacked, lambda p, w: (p > p[0]) & (w > w[0]), "honest progress"),
        (exercises.check_careful_reward, lambda s: s.mean(0) - s.std(0), "correction=0"),
        (
            exercises.check_careful_reward,
            lambda s: s.mean(0) + s.std(0, correction=0),
            "rewards disagreement",
        ),
        (exercises.check_kept, lambda w, p: w.argmax(), "never seen"),
        (
            exercises.check_kept,
            lambda w, p: [3, 8, 9, 2][(p > 2) + (p > 3) + (p > 8)],
            "where training stops",
        ),
        (exercises.check_mixture, lambda a, b: a[:2], "the shape is"),
        (exercises.check_mixture, lambda a, b: 1 / 0, "raises ZeroDivisionError"),
        (exercises.check_mixture, lambda a, b: 0.3 * (a + b), "got"),
        (exercises.check_frames, lambda n, h: None, "returns nothing"),
    ],
)
def test_mistakes_get_their_own_message(check, attempt, says, capsys):
    assert check(attempt) is False
    assert says in capsys.readouterr().out
