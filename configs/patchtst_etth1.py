"""PatchTST/42 on ETTh1, 336 hours back and 96 ahead: 81,728 parameters.

Paper: Nie, Nguyen, Sinthong & Kalagnanam: A Time Series is Worth 64 Words, 2023,
https://arxiv.org/abs/2211.14730, Table 3: MSE 0.375, MAE 0.399.
python scripts/train.py --config=configs/patchtst_etth1.py \
  --config.data.path=ETTh1.csv --workdir=runs/patchtst
(ETTh1.csv: https://github.com/zhouhaoyi/ETDataset.) Hardware: 2 CPU cores. Expected:
test/mse 0.375 +- 0.010.
Differences: all test windows count, where the authors' loader left out the last,
partial batch. configs/patchtst_etth1_192.py, …_336.py and …_720.py look further.
"""

from configs import dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return experiment(arg, horizon=96, published=0.375)


def experiment(arg: str, *, horizon: int, published: float, tolerance: float = 0.01):
    """Returns the experiment that looks `horizon` hours ahead."""
    config = dlinear_etth1.experiment(
        arg, horizon=horizon, published=published, tolerance=tolerance
    )
    config.model.name, config.model.variant = "patchtst", "small-42"
    config.claim.update(
        paper="Nie, Nguyen, Sinthong & Kalagnanam: A Time Series is Worth 64 Words: "
        "Long-term Forecasting with Transformers",
        link="https://arxiv.org/abs/2211.14730",
        table=f"Table 3, ETTh1, horizon {horizon}, PatchTST/42",
    )
    if arg == "quick":
        config.model.variant = "debug"
        return config
    config.data.batch_size, config.optimizer.learning_rate = 128, 1e-4
    # The authors' "type3": 4 epochs at the full rate, then 0.9 of it after each.
    config.train.epochs = 100.0
    config.schedule.factor = 0.9
    config.schedule.boundaries = tuple(epoch / 100 for epoch in range(4, 100))
    return config
