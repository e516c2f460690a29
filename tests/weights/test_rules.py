import numpy as np
import pytest

from research.weights import published, rules, stored


def test_placeholders_carry_numbers_over():
    rule = rules.Rule("params/stage{s}_block{b}/conv{c}/kernel", ("l{s}.{b-1}.c{c+2}",))
    assert rule.names("params/stage2_block10/conv3/kernel") == ("l2.9.c5",)
    assert rule.names("params/stage2_block10/shortcut_conv/kernel") is None
    assert rules.Rule("{path}", ("{path}",)).names("a/b") == ("a/b",)


@pytest.mark.parametrize(
    "form, shape",
    [
        (rules.SAME, (4,)),
        (rules.TRANSPOSED, (4, 6)),
        (rules.CONV, (4, 6, 3, 2)),
        (rules.flattened(3), (4, 45)),
    ],
)
def test_forms_undo_themselves(form, shape):
    there = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(form.there(form.here(there)), there)


def test_a_flattened_map_is_read_in_our_order():
    maps = np.arange(2 * 3 * 3).reshape(2, 3, 3)  # (c, h, w)
    kernel = rules.flattened(3).here(maps.reshape(1, -1))
    np.testing.assert_array_equal(kernel[:, 0], maps.transpose(1, 2, 0).reshape(-1))


def test_every_tensor_and_every_leaf_is_accounted_for():
    form = rules.Format(
        publisher="x",
        architecture="x",
        rules=rules.table(rules.dense("qkv", "q", "k"), rules.layer_norm("norm", "n")),
        marks=(),
        sizes=lambda shapes, configs: None,
        harmless={r"\.count$": "counters"},
    )
    expected = {
        "params/qkv/kernel": (3, 8),
        "params/qkv/bias": (8,),
        "params/norm/scale": (3,),
        "params/other": (1,),
    }
    shapes = {"q.weight": (4, 3), "k.weight": (4, 3), "q.bias": (4,), "k.bias": (5,)}
    shapes |= {"a.count": (), "surplus": (2, 2)}
    tensors = {n: stored.Stored(s, "float32", None) for n, s in shapes.items()}
    _, unread, problems = rules.match(form, expected, tensors)
    assert unread == {"counters": ["a.count"]}
    assert problems == [
        "mis-shaped  q.bias + k.bias: gives (9,), but params/qkv/bias is (8,)",
        "missing     n.weight, for params/norm/scale (3,)",
        "missing     params/other (1,): no rule names it",
        "extra       surplus (2, 2)",
    ]


def test_long_tables_are_cut():
    shown = rules.shown([f"row {i}" for i in range(50)]).splitlines()
    assert len(shown) == 41 and shown[-1] == "  and 10 more"


@pytest.mark.parametrize(
    "form", [f for f in published.FORMATS if f.marks], ids=lambda f: f.publisher
)
def test_no_two_rules_of_a_table_claim_a_leaf(form):
    names = [name for rule in form.rules for name in rule.theirs]
    assert len(names) == len(set(names))
    assert len({rule.ours for rule in form.rules}) == len(form.rules)
