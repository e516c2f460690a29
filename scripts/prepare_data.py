"""Downloads and prepares a data set with TensorFlow Datasets, for `data.name=tfds`.

  pip install 'menagerie[prepare]'
  python scripts/prepare_data.py --name=mnist --data_dir=FOLDER

The only command that needs TensorFlow. Reading what it wrote does not:
  … --config.data.name=tfds --config.data.dataset=mnist --config.data.path=FOLDER
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--name", required=True, help="name[/config][:version]")
    parser.add_argument("--data_dir", help="default: $TFDS_DATA_DIR or TFDS's own")
    parser.add_argument("--manual_dir", help="files that you downloaded by hand")
    options = parser.parse_args(argv)
    with app.one_sentence_errors():
        builder = prepare(options.name, options.data_dir, options.manual_dir)
    for split, info in builder.info.splits.items():
        print(f"{split}: {info.num_examples:,} examples")
    print(f"prepared in {builder.data_dir}")


def prepare(name: str, data_dir: str | None, manual_dir: str | None):
    """Prepares one data set as array_record files; returns its TFDS builder.

    Raises:
      ValueError: the packages are missing, or TFDS does not know the name.
    """
    try:
        import tensorflow  # noqa: F401  (TFDS imports it late, and fails late without)
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ValueError(
            f"preparing data needs TensorFlow ({error}); run pip install "
            "'menagerie[prepare]'"
        ) from error
    try:
        builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
    except tfds.core.registered.DatasetNotFoundError as error:
        raise ValueError(
            f"TensorFlow Datasets knows no data set {name!r}; see tfds.list_builders()"
        ) from error
    download = tfds.download.DownloadConfig(manual_dir=manual_dir)
    builder.download_and_prepare(download_config=download)
    return builder


if __name__ == "__main__":
    app.run(main)
