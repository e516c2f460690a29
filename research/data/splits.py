"""Opens a split of a data source, held out of "train" where the data has none."""

import difflib
import inspect
from collections.abc import Sequence

from research.data import holdout as held_out
from research.data import source


def open_splits(
    module, names: Sequence[str], path: str | None, *, holdout: float, **options
) -> dict[str, source.Source]:
    """Opens splits, of which no two share an example.

    A "validation" or "test" that the data lacks is a fixed share of its "train",
    stratified by label where there are labels, which "train" then excludes. A source
    with HOLDS_OUT (a text, whose neighbouring examples share words) does so itself.

    Args:
      module: a data source of this package, such as `research.data.idx`.
      names: any of "train", "validation" and "test".
      path: folder or file of the data; None where the source needs none.
      holdout: share of "train" in [0, 1) for each split that the data lacks; 0 leaves
        "train" whole, and those splits do not exist.
      **options: options of the source, passed to its `load`.

    Returns:
      split name -> source, for each of `names`.

    Raises:
      ValueError: a split does not exist or is empty, or an option is unknown.
    """
    name = module.__name__.rpartition(".")[2]
    _check_options(module, name, options)
    native = module.splits(path, **options)
    where = f"data {name!r}" + (f" at {path}" if path else "")
    missing = [s for s in ("validation", "test") if s not in native]
    own = getattr(module, "HOLDS_OUT", False)
    carve = bool(missing) and holdout != 0 and "train" in native and not own
    loaded, parts, opened = {}, {}, {}
    for split in names:
        if split in missing and not carve and not own and "train" in native:
            raise ValueError(
                f"{where} has no split {split!r} of its own and the holdout share is "
                "0; set it above 0, for example to 0.1"
            )
        held = carve and (split == "train" or split in missing)
        file = "train" if held else split
        source.check_split(file, native, where)
        if file not in loaded:
            loaded[file] = module.load(file, path, **options)
            _check_nonempty(loaded[file], where, file)
        if held and not parts:
            parts = held_out.partition(
                len(loaded[file]),
                dict.fromkeys(missing, holdout),
                labels=loaded[file].labels(),
            )
        whole = loaded[file]
        opened[split] = source.Subset(whole, parts[split]) if held else whole
    return opened


def exists(module, split: str, path: str | None, *, holdout: float, **options) -> bool:
    """Tells whether `open_splits` would find or make a split, opening none."""
    native = module.splits(path, **options)
    carved = holdout != 0 and not getattr(module, "HOLDS_OUT", False)
    return split in native or (carved and split != "train" and "train" in native)


def _check_nonempty(opened: source.Source, where: str, split: str) -> None:
    if not len(opened):
        raise ValueError(
            f"split {split!r} of {where} holds no examples; add some or use other data"
        )


def _check_options(module, name: str, options) -> None:
    """Checks option names here, so that a misspelt one is the user's error."""
    parameters = inspect.signature(module.load).parameters.values()
    known = sorted(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)
    for option in options:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ValueError(
                f"unknown option {option!r} of data {name!r}; {hint}it has: "
                f"{', '.join(known) or 'none'}"
            )
