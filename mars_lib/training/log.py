"""The log of a run: metrics.csv always, TensorBoard where it is installed."""

import csv
import importlib.util
from pathlib import Path

from tqdm.std import tqdm

from mars_lib.training import distributed


def tell(bar: tqdm, line: str | None) -> None:
    """Write a line above a progress bar, if there is a line and the bar is shown."""
    if line and not bar.disable:
        bar.write(line)


class RunLog:
    """Appends rows of numbers to `folder/metrics.csv`; `first_step` drops what a resumed run will
    do again.

    Of several processes the first writes.
    """

    def __init__(self, folder: Path, columns: tuple[str, ...], first_step: int = 0):
        self.path, self.columns = folder / "metrics.csv", ("step", *columns)
        self.board, self.writes = None, distributed.first()
        if not self.writes:
            return
        folder.mkdir(parents=True, exist_ok=True)
        kept = []
        if first_step and self.path.is_file():
            with self.path.open(newline="") as file:
                kept = [row for row in csv.DictReader(file) if int(row["step"]) < first_step]
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(kept)
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(folder / "tensorboard", purge_step=first_step)

    def write(self, step: int, **values: float) -> None:
        """One row; columns without a value stay empty."""
        if not self.writes:
            return
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self.columns).writerow({"step": step, **values})
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush TensorBoard's file."""
        if self.board is not None:
            self.board.close()


def rows(folder: Path) -> list[dict[str, float]]:
    """The steps of a run by its metrics.csv: the numbers that each of them has."""
    with (folder / "metrics.csv").open(newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value != ""}
            for row in csv.DictReader(file)
        ]
