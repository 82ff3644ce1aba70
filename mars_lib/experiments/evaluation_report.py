"""The table that `mars evaluate` prints."""

import json
import math
from pathlib import Path

from mars_lib.check import fail
from mars_lib.evaluation.scoring import METRIC_TITLES, left_out
from mars_lib.evaluation.statistics import paired_bootstrap

# Metric -> what it is called, scale and unit of its differences.
UNITS = {"si_sdri": ("SI-SDRi", 1, "dB"), "judge": ("judge", 100, "percentage points")}


def report(result: dict) -> str:
    """The table of an evaluation as text: a line a system, means with their standard errors, and
    what no mean holds.

    `result` is what `mars_lib.experiments.evaluate` returns.
    """
    source = result.get("split", result.get("folder"))
    first_name, first = next(iter(result["systems"].items()))
    judged = ["judge"] * ("judge" in first)
    lines = [
        f"{source}, {result['query']} query, {result['mixtures']} mixtures, "
        f"{result['skipped']} skipped",
        _line("", [*METRIC_TITLES.values(), "closer", *judged]),
        *(_line(name, _cells(row, judged)) for name, row in result["systems"].items()),
    ]
    scored = result["mixtures"] - result["skipped"]
    missing = {
        system: {
            title: row[metric]["left_out"] if metric in row else scored
            for metric, title in METRIC_TITLES.items()
        }
        for system, row in result["systems"].items()
    }
    note = "dB, mean ± standard error"
    if "si_sdri" in first:
        low, high = first["si_sdri"]["ci95"]
        note += f"; SI-SDRi of {first_name}: 95 % in [{low:.2f}, {high:.2f}]"
    if against := result.get("against"):
        lines += [_difference(first_name, against, metric) for metric in UNITS if metric in against]
    return "\n".join(filter(None, (*lines, note, left_out(missing))))


def paired(ours: Path, base: Path) -> dict[str, dict]:
    """How one system differs from another, from the scores of every mixture of two evaluations.

    Args:
        ours, base: the files `per_mixture` of `mars_lib.experiments.evaluate`. A mixture that has
            no score in one of them is left out.

    Returns:
        {"si_sdri" in dB, and where it was measured "judge" as a share: {"mean", "ci95",
        "share_better", "mixtures"}}.

    Raises:
        InputError: for evaluations of other mixtures.
    """
    rows = [[json.loads(line) for line in each.read_text().splitlines()] for each in (ours, base)]
    if [row["classes"] for row in rows[0]] != [row["classes"] for row in rows[1]]:
        fail("evaluations", "are of other mixtures", "compare systems of one segment length")
    found = {}
    for metric in UNITS:
        pairs = [tuple(_score(row, metric) for row in both) for both in zip(*rows)]
        used = [pair for pair in pairs if not any(map(math.isnan, pair))]
        if len(used) > 1:
            first, second = zip(*used)
            difference = paired_bootstrap(first, second)
            found[metric] = vars(difference) | {"mixtures": len(used)}
    return found


def _score(row: dict, metric: str) -> float:
    """Of the system of a line, which comes before the bounds."""
    name = next(key for key in row if key not in ("index", "classes"))
    value = row[name][metric]
    return math.nan if value is None else value


def _difference(name: str, against: dict, metric: str) -> str:
    title, scale, unit = UNITS[metric]
    mean, low, high = (scale * x for x in (against[metric]["mean"], *against[metric]["ci95"]))
    better, count = 100 * against[metric]["share_better"], against[metric]["mixtures"]
    return (
        f"{name} minus {against['system']}, {title}: {mean:+.2f} [{low:+.2f}, {high:+.2f}] {unit}, "
        f"better in {better:.0f} % of {count} mixtures"
    )


def _line(name: str, cells: list[str]) -> str:
    return f"{name:20}" + "".join(f"{cell:>18}" for cell in cells)


def _cells(row: dict, judged: list[str]) -> list[str]:
    decibels = [
        f"{row[m]['mean']:9.2f} ± {row[m]['sem']:4.2f}" if m in row else "none"
        for m in METRIC_TITLES
    ]
    shares = [f"{100 * row[m]['mean']:.1f} ± {100 * row[m]['sem']:.1f} %" for m in judged]
    return [*decibels, f"{100 * row['closer_to_target']:.1f} %", *shares]
