"""Predictions of a split: which examples, and in which order."""

import types

import numpy as np

from research.data import source
from research.training import evaluation, sharding

MESH = {"data": -1, "fsdp": 1, "tensor": 1}


def test_predictions_keep_the_order_of_contiguous_text():
    """Which an evaluation reads as streams instead, row by row of a batch."""
    tokens = np.arange(48, dtype=np.int32).reshape(24, 2)
    whole = source.Arrays({"token": tokens})
    spec = source.Spec(whole.spec.features, contiguous=True)
    examples = source.Subset(whole, np.arange(24))
    examples.spec = spec
    built = types.SimpleNamespace(
        config=types.SimpleNamespace(data=types.SimpleNamespace(eval_batch_size=8)),
        task=types.SimpleNamespace(predicted=19),
        spec=spec,
    )
    programs = types.SimpleNamespace(
        experiment=built,
        mesh=sharding.make_mesh(MESH),
        predict=lambda state, batch: {"token": batch["token"]},
    )
    predicted = evaluation.predictions(programs, None, examples)["token"]
    np.testing.assert_array_equal(predicted, tokens[:19])
    assert examples.spec.contiguous
