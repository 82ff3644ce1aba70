"""What the package's encoders cost: memory, seconds to load, milliseconds an example on one core.

Each encoder is loaded in a process of its own, which has imported all else before. Medians of
`--repeats` processes.
"""

import argparse
import json
import statistics
import subprocess
import sys

from mars_lib.check import told
from mars_lib.inference.pretrained import PACKAGED

MEASURED = """
import json, sys, time
import psutil, torch
from mars_lib.inference import pretrained
torch.set_num_threads(1)
process = psutil.Process()
before, begun = process.memory_info().rss, time.perf_counter()
encoder = pretrained.load_encoder(sys.argv[1])
found = {"load, s": time.perf_counter() - begun}
found["memory, MB"] = (process.memory_info().rss - before) / 2**20
examples = {
    "sound of 2 s, ms": (encoder.embed_audio, torch.randn(1, 32_000)),
    "text, ms": (encoder.embed_text, ["somebody playing the fiddle"]),
    "picture, ms": (encoder.embed_image, torch.rand(1, 3, 224, 224)),
}
for name, (embed, example) in examples.items():
    times = []
    with torch.no_grad():
        for _ in range(21):
            begun = time.perf_counter()
            embed(example)
            times.append(time.perf_counter() - begun)
    found[name] = 1000 * sorted(times)[10]
print(json.dumps(found))
"""


def measured(name: str) -> dict[str, float]:
    """The costs of one encoder, in a new process."""
    command = [sys.executable, "-c", MEASURED, name]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    # In turn, so that a machine that is busy for a while is so for both.
    runs = [{name: measured(name) for name in PACKAGED} for _ in range(repeats)]
    print("|  |", " | ".join(PACKAGED), "| ratio |")
    print("|" + " --- |" * (len(PACKAGED) + 2))
    for cost in runs[0]["minibind"]:
        medians = [statistics.median(run[name][cost] for run in runs) for name in PACKAGED]
        cells = [f"{value:.2f}" for value in medians]
        print(f"| {cost} | {' | '.join(cells)} | {medians[1] / medians[0]:.1f} |")


if __name__ == "__main__":
    with told():
        main()
