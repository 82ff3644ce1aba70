"""Checks are code too: mistakes get their own message."""

import math
from operator import ge, gt

import pytest
import torch

from mars_lib import exercises
from mars_lib.advantage import group_normalise
from mars_lib.evaluation.metrics import si_sdr, snr
from mars_lib.policy import BetaMaskPolicy
from mars_lib.stft import istft, stft


def masked(waveform, mask, signal, seen=lambda X: X):
    return istft(mask * seen(stft(waveform, signal)) + 0j, signal, len(waveform))


def masks(proposal, kappa, k, one=1):
    return torch.distributions.Beta(one + kappa * proposal, one + kappa * (1 - proposal)).sample(
        (k,)
    )


def best(proposal, kappa, reward, k, choose=max, one=1):
    return choose(masks(proposal, kappa, k, one), key=reward)


def ppo_loss(mask, new, old, reward, kappa, clip, normalise=group_normalise, smaller=torch.minimum):
    a = normalise(reward)[..., None, None]
    ratio = BetaMaskPolicy(new, kappa).log_prob(mask) - BetaMaskPolicy(old, kappa).log_prob(mask)
    ratio = ratio.exp()
    return -smaller(ratio * a, ratio.clamp(1 - clip, 1 + clip) * a).mean()


def firsts(labels, order):
    first = {int(labels[place]): place for place in reversed(order.tolist())}
    return torch.tensor([place in first.values() for place in range(len(labels))])


def step(theta, old_theta, chose_t, reward, rate, tiny=1e-6):
    def probability(t):
        return torch.where(chose_t == 1, torch.sigmoid(t), torch.sigmoid(-t))

    a = (reward - reward.mean()) / (reward.std(correction=0) + tiny)
    leaf = theta.clone().requires_grad_()
    ratio = probability(leaf) / probability(old_theta)
    objective = torch.minimum(ratio * a, ratio.clamp(0.8, 1.2) * a).mean()
    return theta + rate * torch.autograd.grad(objective, leaf)[0]


def p_value(differences, signs, size=torch.abs):
    return (size((signs * differences).mean(1)) >= size(differences.mean())).double().mean()


def decibels(x, factor):
    return factor * torch.log10(x.max() / x.square().mean().sqrt())


def half(a, b, temperature):
    return ce(a @ b.T / temperature, torch.arange(len(a)))


def dealt(reward, generator=None):
    while True:
        order = torch.randperm(len(reward), generator=generator)
        if (order != torch.arange(len(reward))).all():
            return reward[order]


def kept_by(witness, patience, better=gt, forgives=True):
    best = bad = 0
    for i, value in enumerate(witness.tolist()[1:], start=1):
        if better(value, witness[best].item()):
            best, bad = i, 0 if forgives else bad
        else:
            bad += 1
        if bad >= patience:
            break
    return best


ENDS = torch.tensor([0.025, 0.975], dtype=torch.float64)
ce, logit = torch.nn.functional.cross_entropy, torch.logit


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
        (exercises.check_blend, lambda t, i, a, b: (a * t + b * i) / 2, "twice as long"),
        (exercises.check_consistent, lambda e, x: e + x - e.sum(0), "the whole residual"),
        (exercises.check_consistent, lambda e, x: e - (x - e.sum(0)) / len(e), "mind the sign"),
        (exercises.check_consistent, lambda e, x: (x - e.sum(0)) / len(e), "the shape is"),
        (exercises.check_consistent, lambda e, x: e * (x / e.sum(0)), "explodes"),
        (exercises.check_frames, lambda n, h: n // h, "one more"),
        (exercises.check_frames, lambda n, h: (n - 1024) // h + 1, "no room for a whole window"),
        (exercises.check_masked, lambda x, m, s: masked(x, m, s, torch.abs), "phase is lost"),
        (exercises.check_masked, lambda x, m, s: masked(x, 1 - m, s), "keeps what the mask shuts"),
        (exercises.check_masked, lambda x, m, s: m * stft(x, s), "complex numbers"),
        (exercises.check_masked, lambda x, m, s: masked(x, m, s)[:-9], "the shape is"),
        (
            exercises.check_wbce,
            lambda p, m, w: -(w * m * p.log()).mean(),
            "1 in every bin would cost nothing",
        ),
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
        (
            exercises.check_step,
            lambda *parts: step(*parts, tiny=0.0),
            "equal rewards divide 0 by 0",
        ),
        (exercises.check_step, lambda t, o, c, r, k: step(t, o, c, r, -k), "goes down"),
        (exercises.check_parameters, lambda p, k: (k * p, k * (1 - p)), "is 0.114 and not P"),
        (exercises.check_parameters, lambda p, k: (1 + k * (1 - p), 1 + k * p), "exchanged"),
        (exercises.check_best_of, lambda p, k, r, n: best(p, k, r, n, choose=min), "worst of all"),
        (exercises.check_best_of, lambda p, k, r, n: best(p, k, r, n - 1), "499 different masks"),
        (exercises.check_best_of, lambda p, k, r, n: best(p, k, r, n, one=0), "do not come from"),
        (exercises.check_best_of, lambda p, k, r, n: best(p, k, r, n)[0], "return the mask itself"),
        (exercises.check_best_of, lambda p, k, r, n: best(p, k, r, n) / 2, "none of those"),
        (exercises.check_best_of, lambda p, k, r, n: r(masks(p, k, n)), "takes one mask"),
        (
            exercises.check_best_of,
            lambda p, k, r, n: sorted(masks(p, k, n), key=r)[-2],
            "a mask with a larger reward was drawn",
        ),
        (exercises.check_best_of, lambda p, k, r, n: best(p, 9.0, r, n), "for kappa = 30"),
        (exercises.check_best_of, lambda p, k, r, n: best(p, k, r, 500), "for k = 300"),
        (exercises.check_patch, lambda p, a: torch.sigmoid(logit(p) + logit(a)), "subtracted"),
        (exercises.check_patch, lambda p, a: p + a - p.mean(), "shift their logits"),
        (
            exercises.check_patch,
            lambda p, a: torch.sigmoid(logit(p) + logit(a) - logit(p).mean()),
            "the logit of the mean",
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
            "the limits never act",
        ),
        (
            exercises.check_info_nce,
            lambda a, b, t: half(a, b, t),
            "one of the two directions",
        ),
        (exercises.check_info_nce, lambda a, b, t: half(a, b, 1 / t), "two things are wrong"),
        (
            exercises.check_info_nce,
            lambda a, b, t: (half(a, b, 1 / t) + half(b, a, 1 / t)) / 2,
            "it should be the sharper",
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
        (exercises.check_batch, lambda y, o: firsts(y, o).long(), "read as places"),
        (
            exercises.check_group_advantage,
            lambda r: (r - r.mean()) / (r.std(correction=0) + 1e-6),
            "the whole batch",
        ),
        (exercises.check_group_advantage, lambda r: r - r.mean(dim=0), "not yet divided"),
        (
            exercises.check_group_advantage,
            lambda r: (r - r.mean(1, True)) / (r.std(1, correction=0, keepdim=True) + 1e-6),
            "mixtures are compared",
        ),
        (exercises.check_ppo_loss, lambda *parts: -ppo_loss(*parts), "mind the sign"),
        (exercises.check_ppo_loss, lambda *parts: ppo_loss(*parts[:5], 1e9), "nothing is clipped"),
        (
            exercises.check_ppo_loss,
            lambda m, p, q, *parts: ppo_loss(m, q, p, *parts),
            "exchange them",
        ),
        (
            exercises.check_ppo_loss,
            lambda *parts: ppo_loss(*parts, normalise=lambda r: r),
            "not advantages yet",
        ),
        (
            exercises.check_ppo_loss,
            lambda *parts: ppo_loss(*parts, smaller=lambda plain, clipped: clipped),
            "has no slope",
        ),
        (
            exercises.check_ppo_loss,
            lambda *parts: ppo_loss(*parts).detach(),
            "no gradient reaches the new proposal",
        ),
        (
            exercises.check_ppo_loss,
            lambda m, p, *parts: 2 * ppo_loss(m, p, *parts).detach() - ppo_loss(m, p, *parts),
            "its gradient by the new proposal is not",
        ),
        (
            exercises.check_ppo_loss,
            lambda m, p, *parts: p.numpy() is None or ppo_loss(m, p, *parts),
            "where the proposal needs a gradient, it raises RuntimeError",
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
        (exercises.check_p_value, lambda d, s: p_value(d, s, lambda x: x), "on the other side"),
        (exercises.check_p_value, lambda d, s: 1 - p_value(d, s), "less extreme"),
        (exercises.check_p_value, lambda d, s: p_value(d, s) * len(s), "the number of such"),
        (
            exercises.check_paired_interval,
            lambda a, b, i: (a[i].mean(1) - b[i.flip(0)].mean(1)).quantile(ENDS),
            "several times too wide",
        ),
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
        (exercises.check_control, lambda r, g: r, "you want to control"),
        (
            exercises.check_control,
            lambda r, g: r[torch.randperm(len(r), generator=g)],
            "a target keeps its own",
        ),
        (exercises.check_control, lambda r, g: r.roll(1), "use the generator"),
        (exercises.check_control, lambda r, g: dealt(r), "draw with `generator`"),
        (exercises.check_control, lambda r, g: torch.rand(len(r), generator=g), "other rewards"),
        (exercises.check_control, lambda r, g: r[1:], "the shape is"),
        (exercises.check_careful_reward, lambda s: s.mean(0) - s.std(0), "correction=0"),
        (
            exercises.check_careful_reward,
            lambda s: s.mean(0) + s.std(0, correction=0),
            "rewards disagreement",
        ),
        (exercises.check_kept, lambda w, p: w.argmax(), "never seen"),
        (
            exercises.check_kept,
            lambda w, p: min(kept_by(w, p) + p, len(w) - 1),
            "where training stops",
        ),
        (exercises.check_kept, lambda w, p: kept_by(w, p, forgives=False), "in a row"),
        (exercises.check_kept, lambda w, p: kept_by(w, p, better=ge), "no better one"),
        (exercises.check_crest, lambda x: x.abs().max() / x.square().mean().sqrt(), "20 log10"),
        (exercises.check_crest, lambda x: decibels(x.abs(), 10), "not 10"),
        (exercises.check_crest, lambda x: decibels(x, 20), "below zero"),
        (exercises.check_crest, lambda x: -decibels(x.abs(), 20), "upside down"),
        (exercises.check_levels, lambda x, p: p * x / x.square().mean().sqrt(), "one gain for all"),
        (exercises.check_levels, lambda x, p: p * x / x.abs().amax(1, True), "peaks equal"),
        (exercises.check_gain, lambda x, p: p / x.abs().amax(1).sum(), "not at one time"),
        (exercises.check_gain, lambda x, p: p / x.abs().max(), "loudest sound alone"),
        (exercises.check_gain, lambda x, p: p / x.mean(0).abs().max(), "the mean of the sounds"),
        (exercises.check_mixture, lambda a, b: a[:2], "the shape is"),
        (exercises.check_mixture, lambda a, b: 1 / 0, "raises ZeroDivisionError"),
        (exercises.check_mixture, lambda a, b: 0.3 * (a + b), "got"),
        (exercises.check_frames, lambda n, h: None, "returns nothing"),
        (exercises.check_frames, lambda n, h: "many", "raises"),
        (exercises.check_control, lambda r, g: ..., "returns nothing"),
    ],
)
def test_mistakes_get_their_own_message(check, attempt, says, capsys):
    assert check(attempt) is False
    assert says in capsys.readouterr().out
