import json
import pathlib

import pytest

from research.reports import comparison, comparison_page
from scripts import app


@pytest.fixture
def make(tmp_path):
    """Writes a run directory as training and evaluation leave it."""

    def make(name, seed=0, rate=1e-3, accuracy=0.9, commit="a" * 40):
        folder = tmp_path / name
        (folder / "evaluation").mkdir(parents=True)
        config = app.read_config("mlp_mnist").to_dict()
        config["seed"], config["optimizer"]["learning_rate"] = seed, rate
        config["data"]["path"] = f"/data/{name}"
        start = {
            **{"started": "2026-01-01T10:00:00+00:00", "commit": commit},
            **{"uncommitted": None, "python": "3.11", "platform": "Linux"},
            **{"processor": "a CPU", "cpu_cores": 2, "devices": ["cpu"]},
            **{"xla_flags": "", "packages": {"jax": "0.10.2"}},
        }
        rows = [
            {"step": 50, "train/loss": 1.0 / (seed + 1), "time/input_wait": 0.1},
            {"step": 50, "validation/accuracy": accuracy, "validation/loss": 0.5},
            {"step": 100, "train/loss": 0.5},
            {"step": 100, "validation/accuracy": accuracy - 0.1},
        ]
        test = {"split": "test", "metrics": {"test/accuracy": accuracy}}
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "environment.json").write_text(json.dumps([start]))
        (folder / "evaluation" / "test.json").write_text(json.dumps(test))
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "metrics.jsonl").write_text(lines)
        return folder

    return make


def test_runs_are_grouped_by_all_but_the_seed(make):
    folders = [make("a"), make("b", seed=1), make("c", rate=0.01), make("d", seed=2)]
    runs = comparison.read(folders)
    assert [comparison.name(group) for group in comparison.groups(runs)] == [
        "A B D",
        "C",
    ]
    assert sorted(comparison.config_differences(runs)) == [
        ("optimizer.learning_rate", "0.001", "0.001", "0.01", "0.001"),
        ("seed", "0", "1", "0", "2"),
    ]


def test_metrics_are_of_the_best_checkpoint_with_an_interval_over_seeds(make):
    folders = [
        *(make(f"a{i}", seed=i, accuracy=0.90 + i / 100) for i in range(3)),
        *(make(f"b{i}", seed=i, rate=0.01, accuracy=0.95 + i / 100) for i in range(3)),
    ]
    head, rows = comparison.metric_rows(comparison.read(folders))
    assert head[-1] == "minus A B C, 95% interval"
    by_key = {row[:2]: row[2:] for row in rows}
    seeds, mean, interval, against = by_key["test/accuracy", "D E F"]
    assert (seeds, mean) == ("3", "96.00%")
    low, high = (float(x.strip("[]%")) for x in interval.split(", "))
    assert 94.5 < low < 96 < high < 97.5
    # Seed by seed the difference is the same, so its interval is a point.
    assert against == "+5.00%  [+5.00%, +5.00%], same seeds"
    assert by_key["validation/accuracy", "A B C"][1] == "91.00%"


def test_equal_runs_are_one_seed(make):
    runs = comparison.read([make("a"), make("b", accuracy=0.8)])
    rows = {row[0]: row for row in comparison.metric_rows(runs)[1]}
    assert rows["test/accuracy"][2:5] == ("1", "90.00%", "one seed: none")
    ((title, said),) = comparison.divergences(runs)
    assert title == "A and B"
    assert said[0].startswith("the logs are never equal and differ first at step 50: ")
    assert said[1] == "the runs kept no checkpoint of the same step"


def test_code_and_environment_are_compared(make):
    runs = comparison.read([make("a"), make("b", commit="b" * 40)])
    assert comparison.place_differences(runs) == [("commit", "a" * 10, "b" * 10)]


def test_text_and_page_hold_all_parts(make, tmp_path):
    folders = [make("a"), make("<b>", seed=1, rate=0.01)]
    runs = comparison.read(folders)
    parted = comparison.divergences(runs)
    text = comparison_page.text(runs, parted)
    for part in ("\nConfig\n", "\nMetrics\n", "\nCurves\n", "\nDivergence\n"):
        assert part in text
    assert "code and environment are equal" in text
    assert "no two of these runs have one config and one seed" in text
    falling, _ = (line for line in text.splitlines() if line.startswith("  A "))
    assert "█" in falling and falling.endswith("▁")
    page = comparison_page.write(runs, parted, tmp_path / "page.html").read_text()
    assert page.count("<svg") >= 3 and "http" not in page
    assert "&lt;b&gt;" in page and "<b>/" not in page


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_are_refused(make, count):
    folders = [make(str(i)) for i in range(count)]
    with pytest.raises(ValueError) as error:
        comparison.read(folders)
    named = ", ".join(map(str, folders)) or "none"
    assert str(error.value) == (
        f"a comparison needs 2 to 26 different run directories, got {named}; name them "
        "after `compare`"
    )


def test_a_folder_that_is_no_run_is_one_sentence(make, tmp_path):
    with pytest.raises(ValueError, match="holds no config.json, so it is no run"):
        comparison.read([make("a"), pathlib.Path(tmp_path)])
