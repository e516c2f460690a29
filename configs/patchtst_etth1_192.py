"""PatchTST/42 on ETTh1, 336 hours back and 192 ahead: 146,336 parameters.

Paper: Nie et al. 2023, https://arxiv.org/abs/2211.14730, Table 3: MSE 0.414, MAE
0.421.
python scripts/train.py --config=configs/patchtst_etth1_192.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores. Expected: test/mse 0.414 +- 0.010.
Differences: those of configs/patchtst_etth1.py.
"""

from configs import patchtst_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return patchtst_etth1.experiment(arg, horizon=192, published=0.414)
