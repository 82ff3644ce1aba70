"""`RESULTS.md` from the numbers of `mars benchmark`: nothing in it is written by hand."""

from pathlib import Path

from mars_lib import atomic

TITLES = {
    "clipsep-nit": "CLIPSep-NIT", "audiosep": "AudioSep", "omnisep": "OmniSep", "mars-sep": "MARS-Sep", "oracle": "oracle mask",
    "mixture": "mixture",
}
METRICS = {"si_sdri": "SI-SDRi", "sdr": "SDR", "sir": "SIR", "sar": "SAR"}
HEAD = """# Results

Written by `mars benchmark`; do not edit. All systems have about 1.1 million parameters, the same sounds, encoder, batches and {steps:,} steps
(`mars train systems`); OmniSep and MARS-Sep are one separator for the first two thirds of them. Means over mixtures and seeds with standard
errors and, in brackets, 95 % bootstrap intervals over mixtures; differences are paired by mixture. dB, but for judge (share of estimates in which
an independent network names the class that was asked for) and nearer (share nearer to the asked source), in per cent.
"""


def write(found: dict, folder: Path) -> None:
    """The numbers and the page: `data/results.json` and `RESULTS.md` in `folder`."""
    atomic.write_json(folder / "data" / "results.json", found)
    atomic.write_text(folder / "RESULTS.md", markdown(found))


def markdown(found: dict) -> str:
    """The page for what `mars_lib.benchmark.run` returns."""
    parts = [HEAD.format(steps=found["steps"])]
    for split, modes in found["splits"].items():
        for mode, systems in modes.items():
            parts.append(f"## `{split}`, {_asked(mode)}\n\n{_table(systems)}")
    parts.append(
        "## Sources of one family (Table 5's question)\n\nMixtures whose sources are of one family of `data/classes.json`: brass against brass, keys against keys.\n"
    )
    for split, modes in found["one family"].items():
        parts.append(f"### `{split}`, {_asked('text')}\n\n{_table(modes['text'])}")
    parts.append("## The protocol of OmniSep's code\n\nThe first source alone, no matching of estimates to sources.\n")
    for split, modes in found["target-only"].items():
        parts.append(f"### `{split}`, {_asked('text')}\n\n{_table(modes['text'])}")
    return "\n".join(part.rstrip() + "\n" for part in parts)


def headline(found: dict) -> str:
    """MARS-Sep against OmniSep on both splits, as the README quotes it."""
    lines = ["| split | query | OmniSep, dB | MARS-Sep, dB | difference, dB | judge, points | better in |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for split, modes in found["splits"].items():
        for mode, systems in modes.items():
            ours, against = systems["mars-sep"], systems["mars-sep"]["against"]
            lines.append(
                f"| `{split}` | {mode} | {systems['omnisep']['si_sdri']['mean']:.2f} | {ours['si_sdri']['mean']:.2f} | "
                f"{_signed(against['si_sdri'])} | {_signed(against['judge'], 100, 1)} | {100 * against['si_sdri']['share_better']:.0f} % |"
            )
    return "\n".join(lines)


def _asked(mode: str) -> str:
    return "by text minus the other source's text" if mode == "negative" else f"by {mode}" if mode != "composed" else "by a composed query"


def _table(systems: dict) -> str:
    heads = ["", *METRICS.values(), "judge", "nearer", "seeds", "SI-SDRi against OmniSep", "judge against OmniSep", "better in"]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for name in (name for name in TITLES if name in systems):
        row = systems[name]
        low, high = row["si_sdri"]["ci95"]
        cells = [TITLES[name], f"{row['si_sdri']['mean']:.2f} ± {row['si_sdri']['sem']:.2f} [{low:.2f}, {high:.2f}]"]
        cells += [f"{row[m]['mean']:.2f} ± {row[m]['sem']:.2f}" if _finite(row[m]["mean"]) else "" for m in list(METRICS)[1:]]
        cells += [f"{100 * row[m]['mean']:.1f}" for m in ("judge", "closer_to_target")]
        cells.append("" if name in ("oracle", "mixture") else str(row["seeds"]))
        against = row.get("against")
        cells += [
            _signed(against["si_sdri"]), _signed(against["judge"], 100, 1), f"{100 * against['si_sdri']['share_better']:.0f} %"
        ] if against else [""] * 3
        lines.append(_row(cells))
    count = next(iter(systems.values()))["mixtures"]
    return "\n".join([*lines, "", f"{count} mixtures."])


def _finite(decibels: float) -> bool:
    """The mixture has no artefacts: its SAR is what rounding leaves, hundreds of dB."""
    return abs(decibels) < 100


def _signed(difference: dict, scale: float = 1, digits: int = 2) -> str:
    low, high = (scale * x for x in difference["ci95"])
    return f"{scale * difference['mean']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
