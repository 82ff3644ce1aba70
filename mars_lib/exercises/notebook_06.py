"""Checks of `06_ppo_training`."""

from collections.abc import Mapping

import torch

from mars_lib.advantage import group_normalise
from mars_lib.exercises.checking import Function, check, report
from mars_lib.loss import clipped_surrogate, policy_ratio
from mars_lib.policy import BetaMaskPolicy

COLUMNS = ("clip_fraction", "approx_kl", "entropy", "reward", "reward_spread")
# Of each column the first and the last value; between them it runs straight.
_ENDS = {
    "healthy": ((0.06, 0.11), (0.004, 0.008), (-0.90, -0.97), (0.31, 0.42), (0.021, 0.019)),
    "lag 0": ((0.0, 0.0), (0.0, 0.0), (-0.88, -1.05), (0.30, 0.36), (0.022, 0.018)),
    "large steps": ((0.24, 0.52), (0.03, 0.61), (-0.91, -1.12), (0.32, 0.14), (0.020, 0.024)),
    # Masks of 0 and 1 alone have an entropy of -1.40 at kappa 9; no policy has less.
    "collapse": ((0.09, 0.02), (0.006, 0.002), (-0.92, -1.36), (0.30, 0.33), (0.021, 0.001)),
}
# Of each column the noise, as a share of the value: what is 0 stays 0.
_NOISE = torch.tensor([0.15, 0.20, 0.02, 0.04, 0.10])


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def check_group_advantage(attempt: Function) -> bool:
    """`attempt(reward)`: (G, B, N) advantages; the G samples of a mixture and query are a group."""

    def centred(r: torch.Tensor) -> torch.Tensor:
        return r - r.mean(dim=0)

    def across(r: torch.Tensor) -> torch.Tensor:
        return (r - r.mean(dim=1, keepdim=True)) / (r.std(dim=1, keepdim=True, correction=0) + 1e-6)

    return check(
        "group advantage",
        attempt,
        group_normalise,
        [(_rand(4, 3, 2),), (5 * _rand(2, 2, 1, seed=1) - 2,)],
        {
            (
                "an easy mixture gets a positive advantage whatever mask was drawn: mixtures are "
                "compared with each other"
            ): across,
            (
                "this compares with the whole batch; a group is the G samples of one query: dim=0"
            ): lambda r: (r - r.mean()) / (r.std(correction=0) + 1e-6),
            "it is not yet divided by the standard deviation": centred,
            "divide by the standard deviation, not by the variance": lambda r: (
                centred(r) / (r.var(dim=0, correction=0) + 1e-6)
            ),
            "torch divides by G - 1; pass correction=0": lambda r: (
                centred(r) / (r.std(dim=0) + 1e-6)
            ),
        },
    )


def unlabelled_logs() -> dict[str, dict[str, list[float]]]:
    """Ten steps of four runs, {letter: {column: values}}: one is healthy, three are ill."""
    generator = torch.Generator().manual_seed(6)
    place = torch.linspace(0, 1, 10)
    logs: dict[str, dict[str, list[float]]] = {}
    for letter, name in _names().items():
        logs[letter] = {}
        for column, (first, last), noise in zip(COLUMNS, _ENDS[name], _NOISE):
            factor = 1 + noise * torch.randn(10, generator=generator)
            logs[letter][column] = ((first + (last - first) * place) * factor).tolist()
    return logs


def _names() -> dict[str, str]:
    """The letter of each run, by lot."""
    order = torch.randperm(len(_ENDS), generator=torch.Generator().manual_seed(60))
    return dict(zip("ABCD", [list(_ENDS)[i] for i in order.tolist()]))


def check_diagnosis(attempt: Mapping[str, object]) -> bool:
    """`attempt`: {letter: "healthy", "lag 0", "large steps" or "collapse"} for the four logs."""
    return report("diagnosis", _fault_of_diagnosis(attempt))


def _fault_of_diagnosis(attempt: object) -> str | None:
    if not isinstance(attempt, Mapping):
        return 'give a dictionary, {"A": "healthy", ...}'
    right = _names()
    given = {
        letter: str(attempt[letter]).strip().lower()
        for letter in right
        if attempt.get(letter, ...) not in (..., None, "")
    }
    unknown = sorted({name for name in given.values() if name not in _ENDS})
    if unknown:
        return f"{unknown[0]!r} is none of the four; they are {', '.join(_ENDS)}"
    still = [letter for letter in right if letter not in given]
    wrong = [letter for letter, name in given.items() if name != right[letter]]
    parts = [f"look again at {', '.join(wrong)}"] if wrong else []
    parts += [f"still to be named: {', '.join(still)}"] if still else []
    return "; ".join(parts) or None


def _slope_fault(attempt: Function, right: Function, parts: tuple) -> str | None:
    """What is wrong with the gradient of a loss by its second argument, the new proposal."""

    def slope(function: Function) -> torch.Tensor | None:
        proposal = parts[1].clone().requires_grad_()
        loss = torch.as_tensor(function(parts[0].clone(), proposal, *parts[2:]))
        if not loss.requires_grad:
            return None
        return torch.autograd.grad(loss, proposal, allow_unused=True)[0]

    try:
        given, wanted = slope(attempt), slope(right)
    except Exception as error:
        return f"where the proposal needs a gradient, it raises {type(error).__name__}: {error}"
    if given is None or wanted is None:
        return "the value is right, but no gradient reaches the new proposal: detach nothing"
    if torch.allclose(given, wanted, rtol=1e-3, atol=1e-6):
        return None
    return "the value is right, but its gradient by the new proposal is not: detach nothing"


def check_ppo_loss(attempt: Function) -> bool:
    """`attempt(mask, proposal, old_proposal, reward, kappa, clip_range)`: PPO's loss, a scalar.

    `mask` (G, B, N, H, T), both proposals (B, N, H, T), `reward` (G, B, N).
    """
    mask, new = 0.05 + 0.9 * _rand(4, 3, 2, 5, 6), 0.1 + 0.8 * _rand(3, 2, 5, 6, seed=1)
    old = (new + 0.2 * (_rand(3, 2, 5, 6, seed=2) - 0.5)).clamp(0, 1)
    reward = _rand(4, 3, 2, seed=3)

    def advantage(r: torch.Tensor) -> torch.Tensor:
        return group_normalise(r)[..., None, None]

    def plain(
        m: torch.Tensor, p: torch.Tensor, q: torch.Tensor, r: torch.Tensor, k: float, e: float
    ) -> torch.Tensor:
        return -(_ratio(m, p, q, k) * advantage(r)).mean()

    def right(
        m: torch.Tensor, p: torch.Tensor, q: torch.Tensor, r: torch.Tensor, k: float, e: float
    ) -> torch.Tensor:
        return -clipped_surrogate(_ratio(m, p, q, k), advantage(r), e).mean()

    return check(
        "PPO's loss",
        attempt,
        right,
        [(mask, new, old, reward, 9.0, 0.2), (mask, old, new, -reward, 4.0, 0.05)],
        {
            "the optimiser makes this smaller, and it should grow: mind the sign": (
                lambda m, p, q, r, k, e: -right(m, p, q, r, k, e)
            ),
            "nothing is clipped yet": plain,
            "the old policy is on top of the ratio: exchange them": (
                lambda m, p, q, r, k, e: right(m, q, p, r, k, e)
            ),
            "rewards are not advantages yet: compare those of a group": (
                lambda m, p, q, r, k, e: (
                    -clipped_surrogate(_ratio(m, p, q, k), r[..., None, None], e).mean()
                )
            ),
            "a clipped ratio alone has no slope: take the smaller of both products": (
                lambda m, p, q, r, k, e: (
                    -(_ratio(m, p, q, k).clamp(1 - e, 1 + e) * advantage(r)).mean()
                )
            ),
            "the ratio is one number a bin: do not sum over the bins of a mask": (
                lambda m, p, q, r, k, e: (
                    -clipped_surrogate(_ratio(m, p, q, k, "joint"), advantage(r), e).mean()
                )
            ),
            "take the mean over everything, not the sum": (
                lambda m, p, q, r, k, e: right(m, p, q, r, k, e) * m.numel()
            ),
        },
        lambda: _slope_fault(attempt, right, (mask, new, old, reward, 9.0, 0.2)),
    )


def _ratio(
    mask: torch.Tensor, new: torch.Tensor, old: torch.Tensor, kappa: float, per: str = "bin"
) -> torch.Tensor:
    """The library's ratio of two proposals at one sampled mask."""
    log_prob, old_log_prob = (BetaMaskPolicy(p, kappa).log_prob(mask) for p in (new, old))
    return policy_ratio(log_prob, old_log_prob, per)
