"""Where the pretrained separator fails: SI-SDRi by what a source is and what is beside it.

By text, on the fixed sets and on folders of recordings. Every source of a mixture is put into a
group by its family beside the other's, the distance of the two pitches, its level, its attack, and
by whether the encoder names it; beside the text query stands the source's own sound as a query,
which no user has: what it gains is lost by the query, the rest up to the oracle by the mask.

    python benchmarks/errors.py --folder FOLDER --figure docs/errors.png
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torchaudio.functional import detect_pitch_frequency
from tqdm import tqdm

from mars_lib.check import told
from mars_lib.data import manifests
from mars_lib.data.folder_mixtures import FolderMixtures
from mars_lib.data.synthesis.classes import sound_classes
from mars_lib.evaluation.metrics import si_sdr
from mars_lib.evaluation.statistics import summary
from mars_lib.experiments.evaluate import oracle
from mars_lib.inference import system
from mars_lib.inference.drawn_queries import embed_words
from mars_lib.inference.system import System
from mars_lib.separator import separate
from mars_lib.show.plots import save

# The names of two sources, and (2, L).
Mixture = tuple[tuple[str, ...], torch.Tensor]
FRAME = 160  # samples of the envelope of an attack: 10 ms


@dataclass(frozen=True)
class Source:
    """A source of a mixture, and how well it was separated.

    Attributes:
        pair: its class and the other one's.
        same_family: whether the two are of one.
        pitch: distance of the medians of the two pitches, in octaves. Of chords and drums it is
            what autocorrelation makes of them.
        level: its energy over the other's, in dB.
        attack: the crest of its envelope, the largest frame over the mean, in dB.
        named: whether its class's word is, of all classes', the nearest to it for the encoder.
        closer: whether the estimate is nearer to it than to the other source.
        gains: SI-SDRi in dB by "text", by its "own sound" as the query, of the "oracle".
    """

    pair: tuple[str, str]
    same_family: bool
    pitch: float
    level: float
    attack: float
    named: bool
    closer: bool
    gains: dict[str, float]


def of_split(split: str, count: int) -> Iterator[Mixture]:
    """(names, (2, L) sources) of every k-th mixture of a fixed set, k the largest for `count`."""
    rows, music = manifests.read(split), manifests.music()
    for row in rows[:: max(1, len(rows) // count)][:count]:
        yield row.classes, manifests.render(row, music)[1]


def of_folder(folder: Path, separator: System, count: int) -> Iterator[Mixture]:
    """(names, (2, L) sources) of mixtures of recordings, as `mars evaluate --folder` makes them."""
    mixtures = FolderMixtures(folder, "text", separator.separator.config, 0)
    for i in range(count):
        found = mixtures.mixture(i)
        yield found.classes, found.references


@torch.no_grad()
def analysed(loaded: System, mixtures: Iterator[Mixture], name: str, count: int) -> list[Source]:
    """All sources of the mixtures."""
    families = {sound.name: sound.family for sound in sound_classes()}
    words = loaded.encoder.embed_text([*families])
    found = []
    with tqdm(total=count, desc=name) as bar:
        while part := [*islice(mixtures, 8)]:
            names = [classes for classes, _ in part]
            sources = torch.stack([each for _, each in part])
            mixture = sources.sum(dim=1)
            queries = {
                "text": embed_words(loaded.encoder, [n for row in names for n in row]),
                "own sound": loaded.encoder.embed_audio(sources.flatten(0, 1)),
            }
            estimates = {
                kind: separate(loaded.separator, mixture, z.unflatten(0, (-1, 2)))
                for kind, z in queries.items()
            } | {"oracle": oracle(loaded.separator, mixture, sources)}
            floor = si_sdr(estimate=mixture[:, None].expand_as(sources), reference=sources)
            gains = {
                kind: si_sdr(estimate=each, reference=sources) - floor
                for kind, each in estimates.items()
            }
            own = gains["text"] + floor
            other = si_sdr(estimate=estimates["text"], reference=sources.flip(1))
            nearest = (queries["own sound"] @ words.T).argmax(dim=-1).unflatten(0, (-1, 2))
            heights = pitches(sources)
            for b, row in enumerate(names):
                for n, sound in enumerate(row):
                    beside = row[1 - n]
                    energies = sources[b].square().sum(dim=-1)
                    found.append(
                        Source(
                            (sound, beside),
                            families.get(sound, sound) == families.get(beside, beside),
                            float((heights[b, n] - heights[b, 1 - n]).abs()),
                            float(10 * (energies[n] / energies[1 - n]).log10()),
                            attack(sources[b, n]),
                            [*families][int(nearest[b, n])] == sound,
                            bool(own[b, n] > other[b, n]),
                            {kind: float(each[b, n]) for kind, each in gains.items()},
                        )
                    )
            bar.update(len(part))
    return found


def pitches(waves: torch.Tensor) -> torch.Tensor:
    """(..., L) at 16 kHz -> (...): the median pitch of the frames, in octaves above 1 Hz."""
    return detect_pitch_frequency(waves, 16_000, freq_low=50).log2().median(dim=-1).values


def attack(wave: torch.Tensor) -> float:
    """The crest of the envelope of (L,), in dB."""
    frames = wave[: len(wave) // FRAME * FRAME].unflatten(0, (-1, FRAME)).square().mean(dim=-1)
    return float(10 * (frames.max() / frames.mean()).log10())


def groups(found: list[Source]) -> dict[str, dict[str, list[Source]]]:
    """The sources by every property: its values, or its thirds, and who has them."""
    grouped: dict[str, dict[str, list[Source]]] = {
        "family": {
            "another": [s for s in found if not s.same_family],
            "the same": [s for s in found if s.same_family],
        },
        "named by the encoder": {
            "yes": [s for s in found if s.named],
            "no": [s for s in found if not s.named],
        },
    }
    for title, field in (
        ("distance of pitches", "pitch"),
        ("level beside the other", "level"),
        ("attack", "attack"),
    ):
        values = np.array([getattr(s, field) for s in found])
        edges = np.quantile(values, (1 / 3, 2 / 3))
        places = np.searchsorted(edges, values)
        unit = "octaves" if field == "pitch" else "dB"
        labels = (f"< {edges[0]:.1f} {unit}", "between", f"> {edges[1]:.1f} {unit}")
        grouped[title] = {
            label: [s for s, place in zip(found, places) if place == i]
            for i, label in enumerate(labels)
        }
    return grouped


def cell(found: list[Source], kind: str) -> str:
    """A mean with its interval."""
    row = summary([s.gains[kind] for s in found])
    return f"{row['mean']:.1f} [{row['ci95'][0]:.1f}, {row['ci95'][1]:.1f}]"


def table(found: list[Source]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| property | value | sources | text, dB | closer | own sound, dB | oracle, dB |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for title, values in {"all": {"": found}, **groups(found)}.items():
        for value, among in values.items():
            if len(among) > 1:
                share = f"{100 * np.mean([s.closer for s in among]):.0f} %"
                cells = [cell(among, kind) for kind in ("text", "own sound", "oracle")]
                yield f"| {title} | {value} | {len(among)} | {cells[0]} | {share} | " + (
                    f"{cells[1]} | {cells[2]} |"
                )


def hardest(found: list[Source], count: int = 8) -> Iterator[str]:
    """The classes that gain least, and those that are hardest to take away."""
    for title, place in (("queried", 0), ("taken away", 1)):
        by_class: dict[str, list[float]] = {}
        for s in found:
            by_class.setdefault(s.pair[place], []).append(s.gains["text"])
        means = sorted((np.mean(v), name, len(v)) for name, v in by_class.items() if len(v) > 3)
        shown = ", ".join(f"{name} {mean:.1f} ({n})" for mean, name, n in means[:count])
        yield f"lowest SI-SDRi, dB, by the class that is {title} (sources): {shown}"


def draw(sets: dict[str, list[Source]], path: Path) -> None:
    """A row of panels a set, a panel a property: SI-SDRi by text and by its own sound."""
    titles = [*groups(next(iter(sets.values())))]
    figure = Figure(figsize=(3.2 * len(titles), 2.6 * len(sets)), layout="constrained")
    axes = figure.subplots(len(sets), len(titles), sharey=True, squeeze=False)
    for row, (name, found) in zip(axes, sets.items()):
        for axis, (title, values) in zip(row, groups(found).items()):
            values = {value: among for value, among in values.items() if len(among) > 1}
            for shift, kind in ((-0.2, "text"), (0.2, "own sound")):
                rows = [summary([s.gains[kind] for s in among]) for among in values.values()]
                means = [r["mean"] for r in rows]
                spread = [[m - r["ci95"][0] for m, r in zip(means, rows)]]
                spread.append([r["ci95"][1] - m for m, r in zip(means, rows)])
                places = [i + shift for i in range(len(values))]
                axis.bar(places, means, 0.36, yerr=spread, capsize=3, label=f"query: {kind}")
            axis.set_xticks(range(len(values)), [*values], fontsize="small")
            axis.set_title(title)
            axis.grid(axis="y", alpha=0.3)
        row[0].set_ylabel(f"{name}\nSI-SDRi, dB")
    axes[0][0].legend(frameon=False)
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--checkpoint", default="pathwise-small", help="a name or a path")
    parser.add_argument("--mixtures", type=int, default=200, help="of each set")
    parser.add_argument("--folder", type=Path, help="class folders of recordings, a third set")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    loaded, count = system.load(options.checkpoint, device="cpu"), options.mixtures
    sources = {split: of_split(split, count) for split in manifests.SPLITS}
    if options.folder:
        sources["recordings"] = of_folder(options.folder, loaded, count)
    sets = {name: analysed(loaded, each, name, count) for name, each in sources.items()}
    for name, found in sets.items():
        print(f"\n**{name}**\n")
        print(*table(found), "", *hardest(found), sep="\n")
    if options.figure:
        draw(sets, options.figure)


if __name__ == "__main__":
    with told():
        main()
