"""Recurrent networks as PyTorch saves them: torch.nn.RNN, LSTM, GRU, and with them the
word language model of https://github.com/pytorch/examples.

A file of `torch.nn.LSTM(...).state_dict()` becomes a network without a head that gives
its last layer's output at every step. PyTorch's gates have two biases, and so has what
is read here (`biases=2`), so that both come back as they were; a network with one bias
is written with a second one of zeros. Files do not tell a `torch.nn.RNN` of tanh from
one of ReLU: `weights.load(…, activation="relu")`.
"""

import re
from collections.abc import Mapping

import numpy as np

from research.weights import rules

# Blocks of a weight_ih per unit -> the cell; the order of the blocks is the same here.
_CELLS = {1: "elman", 3: "gru", 4: "lstm"}

# One bias here is two there: their sum, and beside it zeros.
_SUM = rules.Form(
    here=lambda b: b.reshape(2, -1).sum(axis=0),
    there=lambda b: np.concatenate([b, np.zeros_like(b)]),
)


def _layers(prefix: str, biases: int) -> tuple[rules.Rule, ...]:
    """Makes the rules of all layers, in both directions."""
    table = []
    for end in ("", "_reverse"):
        ours = f"params/rnn/layer{{i}}{end}"
        theirs = {
            kind: f"{prefix}{kind}_l{{i-1}}{end}"
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }

        def rule(leaf, *kinds, form=rules.SAME, ours=ours, theirs=theirs):
            names = tuple(theirs[kind] for kind in kinds)
            return rules.Rule(f"{ours}/{leaf}", names, form)

        table.append(rule("input/kernel", "weight_ih", form=rules.TRANSPOSED))
        table.append(rule("recurrent_kernel", "weight_hh", form=rules.TRANSPOSED))
        if biases == 1:
            table.append(rule("input/bias", "bias_ih", "bias_hh", form=_SUM))
        elif biases == 2:
            table.append(rule("input/bias", "bias_ih"))
            table.append(rule("recurrent_bias", "bias_hh"))
    return tuple(table)


def _stack(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> dict:
    """Reads the fields of the layers from their tensors' shapes."""
    pattern = re.escape(prefix) + r"weight_hh_l(\d+)"
    count = sum(re.fullmatch(pattern, name) is not None for name in shapes)
    rows, width = shapes[f"{prefix}weight_hh_l0"]
    if width == 0 or rows // width not in _CELLS or rows % width:
        raise ValueError(
            f"{prefix}weight_hh_l0 is {(rows, width)}, which is no recurrent layer of "
            "PyTorch (rows are 1, 3 or 4 times the columns); bring other weights"
        )
    return dict(cell=_CELLS[rows // width], widths=(width,) * count)


def _bare_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del configs
    both = "weight_hh_l0_reverse" in shapes
    fields = _stack(shapes, "") | dict(bidirectional=both, pool="none", num_classes=0)
    return rules.Sizes(fields, channels=shapes["weight_ih_l0"][1])


def _language_model_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del configs
    vocabulary, width = shapes["encoder.weight"]
    fields = dict(vocab_size=vocabulary, embedding=width, tied=False)
    return rules.Sizes(_stack(shapes, "rnn.") | fields)


def _check(model, *_) -> dict[str, dict]:
    """Refuses networks that PyTorch has no module for; writes no config files."""
    if len(set(model.widths)) != 1 or model.cell == "gru" and model.reset != "after":
        raise ValueError(
            "layers of torch.nn have one width, and a GRU resets after the product, "
            f"got widths {tuple(model.widths)} and reset={model.reset!r}; use "
            "format='menagerie'"
        )
    return {}


def _forms(biases: int) -> tuple[rules.Format, ...]:
    shared = dict(publisher="pytorch", architecture="rnn", configs=_check, alone=True)
    bias = ("bias_ih_l0",) if biases else ()
    ends = rules.table(
        rules.Rule("params/embedding/embedding", ("encoder.weight",)),
        rules.dense("head", "decoder"),
    )
    return (
        rules.Format(
            rules=_layers("", biases),
            marks=("weight_ih_l0", "weight_hh_l0", *bias),
            sizes=_bare_sizes,
            implied=dict(biases=biases, num_classes=0),
            **shared,
        ),
        rules.Format(
            rules=_layers("rnn.", biases) + ends,
            marks=(
                *("encoder.weight", "decoder.weight", "rnn.weight_hh_l0"),
                *(f"rnn.{name}" for name in bias),
            ),
            sizes=_language_model_sizes,
            implied=dict(biases=biases, tied=False),
            task="language_modeling",
            **shared,
        ),
    )


# Files are read by those before the last two, which write networks with one bias.
FORMATS = (*_forms(2), *_forms(0), *_forms(1))
