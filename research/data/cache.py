"""Decodes a decode-heavy source once, into memory-mapped .npy files.

One folder per source, named by a digest of everything that decides its content. It is
built under a temporary name and renamed when complete, so that a reader never sees half
a cache and processes that build the same one at once do no harm. Nothing is ever
deleted but damaged entries and builds that were cut off; the folder may be removed at
any time.
"""

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import logging
import math
import os
import pathlib
import shutil
import tempfile
import time
from collections.abc import Iterable

import numpy as np

from research.data import source as sources

# Part of every key: raise it when the decoding of any source changes.
_FORMAT = 2
_CHUNK = 32  # examples per gather
_STALE_SECONDS = 24 * 3600  # age at which a temporary folder counts as left behind


def default_folder() -> pathlib.Path:
    """Returns $XDG_CACHE_HOME/menagerie/data, or its like under ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home, "menagerie", "data")


def decode_once(
    source: sources.Source,
    *,
    limit_bytes: int,
    folder: str | os.PathLike | None = None,
) -> sources.Source:
    """Returns the source decoded: from the cache if it is there, else building it.

    Sources without a method `fingerprint` (they are in memory already) and those of
    more than `limit_bytes` come back unchanged; so does one whose cache cannot be
    written, with a warning. Of a subset, the whole underlying source is cached.

    Args:
      source: any source.
      limit_bytes: largest decoded size to cache, in bytes.
      folder: where caches are kept; None means `default_folder()`.
    """
    if isinstance(source, sources.Subset):
        whole = decode_once(source.source, limit_bytes=limit_bytes, folder=folder)
        return sources.Subset(whole, source.indices)
    if not hasattr(source, "fingerprint") or _nbytes(source) > limit_bytes:
        return source
    facts = (_FORMAT, source.fingerprint(), len(source), repr(source.spec))
    key = hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
    folder = pathlib.Path(folder or default_folder())
    cached = _open(folder / key, source)
    if cached is None:
        try:
            _build(source, folder, key)
        except OSError as error:
            # Only writing fails so: sources raise ValueError for their own files.
            logging.warning("not caching decoded data in %s: %s", folder, error)
            return source
        cached = _open(folder / key, source)
    return source if cached is None else cached


def digest_files(files: Iterable[str | os.PathLike], options: object) -> str:
    """Digests the paths, sizes and times of files, and repr(options)."""
    digest = hashlib.sha256(repr(options).encode())
    for file in files:
        status = os.stat(file)
        line = f"{os.path.abspath(file)}\0{status.st_size}\0{status.st_mtime_ns}\n"
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _nbytes(source: sources.Source) -> int:
    features = source.spec.features.values()
    sizes = (math.prod(f.shape) * np.dtype(f.dtype).itemsize for f in features)
    return len(source) * sum(sizes)


def _open(folder: pathlib.Path, source: sources.Source) -> sources.Arrays | None:
    """Maps a cache into memory; None where it is missing or damaged."""
    arrays = {}
    for name, feature in source.spec.features.items():
        try:
            # Raises ValueError for a bad header and for a file shorter than announced.
            array = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if (array.shape, str(array.dtype)) != (
            (len(source), *feature.shape),
            feature.dtype,
        ):
            return None
        arrays[name] = np.asarray(array)
    opened = sources.Arrays(arrays)
    opened.spec = dataclasses.replace(source.spec, varies=False)
    return opened


def _build(source: sources.Source, folder: pathlib.Path, key: str) -> None:
    """Decodes all examples into folder/key."""
    folder.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder)
    started = time.monotonic()
    logging.info("decoding %d examples once into %s", len(source), folder / key)
    building = pathlib.Path(tempfile.mkdtemp(dir=folder, prefix=f"{key}.building-"))
    try:
        _decode_all(source, building)
        _publish(building, folder / key, source)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    logging.info("decoded in %.1f s", time.monotonic() - started)


def _decode_all(source: sources.Source, folder: pathlib.Path) -> None:
    count = len(source)
    arrays = {}
    for name, feature in source.spec.features.items():
        shape = (count, *feature.shape)
        file = folder / f"{name}.npy"
        # Reserves the space now: a full disk is an error here, but a fatal signal when
        # it is met while writing to mapped memory.
        with file.open("wb") as opened:
            header = {"descr": np.lib.format.dtype_to_descr(np.dtype(feature.dtype))}
            header |= {"fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(opened, header)
            nbytes = math.prod(shape) * np.dtype(feature.dtype).itemsize
            if hasattr(os, "posix_fallocate") and nbytes:
                os.posix_fallocate(opened.fileno(), opened.tell(), nbytes)
            else:
                opened.truncate(opened.tell() + nbytes)
        arrays[name] = np.load(file, mmap_mode="r+")

    def decode(start: int) -> None:
        indices = np.arange(start, min(start + _CHUNK, count))
        for name, values in source.gather(indices).items():
            arrays[name][indices] = values

    # Pillow releases the interpreter lock while it decodes, so threads are enough.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = [pool.submit(decode, start) for start in range(0, count, _CHUNK)]
        try:
            for task in concurrent.futures.as_completed(tasks):
                task.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for array in arrays.values():
        array.flush()


def _publish(building: pathlib.Path, target: pathlib.Path, source) -> None:
    """Renames a complete build to its final name, unless a sound one is there."""
    for _ in range(2):
        try:
            building.rename(target)
            return
        except OSError:
            if not target.exists():
                raise
            if _open(target, source) is not None:
                return  # built by another process meanwhile
            # Damaged; whoever has mapped it keeps its files until it closes them.
            aside = pathlib.Path(f"{building}-old")
            with contextlib.suppress(FileNotFoundError):
                target.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)


def _remove_stale(folder: pathlib.Path) -> None:
    """Removes temporary folders that killed processes left behind."""
    for left in folder.glob("*.building-*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
