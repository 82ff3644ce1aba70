"""Seconds to `import mars_lib`, beside torch alone, each in a fresh process; medians."""

import argparse
import statistics
import subprocess
import sys
import time


def seconds(module: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rows = [(seconds("torch, torchaudio"), seconds("mars_lib")) for _ in range(arguments.repeats)]
    torch, own = (statistics.median(column) for column in zip(*rows))
    print(f"torch and torchaudio {torch:.2f} s, mars_lib {own:.2f} s: {own - torch:.2f} s beyond")


if __name__ == "__main__":
    main()
