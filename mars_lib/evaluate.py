"""`mars evaluate`: a checkpoint on a fixed manifest, between the mixture (floor) and the oracle mask (ceiling)."""

import json
from pathlib import Path

import torch
from tqdm.std import tqdm

from mars_lib import atomic
from mars_lib.check import fail
from mars_lib.data import manifests, pictures
from mars_lib.data.manifests import TestMixture
from mars_lib.data.render import MiniMusic
from mars_lib.evaluation import benchmark
from mars_lib.evaluation.judge import Judge, right
from mars_lib.query import query_mixup
from mars_lib.rollout import ideal_estimate
from mars_lib.separator import Separator, separate
from mars_lib.system import System, load_judge

# Weights of audio, image and text in a composed query. The paper does not say; OmniSep's code adds one
# audio, two image and two text embeddings.
COMPOSED = (0.5, 1.0, 1.0)
QUERIES = ("text", "audio", "image", "composed")


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
    """Score one system on a shipped manifest with one kind of query; returns the JSON of `mars evaluate`.

    Audio queries are other clips of the class, image queries are drawings held out from training, text queries
    are the class names. `judge` is the share of estimates in which the offline judge hears the class that was asked
    for. `limit` takes the first mixtures only. With `per_mixture`, every score goes to that file as JSON lines.
    """
    if query not in QUERIES:
        fail("query", f"is {query!r}", f"give one of {', '.join(QUERIES)}")
    rows = manifests.read(split)[:limit]
    music = manifests.music()
    scores: dict[str, list] = {system.name: [], "oracle": [], "mixture": []}
    judge = load_judge()
    mixtures = []
    bar = tqdm(total=len(rows), desc=f"{split}, {query} query", disable=not progress)
    for start in range(0, len(rows), batch_size):
        part = rows[start : start + batch_size]
        rendered = [manifests.render(row, music) for row in part]
        mixture = torch.stack([x for x, _ in rendered])
        reference = torch.stack([r for _, r in rendered])
        mixtures.extend(mixture)
        asked = embed_queries(system, part, query, music)
        device = asked.device
        with torch.no_grad():
            heard = separate(system.separator, mixture.to(device), asked).cpu()
            ceiling = oracle(system.separator, mixture.to(device), reference.to(device)).cpu()
        floor = mixture[:, None].expand_as(reference)
        estimates = {system.name: heard, "oracle": ceiling, "mixture": floor}
        judged = {name: _judged(judge, each, part) for name, each in estimates.items()}
        for name, new in benchmark.score(estimates, reference, mixture, protocol, judged).items():
            scores[name] += new
        bar.update(len(part))
    bar.close()
    systems, skipped = benchmark.table(scores)
    result = {
        "split": split,
        "query": query,
        "protocol": protocol,
        "mixtures": len(rows),
        "skipped": skipped,
        "changed_mixtures": manifests.verify(rows, mixtures),
        "systems": systems,
        "per_mixture": str(per_mixture) if per_mixture else None,
    }
    if per_mixture:
        lines = (
            {"mixture": i, "classes": row.classes, **{n: vars(s[i]) for n, s in scores.items()}}
            for i, row in enumerate(rows)
        )
        atomic.write_text(per_mixture, "".join(json.dumps(line) + "\n" for line in lines))
    return result


@torch.no_grad()
def embed_queries(
    system: System, rows: list[TestMixture], query: str, music: MiniMusic
) -> torch.Tensor:
    """(B, N, D) queries of manifest rows, each source asked for by its own."""
    encoder = system.encoder
    device = next(system.separator.parameters()).device
    pairs = [(row, n) for row in rows for n in range(len(row.classes))]
    found = {}
    if query in ("audio", "composed"):
        clips = [music.clip(r.split, r.sounds()[n], r.query_clips[n]) for r, n in pairs]
        waves = torch.stack([torch.from_numpy(clip) for clip in clips])
        found["audio"] = encoder.embed_audio(waves.to(device))
    if query in ("image", "composed"):
        loaded = torch.stack([_held_out_drawing(r, n) for r, n in pairs])
        found["image"] = encoder.embed_image(loaded.to(device))
    if query in ("text", "composed"):
        found["text"] = encoder.embed_text([r.classes[n] for r, n in pairs])
    if query == "composed":
        stacked = torch.stack([found[m] for m in ("audio", "image", "text")], dim=1)
        weights = torch.tensor(COMPOSED, device=device).expand(len(pairs), -1)
        found["composed"] = query_mixup(stacked, weights)
    return found[query].reshape(len(rows), -1, encoder.embedding_size)


def _held_out_drawing(row: TestMixture, source: int) -> torch.Tensor:
    sound = row.sounds()[source]
    files = {path.stem: path for path in pictures.drawings(sound, row.split)}
    return pictures.load_picture(files[row.query_drawings[source]])


def _judged(judge: Judge, estimate: torch.Tensor, rows: list[TestMixture]) -> torch.Tensor:
    """Whether the judge names the class that each of the (B, N, L) estimates was asked for: (B, N) bool."""
    asked = [name for row in rows for name in row.classes]
    return right(judge, estimate.flatten(0, 1), asked).reshape(estimate.shape[:2])


def oracle(
    separator: Separator, mixture: torch.Tensor, reference: torch.Tensor
) -> torch.Tensor:
    """The ceiling: ideal binary masks at the separator's own resolution, (B, L), (B, N, L) -> (B, N, L)."""
    return ideal_estimate(separator, mixture, reference)
