import copy
import json

import pytest

from configs import base
from research.reproduction import audit, evidence, tables
from scripts import app, reproduce


@pytest.fixture
def shown(project):
    """Three seeds as evidence, shown in RESULTS.md and in a README."""
    (project.root / "README.md").write_text(
        f"# A title\n\n{tables.BEGIN}\n{tables.END}\n\nThe rest.\n"
    )
    project.store(*(project.seed(i, 0.9907 - i / 1e4) for i in range(3)))
    assert project.problems() == []
    return project


def test_the_project_itself_passes():
    made = audit.entries(app.ROOT, reproduce._configs(), base.get_config().to_dict())
    assert audit.problems(app.ROOT, made) == []


def test_both_pages_show_published_and_reached(shown):
    row = (
        "| 0.95 % test error | [0.94 ± 0.01 %](results/lenet_mnist.json) | reproduced |"
    )
    assert row in (shown.root / "README.md").read_text()
    page = (shown.root / "RESULTS.md").read_text()
    assert "| 0.95 % test error | 0.94 ± 0.01 % | reproduced |" in page
    assert "- Tolerance: 0.15 points, 1.5 standard errors" in page
    assert "| 1 | 0.94 % | 0.94 % | 34,375 of 34,375 | 1.7 min | 2 cores" in page
    text = (shown.root / "README.md").read_text()
    assert text.startswith("# A title\n\n<!--") and text.endswith("\n\nThe rest.\n")


@pytest.mark.parametrize("page", ["RESULTS.md", "README.md"])
def test_one_changed_digit_of_a_page_fails(shown, page):
    file = shown.root / page
    file.write_text(file.read_text().replace("0.94 ±", "0.84 ±"))
    (problem,) = shown.problems()
    assert problem.startswith(f"{page}, line ") and "0.84 ± 0.01 %" in problem
    assert problem.endswith("scripts/reproduce.py --write corrects it")


def test_one_changed_digit_of_evidence_fails(shown):
    shown.file.write_text(shown.file.read_text().replace("0.9907", "0.9917"))
    with pytest.raises(ValueError) as error:
        shown.problems()
    assert str(error.value) == (
        f"{shown.file} was changed after it was made: its seal does not fit; restore "
        "it from git, or delete it and run scripts/reproduce.py lenet_mnist"
    )


def test_another_config_fails_and_shows_nothing(shown):
    config = copy.deepcopy(shown.config)
    config["optimizer"]["learning_rate"] = 3e-3
    problems = shown.problems(config)
    assert problems[0] == (
        "results/lenet_mnist.json is of another config (optimizer.learning_rate: 0.002 "
        "-> 0.003); run scripts/reproduce.py lenet_mnist again, or delete it"
    )
    audit.write(shown.root, shown.entries(config))
    assert "0.94 ±" not in (shown.root / "RESULTS.md").read_text()
    assert len(shown.problems(config)) == 1  # writing again does not heal it


def test_another_protocol_fails(shown):
    config = copy.deepcopy(shown.config)
    config["claim"]["protocol"] = "the best of all epochs on the test split"
    assert "claim.protocol: MNIST test split" in shown.problems(config)[0]


def test_a_changed_claim_is_judged_anew_but_keeps_its_evidence(shown):
    config = copy.deepcopy(shown.config)
    config["claim"]["published"] = 0.005
    (entry,) = shown.entries(config)
    assert entry.verdict.words == "short by 0.44 points"
    problems = shown.problems(config)
    assert {problem.split(",")[0] for problem in problems} == {
        "RESULTS.md",
        "README.md",
    }


def test_deleted_evidence_fails(shown):
    shown.file.unlink()
    problems = shown.problems()
    assert (
        "README.md shows results/lenet_mnist.json, which is not there; restore it or "
        "run scripts/reproduce.py --write"
    ) in problems
    assert any(p.startswith("RESULTS.md, line ") for p in problems)


def test_evidence_of_nothing_fails(shown):
    (shown.root / "results" / "other.json").write_text("{}")
    assert shown.problems() == [
        "results/other.json belongs to no config that claims a result; delete it or "
        "write the claim"
    ]


def test_a_rehearsal_is_no_evidence(project):
    project.store(project.seed(), kind=evidence.REHEARSAL)
    assert project.problems() == [
        "results/lenet_mnist.json is a rehearsal of lenet_mnist, which is no evidence "
        "for lenet_mnist; delete it"
    ]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"total": 300, "step": 300}, "the config's schedule has 34375 steps, not 300"),
        ({"step": 300}, "a run that is not complete is marked as finished"),
        ({"metrics": {"test/loss": 1.0}}, "test/error was not measured"),
        ({"checkpoint": "latest"}, "another checkpoint than the best was tested"),
    ],
)
def test_a_shortened_run_is_noticed(project, fields, said):
    project.store(project.seed() | fields)
    assert f"results/lenet_mnist.json, seed 0: {said}" in project.problems()


def test_a_partial_run_is_shown_as_what_it_is(project):
    project.store(project.seed(0, 0.97, step=5157))
    page = (project.root / "RESULTS.md").read_text()
    told = "partial run at 15 % of the schedule (seed 0, validation/error 3.00 %)"
    assert f"| 0.95 % test error | not run | {told} |" in page
    assert "| 0 | not read: 15 % of the schedule | 3.00 % |" in page
    assert project.problems() == []


def test_a_partial_run_never_replaces_a_finished_one(project):
    project.store(project.seed(0), project.seed(0, 0.5, step=100), project.seed(1))
    seeds = evidence.read(project.file)["seeds"]
    assert [(seed["seed"], seed["finished"]) for seed in seeds] == [
        (0, True),
        (1, True),
    ]


def test_evidence_is_plain_json_with_one_point_a_line(project):
    project.store(project.seed())
    text = project.file.read_text()
    assert "     [200, 1.5],\n     [400, 1.25]\n" in text
    assert json.loads(text)["seeds"][0]["curves"]["train/loss"] == [
        [200, 1.5],
        [400, 1.25],
    ]


def test_evidence_of_another_config_begins_anew(project):
    project.store(project.seed(0), project.seed(1))
    defaults, kind = project.defaults, evidence.REPRODUCTION
    values, changed = audit.begin(
        project.file, project.name, kind, project.config, defaults
    )
    assert len(values["seeds"]) == 2 and changed == ()
    config = copy.deepcopy(project.config)
    config["train"]["epochs"] = 10.0
    values, changed = audit.begin(project.file, project.name, kind, config, defaults)
    assert values["seeds"] == [] and changed == ("train.epochs: 20.0 -> 10.0",)
