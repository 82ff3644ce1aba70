"""The package's aligned heads, measured as `mars align` measures its own: Table 3's probe, recall.

One row a stage and split, both sources of every mixture, 95 % intervals.
"""

import argparse
import tempfile
from pathlib import Path

from mars_lib import alignment
from mars_lib.check import told
from mars_lib.data import manifests
from mars_lib.inference import pretrained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("encoder", choices=pretrained.PACKAGED)
    parser.add_argument("--mixtures", type=int, help="the first of each split; all without it")
    options = parser.parse_args()
    before = pretrained.load_packaged(options.encoder)
    held_out = {
        split: alignment.trunk_features(before, manifests.music(), split, clips=12)
        for split in manifests.SPLITS
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = {stage: Path(folder) / f"{stage}.safetensors" for stage in pretrained.ALIGNED}
        for stage, path in paths.items():
            alignment.save_heads(pretrained.load_packaged(options.encoder, stage), path)
        print(alignment.table(alignment.report(before, paths, held_out, options.mixtures)))


if __name__ == "__main__":
    with told():
        main()
