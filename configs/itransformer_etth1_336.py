"""iTransformer on ETTh1, 96 hours back and 336 ahead: 3,379,024 parameters.

Paper: Liu et al. 2024, https://arxiv.org/abs/2310.06625: MSE 0.487, MAE
0.458.
python scripts/train.py --config=configs/itransformer_etth1_336.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores. Expected: test/mse 0.487 +- 0.010.
Differences: those of configs/itransformer_etth1.py.
"""

from configs import itransformer_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return itransformer_etth1.experiment(
        arg, horizon=336, published=0.487, variant="512"
    )
