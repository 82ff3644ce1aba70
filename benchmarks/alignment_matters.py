"""Does alignment matter to reinforcement learning? Tables 4 and 6 of the paper on mini-MUSIC, in four query modes.

Scores the last checkpoints that `controls.py` left in OUT (rows "recipe", "recipe, ear not aligned" and "recipe, ear aligned in
one stage"; means over their seeds), beside the separator they started from: as it is, asked in the language of aligned heads, and the same with
its gate adapted. Differences are paired by mixture, with 95 % bootstrap intervals.

    python benchmarks/controls.py --steps 400 --seeds 3
    python benchmarks/alignment_matters.py
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from controls import START, Test, checkpoints

from mars_lib import alignment, atomic, system
from mars_lib.data import manifests
from mars_lib.evaluate import QUERIES
from mars_lib.evaluation.statistics import paired_bootstrap
from mars_lib.training.query_bank import QueryBank

NOT_ALIGNED, ONE, THREE = "recipe, ear not aligned", "recipe, ear aligned in one stage", "recipe"
METRICS = (("si_sdri", 1, "dB"), ("judge", 100, "points"))


def scores(test: Test, separators: list) -> dict[str, dict[str, np.ndarray]]:
    """By query mode and metric, per mixture, means over separators."""
    found = {}
    for kind in test.queries:
        runs = [test.measure(test.separated(each, kind)) for each in separators]
        found[kind] = {name: np.mean([run[name] for run in runs], axis=0) for name, _, _ in METRICS}
    return found


def show(title: str, rows: dict[str, dict], base: str) -> str:
    """A table of means, and of differences from `base`."""
    lines = [title]
    for name, row in rows.items():
        for kind, values in row.items():
            cells = f"{name:44}{kind:10}{values['si_sdri'].mean():6.2f} dB{100 * values['judge'].mean():7.1f} %"
            for metric, scale, unit in METRICS if name != base else ():
                d = paired_bootstrap(values[metric], rows[base][kind][metric])
                low, high = (scale * x for x in d.ci95)
                cells += f"   {scale * d.mean:+.2f} [{low:+.2f}, {high:+.2f}] {unit}"
            lines.append(cells)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/controls"))
    parser.add_argument("--mixtures", type=int, default=256)
    parser.add_argument("--split", default="unseen", choices=("test", "unseen"))
    options = parser.parse_args()
    paths = {row: checkpoints(options.out, row) for row in (NOT_ALIGNED, ONE, THREE)}
    start, aligned = system.load(START), system.load_minibind(heads="stage3")
    pooling, judge = system.load_mlbp(heads="stage3"), system.load_judge()
    test = Test(start, aligned, pooling, judge, options.split, options.mixtures, QUERIES)
    found = {row: scores(test, [system.load(path).separator for path in each]) for row, each in paths.items()}
    found["supervised"] = scores(test, [start.separator])
    music = manifests.music()
    banks = [
        QueryBank.embed(encoder, music, music.classes("train"), "train", 16) for encoder in (start.encoder, aligned)
    ]
    adapted = alignment.adapt_gate(start.separator, *banks)
    test.queries = test.asked_by(system.System(start.separator, aligned, "aligned"))
    found["alignment only"] = scores(test, [start.separator])
    found["alignment only, gate adapted"] = scores(test, [adapted])
    seeds = ", ".join(f"{row}: {len(each)}" for row, each in paths.items())
    print(f"{options.split}, {options.mixtures} mixtures; seeds: {seeds}")
    print(show("Table 6: who hears in reinforcement learning", {row: found[row] for row in paths}, NOT_ALIGNED))
    four = ("supervised", NOT_ALIGNED, "alignment only", "alignment only, gate adapted", THREE)
    print(show("Table 4: supervised, RL only, alignment only, both", {row: found[row] for row in four}, "supervised"))
    atomic.write_json(options.out / "alignment_matters.json", {
        row: {kind: {metric: values.tolist() for metric, values in scored.items()} for kind, scored in each.items()}
        for row, each in found.items()
    })


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
