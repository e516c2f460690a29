"""iTransformer on ETTh1, 96 hours back and 96 ahead: 841,568 parameters.

Paper: Liu et al.: iTransformer: Inverted Transformers Are Effective for Time Series
Forecasting, 2024, https://arxiv.org/abs/2310.06625: MSE 0.386, MAE 0.405.
python scripts/train.py --config=configs/itransformer_etth1.py \
  --config.data.path=ETTh1.csv --workdir=runs/itransformer
(ETTh1.csv: https://github.com/zhouhaoyi/ETDataset.) Hardware: one CPU core, 3 minutes.
Expected: test/mse 0.389.
Differences: none known. configs/itransformer_etth1_192.py, …_336.py and …_720.py look
further ahead.
"""

from configs import dlinear_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return experiment(arg, horizon=96, published=0.386)


def experiment(
    arg: str,
    *,
    horizon: int,
    published: float,
    variant: str = "256",
    tolerance: float = 0.01,
):
    """Returns the experiment that looks `horizon` hours ahead."""
    config = dlinear_etth1.experiment(
        arg, horizon=horizon, published=published, tolerance=tolerance
    )
    config.model.name, config.model.variant = "itransformer", variant
    config.data.calendar = True
    config.claim.update(
        paper="Liu, Hu, Zhang, Wu, Wang, Ma & Long: iTransformer: Inverted "
        "Transformers Are Effective for Time Series Forecasting",
        year=2024,
        link="https://arxiv.org/abs/2310.06625",
        table=f"long-term forecasting, full results: ETTh1, horizon {horizon}, "
        "iTransformer",
        protocol=config.claim.protocol.replace("look-back 336", "look-back 96"),
    )
    config.claim.reason = "one run was published, without its spread"
    config.claim.wall_time = "3 minutes"
    if arg == "quick":
        config.model.variant = "debug"
        return config
    config.data.length = 96
    config.optimizer.learning_rate = 1e-4  # halved after each epoch
    return config
