"""`RESULTS.md` from the numbers of `mars benchmark`: nothing in it is written by hand."""

import re
from pathlib import Path

from mars_lib.evaluation.scoring import LIMIT, left_out
from mars_lib.experiments.robustness import LEAST
from mars_lib.io import atomic
from mars_lib.training.rl_config import recipe

TITLES = {
    "clipsep-nit": "CLIPSep-NIT (supervised)",
    "audiosep": "AudioSep (supervised)",
    "omnisep": "OmniSep (supervised)",
    "mars-sep": "MARS-Sep (pathwise, sampled mask)",
    "oracle": "oracle mask",
    "mixture": "mixture",
}
METRICS = {"si_sdri": "SI-SDRi", "sdr": "SDR", "sir": "SIR", "sar": "SAR"}
HEAD = """# Results

Written by `mars benchmark`; do not edit. All systems have about 1.1 million parameters, the same sounds, encoder, batches and {steps:,} steps
(`mars train systems`); OmniSep and MARS-Sep are one separator for the first third of them. MARS-Sep is here the recipe of this course and not the paper's PPO: its gradient goes
through a sampled mask and the encoder (pathwise), its reward is sim + {recipe.signal_weight} SI-SDR, and WBCE x {recipe.anchor} anchors it.

Means over mixtures and seeds with standard errors over mixtures and, in brackets, 95 % bootstrap intervals over mixtures and seeds; differences are paired
by mixture and seed. Three seeds are few: what they add to an interval is the range of their means, which by itself holds the mean of all
possible seeds in three cases of four. dB, but for judge (share of estimates in which an independent network names the class that was asked for) and nearer
(share nearer to the asked source), in per cent. Of the sources themselves the judge names {judge}. A score beyond {limit} dB is what rounding leaves of a
perfect one (the mixture has no artefacts, an ideal mask of sources that never sound together no fault): it is left out of its mean, and counted below the table.
"""
CLAP = """
CLAP_t is 100 times the cosine between the sound and "{prompt}" in `{checkpoint}`.
"""
# Tables 4 and 6, in this order, and what the signal term of the reward brings alone.
FAIR = "supervised + SI-SDR loss, sampled mask"
REWARD_HEADS = {
    "omnisep": "supervised (OmniSep)",
    "si-sdr": "supervised + SI-SDR loss, un-sampled mask",
    "si-sdr-sampled": FAIR,
    "alignment-alone": "alignment only",
    "alignment-alone-adapted": "alignment only, gate adapted",
    "mars-sep-not-aligned": "pathwise RL, ear not aligned",
    "mars-sep-one-stage": "pathwise RL, ear aligned in one stage",
    "mars-sep": "pathwise RL, ear aligned in three stages: MARS-Sep (pathwise, sampled mask)",
}


def write(found: dict, cases: dict, folder: Path) -> None:
    """Numbers, page and figures of `mars_lib.experiments.benchmark.run`: `data/results.json`,
    `RESULTS.md`, `docs/cases.png`, `docs/robustness.png` in `folder`.

    A `README.md` that is there gets its tables of these numbers (`quoted`).
    """
    from mars_lib import show

    show.save(show.mel_grid(cases), folder / "docs" / "cases.png")
    titled = {
        curve: {
            place: {TITLES[name]: value for name, value in by.items()}
            for place, by in places.items()
        }
        for curve, places in found["robustness"].items()
    }
    show.save(show.interval_grid(titled, "SI-SDRi, dB"), folder / "docs" / "robustness.png")
    atomic.write_json(folder / "data" / "results.json", found)
    atomic.write_text(folder / "RESULTS.md", markdown(found))
    readme = folder / "README.md"
    if readme.is_file():
        atomic.write_text(readme, quoted(readme.read_text(encoding="utf-8"), found))


def markdown(found: dict) -> str:
    """The page for the numbers of `mars_lib.experiments.benchmark.run`."""
    clean = " and ".join(
        f"{100 * share:.0f} % on `{split}`" for split, share in found["judge on sources"].items()
    )
    parts = [
        HEAD.format(steps=found["steps"], judge=clean, limit=LIMIT, recipe=recipe()),
        *([CLAP.format(**found["clap"])] if found["clap"] else []),
    ]
    for split, modes in found["splits"].items():
        for mode, systems in modes.items():
            parts.append(f"## `{split}`, {_asked(mode)}\n\n{_table(systems)}")
    parts.append(
        "## Sources of one family (Table 5's question)\n\nMixtures whose sources are of one family of `data/classes.json`: brass against brass, keys against keys.\n"
    )
    for split, modes in found["one family"].items():
        parts.append(f"### `{split}`, {_asked('text')}\n\n{_table(modes['text'])}")
    parts.append(
        "## The protocol of OmniSep's code\n\nThe first source alone, no matching of estimates to sources.\n"
    )
    for split, modes in found["target-only"].items():
        parts.append(f"### `{split}`, {_asked('text')}\n\n{_table(modes['text'])}")
    parts.append(
        "## Does alignment help the ear? (Table 3)\n\nHow much more a word likes its clean source than the mixture with it: difference of cosines, "
        f"both sources of each mixture.\n\n{probe_table(found)}"
    )
    parts.append("## Who hears (Tables 4 and 6), and what the signal term brings alone\n")
    if found["ears"]:
        count, seeds = (
            found["ears"]["against supervised"]["text"]["mars-sep"][key]
            for key in ("mixtures", "seeds")
        )
        parts.append(
            f"{count} mixtures of `unseen`, {seeds} seed{'s' * (seeds > 1)}: SI-SDRi in dB and judge; differences from supervised, dB and judge's "
            f"points, paired by mixture and seed.\n\n{ears_table(found)}"
        )
    else:
        parts.append(
            f"Not compared: no checkpoints {', '.join(found['missing'])}; `mars train systems` makes them.\n"
        )
    parts.append(
        f"## Three mixtures\n\nWorst, median and best mixture of `unseen` by the SI-SDRi of {TITLES['mars-sep']} with seed 0, by text. Notebook 06 plays them.\n\n"
        "![Log-mel spectrograms of mixture, target, interference and each system's estimate for three mixtures](docs/cases.png)\n"
    )
    parts.append(
        "## Robustness\n\nSI-SDRi in dB on mixtures of `unseen` sources, by text, means over seeds with 95 % intervals over mixtures and seeds (`mars_lib.experiments.robustness`). A leak below "
        f"{LEAST} dB, as of silence, counts as {LEAST}.\n\n"
        "![SI-SDRi against level, number of sources, noise, reverberation and words, and what leaks](docs/robustness.png)\n"
    )
    parts += [_curve(curve, places) for curve, places in found["robustness"].items()]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _curve(curve: str, places: dict) -> str:
    names = next(iter(places.values()))
    lines = [_row([curve, *(TITLES[name] for name in names)]), _row(["---"] * (1 + len(names)))]
    for place, by_system in places.items():
        cells = [
            f"{v['mean']:.2f} [{v['ci95'][0]:.2f}, {v['ci95'][1]:.2f}]" for v in by_system.values()
        ]
        lines.append(_row([place, *cells]))
    without = left_out(
        {
            place: {TITLES[name]: v["left_out"] for name, v in by.items()}
            for place, by in places.items()
        }
    )
    return "\n".join([*lines, *(["", without] if without else [])])


def probe_table(found: dict) -> str:
    """Table 3: a row a set of heads, a column a split."""
    splits = found["probe"]
    lines = [
        _row(["heads", *(f"`{split}`" for split in splits)]),
        _row(["---"] * (1 + len(splits))),
    ]
    for heads in next(iter(splits.values())):
        values = [splits[split][heads] for split in splits]
        lines.append(
            _row(
                [
                    heads,
                    *(f"{v['mean']:.3f} [{v['ci95'][0]:.3f}, {v['ci95'][1]:.3f}]" for v in values),
                ]
            )
        )
    return "\n".join(lines)


def ears_table(found: dict) -> str:
    """Tables 4 and 6: a row a way to use reinforcement learning and alignment, a column a way to
    ask.
    """
    modes, control = (found["ears"][f"against {base}"] for base in ("supervised", "SI-SDR"))

    def cell(row: dict) -> str:
        against = row.get("against")
        if against:
            return f"{_signed(against['si_sdri'])}, {_signed(against['judge'], 100, 1)}"
        return f"{row['si_sdri']['mean']:.2f}, {100 * row['judge']['mean']:.1f} %"

    lines = [_row(["", *modes]), _row(["---"] * (1 + len(modes)))]
    lines += [
        _row([title, *(cell(by_system[name]) for by_system in modes.values())])
        for name, title in REWARD_HEADS.items()
    ]
    lines.append(
        _row(
            [
                f"{TITLES['mars-sep']} against {FAIR}",
                *(cell(by_system["mars-sep"]) for by_system in control.values()),
            ]
        )
    )
    return "\n".join(lines)


def headline(found: dict) -> str:
    """SI-SDRi of all systems on both splits, and MARS-Sep against OmniSep."""
    names = [
        name
        for name in TITLES
        if name in found["splits"]["test"]["text"] and name not in ("oracle", "mixture")
    ]
    heads = [
        "split",
        "query",
        *(TITLES[name] for name in names),
        "MARS-Sep (pathwise) against OmniSep, dB",
        "judge, points",
        "better in",
    ]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for split, modes in found["splits"].items():
        for mode, systems in modes.items():
            against = systems["mars-sep"]["against"]
            lines.append(
                _row(
                    [
                        f"`{split}`",
                        mode,
                        *(f"{systems[name]['si_sdri']['mean']:.2f}" for name in names),
                        _signed(against["si_sdri"]),
                        _signed(against["judge"], 100, 1),
                        f"{100 * against['si_sdri']['share_better']:.0f} %",
                    ]
                )
            )
    return "\n".join(lines)


def bounds(found: dict) -> list[str]:
    """Rows of the README's first table: the ideal mask and the mixture on both splits."""
    rows = []
    for name, title in (("oracle", "oracle mask (ceiling)"), ("mixture", "mixture (floor)")):
        splits = [found["splits"][split]["text"][name] for split in ("test", "unseen")]
        cells = [
            "{:.2f} [{:.2f}, {:.2f}]".format(row["si_sdri"]["mean"], *row["si_sdri"]["ci95"])
            for row in splits
        ]
        cells += [
            " / ".join(f"{100 * row[m]['mean']:.0f}" for row in splits) + " %"
            for m in ("closer_to_target", "judge")
        ]
        rows.append(_row([title, *cells, ""]))
    return rows


def quoted(readme: str, found: dict) -> str:
    """A README with its tables of these numbers made again: those between `<!-- NAME -->` and `<!--
    end -->`, and `bounds`.
    """
    tables = {
        "headline": headline(found),
        **({"who hears": ears_table(found)} if found["ears"] else {}),
    }
    for name, table in tables.items():
        block = f"<!-- {name} -->\n\n{table}\n\n<!-- end -->"
        readme = re.sub(
            rf"<!-- {name} -->.*?<!-- end -->", lambda _: block, readme, flags=re.DOTALL
        )
    for row in bounds(found):
        readme = re.sub(
            rf"^{re.escape(row.split(' |')[0])} \|.*$", lambda _: row, readme, flags=re.MULTILINE
        )
    return readme


def _asked(mode: str) -> str:
    return (
        "by text minus the other source's text"
        if mode == "negative"
        else f"by {mode}"
        if mode != "composed"
        else "by a composed query"
    )


def _table(systems: dict) -> str:
    clap = "clap" in next(iter(systems.values()))
    heads = [
        "",
        *METRICS.values(),
        "judge",
        *["CLAP_t"] * clap,
        "nearer",
        "seeds",
        "SI-SDRi against OmniSep",
        "judge against OmniSep",
        "better in",
    ]
    lines = [_row(heads), _row(["---"] * len(heads))]
    for name in (name for name in TITLES if name in systems):
        row = systems[name]
        cells = [f"{row[m]['mean']:.2f} ± {row[m]['sem']:.2f}" if m in row else "" for m in METRICS]
        if "si_sdri" in row:
            cells[0] += " [{:.2f}, {:.2f}]".format(*row["si_sdri"]["ci95"])
        cells.insert(0, TITLES[name])
        cells += [
            f"{100 * row[m]['mean']:.1f}" for m in ("judge", *["clap"] * clap, "closer_to_target")
        ]
        cells.append("" if name in ("oracle", "mixture") else str(row["seeds"]))
        against = row.get("against")
        cells += (
            [
                _signed(against["si_sdri"]),
                _signed(against["judge"], 100, 1),
                f"{100 * against['si_sdri']['share_better']:.0f} %",
            ]
            if against
            else [""] * 3
        )
        lines.append(_row(cells))
    first = next(iter(systems.values()))
    skipped = f" {first['skipped']} skipped as silent." if first["skipped"] else ""
    without = {
        TITLES[name]: {
            title: row[m]["left_out"] if m in row else row["mixtures"]
            for m, title in METRICS.items()
        }
        for name, row in systems.items()
    }
    return "\n".join(
        [*lines, "", f"{first['mixtures']} mixtures.{skipped} {left_out(without)}".rstrip()]
    )


def _signed(difference: dict, scale: float = 1, digits: int = 2) -> str:
    low, high = (scale * x for x in difference["ci95"])
    return f"{scale * difference['mean']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
