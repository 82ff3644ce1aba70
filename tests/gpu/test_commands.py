"""The commands and the notebooks as a user runs them, small."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mars_lib.course import notebooks
from mars_lib.io import checkpoint

pytestmark = pytest.mark.cuda
MARS = [sys.executable, "-m", "mars_lib.cli"]
NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
STEPS = 60
# In the gpu profile: what takes the sizes of the smoke profile, and its own words for sizes.
SMALL = {
    'PROFILE == "smoke"': 'PROFILE == "gpu"',
    "}[PROFILE]": '}["smoke"]',
    'clips = 128 if PROFILE == "gpu"': 'clips = 4 if PROFILE == "gpu"',
    "RLConfig(batch_size=128, steps=400, validate_every=100,": (
        "RLConfig(batch_size=2, steps=2, validate_every=2, queries_per_class=1, "
        "validation_mixtures=2,"
    ),
    "replace(recipe(), steps=300, batch_size=32, validate_every=100,": (
        "replace(recipe(), steps=2, batch_size=2, validate_every=2, queries_per_class=1, "
        "validation_mixtures=2,"
    ),
}
PARAMETERS = {
    "05_progressive_alignment": {"CLIPS": 2, "STEPS": 4},
    "06_ppo_training": {"SUPERVISED_STEPS": 2},
    "07_evaluation": {"MIXTURES": 12},
    "08_reward_hacking_lab": {"STEPS": 2},
}
# Each must be found somewhere, so that a notebook that changes is not run at its full size.
FOUND = {
    words for path in NOTEBOOKS for words in SMALL if json.dumps(words)[1:-1] in path.read_text()
}


@pytest.fixture(autouse=True)
def quiet_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MARS_CACHE", str(tmp_path / "cache"))


def steps_of(folder):
    path = folder / "metrics.csv"
    return len(list(csv.DictReader(path.open()))) if path.is_file() else 0


def test_a_training_that_is_told_to_stop_goes_on(tmp_path):
    out = tmp_path / "run"
    command = [*MARS, "train", "supervised", "--profile", "smoke", "--device", "cuda"]
    command += ["--steps", str(STEPS), "--out", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 120
        while steps_of(out) < 3 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130 and b"go on with --resume" in said, said.decode()
    stopped = checkpoint.load(out / "last.safetensors", "separator").meta["step"]
    assert 3 <= stopped == steps_of(out) < STEPS
    subprocess.run([*command, "--resume"], check=True, capture_output=True, timeout=200)
    assert checkpoint.load(out / "last.safetensors", "separator").meta["step"] == STEPS
    assert steps_of(out) == STEPS


def test_the_benchmark(tmp_path):
    command = [*MARS, "benchmark", "--limit", "2", "--device", "cuda", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    assert "pathwise RL (ours)" in (tmp_path / "RESULTS.md").read_text()


def test_what_is_made_small_is_in_the_notebooks():
    assert set(SMALL) == FOUND


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_in_the_gpu_profile(path, tmp_path, monkeypatch):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        for words, small in SMALL.items():
            source = source.replace(words, small)
        cell["source"] = source
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]), prepend=os.pathsep)
    smaller = tmp_path / f"small-{path.name}"
    smaller.write_text(json.dumps(notebook), encoding="utf-8")
    given = PARAMETERS.get(path.stem, {})
    run = notebooks.run_notebook(smaller, tmp_path / path.name, "gpu", parameters=given)
    assert run.problem == "" and run.headline
