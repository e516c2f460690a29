"""Learning rate by seed of the perceptron on MNIST: 8 x 2 runs of 500 steps.

python scripts/sweep.py --sweep=configs/sweeps/mlp_mnist.py --config.data.path=FOLDER
The seed is an axis of the grid here, which shows each run by itself; `seeds=2` instead
would judge a rate by the mean of its two runs. Hardware: 2 CPU cores, 2 minutes.
"""

from configs.sweeps import base


def get_sweep() -> dict:
    """Returns the description of the sweep."""
    return base.sweep(
        config="configs/mlp_mnist.py",
        space={
            "optimizer.learning_rate": base.spaced(1e-4, 1e-2, 8, log=True),
            "seed": base.grid(0, 1),
        },
        overrides={"train.eval_every": 250, "train.log_every": 250},
        steps=500,
        sampler="grid",
    )
