"""Does varying the sounds help on an unseen soundfont? Two short trainings that differ in nothing else.

Prints the paired difference of SI-SDRi over the same mixtures, with its 95 % bootstrap interval.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from mars_lib import config, system
from mars_lib.data import soundfonts
from mars_lib.data.render import MiniMusic
from mars_lib.evaluate import evaluate
from mars_lib.evaluation.statistics import paired_bootstrap, summary
from mars_lib.training.trainer import train_supervised


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--mixtures", type=int, default=400)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", type=Path, default=Path("runs/augmentation"))
    arguments = parser.parse_args()
    base = config.small()
    music = MiniMusic(tuple(soundfonts.find()), base.signal.length)
    scores = {}
    for name, share in (("plain", 0.0), ("varied", base.training.augment)):
        training = replace(
            base.training,
            augment=share,
            steps=arguments.steps,
            decay_steps=arguments.steps,
            validate_every=arguments.steps,
        )
        settings = replace(base, training=training)
        folder = arguments.folder / f"{name}-{arguments.steps}"
        best = folder / "best.safetensors"
        if not best.is_file():
            encoder = system.load_minibind()
            train_supervised(settings, music, encoder, folder, accelerator=arguments.device)
        rows = folder / "unseen.jsonl"
        loaded = system.load(best)
        loaded.name = name
        evaluate(loaded, "unseen", "text", limit=arguments.mixtures, per_mixture=rows)
        scores[name] = read(rows, name)
    for name, values in scores.items():
        row = summary(values)
        print(f"{name:7} SI-SDRi {row['mean']:.2f} dB, 95 % in {row['ci95'][0]:.2f} to {row['ci95'][1]:.2f}")
    found = paired_bootstrap(scores["varied"], scores["plain"])
    print(f"varied minus plain {found.mean:+.2f} dB, 95 % in {found.ci95[0]:+.2f} to {found.ci95[1]:+.2f}")


def read(path: Path, system_name: str) -> list[float]:
    """SI-SDRi of every mixture from the per-mixture file of `mars evaluate`."""
    import json

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line[system_name]["si_sdri"] for line in lines]


if __name__ == "__main__":
    main()
