"""Checks of `08_reward_hacking_lab`."""

import torch

from mars_lib.exercises.checking import Function, check


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def check_is_hacked(attempt: Function) -> bool:
    """`attempt(reward, witness)`: (n,) booleans, reward above and witness below its first value."""
    reward = torch.tensor([0.3, 0.4, 0.2, 0.5, 0.3])
    witness = torch.tensor([5.0, 6.0, 4.0, 3.0, 5.0])
    return check(
        "is it hacked",
        attempt,
        lambda p, w: (p > p[0]) & (w < w[0]),
        [(reward, witness), (_rand(9), _rand(9, seed=1))],
        {
            "both must hold: &, not |": lambda p, w: (p > p[0]) | (w < w[0]),
            "compare with the first value, not with the one before": lambda p, w: torch.cat(
                [torch.tensor([False]), (p[1:] > p[:-1]) & (w[1:] < w[:-1])]
            ),
            "this is honest progress: the witness must be below its first value": lambda p, w: (
                (p > p[0]) & (w > w[0])
            ),
        },
    )


def check_careful_reward(attempt: Function) -> bool:
    """`attempt(scores)`: (E, B) scores of E encoders to (B,): mean minus deviation over E."""
    return check(
        "careful reward",
        attempt,
        lambda s: s.mean(dim=0) - s.std(dim=0, correction=0),
        [(_rand(3, 5),), (_rand(2, 4, seed=1),)],
        {
            "torch divides by E - 1; pass correction=0": lambda s: s.mean(dim=0) - s.std(dim=0),
            "this rewards disagreement: subtract the deviation": lambda s: (
                s.mean(dim=0) + s.std(dim=0, correction=0)
            ),
            "the encoders are the first axis": lambda s: s.mean(dim=1) - s.std(dim=1, correction=0),
            "the variance has another unit: take its root": lambda s: (
                s.mean(dim=0) - s.var(dim=0, correction=0)
            ),
        },
    )


def check_kept(attempt: Function) -> bool:
    """`attempt(witness, patience)`: the index of the checkpoint that is kept, from (n,) values."""

    def kept(witness: torch.Tensor, patience: int) -> int:
        best = 0
        for i, value in enumerate(witness.tolist()):
            if value > witness[best]:
                best = i
            if i - best >= patience:
                break
        return best

    def late(witness: torch.Tensor, patience: int) -> int:
        best = 0
        for i, value in enumerate(witness.tolist()):
            if value > witness[best]:
                best = i
            if i - best > patience:
                break
        return best

    def stopped(witness: torch.Tensor, patience: int) -> int:
        return min(kept(witness, patience) + patience, len(witness) - 1)

    witness = torch.tensor([1.0, 3.0, 2.0, 2.5, 4.0, 5.0, 1.0, 1.0, 1.0, 1.0, 9.0])
    return check(
        "kept",
        attempt,
        kept,
        [(witness, 2), (witness, 3), (witness, 4), (torch.tensor([5.0, 4.0, 3.0]), 9)],
        {
            (
                "what comes after the stop is never seen: walk, do not take the maximum of all"
            ): lambda w, p: w.argmax(),
            "this waits one validation too long: stop when i - best reaches the patience": late,
            "this is where training stops; return the best before it": stopped,
        },
    )
