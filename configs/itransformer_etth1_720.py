"""iTransformer on ETTh1, 96 hours back and 720 ahead: 3,576,016 parameters.

Paper: Liu et al. 2024, https://arxiv.org/abs/2310.06625: MSE 0.503, MAE
0.491.
python scripts/train.py --config=configs/itransformer_etth1_720.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores. Expected: test/mse 0.503 +- 0.020.
Differences: those of configs/itransformer_etth1.py.
"""

from configs import itransformer_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return itransformer_etth1.experiment(
        arg, horizon=720, published=0.503, variant="512", tolerance=0.02
    )
