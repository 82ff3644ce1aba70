"""Ctrl-C and SIGTERM wait for the end of the step that they fall into."""

import signal
import threading

from mars_lib.training import distributed


class Interrupts:
    """`with Interrupts() as interrupts:` notes SIGINT and SIGTERM in `asked` instead of raising.

    A step that is broken off in its middle has moved some of what a run remembers (running
    statistics, the baseline, the weights) and not the rest: no checkpoint of it could go on as if
    nothing had happened. A second signal raises KeyboardInterrupt at once, but not where several
    processes train: schedulers send one to each twice. Signals reach the main thread alone; in any
    other nothing changes.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self) -> "Interrupts":
        self.asked, self._before = False, {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if self.asked and distributed.share()[1] == 1:
            raise KeyboardInterrupt
        self.asked = True
