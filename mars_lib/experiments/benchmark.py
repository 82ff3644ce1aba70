"""`mars benchmark`: every system on the same mixtures, with every kind of query; what `RESULTS.md`
is written from.
"""

import json
import warnings
from collections.abc import Sequence

import numpy as np
import torch

from mars_lib import alignment
from mars_lib.check import fail
from mars_lib.data import manifests
from mars_lib.data.cached_music import CachedMusic
from mars_lib.data.music import Music
from mars_lib.evaluation.clap import PROMPT, Clap
from mars_lib.evaluation.statistics import Summary, summary
from mars_lib.experiments.compared_systems import TrainedSystem, alignment_alone
from mars_lib.experiments.comparison import (
    REWARD_HEADS,
    SIGNAL_ALONE,
    SIGNAL_SAMPLED,
    SYSTEMS,
)
from mars_lib.experiments.kept_scores import KeptScores
from mars_lib.experiments.query_modes import QUERIES
from mars_lib.experiments.results import (
    AGAINST_SIGNAL,
    AGAINST_SUPERVISED,
    Results,
    Summaries,
)
from mars_lib.experiments.results_tables import TITLES
from mars_lib.experiments.robustness import curves
from mars_lib.experiments.score_summary import BASE, one_family, summarise
from mars_lib.experiments.score_table import MODES, ScoreTable, measure
from mars_lib.inference.drawn_queries import embed_words
from mars_lib.inference.pretrained import ALIGNED, load_minibind
from mars_lib.training import run_folder

# Who is compared in Tables 4 and 6, with the controls that have no reward encoder.
REWARDED = (BASE, SIGNAL_ALONE, SIGNAL_SAMPLED, *REWARD_HEADS)
WITHOUT = (
    "no checkpoints {}: seeds without them are left out of the comparison of reward encoders; "
    "make them: `mars train systems`"
)


@torch.no_grad()
def example_mixtures(
    systems: Sequence[TrainedSystem], table: ScoreTable, seed: int = 0
) -> dict[str, dict[str, torch.Tensor]]:
    """Figures 3 and 4: worst, median and best mixture by the SI-SDRi of pathwise RL with one seed.

    Chosen by that rule and not by taste. The first source is queried, by text.

    Returns:
        {"worst: violin, with piano": {"mixture", "target", "interference", a system's title ...:
        (L,)}}.
    """
    which = table.seeds("text")["pathwise"].index(seed)
    gains = table.values("text", "pathwise", "si_sdri")[which]
    order = [int(i) for i in np.argsort(gains) if np.isfinite(gains[i])]
    rows, music = manifests.read(table.split), manifests.music()
    device, encoder = systems[0].device, systems[0].load_encoder()
    found = {}
    for label, i in (("worst", order[0]), ("median", order[len(order) // 2]), ("best", order[-1])):
        mixture, reference = manifests.render(rows[i], music)
        target, other = rows[i].classes
        query = embed_words(encoder, [target])[None]
        found[f"{label}: {target}, with {other}"] = {
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
def compare_reward_encoders(
    systems: Sequence[TrainedSystem],
    limit: int | None,
    progress: bool = True,
    music: Music | None = None,
    kept: KeptScores | None = None,
) -> dict[str, Summaries] | None:
    """Tables 4 and 6 and the controls without a reward encoder, on `unseen`, by four kinds of
    query, with the seeds that all rows have.

    Returns:
        Two summaries, whose differences are from supervised training and from the control on the
        sampled mask; None where no seed has all of those checkpoints (`missing` names them).
    """
    seeds = set.intersection(
        *({each.seed for each in systems if each.system == name} for name in REWARDED)
    )
    if not seeds:
        return None
    rows = [each for each in systems if each.system in REWARDED and each.seed in seeds]
    table = measure(
        "unseen",
        [*rows, *alignment_alone(rows, progress=progress)],
        limit=limit,
        modes=QUERIES,
        progress=progress,
        music=music,
        kept=(kept, "unseen-rewarded") if kept else None,
    )
    return {
        AGAINST_SUPERVISED: summarise(table),
        AGAINST_SIGNAL: summarise(table, base=SIGNAL_SAMPLED),
    }


def missing(systems: Sequence[TrainedSystem]) -> list[str]:
    """The checkpoints that `compare_reward_encoders` lacks, "SYSTEM-SEED" for the seeds of the
    supervised system.
    """
    there = {(each.system, each.seed) for each in systems}
    seeds = sorted(seed for name, seed in there if name == BASE)
    return [f"{name}-{seed}" for name in REWARDED for seed in seeds if (name, seed) not in there]


def probe(limit: int | None = None, progress: bool = True) -> dict[str, dict[str, Summary]]:
    """Table 3: {split: {heads: summary of sim(source, its word) - sim(mixture, that word)}}.

    For MiniBind's own heads and all pretrained aligned ones.
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


def identity_of(systems: Sequence[TrainedSystem], limit: int | None, clap: Clap | None) -> dict:
    """What makes a benchmark this one, for `KeptScores`."""
    return run_folder.identity(
        systems={
            f"{each.system}-{each.seed}": run_folder.digest(each.network.state_dict())
            for each in systems
        },
        mixtures=limit,
        clap=clap.name if clap else None,
        data=manifests.music().fingerprint(),
    )


def run(
    systems: Sequence[TrainedSystem],
    limit: int | None = None,
    progress: bool = True,
    clap: Clap | None = None,
    kept: KeptScores | None = None,
) -> tuple[Results, dict[str, dict[str, torch.Tensor]]]:
    """The whole benchmark: both splits, both protocols, pairs of one family, alignment, robustness.

    Args:
        systems: what is compared.
        limit: take the first mixtures of each split only.
        progress: show progress bars.
        clap: adds its score.
        kept: what an interrupted run has scored is not scored again.

    Returns:
        The numbers, and `example_mixtures` of "unseen".
    """
    four = [each for each in systems if each.system in SYSTEMS]
    if not any((each.system, each.seed) == ("pathwise", 0) for each in systems):
        remedy = "by its scores the three mixtures of docs/cases.png are chosen: train it as well"
        fail("checkpoint pathwise-0.safetensors", "is not there", remedy)
    if absent := missing(systems):
        warnings.warn(WITHOUT.format(", ".join(absent)), stacklevel=2)
    music = CachedMusic(manifests.music())

    def table(split: str, protocol: str, modes: Sequence[str]) -> ScoreTable:
        return measure(
            split,
            four,
            protocol=protocol,
            limit=limit,
            modes=modes,
            progress=progress,
            clap=clap,
            music=music,
            kept=(kept, f"{split}-{protocol}") if kept else None,
        )

    whole = {split: table(split, "appendix-c", MODES) for split in manifests.SPLITS}
    narrow = {split: table(split, "target-only", ("text",)) for split in manifests.SPLITS}
    results = Results(
        systems=sorted(f"{each.system}-{each.seed}" for each in systems),
        missing=absent,
        steps=max(each.steps for each in systems),
        clap={"checkpoint": clap.name, "prompt": PROMPT} if clap else None,
        splits={split: summarise(table) for split, table in whole.items()},
        judge_on_sources={split: table.judge_on_sources for split, table in whole.items()},
        one_family={split: summarise(table, one_family(table)) for split, table in whole.items()},
        target_only={split: summarise(table) for split, table in narrow.items()},
        probe=probe(limit, progress),
        reward_encoders=compare_reward_encoders(
            systems, min(limit or 256, 256), progress, music, kept
        ),
        robustness=curves(four, count=min(limit or 100, 100), progress=progress, music=music),
    )
    as_read = Results.from_json(json.loads(json.dumps(results.to_json())))
    return as_read, example_mixtures(four, whole["unseen"])
