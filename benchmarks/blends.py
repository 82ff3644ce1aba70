"""What share of the weights after rewards the pretrained separator should have.

SI-SDRi of the blends of a separator before and after training with rewards, on the validation split
by text, and on a folder of recordings (validation, too: it has been looked at) by each kind of
query. The share is `mars_lib.experiments.exported_separators.REWARDED`.

    python benchmarks/blends.py BEFORE AFTER --folder FOLDER
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

from mars_lib.check import told
from mars_lib.data import manifests
from mars_lib.data.cached_music import CachedMusic
from mars_lib.experiments.evaluate import evaluate_folder
from mars_lib.experiments.exported_separators import blend
from mars_lib.inference import system
from mars_lib.training.validation import Validation

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
QUERIES = ("text", "audio", "image")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path, help="the separator without rewards, as a checkpoint")
    parser.add_argument("after", type=Path, help="the same trained further with rewards")
    parser.add_argument("--folder", type=Path, help="recordings, as of mars evaluate --folder")
    parser.add_argument("--mixtures", type=int, default=200)
    options = parser.parse_args()
    before = system.load(options.before, "cpu")
    training = replace(before.separator.config.training, validation_mixtures=options.mixtures)
    validation = Validation.make(training, CachedMusic(manifests.music()), before.encoder)
    heads = ["share", "validation", *(QUERIES if options.folder else ())]
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}")
    with tempfile.TemporaryDirectory() as folder:
        for share in SHARES:
            path = Path(folder) / "blend.safetensors"
            blend(options.before, options.after, path, share)
            blended = system.load(path, "cpu")
            row = [validation.improvement(validation.estimates(blended.separator))]
            for query in heads[2:]:
                found = evaluate_folder(
                    blended, options.folder, query, mixtures=options.mixtures, progress=False
                )
                row.append(found["systems"][blended.name]["si_sdri"]["mean"])
            print(f"| {share} | {' | '.join(f'{value:.2f}' for value in row)} |", flush=True)


if __name__ == "__main__":
    with told():
        main()
