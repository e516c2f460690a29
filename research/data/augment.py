"""Augmentation of training examples: what happens to images, and in which order.

1. random_resized_crop   a random part, scaled to the image's size
2. zoom                  pictures with boxes: a window of random scale and place
3. pad_crop              a random shift
4. flip, flip_vertical   left to right, top to bottom
5. policy                RandAugment or AutoAugment
6. jitter                colours
7. erase, cutout         a part removed
8. mixup, cutmix         pairs of examples mixed, labels too
9. mosaic                pictures with boxes: four in one

Step 1 is drawn where pictures are decoded if they vary in size, so that it cuts from
the whole picture; all else runs in the compiled train step on floats in [0, 1], before
the normalisation. What lies outside or is removed takes the colour `config.data.mean`,
which normalisation makes 0; only pad_crop has its own `pad_mode`. Sounds are changed
by `research.data.augment_sound`. Every draw is a function of (seed, epoch, example).
Evaluation sees nothing of all this.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from research.data import (
    augment_boxes,
    augment_colour,
    augment_draws,
    augment_erasing,
    augment_geometry,
    augment_mixing,
    augment_objects,
    augment_policies,
    augment_sound,
    source,
)

FLIPS = ("none", "random", "alternating")
POLICIES = ("none", "randaugment", "autoaugment_cifar10")
PAD_MODES = tuple(augment_geometry.PAD_MODES)
MAX_MAGNITUDE = augment_policies.MAX_MAGNITUDE


def _changes_images(options) -> bool:
    return bool(
        options.random_resized_crop
        or options.zoom
        or options.pad_crop
        or options.flip != "none"
        or options.flip_vertical
        or options.policy != "none"
        or any(options.jitter)
        or options.erase
        or options.cutout
        or options.mosaic
        or _mixes(options)
    )


def check(options) -> None:
    """Checks the values of `config.augment` that are tuples.

    Raises:
      ValueError: the first that is not as it should be, in one sentence.
    """
    area, ratio, jitter = (
        tuple(options[k]) for k in ("random_resized_crop", "crop_ratio", "jitter")
    )
    if area and not (_ordered(area) and area[1] <= 1):
        raise ValueError(
            "config.augment.random_resized_crop must be () or (least, most) share of "
            f"the area, 0 < least <= most <= 1, got {area}; use for example (0.08, 1.0)"
        )
    if options.zoom and not _ordered(tuple(options.zoom)):
        raise ValueError(
            "config.augment.zoom must be () or (least, most) factor, 0 < least <= most,"
            f" got {tuple(options.zoom)}; use for example (0.7, 1.5)"
        )
    if not _ordered(ratio):
        raise ValueError(
            "config.augment.crop_ratio must be (least, most) width / height, 0 < least "
            f"<= most, got {ratio}; use for example (0.75, 1.3333)"
        )
    if len(jitter) != 4 or not all(_number(s) and s >= 0 for s in jitter):
        raise ValueError(
            "config.augment.jitter must hold four numbers of at least 0 (brightness, "
            f"contrast, saturation, hue), got {jitter}; use for example "
            "(0.4, 0.4, 0.4, 0.1)"
        )
    if jitter[3] > 0.5:
        raise ValueError(
            "config.augment.jitter's hue must be at most 0.5, half a turn, got "
            f"{jitter[3]}; use for example 0.1"
        )


def make(
    options, spec: source.Spec, mean: Sequence[float], pad: int = 0
) -> Callable | None:
    """Returns augment(batch, seed) -> batch, or None where all is switched off.

    The batch holds image (b, h, w, c) float32 in [0, 1], epoch and example (b,) int32
    and, where there are labels, label (b,) int32; the result lacks epoch and example,
    and its label is (b, k) float32 if examples are mixed.

    Args:
      options: the group `config.augment`, checked.
      spec: of the training data.
      mean: one value, or one per channel: the colour of what is missing.
      pad: pixels that the preprocessing adds on each side before.

    Raises:
      ValueError: the data has no images, sounds or labels to augment, or images too
        small.
    """
    sound = augment_sound.make(options, spec) if augment_sound.is_on(options) else None
    if not _changes_images(options):
        return sound
    _check_spec(options, spec, pad)
    channels = spec.features["image"].shape[-1]
    fill = np.broadcast_to(np.asarray(mean, np.float32), (channels,))

    def augment(batch, seed):
        batch = dict(batch)
        epoch, example = batch.pop("epoch"), batch.pop("example")
        key = augment_draws.keys(seed, epoch, example)
        image = batch["image"]
        if options.random_resized_crop and not spec.varies:
            draws = augment_draws.uniform(key, "crop", augment_boxes.DRAWS)
            image = augment_geometry.random_resized_crop(
                image, draws, options.random_resized_crop, options.crop_ratio
            )
        if options.zoom:
            draws = augment_draws.uniform(key, "zoom", augment_objects.ZOOM_DRAWS)
            rule = options.zoom, options.visible, fill
            batch = augment_objects.zoom(batch, draws, *rule)
            image = batch["image"]
        if options.pad_crop:
            draws = augment_draws.uniform(key, "pad_crop", 2)
            image = augment_geometry.pad_crop(
                image, draws, options.pad_crop, options.pad_mode
            )
        chosen = _flipped(options.flip, seed, epoch, example)
        batch |= _mirrored(options, batch | {"image": image}, chosen, key)
        image = batch["image"]
        image = _recolour(options, image, key, fill)
        batch["image"] = _remove(options, image, key, fill)
        if options.mosaic:
            chosen = augment_draws.uniform(key, "mosaic", 1)[:, 0] < options.mosaic
            batch = augment_objects.mosaic(batch, chosen)
        return _mix(options, batch, key, spec.num_classes) if _mixes(options) else batch

    return augment


def host_crop(options, spec: source.Spec, seed: int) -> augment_boxes.RandomCrop | None:
    """Returns step 1 for pictures that vary in size, or None where it is not there."""
    if not (options.random_resized_crop and spec.varies):
        return None
    return augment_boxes.RandomCrop(
        seed, tuple(options.random_resized_crop), tuple(options.crop_ratio)
    )


def _mirrored(options, batch, chosen, key) -> dict:
    """Mirrors images, left to right where chosen, and their boxes."""
    image, boxes = batch["image"], batch.get("boxes")
    if options.flip != "none":
        image = augment_geometry.flip(image, chosen)
        if boxes is not None:
            boxes = augment_objects.flip(boxes, chosen, image.shape[2])
    if options.flip_vertical:
        turned = augment_draws.uniform(key, "flip_vertical", 1)[:, 0] < 0.5
        image = jnp.where(turned[:, None, None, None], image[:, ::-1], image)
        if boxes is not None:
            boxes = augment_objects.flip_vertical(boxes, turned, image.shape[1])
    return {"image": image} | ({} if boxes is None else {"boxes": boxes})


def _flipped(kind: str, seed, epoch, example):
    # The alternating flip takes the draw of epoch 0 in all epochs.
    drawn_in = epoch if kind == "random" else jnp.zeros_like(epoch)
    key = augment_draws.keys(seed, drawn_in, example)
    chosen = augment_draws.uniform(key, "flip", 1)[:, 0] < 0.5
    if kind == "alternating":
        chosen = augment_geometry.alternates(chosen, epoch)
    return chosen


def _recolour(options, image, key, fill):
    """Applies the policy and the jitter."""
    if options.policy == "randaugment":
        draws = augment_draws.uniform(key, "policy", 2 * options.layers)
        image = augment_policies.randaugment(image, draws, options.magnitude, fill)
    if options.policy == "autoaugment_cifar10":
        count = augment_policies.SUB_POLICY_DRAWS
        draws = augment_draws.uniform(key, "policy", count)
        image = augment_policies.autoaugment(image, draws, fill)
    if any(options.jitter):
        draws = augment_draws.uniform(key, "jitter", augment_colour.DRAWS)
        image = augment_colour.jitter(image, draws, options.jitter)
    return image


def _remove(options, image, key, fill):
    """Applies random erasing and cutout."""
    if options.erase:
        draws = augment_draws.uniform(key, "erase", augment_erasing.ERASE_DRAWS)
        image = augment_erasing.erase(image, draws, options.erase, fill)
    if options.cutout:
        draws = augment_draws.uniform(key, "cutout", 2)
        image = augment_erasing.cutout(image, draws, options.cutout, fill)
    return image


def _mix(options, batch, key, num_classes: int):
    """Applies mixup or CutMix to the share `mix_probability` of the examples."""
    draws = augment_draws.uniform(key, "mix", 4)
    both = options.mixup and options.cutmix
    threshold = options.mix_switch if both else float(options.cutmix > 0)
    pasted = draws[:, 1] < threshold
    share = jnp.ones_like(draws[:, 0])
    if options.mixup:
        share = augment_draws.beta(key, "mixup", options.mixup)
    if options.cutmix:
        drawn = augment_draws.beta(key, "cutmix", options.cutmix)
        share = jnp.where(pasted, drawn, share)
    share = jnp.where(draws[:, 0] < options.mix_probability, share, 1.0)
    target = jax.nn.one_hot(batch["label"], num_classes)
    image, target = augment_mixing.mix(
        batch["image"], target, share, pasted, draws[:, 2:]
    )
    return batch | {"image": image, "label": target}


def _mixes(options) -> bool:
    return bool(options.mixup or options.cutmix)


def _check_spec(options, spec: source.Spec, pad: int) -> None:
    if "image" not in spec.features:
        raise ValueError(
            "config.augment changes images, but the data has only "
            f"{', '.join(spec.features)}; switch all of it off"
        )
    _check_boxes(options, spec)
    if _mixes(options) and not ("label" in spec.features and spec.num_classes):
        raise ValueError(
            "config.augment.mixup and cutmix mix the labels of classes, but the data "
            "has none; set both to 0"
        )
    least = min(spec.features["image"].shape[:2]) + 2 * pad
    if options.pad_mode == "reflect" and options.pad_crop >= least:
        raise ValueError(
            "config.augment.pad_crop must be smaller than the images where pad_mode is "
            f"reflect, got {options.pad_crop} for {least} pixels; use less"
        )


def _check_boxes(options, spec: source.Spec) -> None:
    """Checks that what moves or hides pixels goes with boxes, and the reverse."""
    if "boxes" not in spec.features:
        if options.zoom or options.mosaic:
            raise ValueError(
                "config.augment.zoom and mosaic move boxes, but the data has none; use "
                "random_resized_crop for images without"
            )
        return
    blind = ("random_resized_crop", "pad_crop", "erase", "cutout", "mixup", "cutmix")
    used = [name for name in blind if options[name]]
    if used or options.policy != "none":
        raise ValueError(
            f"config.augment.{(used or ['policy'])[0]} changes images but not their "
            "boxes; use zoom, flip, flip_vertical, jitter or mosaic"
        )
    height, width = spec.features["image"].shape[:2]
    if options.mosaic and (height % 2 or width % 2):
        raise ValueError(
            "config.augment.mosaic halves images, so their sides must be even, got "
            f"{height} x {width}; change the size"
        )


def _ordered(pair: tuple) -> bool:
    return len(pair) == 2 and all(map(_number, pair)) and 0 < pair[0] <= pair[1]


def _number(value) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
