"""A film of training: the pictures that a run kept of its evaluations."""

import pathlib

import numpy as np
from PIL import Image, ImageDraw

from research.reports import pictures
from research.training import snapshots

_SIDE, _LEAST = 8, 48  # pictures per row of a frame; pixels of one, at least
_BAND = 22  # pixels for the step
_MILLISECONDS, _LAST = 250, 2_000  # that a frame, and the last one, are shown


def write(file: pathlib.Path, folder: pathlib.Path) -> None:
    """Writes a GIF with one frame per evaluation.

    Args:
      file: where to; its folder is made.
      folder: the run directory.

    Raises:
      ValueError: the run kept no pictures.
    """
    kept = snapshots.read(folder)
    if not kept:
        raise ValueError(
            f"{folder} kept no pictures of its training, of which a film could be "
            "made; train it with this version"
        )
    frames = [
        _frame(step, next(iter(each.values()))) for step, each in sorted(kept.items())
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(
        file,
        save_all=True,
        append_images=frames[1:],
        duration=[_MILLISECONDS] * (len(frames) - 1) + [_LAST],
        loop=0,
    )


def _frame(step: int, images: np.ndarray) -> Image.Image:
    shown = images[: _SIDE**2]
    if shown.shape[-1] == 1:
        shown = np.repeat(shown, 3, axis=-1)
    scale = -(-_LEAST // shown.shape[1])
    shown = shown.repeat(scale, axis=1).repeat(scale, axis=2)
    rows = [
        np.concatenate(list(shown[k : k + _SIDE]), axis=1)
        for k in range(0, len(shown) - len(shown) % _SIDE, _SIDE)
    ]
    grid = Image.fromarray(np.concatenate(rows or [shown[0]], axis=0))
    frame = Image.new("RGB", (grid.width, grid.height + _BAND), "white")
    frame.paste(grid, (0, _BAND))
    ImageDraw.Draw(frame).text((6, 3), f"step {step:,}", "black", pictures.font())
    return frame
