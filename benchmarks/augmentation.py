"""Does augmenting the sounds help on an unseen soundfont? Two trainings of the size that `mars
benchmark` compares, which differ in nothing else.

Prints the paired difference of SI-SDRi over the same mixtures of `test` and `unseen`, with text
queries, and its 95 % bootstrap interval.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from mars_lib import config
from mars_lib.check import told
from mars_lib.data.mini_music import MiniMusic
from mars_lib.data.synthesis import soundfonts
from mars_lib.experiments.evaluate import evaluate
from mars_lib.experiments.evaluation_report import paired
from mars_lib.inference import pretrained, system
from mars_lib.training.supervised import train_supervised


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=config.comparison().training.steps)
    parser.add_argument("--mixtures", type=int, default=400)
    parser.add_argument("--folder", type=Path, default=Path("runs/augmentation"))
    arguments = parser.parse_args()
    base = config.comparison()
    music = MiniMusic(tuple(soundfonts.find()), base.signal.length)
    scores: dict[str, dict[str, Path]] = {"test": {}, "unseen": {}}
    for name, share in (("plain", 0.0), ("augmented", base.training.augment)):
        training = replace(
            base.training,
            augment=share,
            steps=arguments.steps,
            decay_steps=arguments.steps,
            validate_every=arguments.steps,
        )
        settings = replace(base, training=training)
        folder = arguments.folder / f"{name}-{arguments.steps}"
        begun = (folder / "last.safetensors").is_file()
        best = train_supervised(
            settings, music, pretrained.load_minibind(), folder, accelerator="cpu", resume=begun
        )
        loaded = system.load(best, "cpu")
        loaded.name = name
        for split, found in scores.items():
            found[name] = folder / f"{split}.jsonl"
            result = evaluate(
                loaded, split, "text", limit=arguments.mixtures, per_mixture=found[name]
            )
            row = result["systems"][name]["si_sdri"]
            low, high = row["ci95"]
            values = f"SI-SDRi {row['mean']:.2f} dB, 95 % in {low:.2f} to {high:.2f}"
            print(f"{split:6} {name:9} {values}")
    for split, found in scores.items():
        d = paired(found["augmented"], found["plain"])["si_sdri"]
        low, high = d["ci95"]
        difference = f"{d['mean']:+.2f} dB, 95 % in {low:+.2f} to {high:+.2f}"
        print(f"{split:6} augmented minus plain {difference}")


if __name__ == "__main__":
    with told():
        main()
