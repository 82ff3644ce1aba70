"""What a run will need: memory and disk before it starts, hours once its first steps are timed."""

import time
from pathlib import Path

import torch

from mars_lib.check import fail
from mars_lib.io.paths import GB, check_disk

# Timed are the steps after the first, which allocates, compiles and fills caches.
TIMED = (2, 10)


class Budget:
    """Says what a run needs, and ends it before its first step where that is not there.

    What the maps of a batch need depends on its size: it is measured and reported with the time
    after a few steps.

    Args:
        separator: the network.
        device: where it is trained.
        folder: of the checkpoints.
        weights: copies of the network that the device holds at least (itself, gradients, two
            moments of Adam, old policies).
        saved: copies that the checkpoints hold.
        steps: of the run.

    Raises:
        InputError: names what does not fit, disk or the card's memory.
    """

    def __init__(
        self,
        separator: torch.nn.Module,
        device: torch.device,
        folder: Path,
        weights: int,
        saved: int,
        steps: int,
    ):
        self.device, self.steps = device, steps
        self.parameters = sum(p.numel() for p in separator.parameters())
        copy = sum(t.numel() * t.element_size() for t in separator.state_dict().values())
        # A file is written beside the old one before it takes its place.
        self.memory, self.disk = weights * copy, (saved + weights) * copy
        self.free_disk = check_disk(folder, self.disk, "checkpoints")
        self.card = (
            torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
        )
        if self.card is not None and self.memory > self.card:
            fail(
                "memory of the device",
                f"is {self.card / GB:.1f} GB, "
                f"weights and optimiser alone need {self.memory / GB:.1f} GB",
                "choose a smaller --profile",
            )
        self._begun = 0.0

    def before(self) -> str:
        """One line for the start of a run."""
        card = f" of {self.card / GB:.1f} GB" if self.card else ""
        return (
            f"{self.parameters / 1e6:.1f} million parameters; "
            f"weights and optimiser {self.memory / GB:.2f} GB{card}, and the maps of a batch; "
            f"checkpoints {self.disk / GB:.2f} GB ({self.free_disk / GB:.0f} GB free)"
        )

    def after(self, done: int, first: int) -> str | None:
        """One line when enough steps are timed: seconds a step, hours to go, memory at its peak.

        Args:
            done: steps of the run so far.
            first: the step that this process began with.

        Returns:
            None after every other step.
        """
        begin, end = TIMED
        if done - first == begin:
            self._begun = time.perf_counter()
        if done - first != end:
            return None
        seconds = (time.perf_counter() - self._begun) / (end - begin)
        hours = seconds * (self.steps - done) / 3600
        peak = (
            f", {torch.cuda.max_memory_allocated(self.device) / GB:.1f} GB at the peak"
            if self.card
            else ""
        )
        return f"{seconds:.2f} s a step{peak}: {hours:.1f} h to go, validations not counted"
