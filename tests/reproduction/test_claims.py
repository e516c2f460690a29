import pytest

from research.reproduction import claims
from scripts import app


def _config(name="lenet_mnist", **fields):
    config = app.read_config(name).to_dict()
    return config | {"claim": config["claim"] | fields}


def _claim(**fields):
    return claims.read(_config(**fields), "lenet_mnist")


def _seeds(*errors):
    return [
        {"seed": i, "finished": True, "metrics": {"test/accuracy": 1 - error}}
        for i, error in enumerate(errors)
    ]


@pytest.mark.parametrize("name", app.config_names())
def test_every_claim_is_complete(name):
    claim = claims.read(app.read_config(name).to_dict(), name)
    if claim is not None:
        assert claim.link.startswith("https://")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"protocol": ""},
            "configs/lenet_mnist.py claims a result without claim.protocol; a number "
            "means nothing without it, so write it down",
        ),
        (
            {"mode": "least"},
            "unknown configs/lenet_mnist.py claim.mode 'least'; use one of max, min",
        ),
        (
            {"metric": "accuracy"},
            "configs/lenet_mnist.py claim.metric must be test/<metric> or "
            "validation/<metric>, got 'accuracy'; correct it",
        ),
        (
            {"tolerance": 0.0},
            "configs/lenet_mnist.py claims 0.0095 within 0.0, but needs a number and a "
            "tolerance above 0; correct claim.published or tolerance",
        ),
        (
            {"reason": ""},
            "configs/lenet_mnist.py gives no claim.reason for its tolerance of 0.0015; "
            "write it down",
        ),
        (
            {"seeds": 0},
            "configs/lenet_mnist.py claim.seeds must be at least 1, got 0; correct it",
        ),
    ],
)
def test_an_incomplete_claim_is_one_sentence(fields, sentence):
    with pytest.raises(ValueError) as error:
        _claim(**fields)
    assert str(error.value) == sentence


def test_a_config_without_a_paper_claims_nothing():
    assert claims.read(_config(paper=""), "lenet_mnist") is None


@pytest.mark.parametrize(
    ("errors", "kind", "words", "reached"),
    [
        ((0.0093, 0.0097, 0.0101), "reproduced", "reproduced", "0.97 ± 0.04 %"),
        ((0.0110, 0.0110, 0.0110), "reproduced", "reproduced", "1.10 ± 0.00 %"),
        ((0.0116, 0.0116, 0.0116), "short", "short by 0.21 points", "1.16 ± 0.00 %"),
        (
            (0.0071, 0.0071, 0.0071),
            "reproduced",
            "reproduced, better by 0.24 points",
            "0.71 ± 0.00 %",
        ),
        (
            (0.0093,),
            "incomplete",
            "incomplete, 1 of 3 seeds; so far within the tolerance",
            "0.93 %",
        ),
        (
            (0.0140, 0.0150),
            "incomplete",
            "incomplete, 2 of 3 seeds; so far short by 0.50 points",
            "1.45 ± 0.07 %",
        ),
        ((), "not run", "not run", "not run"),
    ],
)
def test_verdicts(errors, kind, words, reached):
    assert claims.judge(_claim(), _seeds(*errors)) == claims.Verdict(
        kind, words, reached
    )


def test_higher_can_be_better():
    claim = claims.read(_config("mlp_mnist"), "mlp_mnist")
    assert claims.compare(claim, 0.981) == ("short by 0.30 points", "short")
    assert claims.compare(claim, 0.982) == ("reproduced", "reproduced")


def test_a_partial_run_never_counts_as_reached():
    partial = {
        "seed": 1,
        "finished": False,
        "step": 999,
        "total": 1000,
        "metrics": {},
        "validation": {"validation/accuracy": 0.99},
    }
    assert claims.judge(_claim(), [partial]) == claims.Verdict(
        "partial",
        "partial run at 99 % of the schedule (seed 1, validation/error 1.00 %)",
        "not run",
    )
    both = claims.judge(_claim(), [*_seeds(0.0093), partial])
    assert both.reached == "0.93 %" and both.kind == "incomplete"


def test_without_a_published_number_nothing_is_reproduced():
    claim = claims.read(_config("lenet_digits"), "lenet_digits")
    verdict = claims.judge(claim, _seeds(0.01, 0.01, 0.01))
    assert verdict.kind == "measured"
    assert verdict.words == "nothing published to compare with; 3 of 3 seeds"


def test_other_units_are_plain_numbers():
    claim = _claim(metric="test/perplexity", published=115.9, tolerance=3.0)
    assert claim.text(115.91) == "115.9" and claim.difference(1.234) == "1.23"
    assert claims.spread(claim, [115.0, 117.0]) == "116 ± 1.4"


def test_a_metric_that_the_task_does_not_measure_is_one_sentence():
    seed = {"finished": True, "metrics": {"test/accuracy": 0.9, "test/loss": 1.0}}
    claims.check_measured(seed, "test/error")
    with pytest.raises(ValueError) as error:
        claims.check_measured(seed, "test/bleu")
    assert str(error.value) == (
        "config.claim.metric='test/bleu' is nothing that the task measures; use test/ "
        "and one of accuracy, loss"
    )
    seed = {"finished": False, "metrics": {}, "validation": {"validation/loss": 1.0}}
    claims.check_measured(seed, "test/loss")
