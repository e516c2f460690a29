"""Flags of XLA under which the tests compile in a fraction of the usual time."""

# Nothing is optimised, and loops are made by the older emitters, in half the time.
QUICK_COMPILATION = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)
# Options of `jax.jit` for what is compared to the last digits: the emitters that a
# user's programs are made by, which round sums less.
USERS_EMITTERS = {"xla_cpu_use_fusion_emitters": True}
