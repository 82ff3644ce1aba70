"""The policy: a proposal becomes a factorised Beta distribution over masks (Eq. 2)."""

import math
from numbers import Integral, Real

import torch
from torch.nn import functional

from mars_lib import beta, check


class BetaMaskPolicy:
    """pi(M | x, Q) = prod Beta(M; 1 + kappa P, 1 + kappa (1 - P)) over all bins (Eq. 2).

    Section 3.2.1. An action has the axes (h, t): for patch 1 those of the mask, (H, T).

    Args:
        proposal: (B, N, H, T) P in [0, 1]. Everything is computed in float32 (float64 stays), also
            under autocast.
        kappa: concentration, above 0. The paper uses 9; the larger, the closer samples stay to P.
        patch: side of the square patches that the policy acts on. 1 is the paper: an action is a
            mask. Above 1, an action is one number a patch, drawn around the patch's mean of P, and
            it shifts the logits of the whole patch. Fewer dimensions make the score-function
            gradient less noisy. Bins of a patch that overhangs the edge count as they are.

    Raises:
        InputError: for kappa or patch out of range, and on the CPU for a proposal that holds NaN
            or leaves [0, 1].
    """

    def __init__(self, proposal: torch.Tensor, kappa: float = 9.0, patch: int = 1):
        check.shape("proposal", proposal, "B N H T")
        if not check.on_card(proposal):
            check.inside("proposal", proposal, 0.0, 1.0)
        _check_numbers(kappa, patch)
        self.kappa, self.patch = float(kappa), patch
        self.proposal = proposal.to(torch.promote_types(proposal.dtype, torch.float32))

    @property
    def mode(self) -> torch.Tensor:
        """The most probable action, P itself or its mean over each patch: (B, N, h, t)."""
        if self.patch == 1:
            return self.proposal
        return functional.avg_pool2d(self.proposal, self.patch, ceil_mode=True)

    @property
    def mean(self) -> torch.Tensor:
        """The mean action, (1 + kappa P) / (kappa + 2): (B, N, h, t).

        With kappa 9 it is still 1/11 at P = 0, which lets -20.8 dB through.
        """
        return (1 + self.kappa * self.mode) / (self.kappa + 2)

    def sample(
        self,
        generator: torch.Generator,
        count: int = 1,
        antithetic: bool = False,
        share: tuple[int, int] = (0, 1),
        turn: tuple[int, int] = (0, 1),
    ) -> torch.Tensor:
        """Sample G actions of every mixture and query.

        Differentiable by the proposal (the pathwise derivative).

        Args:
            generator: of the proposal's device.
            count: G.
            antithetic: the second half mirrors the first, u and 1 - u through the same quantile
                function.
            share: (which, of how many) equal parts of a larger batch these proposals are: each
                part gets the noise that it would get in the whole.
            turn: (i, k) where these are every k-th mixture of that part, from number i on.

        Returns:
            (G, B, N, h, t) in (0, 1).

        Raises:
            InputError: for a count below 1, and for an odd one with `antithetic`.
        """
        if count < 1 or (antithetic and count % 2):
            check.fail("samples", f"are {count}", "give 1 or more, an even number with antithetic")
        mode = self.mode
        drawn = count // 2 if antithetic else count
        which, parts = share
        batch, *rest = mode.shape
        batch *= turn[1]
        u = torch.rand((drawn, batch * parts, *rest), generator=generator, device=mode.device)
        u = u[:, which * batch : (which + 1) * batch][:, turn[0] :: turn[1]]
        if antithetic:
            u = torch.cat([u, 1 - u])
        return beta.quantile(mode, u, self.kappa)

    def mask(self, action: torch.Tensor) -> torch.Tensor:
        """The mask M of an action: (..., B, N, h, t) -> (..., B, N, H, T) in [0, 1].

        For patch 1 the action itself. Else each bin's logit moves by what its patch moved from its
        mean; the mode gives P back.
        """
        if self.patch == 1:
            return action
        shift = spread(_logit(action) - _logit(self.mode), self.patch, self.proposal.shape)
        return torch.sigmoid(_logit(self.proposal) + shift)

    def log_prob(self, action: torch.Tensor) -> torch.Tensor:
        """log pi(M | x, Q) per bin, Eq. 2: (..., B, N, h, t) actions -> the same shape.

        Actions of 0 and 1 are moved inside by 1e-6. The product over bins of Eq. 2 is the sum of
        these; it is left to the caller (see `loss.policy_ratio`).
        """
        p = self.mode
        m = action.to(p.dtype).clamp(beta.EDGE, 1 - beta.EDGE)
        return self.kappa * (p * m.log() + (1 - p) * (-m).log1p()) - self._log_beta()

    def entropy(self) -> torch.Tensor:
        """Differential entropy H(pi) per bin, (B, N, h, t), at most 0.

        Largest at P = 0.5, lowest at 0 and 1.
        """
        p, k = self.mode, self.kappa
        a, b = torch.digamma(1 + k * p), torch.digamma(1 + k * (1 - p))
        total = torch.digamma(torch.full((), k + 2, dtype=p.dtype, device=p.device))
        return self._log_beta() - k * (p * a + (1 - p) * b - total)

    def kl(self, old: "BetaMaskPolicy") -> torch.Tensor:
        """KL(self || old) per bin, (B, N, h, t), at least 0.

        Raises `InputError` unless both have the same kappa, patch and shape.
        """
        self._same_family(old)
        p, k = self.mode, self.kappa
        slope = k * (torch.digamma(1 + k * p) - torch.digamma(1 + k * (1 - p)))
        return old._log_beta() - self._log_beta() + (p - old.mode) * slope

    def statistics(
        self, action: torch.Tensor, old: "BetaMaskPolicy"
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Log-probability, entropy, and KL to `old`, in one fused pass with closed-form gradients.

        The same numbers as the three methods, several times as fast.

        Args:
            action: (G, B, N, h, t) in [0, 1].
            old: the policy that sampled.

        Returns:
            log_prob (G, B, N, h, t), entropy and KL (B, N, h, t), per bin.

        Raises:
            InputError: when `action` or `old` carries a gradient (they are data) or has another
                shape.
        """
        self._same_family(old)
        check.shape("action", action, "... B N h t", **dict(zip("BNht", self.mode.shape)))
        for name, tensor in (("action", action), ("old policy", old.proposal)):
            if tensor.requires_grad:
                check.fail(name, "carries a gradient", "detach it: samples and old policy are data")
        return beta.statistics(self.mode, action, old.mode, self.kappa)

    def _log_beta(self) -> torch.Tensor:
        """log B of Eq. 2's parameters, (B, N, h, t)."""
        p, k = self.mode, self.kappa
        return torch.lgamma(1 + k * p) + torch.lgamma(1 + k * (1 - p)) - _lgamma(k + 2, p)

    def _same_family(self, old: "BetaMaskPolicy") -> None:
        if (old.kappa, old.patch) != (self.kappa, self.patch):
            problem = (
                f"has kappa {old.kappa:g} and patch {old.patch}, "
                f"the new one {self.kappa:g} and {self.patch}"
            )
            check.fail("old policy", problem, "compare policies of one kappa and one patch")
        check.shape("old policy", old.mode, "B N h t", **dict(zip("BNht", self.mode.shape)))


def kappa_at(step: int, steps: int, start: float, end: float, schedule: str) -> float:
    """The concentration kappa of one step.

    The paper anneals kappa "to avoid degenerate near-binary masks" and names 9 alone; we default to
    constant.

    Args:
        step: from 0 to `steps` - 1.
        steps: of the whole training.
        start: kappa of the first step.
        end: kappa of the last step.
        schedule: "constant" (`start`), "linear" or "cosine" from `start` to `end`.

    Returns:
        kappa; one that changes is rounded to a half, so that the sampler builds few tables.

    Raises:
        InputError: for an unknown schedule.
    """
    progress = min(1.0, step / max(1, steps - 1))
    shapes = {
        "constant": 0.0,
        "linear": progress,
        "cosine": 0.5 - 0.5 * torch.cos(torch.tensor(torch.pi * progress)).item(),
    }
    if schedule not in shapes:
        check.fail("kappa schedule", f"is {schedule!r}", "give constant, linear or cosine")
    value = start + shapes[schedule] * (end - start)
    return value if schedule == "constant" else max(0.5, round(2 * value) / 2)


def _check_numbers(kappa: object, patch: object) -> None:
    """Raise `InputError` for a concentration or a patch that no policy has."""
    if not isinstance(kappa, Real) or not 0 < float(kappa) < math.inf:
        check.fail("kappa", f"is {kappa!r}", "give a number above 0; the paper uses 9")
    if not isinstance(patch, Integral) or patch < 1:
        check.fail("patch", f"is {patch!r}", "give 1 for the paper's policy, or a few bins")


def _logit(p: torch.Tensor) -> torch.Tensor:
    return torch.logit(p, eps=beta.EDGE)


def spread(values: torch.Tensor, patch: int, shape: torch.Size) -> torch.Tensor:
    """Repeat one value a patch over its bins: (..., h, t) -> (..., H, T) of `shape`."""
    wide = values.repeat_interleave(patch, dim=-2).repeat_interleave(patch, dim=-1)
    return wide[..., : shape[-2], : shape[-1]]


def _lgamma(x: float, like: torch.Tensor) -> torch.Tensor:
    return torch.lgamma(torch.full((), x, dtype=like.dtype, device=like.device))
