"""The script that makes each class normal in turn."""

import json

import pytest

from scripts import one_class

QUICK = (
    *("--config=anomaly_mnist:quick", "--config.train.steps=4"),
    "--config.data.options=(('count',256),)",
    "--config.data.batch_size=16",
    "--config.data.eval_batch_size=64",
)


@pytest.mark.slow
def test_classes_are_averaged_beside_baselines(tmp_path, capsys):
    one_class.main([*QUICK, f"--workdir={tmp_path}", "--classes=0,3", "--json"])
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(found["classes"]) == {"0", "3"}
    for key in ("auroc", "isolation_forest_auroc", "pca_auroc"):
        values = [row[key] for row in found["classes"].values()]
        assert found["mean"][key] == pytest.approx(sum(values) / 2)
    assert (tmp_path / "normal_3" / "report.html").exists()


def test_all_classes_are_listed():
    config = one_class.app.load_config(list(QUICK))
    assert one_class._classes("", config) == list(range(10))


def test_another_config_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        one_class.main(["--config=lenet_digits", f"--workdir={tmp_path}"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "error: one_class needs a config whose data is one_class, got 'digits'; use "
        "configs/anomaly_mnist.py\n"
    )
