"""Checks of `08_reward_hacking_lab`."""

import torch

from mars_lib.exercises.checking import Function, check, check_property


def _rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def check_control(attempt: Function) -> bool:
    """`attempt(reward, generator)`: (B,) rewards by lot in other places, none in its own."""
    rewards = [_rand(count, seed=count) for count in (2, 3, 9) for _ in range(20)]

    def seeded(seed: int, reward: torch.Tensor) -> object:
        return attempt(reward, torch.Generator().manual_seed(seed))

    def fault(given: list[torch.Tensor]) -> str | None:
        for before, after in zip(rewards, given):
            if after.shape != before.shape:
                return f"the shape is {tuple(after.shape)} and should be {tuple(before.shape)}"
        wanted = [reward.double() for reward in rewards]
        if not all(torch.equal(a.sort().values, b.sort().values) for a, b in zip(given, wanted)):
            return "these are other rewards; a control has the same ones, in another order"
        if all(torch.equal(a, b) for a, b in zip(given, wanted)):
            return "each target keeps its reward: this is the run that you want to control"
        kept = sum(bool((a == b).any()) for a, b in zip(given, wanted))
        if kept:
            return f"in {kept} of {len(given)} batches a target keeps its own reward"
        if all(torch.equal(given[-1], after) for after in given[-20:]):
            return "20 seeds give the same order: use the generator"
        half = len(given) // 2
        if not all(torch.equal(a, b) for a, b in zip(given[:half], given[half:])):
            return "one seed gives another order each time: draw with `generator` alone"
        return None

    # Everything twice: a draw with `generator` is the same again.
    rewards = 2 * rewards
    seeds = 2 * [*range(len(rewards) // 2)]
    return check_property("control", seeded, fault, list(zip(seeds, rewards)))


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


def _counted(witness: torch.Tensor, patience: int) -> int:
    """`check_kept` with a count of bad validations that is never reset."""
    best = bad = 0
    for i, value in enumerate(witness.tolist()[1:], start=1):
        if value > witness[best]:
            best = i
        else:
            bad += 1
        if bad >= patience:
            break
    return best


def _last_of_equals(witness: torch.Tensor, patience: int) -> int:
    """`check_kept` with an equal value taken for a better one."""
    best = 0
    for i, value in enumerate(witness.tolist()):
        if value >= witness[best]:
            best = i
        if i - best >= patience:
            break
    return best


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
        [
            (witness, 2),
            (witness, 3),
            (witness, 4),
            (torch.tensor([5.0, 4.0, 3.0]), 9),
            (torch.tensor([1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0]), 3),
            (torch.tensor([3.0, 3.0, 3.0, 3.0]), 2),
        ],
        {
            (
                "what comes after the stop is never seen: walk, do not take the maximum of all"
            ): lambda w, p: w.argmax(),
            "this waits one validation too long: stop when i - best reaches the patience": late,
            "this is where training stops; return the best before it": stopped,
            "only validations in a row count: start again at a better one": _counted,
            "an equal value is no better one: > and not >=": _last_of_equals,
        },
    )
