"""The table that `mars evaluate` prints."""

from mars_lib.evaluation.scoring import METRIC_TITLES, left_out


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
    return "\n".join(filter(None, (*lines, note, left_out(missing))))


def _line(name: str, cells: list[str]) -> str:
    return f"{name:20}" + "".join(f"{cell:>18}" for cell in cells)


def _cells(row: dict, judged: list[str]) -> list[str]:
    decibels = [
        f"{row[m]['mean']:9.2f} ± {row[m]['sem']:4.2f}" if m in row else "none"
        for m in METRIC_TITLES
    ]
    shares = [f"{100 * row[m]['mean']:.1f} ± {100 * row[m]['sem']:.1f} %" for m in judged]
    return [*decibels, f"{100 * row['closer_to_target']:.1f} %", *shares]
