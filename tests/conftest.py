"""Settings of every test: 8 simulated devices, strict shapes, quick compilation."""

import gc
import os
import pathlib

from tests import flags

# Must be set before JAX is imported. The shared compile cache makes a second run of the
# suite faster still.
os.environ["XLA_FLAGS"] = (
    f"--xla_force_host_platform_device_count=8 {flags.QUICK_COMPILATION}"
)
os.environ["JAX_PLATFORMS"] = "cpu"
_HOME = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(
    pathlib.Path(_HOME) / "menagerie" / "xla_tests"
)

import jax  # noqa: E402
import pytest  # noqa: E402

jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tracing makes many objects; to look for cycles so often takes a tenth of the time.
gc.set_threshold(200_000, 50, 100)


@pytest.fixture
def research_data() -> pathlib.Path:
    """The folder of real data sets, or a skip with the reason."""
    folder = os.environ.get("RESEARCH_DATA")
    if not folder:
        pytest.skip("RESEARCH_DATA names no folder of real data sets")
    return pathlib.Path(folder)
