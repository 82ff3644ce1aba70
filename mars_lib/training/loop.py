"""The frame around the steps of a run: log, progress bar, what it will need, and how it ends."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from tqdm.std import tqdm

from mars_lib.training import distributed
from mars_lib.training.interrupts import Interrupts
from mars_lib.training.log import RunLog, tell
from mars_lib.training.state import Run

# Sees every row of the log: (step, row).
OnStep = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Loop:
    """Where a run's steps are recorded; `first` is the step that this process began with."""

    run: Run
    first: int
    log: RunLog
    bar: tqdm
    interrupts: Interrupts
    on_step: OnStep | None

    def record(self, step: int, row: dict[str, float], **shown: float | None) -> None:
        """Log a step that was taken; end the run where a signal asked for it.

        Args:
            step: the step, from 0.
            row: its numbers, by the columns of the log.
            **shown: what stands beside the progress bar, where it is finite.

        Raises:
            KeyboardInterrupt: after a signal to any of the processes; `last` is saved.
        """
        run = self.run
        self.log.write(step, **row)
        if self.on_step is not None:
            self.on_step(step, row)
        self.bar.update()
        self.say(run.budget.after(run.step, self.first))
        self.bar.set_postfix(
            {
                name: f"{value:.3f}"
                for name, value in shown.items()
                if value is not None and math.isfinite(value)
            }
        )
        if distributed.agreed(self.interrupts.asked):
            run.save("last")
            # The others wait: who ends, ends all, also the one that writes.
            distributed.agreed(True)
            self.say(f"stopped at step {run.step}; go on with --resume")
            raise KeyboardInterrupt

    def say(self, line: str | None) -> None:
        """Write a line above the progress bar, if there is one."""
        tell(self.bar, line)


@contextmanager
def loop_of(
    run: Run, columns: tuple[str, ...], label: str, progress: bool, on_step: OnStep | None = None
) -> Iterator[Loop]:
    """The loop of a run that is set up: opens its log, saves its start, holds back signals.

    Args:
        run: the run, at the step that it goes on from.
        columns: of the log, beside the step.
        label: of the progress bar.
        progress: whether there is a progress bar.
        on_step: sees every row of the log.
    """
    log = RunLog(run.folder, columns, run.step)
    bar = tqdm(total=run.steps, initial=run.step, desc=label, unit="step", disable=not progress)
    tell(bar, run.budget.before())
    if run.step == 0:
        run.save("last")
    with Interrupts() as interrupts, closing(log), closing(bar):
        yield Loop(run, run.step, log, bar, interrupts, on_step)
