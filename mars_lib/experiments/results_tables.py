"""Tables of `RESULTS.md` and `docs/results.md`, in Markdown, from numbers of `mars benchmark`."""

from collections.abc import Iterable

from mars_lib.evaluation.scoring import METRIC_TITLES, MetricSummary, left_out
from mars_lib.evaluation.statistics import with_interval
from mars_lib.experiments.results import (
    AGAINST_SIGNAL,
    AGAINST_SUPERVISED,
    Results,
)
from mars_lib.experiments.score_table import BOUNDS

TITLES = {
    "clipsep-nit": "CLIPSep-NIT (supervised)",
    "audiosep": "AudioSep (supervised)",
    "omnisep": "OmniSep (supervised)",
    "pathwise": "pathwise RL (ours)",
    "oracle": "oracle mask",
    "mixture": "mixture",
}
# Robustness curves and places whose names in `data/results.json` are not those for readers.
LABELS = {
    "asked by": "text query by",
    "leak, dB": "leak in dB, asked for",
    "asked for what is there": "a source in the mixture",
    "for what is not there": "an absent class",
}
# Tables 4 and 6, in this order, and what the signal term of the reward brings alone.
FAIR = "supervised + SI-SDR loss, sampled mask"
REWARDED = {
    "omnisep": "supervised (OmniSep)",
    "si-sdr": "supervised + SI-SDR loss, un-sampled mask",
    "si-sdr-sampled": FAIR,
    "alignment-alone": "alignment only",
    "alignment-alone-adapted": "alignment only, gate adapted",
    "pathwise-not-aligned": "pathwise RL, reward encoder not aligned",
    "pathwise-one-stage": "pathwise RL, reward encoder aligned in one stage",
    "pathwise": "pathwise RL, reward encoder aligned in three stages",
}


def systems_table(systems: dict[str, dict]) -> str:
    """One mode of one split: a row a system, a column a metric; below it what no mean holds."""
    clap = ["clap"] * ("clap" in next(iter(systems.values())))
    heads = [
        "",
        *METRIC_TITLES.values(),
        "judge",
        *["CLAP_t"] * len(clap),
        "nearer",
        "seeds",
        "SI-SDRi against OmniSep",
        "judge against OmniSep",
        "better in",
    ]
    shares = ("judge", *clap, "closer_to_target")
    rows = [_system_row(name, systems[name], shares) for name in TITLES if name in systems]
    first = next(iter(systems.values()))
    skipped = f" {first['skipped']} skipped as silent." if first["skipped"] else ""
    without = {
        TITLES[name]: {
            title: row[m]["left_out"] if m in row else row["mixtures"]
            for m, title in METRIC_TITLES.items()
        }
        for name, row in systems.items()
    }
    note = f"{first['mixtures']} mixtures.{skipped} {left_out(without)}".rstrip()
    return f"{_table(heads, rows)}\n\n{note}"


def _system_row(name: str, row: dict, shares: tuple[str, ...]) -> list[str]:
    cells = [
        f"{row[m]['mean']:.2f} ± {row[m]['sem']:.2f}" if m in row else "" for m in METRIC_TITLES
    ]
    if "si_sdri" in row:
        low, high = row["si_sdri"]["ci95"]
        cells[0] += f" [{low:.2f}, {high:.2f}]"
    cells = [TITLES[name], *cells, *(f"{100 * row[m]['mean']:.1f}" for m in shares)]
    cells.append("" if name in BOUNDS else str(row["seeds"]))
    if against := row.get("against"):
        return [*cells, *_differences(against)]
    return [*cells, "", "", ""]


def robustness_table(curve: str, places: dict[str, dict[str, MetricSummary]]) -> str:
    """One curve: a row a place on its axis, a column a system; below it what no mean holds."""
    heads = [LABELS.get(curve, curve), *(TITLES[name] for name in next(iter(places.values())))]
    rows = [
        [LABELS.get(place, place), *map(with_interval, by_system.values())]
        for place, by_system in places.items()
    ]
    without = left_out(
        {
            LABELS.get(place, place): {TITLES[name]: v["left_out"] for name, v in by_system.items()}
            for place, by_system in places.items()
        }
    )
    return _table(heads, rows) + (f"\n\n{without}" if without else "")


def probe_table(results: Results) -> str:
    """Table 3: a row a set of heads, a column a split."""
    splits = results.probe
    rows = []
    for heads in next(iter(splits.values())):
        values = [by_heads[heads] for by_heads in splits.values()]
        rows.append([heads, *(with_interval(v, ".3f") for v in values)])
    return _table(["heads", *(f"`{split}`" for split in splits)], rows)


def reward_encoder_table(results: Results) -> str:
    """Tables 4 and 6: a row a way to use reinforcement learning and alignment, a column a kind of
    query. "" where they were not compared.
    """
    if results.reward_encoders is None:
        return ""
    modes = results.reward_encoders[AGAINST_SUPERVISED]
    control = results.reward_encoders[AGAINST_SIGNAL]

    def cell(row: dict) -> str:
        if against := row.get("against"):
            return ", ".join(_differences(against)[:2])
        return f"{row['si_sdri']['mean']:.2f}, {100 * row['judge']['mean']:.1f} %"

    rows = [
        [title, *(cell(by_system[name]) for by_system in modes.values())]
        for name, title in REWARDED.items()
    ]
    last = [cell(by_system["pathwise"]) for by_system in control.values()]
    return _table(["", *modes], [*rows, [f"{TITLES['pathwise']} against {FAIR}", *last]])


def headline(results: Results) -> str:
    """SI-SDRi of all systems on both splits, and pathwise RL against OmniSep."""
    known = results.splits["test"]["text"]
    names = [name for name in TITLES if name in known and name not in BOUNDS]
    heads = [
        "split",
        "query",
        *(TITLES[name] for name in names),
        "pathwise RL against OmniSep, dB",
        "judge, percentage points",
        "better in",
    ]
    rows = [
        [
            f"`{split}`",
            mode,
            *(f"{systems[name]['si_sdri']['mean']:.2f}" for name in names),
            *_differences(systems["pathwise"]["against"]),
        ]
        for split, modes in results.splits.items()
        for mode, systems in modes.items()
    ]
    return _table(heads, rows)


def bounds(results: Results) -> list[str]:
    """Rows of `docs/results.md`: the ideal mask and the mixture on both splits."""
    rows = []
    for name, title in (("oracle", "oracle mask (ceiling)"), ("mixture", "mixture (floor)")):
        splits = [results.splits[split]["text"][name] for split in ("test", "unseen")]
        cells = [with_interval(row["si_sdri"]) for row in splits]
        cells += [
            " / ".join(f"{100 * row[m]['mean']:.0f}" for row in splits) + " %"
            for m in ("closer_to_target", "judge")
        ]
        rows.append(_row([title, *cells, ""]))
    return rows


def _differences(against: dict) -> list[str]:
    """SI-SDRi in dB, the judge in percentage points, and in how many mixtures SI-SDRi is better."""
    return [
        _signed(against["si_sdri"]),
        _signed(against["judge"], 100, 1),
        f"{100 * against['si_sdri']['share_better']:.0f} %",
    ]


def _signed(difference: dict, scale: float = 1, digits: int = 2) -> str:
    low, high = (scale * x for x in difference["ci95"])
    return f"{scale * difference['mean']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _table(heads: list[str], rows: Iterable[list[str]]) -> str:
    return "\n".join([_row(heads), _row(["---"] * len(heads)), *map(_row, rows)])


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
