"""`RESULTS.md` from the numbers of `mars benchmark`: nothing in it is written by hand."""

import re
from pathlib import Path

import torch

from mars_lib import show
from mars_lib.evaluation.scoring import LIMIT
from mars_lib.experiments.results import AGAINST_SUPERVISED, Results, Summaries
from mars_lib.experiments.results_tables import (
    LABELS,
    TITLES,
    bounds,
    headline,
    probe_table,
    reward_encoder_table,
    robustness_table,
    systems_table,
)
from mars_lib.experiments.robustness import LEAST
from mars_lib.io import atomic
from mars_lib.training.rl_config import recipe

HEAD = """# Results

Written by `mars benchmark`; do not edit. All systems have about 1.1 million parameters, the same
sounds, encoder, batches and {steps:,} steps (`mars train systems`); OmniSep and pathwise RL are one
separator for the first third of them. Pathwise RL is the recipe of this course and not MARS-Sep,
the paper's PPO: its gradient goes through a sampled mask and the encoder, its
reward is sim + {recipe.signal_weight} SI-SDR, and WBCE x {recipe.anchor} anchors it.

Means over mixtures and seeds with standard errors over mixtures and, in brackets, 95 % bootstrap
intervals over mixtures and seeds; differences are paired by mixture and seed. Three seeds are few:
what they add to an interval is the range of their means, which by itself holds the mean of all
possible seeds in three cases of four. dB, but for judge (share of estimates in which a held-out
classifier names the queried class) and nearer (share nearer to the queried source), in per cent;
differences of that share are in percentage points. Of the sources themselves that classifier names
{judge}. A score beyond {limit} dB is what rounding leaves of a perfect one (the mixture has no
artefacts, an ideal mask of sources that never sound together no fault): it is left out of its mean,
and counted below the table.
"""
CLAP = """
CLAP_t is 100 times the cosine between the sound and "{prompt}" in `{checkpoint}`.
"""
ONE_FAMILY = """## Sources of one family (Table 5's question)

Mixtures whose sources are of one family of `data/classes.json`: brass against brass, keys against
keys.
"""
TARGET_ONLY = """## The protocol of OmniSep's code

The first source alone, no matching of estimates to sources.
"""
PROBE = """## Does alignment help the reward encoder? (Table 3)

How much more similar a word is to its clean source than to the mixture with it: difference of
cosines, both sources of each mixture.

{table}
"""
REWARD_ENCODERS = """## Which reward encoder (Tables 4 and 6), and what the signal term brings alone

{content}
"""
EXAMPLES = """## Three mixtures

Worst, median and best mixture of `unseen` by the SI-SDRi of {title} with seed 0, text queries.
Notebook 07 plays three that the same rule chooses among its first mixtures.

![Log-mel spectrograms of mixture, target, interference and each system's estimate](docs/cases.png)
"""
ROBUSTNESS = """## Robustness

SI-SDRi in dB on mixtures of `unseen` sources, text queries, means over seeds with 95 % intervals
over mixtures and seeds (`mars_lib.experiments.robustness`). A leak below {least} dB, as of silence,
counts as {least}.

![SI-SDRi by level, sources, noise, reverberation and words, and what leaks](docs/robustness.png)
"""


def write(results: Results, examples: dict[str, dict[str, torch.Tensor]], folder: Path) -> None:
    """Write what `mars_lib.experiments.benchmark.run` returns into `folder`: `data/results.json`,
    `RESULTS.md`, `docs/cases.png`, `docs/robustness.png`.

    A `docs/results.md` that is there gets its tables of these numbers (`quoted`).
    """
    show.save(show.mel_grid(examples), folder / "docs" / "cases.png")
    titled = {
        LABELS.get(curve, curve): {
            LABELS.get(place, place): {
                TITLES[name]: dict(value) for name, value in by_system.items()
            }
            for place, by_system in places.items()
        }
        for curve, places in results.robustness.items()
    }
    drawn = show.interval_grid(titled, "SI-SDRi, dB", {LABELS["leak, dB"]: "leak, dB"})
    show.save(drawn, folder / "docs" / "robustness.png")
    atomic.write_json(folder / "data" / "results.json", results.to_json())
    atomic.write_text(folder / "RESULTS.md", markdown(results))
    page = folder / "docs" / "results.md"
    if page.is_file():
        atomic.write_text(page, quoted(page.read_text(encoding="utf-8"), results))


def markdown(results: Results) -> str:
    """The whole page."""
    shares = results.judge_on_sources.items()
    judge = " and ".join(f"{100 * share:.0f} % on `{split}`" for split, share in shares)
    parts = [
        HEAD.format(steps=results.steps, judge=judge, limit=LIMIT, recipe=recipe()),
        *([CLAP.format(**results.clap)] if results.clap else []),
        *_sections("##", results.splits),
        ONE_FAMILY,
        *_sections("###", results.one_family, ("text",)),
        TARGET_ONLY,
        *_sections("###", results.target_only, ("text",)),
        PROBE.format(table=probe_table(results)),
        REWARD_ENCODERS.format(content=_reward_encoders(results)),
        EXAMPLES.format(title=TITLES["pathwise"]),
        ROBUSTNESS.format(least=LEAST),
        *(robustness_table(curve, places) for curve, places in results.robustness.items()),
    ]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def _sections(
    level: str, splits: dict[str, Summaries], only: tuple[str, ...] | None = None
) -> list[str]:
    return [
        f"{level} `{split}`, {_queries(mode)}\n\n{systems_table(systems)}"
        for split, modes in splits.items()
        for mode, systems in modes.items()
        if only is None or mode in only
    ]


def _queries(mode: str) -> str:
    if mode == "negative":
        return "negative queries (text minus the other source's text)"
    return f"{mode} queries"


def _reward_encoders(results: Results) -> str:
    if results.reward_encoders is None:
        names = ", ".join(results.missing)
        return f"Not compared: no checkpoints {names}; `mars train systems` makes them."
    row = results.reward_encoders[AGAINST_SUPERVISED]["text"]["pathwise"]
    return (
        f"{row['mixtures']} mixtures of `unseen`, {row['seeds']} seed{'s' * (row['seeds'] > 1)}: "
        "SI-SDRi in dB and judge;\ndifferences from supervised training, in dB and in the judge's "
        f"percentage points, paired by mixture and seed.\n\n{reward_encoder_table(results)}"
    )


def quoted(page: str, results: Results) -> str:
    """The page `docs/results.md` with its tables of these numbers made again.

    Those are the tables between `<!-- NAME -->` and `<!-- end -->`, and the rows of `bounds`.
    """
    tables = {"headline": headline(results), "reward encoders": reward_encoder_table(results)}
    for name, table in tables.items():
        if table:
            block = f"<!-- {name} -->\n\n{table}\n\n<!-- end -->"
            page = _replace(rf"<!-- {name} -->.*?<!-- end -->", block, page, re.DOTALL)
    for row in bounds(results):
        first = re.escape(row.split(" |")[0])
        page = _replace(rf"^{first} \|.*$", row, page, re.MULTILINE)
    return page


def _replace(pattern: str, text: str, page: str, flags: re.RegexFlag) -> str:
    """`re.sub` that takes the text as it is, backslashes too."""
    return re.sub(pattern, lambda _: text, page, flags=flags)
