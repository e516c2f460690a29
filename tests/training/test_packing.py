"""What is packed comes back bit for bit, on any mesh, and is few arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from research.training import checkpoint, packing, sharding
from research.training import state as states


def tree():
    rng = np.random.default_rng(0)
    return {
        "large": jnp.asarray(rng.normal(size=(2**22,)), jnp.float32),
        "small": {
            "a": jnp.asarray(rng.normal(size=(3, 5)), jnp.float32),
            "b": jnp.asarray(rng.normal(size=(8, 8)), jnp.float32),
            "half": jnp.asarray(rng.normal(size=(4,)), jnp.bfloat16),
        },
        "step": jnp.int32(7),
        "flags": jnp.asarray([True, False, True]),
        "levels": jnp.asarray([0, 255], jnp.uint8),
        "nothing": None,
    }


def test_it_comes_back_bit_for_bit():
    before = tree()
    after = packing.unpack(*packing.pack(before), jax.eval_shape(tree))
    assert jax.tree.structure(after) == jax.tree.structure(before)
    assert states.digest(after) == states.digest(before)


def test_small_leaves_share_one_array():
    packed, whole = packing.pack(tree())
    # float32 a and b, bfloat16 half, int32 step, three flags, two levels
    assert packed.shape == (4 * (15 + 64) + 2 * 4 + 4 + 3 + 2,)
    assert list(whole) == list(packing.whole(jax.eval_shape(tree))) == ["large"]
    assert ["small.a", "float32", [3, 5]] in packing.index(tree())


def test_of_equal_leaves_all_are_packed_or_none():
    shapes = {name: jax.ShapeDtypeStruct((2**20,), jnp.float32) for name in "abcde"}
    small = jax.ShapeDtypeStruct((), jnp.int32)
    assert sorted(packing.whole({"step": small, **shapes})) == list("abcde")
    three = {name: shapes[name] for name in "abc"}
    assert packing.whole({"step": small, **three}) == {}


def test_one_changed_bit_of_the_file_is_noticed(tmp_path):
    state = {"weights": jnp.arange(6, dtype=jnp.float32)}
    with checkpoint.Checkpoints(tmp_path / "c") as saved:
        saved.save(1, state, {})
        saved.wait()
        (file,) = (tmp_path / "c").rglob("bytes")
        content = bytearray(file.read_bytes())
        content[5] ^= 1
        file.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged: its checksum differs"):
            saved.restore(1, jax.eval_shape(lambda: state))


def test_a_checkpoint_of_one_mesh_restores_on_another(tmp_path):
    def on(mesh, spec):
        return jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(
                x.shape, x.dtype, sharding=NamedSharding(mesh, spec(x))
            ),
            jax.eval_shape(tree),
        )

    split = sharding.make_mesh({"data": 1, "fsdp": 8, "tensor": 1})

    def split_first(x):
        fits = x.ndim and x.shape[0] % 8 == 0
        return PartitionSpec("fsdp") if fits else PartitionSpec()

    across = on(split, split_first)
    whole = sharding.make_mesh({"data": 8, "fsdp": 1, "tensor": 1})
    copied = on(whole, lambda x: PartitionSpec())
    state = jax.tree.map(lambda x, a: jax.device_put(x, a.sharding), tree(), across)
    with checkpoint.Checkpoints(tmp_path / "c") as saved:
        saved.save(1, state, {"note": [0.1, 2]})
        saved.wait()
        for target in (across, copied):
            restored, record = saved.restore(1, target)
            assert record == {"note": [0.1, 2]}
            assert states.digest(restored) == states.digest(tree())
            for leaf, asked in zip(
                jax.tree.leaves(restored), jax.tree.leaves(target), strict=True
            ):
                assert leaf.sharding.is_equivalent_to(asked.sharding, leaf.ndim)


@pytest.mark.parametrize(
    "change", [{"more": jnp.zeros(3)}, {"large": jnp.zeros((3000, 4000))}]
)
def test_another_structure_is_refused(tmp_path, change):
    other = jax.eval_shape(lambda: tree() | change)
    with checkpoint.Checkpoints(tmp_path / "c") as saved:
        saved.save(1, tree(), {})
        saved.wait()
        with pytest.raises(ValueError) as error:
            saved.restore(1, other)
    assert str(error.value) == (
        f"checkpoint 1 in {tmp_path / 'c'} holds other parameters than this code "
        "makes; restore the code it was trained with, or choose another --workdir"
    )
