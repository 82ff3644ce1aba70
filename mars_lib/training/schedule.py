"""The learning rate as a function of the step."""


def learning_rate(step: int, peak: float, warmup_steps: int, decay_steps: int) -> float:
    """Linear warm-up from 0 to `peak`, then linear fall to a tenth of it at `decay_steps`.

    >>> [round(learning_rate(s, 1.0, 10, 110), 2) for s in (0, 5, 10, 60, 110, 500)]
    [0.0, 0.5, 1.0, 0.55, 0.1, 0.1]
    """
    if step < warmup_steps:
        return peak * step / warmup_steps
    progress = min(1.0, (step - warmup_steps) / max(1, decay_steps - warmup_steps))
    return peak * (1 - 0.9 * progress)
