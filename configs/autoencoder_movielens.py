"""Codes an eighth of the size for vectors of films, to be searched.

python scripts/train.py --config=configs/autoencoder_movielens.py \
  --config.data.path=FOLDER --workdir=runs/films
python scripts/search.py --workdir=runs/films
(FOLDER holds ratings.csv of MovieLens, https://grouplens.org/datasets/movielens.)
Hardware: 2 CPU cores, about a minute. The second command measures recall@10 and time
of searches in the codes, exact and in an inverted file, against those in full vectors,
with a PCA of the same size beside them. For a table of your own, embeddings.npz with an
array `vector`: --config.data.name=arrays --config.data.features="('vector',)".
Expected: test/squared_error near test/pca_error: such vectors are nearly linear.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns windows of a synthetic series."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "autoencoder", "64"
    config.model.hidden, config.model.code = (128,), 8
    config.task.name, config.task.input = "reconstruction", "vector"
    config.data.name, config.data.size = "movielens_items", 64
    config.data.batch_size = 128
    config.optimizer.name, config.optimizer.learning_rate = "adam", 2e-3
    config.schedule.name = "cosine"
    config.train.epochs, config.train.log_every = 60.0, 50
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if arg == "quick":
        config.data.name, config.task.input = "synthetic_series", "window"
        del config.data["size"]
        config.data.length = 32  # of 2 columns: 64 numbers
        config.data.batch_size, config.data.eval_batch_size = 64, 128
        config.train.epochs, config.train.log_every = 6.0, 20
    return config
