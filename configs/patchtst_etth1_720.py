"""PatchTST/42 on ETTh1, 336 hours back and 720 ahead: 501,680 parameters.

Paper: Nie et al. 2023, https://arxiv.org/abs/2211.14730, Table 3: MSE 0.449, MAE
0.466.
python scripts/train.py --config=configs/patchtst_etth1_720.py \
  --config.data.path=ETTh1.csv
Hardware: 2 CPU cores. Expected: test/mse 0.449 +- 0.020.
Differences: those of configs/patchtst_etth1.py.
"""

from configs import patchtst_etth1


def get_config(arg: str = ""):
    """Returns the experiment; `quick` forecasts a synthetic series."""
    return patchtst_etth1.experiment(arg, horizon=720, published=0.449, tolerance=0.02)
