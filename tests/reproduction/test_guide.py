"""The guide names what exists, orders it by what one has, shows what was reached."""

import dataclasses

import pytest

from research.reproduction import architectures, guide
from scripts import app, inspect

PAIRS = [(row.input, row.task) for row in architectures.ROWS]


def test_every_config_exists_and_no_pair_stands_twice():
    named = {choice.config for row in architectures.ROWS for choice in row.choices}
    assert named <= set(app.config_names())
    assert len(set(PAIRS)) == len(PAIRS)
    assert all(row.choices or row.baseline for row in architectures.ROWS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair))
def test_every_pair_is_answered(pair, capsys):
    inspect.main([f"--input={pair[0]}", f"--task={pair[1]}", "--choose"])
    printed = capsys.readouterr().out
    row = guide.row(*pair)
    for choice in row.choices:
        assert f"configs/{choice.config}.py" in printed and choice.reason in printed
    assert row.baseline in printed


def test_what_fits_comes_first_and_the_rest_says_why_not():
    row = guide.row("images", "classification")
    all_fit = guide.ranked(row, None, "gpu")
    assert [choice for choice, _ in all_fit] == list(row.choices)
    assert not any(against for _, against in all_fit)
    ranked = guide.ranked(row, 5_000, "cpu")
    fitting = [not against for _, against in ranked]
    assert fitting == sorted(fitting, reverse=True) and any(fitting)
    reasons = {choice.config: against for choice, against in ranked}
    assert reasons["resnet20_cifar10"] == (
        "wants 10,000 examples or more, too slow on a CPU"
    )


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (
            ["--input=image", "--task=classification"],
            "unknown input 'image'; did you mean 'images'? use one of ",
        ),
        (
            ["--input=text", "--task=translate"],
            "unknown task on text 'translate'; did you mean 'translation'? use one of ",
        ),
        (
            ["--input=text"],
            "--input=text needs --task, what is wanted; --choose alone lists both",
        ),
        (
            ["--input=text", "--task=translation", "--device=cuda"],
            "unknown device 'cuda'; use one of cpu, gpu, tpu",
        ),
        (
            ["--input=text", "--task=translation", "--examples=0"],
            "--examples must be at least 1, got 0; correct it",
        ),
    ],
)
def test_what_is_unknown_is_one_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        inspect.main(["--choose", *arguments])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_the_readmes_table_shows_complete_runs_only():
    names = [choice.config for row in architectures.ROWS for choice in row.choices]

    @dataclasses.dataclass
    class Entry:
        name: str
        claim: object
        verdict: object

    claim = dataclasses.make_dataclass("Claim", ["metric"])("test/error")
    verdict = dataclasses.make_dataclass("Verdict", ["kind", "reached"])
    table = guide.readme(
        [
            Entry(names[0], claim, verdict("short", "1.5 %")),
            Entry(names[1], claim, verdict("partial", "not run")),
        ]
    )
    assert f"(configs/{names[0]}.py) (1.5 % test error)" in table
    assert f"(configs/{names[1]}.py) (" not in table
