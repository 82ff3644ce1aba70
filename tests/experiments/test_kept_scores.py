"""`mars benchmark` goes on where it was interrupted, and with nothing else."""

import numpy as np
import pytest
from filelock import FileLock

from mars_lib.check import InputError
from mars_lib.experiments import benchmark, score_table
from mars_lib.experiments.kept_scores import KeptScores, keeping
from mars_lib.experiments.score_table import measure
from tests.experiments.systems import four

OURS = {"version": "1", "mixtures": 3}


def table(systems, kept=None):
    options = {"modes": ("text",), "progress": False, "batch_size": 1}
    return measure("test", systems, limit=3, kept=kept and (kept, "test"), **options)


def test_an_interrupted_table_becomes_the_same_without_scoring_twice(folder, tmp_path, monkeypatch):
    systems = four(folder)[:2]
    whole, score, scored = table(systems), score_table.score, []

    def twice(*args):
        if len(scored) == 2:
            raise KeyboardInterrupt
        scored.append(args)
        return score(*args)

    monkeypatch.setattr(score_table, "score", twice)
    with pytest.raises(KeyboardInterrupt):
        table(systems, KeptScores(tmp_path, OURS))
    lines = tmp_path / "test.jsonl"
    assert len(lines.read_text().splitlines()) == 2
    lines.write_text(lines.read_text() + '{"scores": [["omni')  # a process that was killed
    scored.clear()
    kept = KeptScores(tmp_path, OURS, resume=True)
    found = table(systems, kept)
    assert len(scored) == 1
    assert found.judge_on_sources == whole.judge_on_sources and list(found.rows) == list(whole.rows)
    for key, rows in whole.rows.items():
        np.testing.assert_array_equal(found.rows[key], rows)
    (tmp_path / "mine.txt").touch()
    kept.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_it_is_gone_on_with_if_one_says_so_and_it_is_the_same(tmp_path):
    KeptScores(tmp_path, OURS)
    with pytest.raises(InputError, match="holds an interrupted benchmark; give --resume"):
        KeptScores(tmp_path, OURS)
    with pytest.raises(
        InputError, match="differs in mixtures; give the same ones, or another --work"
    ):
        KeptScores(tmp_path, OURS | {"mixtures": 4}, resume=True)
    KeptScores(tmp_path, OURS, resume=True).remove()
    assert not tmp_path.exists()


def test_two_benchmarks_in_one_folder_do_not_meet(tmp_path):
    work = tmp_path / "work"
    with pytest.raises(KeyboardInterrupt), keeping(work, OURS):
        raise KeyboardInterrupt
    with (
        FileLock(work / ".lock"),
        pytest.raises(InputError, match="is held by another process; .* give another --work"),
        keeping(work, OURS, resume=True),
    ):
        pytest.fail("both write")
    with keeping(work, OURS, resume=True) as kept:
        kept.append("test", {"a": 1})
    assert not work.exists()


def test_other_weights_make_another_benchmark(folder):
    systems = four(folder)
    ours = benchmark.identity_of(systems, None, None)
    assert ours == benchmark.identity_of(four(folder), None, None)
    assert ours != benchmark.identity_of(systems[:-1], None, None)
    next(systems[0].network.parameters()).data += 1
    assert ours != benchmark.identity_of(systems, None, None)
