"""What a model refuses, in one sentence each."""

import difflib
from collections.abc import Iterable

from jaxtyping import Array


def check_choice(field: str, value: str, choices: Iterable[str]) -> None:
    """Checks a field that names one of several forms.

    Raises:
      ValueError: the value is none of the choices.
    """
    if value not in choices:
        raise ValueError(unknown(field, value, list(choices)))


def check_heads(model: str, width: int, heads: int) -> None:
    """Checks that every head of an attention is as wide as the others.

    Raises:
      ValueError: the heads do not divide the width.
    """
    if width % heads:
        raise ValueError(
            f"{model} heads={heads} must divide width={width}; choose another number "
            "of heads"
        )


def check_patches(model: str, image: Array, patch: int) -> None:
    """Checks that square patches tile images (b, y, x, c).

    Raises:
      ValueError: the side of a patch does not divide one of the image.
    """
    for side in image.shape[1:3]:
        if side % patch:
            legal = [str(p) for p in range(1, side + 1) if side % p == 0]
            raise ValueError(
                f"{model} patch={patch} must divide image size {side}; use one of "
                f"{', '.join(legal)}"
            )


def unknown(what: str, name: str, known) -> str:
    """Writes the sentence for a name that is none of the known ones."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}use one of {', '.join(known)}"
