"""The only stateful part: state, optimizers, sharding, checkpoints, tracking, loop."""
