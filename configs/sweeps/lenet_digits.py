"""Rate, decay, optimizer and momentum of LeNet-5 on scikit-learn's handwritten digits.

make sweep, or
python scripts/sweep.py --sweep=configs/sweeps/lenet_digits.py --workers=2
16 trials by TPE, ASHA ends the hopeless ones early. Hardware: 2 CPU cores, under
3 minutes. Expected: validation accuracy of the winner >= 98 %.
"""

from configs.sweeps import base


def get_sweep() -> dict:
    """Returns the description of the sweep."""
    return base.sweep(
        config="configs/lenet_digits.py",
        space={
            "optimizer.learning_rate": base.log_uniform(1e-4, 3e-2),
            "optimizer.weight_decay": base.log_uniform(1e-4, 1e-1),
            "optimizer.name": base.choice("adamw", "momentum"),
            "optimizer.momentum": base.when(
                "optimizer.name", "momentum", base.uniform(0.5, 0.98)
            ),
        },
        # An evaluation every 40 steps feeds the pruner; these runs only choose.
        overrides={"train.eval_every": 40, "train.log_every": 40},
        steps=360,
        trials=16,
        sampler="tpe",
        startup_trials=6,
        pruner="asha",
    )
