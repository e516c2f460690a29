"""Numbers predicted for the examples of .npy files."""

import argparse
from types import SimpleNamespace

import numpy as np
import pytest

from research.data import source
from research.prediction import regression


def _opened():
    """Stands for a run whose network adds up its input."""
    feature = source.Feature((3,), "float32")
    config = SimpleNamespace(data=SimpleNamespace(eval_batch_size=2))
    experiment = SimpleNamespace(
        task=SimpleNamespace(input="x"),
        spec=source.Spec(features={"x": feature}),
        config=config,
    )

    def predict(state, batch):
        assert batch["x"].shape == (2, 3) and batch["x"].dtype == np.float32
        return {"prediction": batch["x"].sum(axis=1, keepdims=True)}

    programs = SimpleNamespace(experiment=experiment, predict=predict)
    return SimpleNamespace(programs=programs, state=None)


def _rows(*inputs):
    options = argparse.Namespace(inputs=list(map(str, inputs)))
    return list(regression.of_run(_opened(), options))


def test_every_row_of_a_file_gets_its_numbers(tmp_path, capsys):
    file = tmp_path / "x.npy"
    np.save(file, np.arange(9.0).reshape(3, 3))
    rows = _rows(file)
    assert [row["prediction"] for row in rows] == [[3.0], [12.0], [21.0]]
    assert [row["example"] for row in rows] == [0, 1, 2]
    regression.show(rows, argparse.Namespace())
    assert capsys.readouterr().out.splitlines()[2] == f"{file}[2]: 21"


def test_mistakes_are_one_sentence(tmp_path):
    with pytest.raises(ValueError) as error:
        _rows()
    assert str(error.value) == "predict needs .npy files of x (n, 3), got none"
    file = tmp_path / "x.npy"
    with pytest.raises(FileNotFoundError) as error:
        _rows(file)
    assert str(error.value) == f"there is no file {file}; correct the path"
    np.save(file, np.zeros((2, 4)))
    with pytest.raises(ValueError) as error:
        _rows(file)
    assert str(error.value) == f"{file} must hold x (n, 3), got (2, 4); reshape it"
    np.save(file, np.full((2, 3), "one"))
    with pytest.raises(ValueError) as error:
        _rows(file)
    assert str(error.value) == f"{file} must hold numbers, got <U3; convert it"
    file.write_text("0.5 0.7")
    with pytest.raises(ValueError, match=f"{file} is no .npy file .*numpy.save"):
        _rows(file)
