"""`benchmarks/card.py`, on the CPU and tiny."""

import importlib

import numpy as np
import pytest


@pytest.fixture
def card(root, monkeypatch):
    monkeypatch.syspath_prepend(root / "benchmarks")
    return importlib.import_module("card")


def test_a_row_an_estimator_and_one_a_loader(card, monkeypatch, capsys):
    words = ["--device", "cpu", "--profile", "smoke", "--batch-size", "2", "--steps", "2"]
    words += ["--clips", "1", "--queries", "1", "--workers", "1"]
    words += ["--rows", "supervised", "score, G = 4"]
    monkeypatch.setattr("sys.argv", ["card.py", *words])
    card.main()
    _, header, *rows = capsys.readouterr().out.splitlines()
    assert header == card.HEADER
    names = ["supervised", "score, G = 4", "loader, 1"]
    for row, name, count in zip(rows, names, (5, 5, 1), strict=True):
        numbers = row.removeprefix(name).split()
        assert row.startswith(name) and len(numbers) == count
        assert all(float(number) > 0 for number in numbers if number != "-")


def test_time_that_is_covered_counts_once(card):
    rng = np.random.default_rng(0)
    for _ in range(50):
        intervals = [tuple(sorted(rng.integers(0, 20, 2).tolist())) for _ in range(6)]
        ticks = {tick for start, end in intervals for tick in range(start, end)}
        assert card.covered(intervals) == len(ticks)
