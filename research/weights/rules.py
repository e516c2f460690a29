"""Rule tables: which published tensor becomes which leaf of a Flax tree, and how.

A table is a tuple of rules; a rule names a leaf of ours and the tensor that a publisher
calls the same. Blocks are numbered by placeholders: "stage{s}_block{b}/conv1" beside
"layer{s}.{b-1}.conv1" reads "the same s, and b less one". The functions below make the
rules of a whole layer at once. One table serves import and export.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from research.weights import stored

_SHOWN = 40  # rows of a table of problems


@dataclasses.dataclass(frozen=True)
class Form:
    """How a tensor is laid out here and there; `there` undoes `here`."""

    here: Callable[[np.ndarray], np.ndarray]
    there: Callable[[np.ndarray], np.ndarray]


SAME = Form(lambda a: a, lambda a: a)
TRANSPOSED = Form(lambda a: a.T, lambda a: a.T)  # (out, in) <-> (in, out)
CONV = Form(  # (out, in, h, w) <-> (h, w, in, out)
    lambda a: a.transpose(2, 3, 1, 0), lambda a: a.transpose(3, 2, 0, 1)
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """One leaf of ours and the published tensor, or tensors, that it is made of.

    Attributes:
      ours: path of the leaf with placeholders, "params/block{i}/norm1/scale".
      theirs: names of the tensors, joined along their first axis.
      form: of the joined tensor.
    """

    ours: str
    theirs: tuple[str, ...]
    form: Form = SAME

    def names(self, path: str) -> tuple[str, ...] | None:
        """Names the tensors of one leaf; None where the rule is not about it."""
        pattern = re.escape(self.ours).replace(r"\{path\}", "(?P<path>.+)")
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>\\d+)", pattern)
        match = re.fullmatch(pattern, path)
        if match is None:
            return None

        def fill(place):
            value = match[place[1]]
            return str(int(value) + int(place[2])) if place[2] else value

        return tuple(re.sub(r"\{(\w+?)([+-]\d+)?\}", fill, t) for t in self.theirs)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a file tells of its network.

    Attributes:
      fields: of the model; a field that the file leaves open is absent.
      image_size: (height, width) that the weights were made for; None: no images.
      channels: of the images, or values per step of a sequence; 0: neither.
    """

    fields: dict[str, Any]
    image_size: tuple[int, int] | None = None
    channels: int = 0


def _nothing(*_) -> None:
    """Stands for what a publisher does not state."""


@dataclasses.dataclass(frozen=True)
class Format:
    """A published form of one of our architectures.

    Attributes:
      publisher: its name, as `export` takes it.
      architecture: `research/models/<architecture>.py`.
      rules: the table.
      marks: names that every file of this form has.
      sizes: (shapes by name, config files) -> Sizes.
      belongs: config files -> whether they go with this form.
      implied: fields that the publisher's network has without saying so.
      parts: fields that say which of its parts the network has; a model may lack some
        of the file's, or have others, which start anew.
      spellings: (pattern, replacement) that turn names of other editions into the
        table's.
      harmless: pattern of tensors that are not read -> why they are not needed.
      preprocessing: (file name, config files, image size) -> Preprocessing or None; not
        asked about networks that read no images.
      class_names: config files -> names by index, or None.
      configs: (model, Sizes, preprocessing, class names) -> the publisher's config
        files, for export.
      alone: an export is one file, without a folder.
      exports: whether it is written as well as read.
      task: whose prediction the networks serve, `research/prediction/<task>.py`.
    """

    publisher: str
    architecture: str
    rules: tuple[Rule, ...]
    marks: tuple[str, ...]
    sizes: Callable[[Mapping[str, tuple[int, ...]], Mapping], Sizes]
    belongs: Callable[[Mapping], bool] = lambda configs: True
    implied: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    parts: tuple[str, ...] = ()
    spellings: tuple[tuple[str, str], ...] = ()
    harmless: Mapping[str, str] = dataclasses.field(default_factory=dict)
    preprocessing: Callable[..., Any] = _nothing
    class_names: Callable[[Mapping], tuple[str, ...] | None] = _nothing
    configs: Callable[..., dict[str, dict]] = lambda *_: {}
    alone: bool = False
    exports: bool = True
    task: str = "classification"

    def spelled(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the tensors under the names that the table uses."""
        spelled = {}
        for name, tensor in tensors.items():
            for pattern, replacement in self.spellings:
                name = re.sub(pattern, replacement, name)
            spelled[name] = tensor
        return spelled


def flattened(side: int) -> Form:
    """Makes the form of a dense layer that reads a (side, side, c) map as one vector.

    PyTorch flattens (c, h, w), we (h, w, c).
    """

    def here(a):
        maps = a.reshape(len(a), -1, side, side)
        return maps.transpose(2, 3, 1, 0).reshape(-1, len(a))

    def there(a):
        maps = a.reshape(side, side, -1, a.shape[-1])
        return maps.transpose(3, 2, 0, 1).reshape(a.shape[-1], -1)

    return Form(here, there)


def conv(ours: str, theirs: str, *, biased: bool = False) -> tuple[Rule, ...]:
    """Makes the rules of a convolution."""
    kernel = Rule(f"params/{ours}/kernel", (f"{theirs}.weight",), CONV)
    return (kernel, bias(ours, theirs)) if biased else (kernel,)


def dense(
    ours: str, *theirs: str, dot: str = ".", form: Form = TRANSPOSED
) -> tuple[Rule, ...]:
    """Makes the rules of a linear layer, made of one or several side by side."""
    weights = tuple(f"{name}{dot}weight" for name in theirs)
    kernel = Rule(f"params/{ours}/kernel", weights, form)
    return (kernel, bias(ours, *theirs, dot=dot))


def bias(ours: str, *theirs: str, dot: str = ".") -> Rule:
    """Makes the rule of a layer's bias."""
    return Rule(f"params/{ours}/bias", tuple(f"{name}{dot}bias" for name in theirs))


def layer_norm(ours: str, theirs: str) -> tuple[Rule, ...]:
    """Makes the rules of a layer norm."""
    return (Rule(f"params/{ours}/scale", (f"{theirs}.weight",)), bias(ours, theirs))


def batch_norm(ours: str, theirs: str) -> tuple[Rule, ...]:
    """Makes the rules of a batch norm: parameters and running statistics."""
    return (
        *layer_norm(ours, theirs),
        Rule(f"batch_stats/{ours}/mean", (f"{theirs}.running_mean",)),
        Rule(f"batch_stats/{ours}/var", (f"{theirs}.running_var",)),
    )


def table(*rules: Rule | tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Joins rules and layers' rules into one table."""
    return tuple(
        r for each in rules for r in ((each,) if isinstance(each, Rule) else each)
    )


def trunk(table: tuple[Rule, ...], theirs: str, old: str = "") -> tuple[Rule, ...]:
    """Makes the rules of a detector's trunk from those of a classifier.

    Args:
      table: of the classifier; its head is left out.
      theirs: what the published names of the trunk begin with.
      old: what those of the classifier begin with.
    """
    moved = []
    for rule in table:
        kind, _, path = rule.ours.partition("/")
        if not path.startswith("head/"):
            names = tuple(f"{theirs}.{name.removeprefix(old)}" for name in rule.theirs)
            moved.append(Rule(f"{kind}/backbone/{path}", names, rule.form))
    return tuple(moved)


@dataclasses.dataclass(frozen=True)
class Source:
    """Where one leaf comes from: the published names and their layout."""

    names: tuple[str, ...]
    form: Form


def sources(form: Format, paths) -> dict[str, Source | None]:
    """Finds every leaf's rule; None for a leaf that no rule is about."""
    found = {}
    for path in paths:
        named = ((rule.names(path), rule) for rule in form.rules)
        found[path] = next((Source(n, r.form) for n, r in named if n), None)
    return found


def match(
    form: Format,
    expected: Mapping[str, tuple[int, ...]],
    tensors: Mapping[str, stored.Stored],
) -> tuple[dict[str, Source], dict[str, list[str]], list[str]]:
    """Accounts for every leaf and every tensor.

    Args:
      form: whose names the tensors have.
      expected: shape of every leaf of the model, by path.
      tensors: of the file, under the table's names.

    Returns:
      (source of every leaf, unread but harmless tensors by reason, problems: one row
      of a table each)
    """
    found = sources(form, expected)
    problems, used = [], set()
    for path, source in found.items():
        if source is None:
            problems.append(f"missing     {path} {expected[path]}: no rule names it")
            continue
        used.update(source.names)
        absent = [name for name in source.names if name not in tensors]
        if absent:
            problems += [
                f"missing     {n}, for {path} {expected[path]}" for n in absent
            ]
            continue
        shape = _shape_here(source, [tensors[name].shape for name in source.names])
        if shape != expected[path]:
            problems.append(
                f"mis-shaped  {' + '.join(source.names)}: gives {shape}, but {path} "
                f"is {expected[path]}"
            )
    unread = {}
    for name in tensors:
        if name in used:
            continue
        reason = next((r for p, r in form.harmless.items() if re.search(p, name)), None)
        if reason is None:
            problems.append(f"extra       {name} {tensors[name].shape}")
        else:
            unread.setdefault(reason, []).append(name)
    return found, unread, problems


def _shape_here(source: Source, shapes) -> tuple[int, ...] | None:
    """Computes the leaf's shape from the tensors', without reading them."""
    if len({shape[1:] for shape in shapes}) != 1 or not shapes[0]:
        return shapes[0] if len(shapes) == 1 else None
    joined = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    try:  # a view of one number stands for the values
        return source.form.here(np.broadcast_to(np.float32(0), joined)).shape
    except ValueError:
        return joined


def shown(problems: list[str]) -> str:
    """Writes the table of problems, one row each."""
    rows = problems[:_SHOWN]
    if len(problems) > _SHOWN:
        rows.append(f"and {len(problems) - _SHOWN} more")
    return "\n".join(f"  {row}" for row in rows)


def convert(
    source: Source, tensors: Mapping[str, stored.Stored], dtype: Any
) -> np.ndarray:
    """Reads one leaf: joined, laid out as here, of the given type, contiguous."""
    parts = [tensors[name].read() for name in source.names]
    joined = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return np.array(source.form.here(joined), dtype, order="C")


def publish(source: Source, leaf: np.ndarray) -> dict[str, np.ndarray]:
    """Writes one leaf as the published tensors: the inverse of `convert`."""
    joined = source.form.there(np.asarray(leaf))
    parts = np.split(joined, len(source.names)) if len(source.names) > 1 else [joined]
    named = zip(source.names, parts, strict=True)
    return {name: np.array(part, order="C") for name, part in named}
