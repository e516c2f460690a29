"""Joins the processes of one run, and notices when one of them is gone."""

import jax

# Seconds between two signs of life.
_BEAT = 2.0


def start(config) -> bool:
    """Joins the other processes, if there are any.

    Args:
      config: the group `config.distributed`.

    Returns:
      Whether this process is the first: the one that writes.

    Raises:
      ValueError: the coordinator is not there.
    """
    if not config.coordinator:
        if config.num_processes > 1:
            raise ValueError(
                f"config.distributed.num_processes={config.num_processes} needs "
                "config.distributed.coordinator=HOST:PORT of process 0, or auto"
            )
        return True
    if config.coordinator == "auto":  # SLURM, TPU pods, Open MPI tell it themselves
        jax.distributed.initialize()
    else:
        jax.distributed.initialize(
            coordinator_address=config.coordinator,
            num_processes=config.num_processes,
            process_id=config.process_id,
            initialization_timeout=config.timeout,
            heartbeat_timeout_seconds=config.timeout,
        )
    return jax.process_index() == 0
