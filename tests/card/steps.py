"""A few steps of each training, and what is noted between them."""

from dataclasses import replace

from mars_lib.config import PolicyConfig
from mars_lib.training import supervised
from mars_lib.training.loop import Loop
from mars_lib.training.reinforce import train_rl
from tests.card.networks import RL, SUPERVISED, small

WAYS = ("supervised", "score", "pathwise")
STEPS = 4
LAST = STEPS - 1


def steps_apart(patch, noted: list) -> list[list]:
    """What is added to `noted` within each step, once the steps are taken; `patch` is pytest's
    `monkeypatch`.
    """
    found, record = [], Loop.record

    def recorded(loop, step, row, **shown):
        found.append(list(noted))
        record(loop, step, row, **shown)
        noted.clear()

    patch.setattr(Loop, "record", recorded)
    return found


def take_steps(way, precision, device, start, encoder, music, pooling, folder) -> None:
    """Train for STEPS steps without a validation before the last, on augmented clips."""
    sizes = {"steps": STEPS, "validate_every": STEPS, "precision": precision, "augment": 0.9}
    options = {"accelerator": device, "progress": False}
    if way == "supervised":
        settings = replace(SUPERVISED, training=replace(SUPERVISED.training, **sizes))
        supervised.train_supervised(settings, music, encoder, folder, **options)
    else:
        settings = replace(RL, estimator=way, policy=PolicyConfig(group_size=2), **sizes)
        train_rl(
            start, settings, music, encoder, pooling, folder, reward_encoder=small(), **options
        )
