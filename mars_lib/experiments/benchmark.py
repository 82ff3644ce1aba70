"""`mars benchmark`: every system on the same mixtures, asked in every way; what `RESULTS.md` is
written from.
"""

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
import torch
from tqdm.std import tqdm

from mars_lib import alignment, config
from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.data.music import Music
from mars_lib.evaluation import scoring
from mars_lib.evaluation.clap import PROMPT, Clap
from mars_lib.evaluation.judge import right
from mars_lib.evaluation.statistics import macro_average, paired_bootstrap, summary
from mars_lib.experiments.compared_systems import Contender, alignment_alone
from mars_lib.experiments.comparison import (
    REWARD_HEADS,
    SIGNAL_ALONE,
    SIGNAL_SAMPLED,
    SYSTEMS,
)
from mars_lib.experiments.evaluate import QUERIES, embed_queries, oracle
from mars_lib.experiments.results_page import TITLES
from mars_lib.experiments.robustness import curves
from mars_lib.inference.pretrained import (
    ALIGNED,
    load_encoder,
    load_judge,
    load_minibind,
)
from mars_lib.inference.system import System
from mars_lib.query import subtract

# The fourth way to ask: the words for the source, minus the words for the other one.
MODES = (*QUERIES, "negative")
BASE = "omnisep"
# Who is compared in Tables 4 and 6, with the controls that have no ear.
HEARD = (BASE, SIGNAL_ALONE, SIGNAL_SAMPLED, *REWARD_HEADS)
SCORES = tuple(field.name for field in fields(scoring.Score))
NEARER = SCORES.index("closer_to_target")
# What no system can leave: the ideal mask, and doing nothing.
BOUNDS = ("oracle", "mixture")


@dataclass(frozen=True)
class Scores:
    """Every score of every mixture: `values[mode][system]` is (seeds, mixtures, metrics) in the
    order of `SCORES`, NaN where it was skipped or not asked.

    `judge_on_sources` is the share of the sources themselves that the judge names.
    """

    split: str
    protocol: str
    classes: list[tuple[str, ...]]
    values: dict[str, dict[str, np.ndarray]]
    judge_on_sources: float | None = None


@torch.no_grad()
def score(
    split: str,
    systems: Sequence[Contender],
    *,
    protocol: str = "appendix-c",
    limit: int | None = None,
    modes: Sequence[str] = MODES,
    progress: bool = True,
    batch_size: int = 8,
    clap: Clap | None = None,
) -> Scores:
    """All systems on the first mixtures of a manifest, asked in all `modes`; the oracle mask and
    the mixture beside them.

    References are analysed once for all estimates of a mixture, and a system that hears the mixture
    before the query does so once for all modes.
    """
    rows, music, judge = manifests.read(split)[:limit], manifests.music(), load_judge()
    first = systems[0].network
    device = next(first.parameters()).device
    encoders = {
        heads: (
            load_encoder(first.config.encoder) if heads is None else load_minibind(heads=heads)
        ).to(device)
        for heads in {each.heads for each in systems}
    }
    scores: dict[str, list[scoring.Score]] = {}
    named = []
    for start in tqdm(
        range(0, len(rows), batch_size), desc=f"{split}, {protocol}", disable=not progress
    ):
        part = rows[start : start + batch_size]
        mixture, reference = (
            torch.stack(each) for each in zip(*(manifests.render(row, music) for row in part))
        )
        n_sources = reference.shape[1]
        queries = {
            heads: _asked(System(first, encoder, ""), part, modes, music)
            for heads, encoder in encoders.items()
        }
        estimates = {
            f"{each.system}/{each.seed}/{mode}": heard
            for each in systems
            for mode, heard in zip(
                modes,
                each.separate(each.network, mixture.to(device), queries[each.heads])
                .cpu()
                .split(n_sources, dim=1),
            )
        }
        estimates["oracle/0/"] = oracle(first, mixture.to(device), reference.to(device)).cpu()
        estimates["mixture/0/"] = mixture[:, None].expand_as(reference)
        names = [name for row in part for name in row.classes]
        named.append(right(judge, reference.flatten(0, 1), names))
        judged, similar = (
            {
                key: opinion(heard.flatten(0, 1), names).reshape(heard.shape[:2])
                for key, heard in estimates.items()
            }
            if opinion
            else None
            for opinion in (partial(right, judge), clap and clap.score)
        )
        for key, found in scoring.score(
            estimates, reference, mixture, protocol, judged, similar
        ).items():
            scores.setdefault(key, []).extend(found)
    values: dict[str, dict[str, list]] = {mode: {} for mode in modes}
    for key, found in scores.items():
        name, _, asked_by = key.split("/")
        table = [
            [np.nan if getattr(row, s) is None else getattr(row, s) for s in SCORES]
            for row in found
        ]
        for mode in modes if not asked_by else [asked_by]:
            values[mode].setdefault(name, []).append(table)
    arrays = {
        mode: {name: np.asarray(tables) for name, tables in by.items()}
        for mode, by in values.items()
    }
    return Scores(
        split,
        protocol,
        [row.classes for row in rows],
        arrays,
        torch.cat(named).double().mean().item(),
    )


def _asked(system: System, rows: Sequence, modes: Sequence[str], music: Music) -> torch.Tensor:
    """(B, modes x N, D) queries of manifest rows, one mode after the other."""
    asked = {
        mode: embed_queries(system, rows, mode, music)
        for mode in QUERIES
        if mode in modes or mode == "text"
    }
    asked["negative"] = subtract(asked["text"], asked["text"].flip(1))
    return torch.cat([asked[mode] for mode in modes], dim=1)


def summarise(scores: Scores, among: np.ndarray | None = None, base: str = BASE) -> dict:
    """Means over seeds and mixtures of each mode and system; differences from `base` paired by seed
    and mixture.

    `{mode: {system: {metric: {"mean", "sem", "ci95", "left_out"}, "macro_si_sdri", "seeds",
    "mixtures", "skipped", "against": {"si_sdri"|"judge": {"mean", "ci95", "share_better"}}}}}`.
    `among` (mixtures,) bool takes a part of them. A mixture that was skipped as silent for one
    system is left out for all, and counted in `skipped`. A score that means nothing is left out of
    the means of its own metric alone, for all systems, as they are compared; the oracle and the
    mixture, which bound them, leave out for themselves. `left_out` counts those; a metric of which
    nothing is left has no entry.
    """
    found = {}
    among = np.ones(len(scores.classes), bool) if among is None else among
    for mode, by_system in scores.values.items():
        heard = np.all(
            [np.isfinite(v[..., NEARER]).all(axis=0) for v in by_system.values()], axis=0
        )
        kept = heard & among
        if kept.sum() < 2:
            fail(
                f"{scores.split}, {mode}",
                f"has {kept.sum()} mixtures to score",
                "take more of them",
            )
        values = _complete({name: v[:, kept] for name, v in by_system.items()})
        firsts = np.array([row[0] for row in scores.classes])[kept]
        found[mode] = {}
        for name, by_metric in values.items():
            row = {
                metric: summary(v[:, used]) | {"left_out": int((~used).sum())}
                for metric, (v, used) in by_metric.items()
                if used.any()
            }
            if "si_sdri" in row:
                v, used = by_metric["si_sdri"]
                row["macro_si_sdri"] = macro_average(v[:, used], firsts[used])
            row |= {
                "seeds": len(by_system[name]),
                "mixtures": int(kept.sum()),
                "skipped": int((among & ~heard).sum()),
            }
            if name not in (base, *BOUNDS) and base in values:
                row["against"] = {
                    m: _difference(by_metric[m], values[base][m])
                    for m in ("si_sdri", "judge")
                    if m in row
                }
            found[mode][name] = row
    return found


def _complete(
    by_system: dict[str, np.ndarray],
) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """{system: {metric: ((seeds, mixtures), (mixtures,) bool of those that its mean is over)}}."""
    finite = {name: np.isfinite(v).all(axis=0) for name, v in by_system.items()}
    common = np.all([f for name, f in finite.items() if name not in BOUNDS], axis=0)
    used = {name: common & f if name in BOUNDS else common for name, f in finite.items()}
    return {
        name: {metric: (v[..., i], used[name][:, i]) for i, metric in enumerate(SCORES)}
        for name, v in by_system.items()
    }


def _difference(ours: tuple[np.ndarray, np.ndarray], base: tuple[np.ndarray, np.ndarray]) -> dict:
    """What `summarise` says of a system against its base: both are meant over the same mixtures."""
    (a, used), (b, _) = ours, base
    return vars(paired_bootstrap(a[:, used], b[:, used]))


def one_family(scores: Scores) -> np.ndarray:
    """Table 5's pairs, by a rule: both sources are of one family of `data/classes.json`.
    (mixtures,) bool.
    """
    family = {
        sound.name: sound.family for row in manifests.read(scores.split) for sound in row.sounds()
    }
    return np.array([family[a] == family[b] for a, b in scores.classes])


@torch.no_grad()
def cases(
    systems: Sequence[Contender], scores: Scores, seed: int = 0
) -> dict[str, dict[str, torch.Tensor]]:
    """Figures 3 and 4: worst, median and best mixture by MARS-Sep's SI-SDRi with one seed, asked by
    text for the first source.

    {"worst: violin, with piano": {"mixture", "target", "interference", a system's title ...:
    (L,)}}. Chosen by that rule and not by taste.
    """
    gains = scores.values["text"]["mars-sep"][
        [s.seed for s in systems if s.system == "mars-sep"].index(seed), :, SCORES.index("si_sdri")
    ]
    order = [int(i) for i in np.argsort(gains) if np.isfinite(gains[i])]
    found, rows, music = {}, manifests.read(scores.split), manifests.music()
    device = next(systems[0].network.parameters()).device
    encoder = load_encoder(systems[0].network.config.encoder).to(device)
    for label, i in (("worst", order[0]), ("median", order[len(order) // 2]), ("best", order[-1])):
        mixture, reference = manifests.render(rows[i], music)
        query = encoder.embed_text([rows[i].classes[0]])[None]
        asked, other = rows[i].classes
        found[f"{label}: {asked}, with {other}"] = {
            "mixture": mixture,
            "target": reference[0],
            "interference": reference[1],
            **{
                TITLES[s.system]: s.separate(s.network, mixture[None].to(device), query)[0, 0].cpu()
                for s in systems
                if s.seed == seed
            },
        }
    return found


@torch.no_grad()
def ears(systems: Sequence[Contender], limit: int | None, progress: bool = True) -> dict | None:
    """Tables 4 and 6 and the controls without an ear, on `unseen` in the four ways to ask, with the
    seeds that all rows have.

    {"against supervised": `summarise`, "against SI-SDR": the same with the control on the sampled
    mask as the base}; None where no seed has all of those checkpoints (`missing` names them).
    """
    seeds = set.intersection(
        *({each.seed for each in systems if each.system == name} for name in HEARD)
    )
    if not seeds:
        return None
    rows = [each for each in systems if each.system in HEARD and each.seed in seeds]
    scores = score(
        "unseen",
        [*rows, *alignment_alone(rows, progress=progress)],
        limit=limit,
        modes=QUERIES,
        progress=progress,
    )
    return {
        "against supervised": summarise(scores),
        "against SI-SDR": summarise(scores, base=SIGNAL_SAMPLED),
    }


def missing(systems: Sequence[Contender]) -> list[str]:
    """What `ears` would compare and has no checkpoint, "SYSTEM-SEED" for the seeds of the
    supervised one.
    """
    there = {(each.system, each.seed) for each in systems}
    seeds = sorted(seed for name, seed in there if name == BASE)
    return [f"{name}-{seed}" for name in HEARD for seed in seeds if (name, seed) not in there]


def probe(limit: int | None = None, progress: bool = True) -> dict[str, dict[str, dict]]:
    """Table 3: {split: {heads: summary of sim(source, its word) - sim(mixture, that word)}}, for
    MiniBind's own heads and all that ship.
    """
    encoders = {
        "before": load_minibind(),
        **{heads: load_minibind(heads=heads) for heads in ALIGNED},
    }
    found = {}
    for split in manifests.SPLITS:
        features = alignment.probe_features(encoders["before"], split, limit, progress)
        found[split] = {
            name: summary(alignment.discrimination(each, *features).tolist())
            for name, each in encoders.items()
        }
    return found


def run(
    systems: Sequence[Contender],
    limit: int | None = None,
    progress: bool = True,
    clap: Clap | None = None,
) -> tuple[dict, dict]:
    """The whole benchmark: plain numbers (both splits, both protocols, pairs of one family,
    alignment, robustness), and `cases` of "unseen".
    """
    four = [each for each in systems if each.system in SYSTEMS]
    absent = missing(systems)
    if absent:
        warnings.warn(
            f"no checkpoints {', '.join(absent)}: seeds without them are left out of who hears; make them: `mars train systems`",
            stacklevel=2,
        )
    found: dict = {
        "systems": sorted(f"{each.system}-{each.seed}" for each in systems),
        "missing": absent,
        "steps": config.comparison().training.steps,
        "clap": clap and {"checkpoint": clap.name, "prompt": PROMPT},
        "splits": {},
        "judge on sources": {},
        "one family": {},
        "target-only": {},
    }
    for split in manifests.SPLITS:
        scores = score(split, four, limit=limit, progress=progress, clap=clap)
        found["splits"][split] = summarise(scores)
        found["judge on sources"][split] = scores.judge_on_sources
        found["one family"][split] = summarise(scores, one_family(scores))
        narrow = score(
            split,
            four,
            protocol="target-only",
            limit=limit,
            modes=("text",),
            progress=progress,
            clap=clap,
        )
        found["target-only"][split] = summarise(narrow)
    found["probe"] = probe(limit, progress)
    found["ears"] = ears(systems, min(limit or 256, 256), progress)
    found["robustness"] = curves(four, count=min(limit or 100, 100), progress=progress)
    return json.loads(json.dumps(found)), cases(four, scores)
