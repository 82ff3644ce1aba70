"""`mars evaluate`: a checkpoint on a fixed manifest or on a folder, between the mixture (floor) and
the oracle mask (ceiling).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm.std import tqdm

from mars_lib.check import fail
from mars_lib.data import manifests, pictures
from mars_lib.data.folder_mixtures import FolderMixtures
from mars_lib.data.manifests import TestMixture
from mars_lib.data.music import Music
from mars_lib.data.synthesis.classes import warn_of_unknown
from mars_lib.evaluation import scoring
from mars_lib.evaluation.judge import Judge, right
from mars_lib.inference.pretrained import load_judge
from mars_lib.inference.system import System
from mars_lib.io import atomic
from mars_lib.query import query_mixup
from mars_lib.rollout import ideal_estimate
from mars_lib.separator import Separator, separate

# Weights of audio, image and text in a composed query. The paper does not say; OmniSep's code adds
# one audio, two image and two text embeddings.
COMPOSED = (0.5, 1.0, 1.0)
QUERIES = ("text", "audio", "image", "composed")


@dataclass(frozen=True)
class Batch:
    """What is scored at once: the N class names of each mixture, `mixture` (B, L), `reference` (B,
    N, L) and the `query` (B, N, D) that asks for each source.
    """

    classes: list[tuple[str, ...]]
    mixture: torch.Tensor
    reference: torch.Tensor
    query: torch.Tensor


def evaluate(
    system: System,
    split: str,
    query: str,
    *,
    limit: int | None = None,
    protocol: str = "appendix-c",
    per_mixture: str | Path | None = None,
    progress: bool = True,
    batch_size: int = 16,
) -> dict:
    """Score one system on a shipped manifest with one kind of query; returns the JSON of `mars
    evaluate`.

    Audio queries are other clips of the class, image queries are drawings held out from training,
    text queries are the class names. `judge` is the share of estimates in which the offline judge
    hears the class that was asked for. `limit` takes the first mixtures only. With `per_mixture`,
    every score goes to that file as JSON lines.
    """
    _check(query)
    rows = manifests.read(split)[:limit]
    music = manifests.music()
    mixtures = []

    def batch(start: int) -> Batch:
        part = rows[start : start + batch_size]
        mixture, reference = (
            torch.stack(each) for each in zip(*(manifests.render(row, music) for row in part))
        )
        mixtures.extend(mixture)
        return Batch(
            [row.classes for row in part],
            mixture,
            reference,
            embed_queries(system, part, query, music),
        )

    starts = tqdm(
        range(0, len(rows), batch_size), desc=f"{split}, {query} query", disable=not progress
    )
    scored = _score(system, map(batch, starts), protocol, per_mixture, load_judge())
    changed = manifests.verify(rows, mixtures)
    return {
        "split": split,
        "query": query,
        "protocol": protocol,
        **scored,
        "changed_mixtures": changed,
    }


def evaluate_folder(
    system: System,
    folder: str | Path,
    query: str,
    *,
    interference: str | Path | None = None,
    mixtures: int = 200,
    seed: int = 0,
    protocol: str = "appendix-c",
    per_mixture: str | Path | None = None,
    progress: bool = True,
    batch_size: int = 16,
) -> dict:
    """Score one system on mixtures of the recordings in `folder/class/*`, as `evaluate` does on a
    manifest; or of those that a prepared CSV lists, with the second sources from the CSV
    `interference` where one is given (MUSIC-clean+ and VGGSound-clean+ are such pairs of lists).

    Text queries are the classes' names, known to the text encoder or not; audio queries other
    recordings of the class (or another stretch of its only one), image queries its pictures. There
    is no `judge`: it knows the classes of mini-MUSIC alone. Raises `InputError` where fewer than
    two classes can be asked for, and for one that is silent.
    """
    _check(query)
    source = FolderMixtures(folder, query, system.separator.config, seed, interference)
    names = source.classes
    for name in names if query in ("text", "composed") else ():
        warn_of_unknown(name, stacklevel=2)

    def batch(start: int) -> Batch:
        part = [source.mixture(i) for i in range(start, min(start + batch_size, mixtures))]
        asked = _embed(
            system,
            query,
            [name for row in part for name in row.classes],
            (clip.wave for row in part for clip in row.clips),
            (pictures.load_picture(path) for row in part for path in row.pictures),
        )
        return Batch(
            [row.classes for row in part],
            torch.stack([row.mixture for row in part]),
            torch.stack([row.references for row in part]),
            asked.reshape(len(part), -1, asked.shape[-1]),
        )

    starts = tqdm(
        range(0, mixtures, batch_size), desc=f"{folder}, {query} query", disable=not progress
    )
    scored = _score(system, map(batch, starts), protocol, per_mixture)
    beside = {"interference": str(interference)} if interference else {}
    return {
        "folder": str(folder),
        **beside,
        "query": query,
        "protocol": protocol,
        "seed": seed,
        "classes": names,
        **scored,
    }


def report(result: dict) -> str:
    """The table of an evaluation as text: a line a system, means with their standard errors, and
    what no mean holds.
    """
    source = result.get("split", result.get("folder"))
    lines = [
        f"{source}, {result['query']} query, {result['mixtures']} mixtures, {result['skipped']} skipped"
    ]
    name, row = next(iter(result["systems"].items()))
    judged = ["judge"] * ("judge" in row)
    decibels = {"si_sdri": "SI-SDRi", "sdr": "SDR", "sir": "SIR", "sar": "SAR"}
    lines.append(
        f"{'':20}" + "".join(f"{head:>18}" for head in (*decibels.values(), "closer", *judged))
    )
    for system, metrics in result["systems"].items():
        cells = [
            f"{metrics[m]['mean']:9.2f} ± {metrics[m]['sem']:4.2f}" if m in metrics else "none"
            for m in decibels
        ]
        cells.append(f"{100 * metrics['closer_to_target']:.1f} %")
        cells += [
            f"{100 * metrics[m]['mean']:.1f} ± {100 * metrics[m]['sem']:.1f} %" for m in judged
        ]
        lines.append(f"{system:20}" + "".join(f"{cell:>18}" for cell in cells))
    scored = result["mixtures"] - result["skipped"]
    missing = {
        system: {
            title: metrics[m]["left_out"] if m in metrics else scored
            for m, title in decibels.items()
        }
        for system, metrics in result["systems"].items()
    }
    note = "dB, mean ± standard error"
    if "si_sdri" in row:
        low, high = row["si_sdri"]["ci95"]
        note += f"; SI-SDRi of {name}: 95 % in [{low:.2f}, {high:.2f}]"
    return "\n".join(filter(None, (*lines, note, scoring.left_out(missing))))


@torch.no_grad()
def embed_queries(
    system: System, rows: list[TestMixture], query: str, music: Music
) -> torch.Tensor:
    """(B, N, D) queries of manifest rows, each source asked for by its own."""
    pairs = [(row, n) for row in rows for n in range(len(row.classes))]
    asked = _embed(
        system,
        query,
        [r.classes[n] for r, n in pairs],
        (music.clip(r.split, r.sounds()[n], r.query_clips[n]) for r, n in pairs),
        (_held_out_drawing(r, n) for r, n in pairs),
    )
    return asked.reshape(len(rows), -1, asked.shape[-1])


@torch.no_grad()
def _embed(
    system: System,
    query: str,
    names: list[str],
    clips: Iterable[np.ndarray],
    drawings: Iterable[torch.Tensor],
) -> torch.Tensor:
    """(M, D) queries by M names, clips (L,) or drawings (3, 224, 224), whichever the kind of query
    takes.
    """
    encoder = system.encoder
    device = next(system.separator.parameters()).device
    found = {}
    if query in ("audio", "composed"):
        waves = torch.stack([torch.from_numpy(clip) for clip in clips])
        found["audio"] = encoder.embed_audio(waves.to(device))
    if query in ("image", "composed"):
        found["image"] = encoder.embed_image(torch.stack(list(drawings)).to(device))
    if query in ("text", "composed"):
        found["text"] = encoder.embed_text(names)
    if query == "composed":
        stacked = torch.stack([found[m] for m in ("audio", "image", "text")], dim=1)
        weights = torch.tensor(COMPOSED, device=device).expand(len(names), -1)
        found["composed"] = query_mixup(stacked, weights)
    return found[query]


def _held_out_drawing(row: TestMixture, source: int) -> torch.Tensor:
    sound = row.sounds()[source]
    files = {path.stem: path for path in pictures.drawings(sound, row.split)}
    return pictures.load_picture(files[row.query_drawings[source]])


def _check(query: str) -> None:
    if query not in QUERIES:
        fail("query", f"is {query!r}", f"give one of {', '.join(QUERIES)}")


def _score(
    system: System,
    batches: Iterable[Batch],
    protocol: str,
    per_mixture: str | Path | None,
    judge: Judge | None = None,
) -> dict:
    """The system, the oracle and the mixture itself on all batches: the part of the JSON that every
    evaluation has.
    """
    scores: dict[str, list] = {system.name: [], "oracle": [], "mixture": []}
    names: list[tuple[str, ...]] = []
    for batch in batches:
        mixture, reference, device = batch.mixture, batch.reference, batch.query.device
        with torch.no_grad():
            heard = separate(system.separator, mixture.to(device), batch.query).cpu()
            ceiling = oracle(system.separator, mixture.to(device), reference.to(device)).cpu()
        floor = mixture[:, None].expand_as(reference)
        estimates = {system.name: heard, "oracle": ceiling, "mixture": floor}
        judged = (
            {name: _judged(judge, each, batch.classes) for name, each in estimates.items()}
            if judge
            else None
        )
        for name, new in scoring.score(estimates, reference, mixture, protocol, judged).items():
            scores[name] += new
        names += batch.classes
    if per_mixture:
        lines = (
            {"mixture": i, "classes": row, **{n: vars(s[i]) for n, s in scores.items()}}
            for i, row in enumerate(names)
        )
        atomic.write_text(per_mixture, "".join(json.dumps(line) + "\n" for line in lines))
    systems, skipped = scoring.table(scores)
    return {
        "mixtures": len(names),
        "skipped": skipped,
        "systems": systems,
        "per_mixture": str(per_mixture) if per_mixture else None,
    }


def _judged(judge: Judge, estimate: torch.Tensor, classes: list[tuple[str, ...]]) -> torch.Tensor:
    """Whether the judge names the class that each of the (B, N, L) estimates was asked for: (B, N)
    bool.
    """
    asked = [name for row in classes for name in row]
    return right(judge, estimate.flatten(0, 1), asked).reshape(estimate.shape[:2])


def oracle(separator: Separator, mixture: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """The ceiling: ideal binary masks at the separator's own resolution, (B, L), (B, N, L) -> (B,
    N, L).
    """
    return ideal_estimate(separator, mixture, reference)
