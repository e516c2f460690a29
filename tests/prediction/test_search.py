"""The script that searches codes, on a table and on a run's own data."""

import json

import numpy as np
import pytest

from scripts import search, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    argv = ["--config=autoencoder_movielens:quick", "--config.data.count=600"]
    argv += ["--config.data.eval_batch_size=64", "--config.train.steps=6"]
    train.main([*argv, f"--workdir={folder}"])
    return folder


def test_a_table_is_searched_in_every_way(trained, tmp_path, capsys):
    table = np.random.default_rng(0).normal(size=(200, 32, 2)).astype(np.float32)
    np.savez(tmp_path / "t.npz", window=table)
    argv = [f"--workdir={trained}", f"--table={tmp_path / 't.npz'}", "--queries=20"]
    search.main([*argv, "--candidates=50", "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["rows"], found["queries"]) == (180, 20)
    by_name = {row["method"]: row for row in found["methods"]}
    assert by_name["full vectors, exact"]["bytes"] == 4 * 64
    assert by_name["autoencoder, 8 floats, exact"]["bytes"] == 4 * 8
    assert by_name["PCA, 8 int8, exact"]["bytes"] == 8
    plain = by_name["PCA, 8 floats, exact"]["recall"]
    assert by_name["PCA, 8 floats, exact, 50 scored in full"]["recall"] >= plain
    assert "Search of 180 vectors by 20" in (trained / "report.html").read_text()


def test_too_many_candidates_are_one_sentence(trained, capsys):
    with pytest.raises(SystemExit) as left:
        search.main([f"--workdir={trained}", "--k=20", "--candidates=5"])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: search needs 1 <= k <= candidates <= ")
    assert error.count("\n") == 1
