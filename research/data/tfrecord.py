"""Random access to TFRecord files, without TensorFlow.

A record is stored as its length (8 bytes, little endian), a checksum of these 8 bytes
(4), the bytes themselves, and a checksum of them (4). Both are CRC-32C, masked. The
lengths and their checksums are verified when a file is indexed. The checksum of the
bytes is not: that would cost more than decoding, and damaged images fail to decode.
"""

import os
import pathlib
from collections.abc import Iterable

import numpy as np

_HEADER = 12  # bytes before a record
_FOOTER = 4  # bytes after it


class TFRecords:
    """The records of several files as one sequence of bytes objects."""

    def __init__(self, shards: Iterable[tuple[str, int, int, int]]):
        """Indexes the files; reads no record.

        Args:
          shards: (file, skip, take, count) each: the file must hold `count` records,
            of which `take` after the first `skip` belong to the sequence.

        Raises:
          FileNotFoundError: a file is missing.
          ValueError: a file is damaged or holds another number of records.
        """
        shards = list(shards)
        self.files = [pathlib.Path(file) for file, *_ in shards]
        offsets, lengths, numbers = [], [], []
        for number, (file, skip, take, count) in enumerate(shards):
            starts, sizes = index(file)
            if len(starts) != count:
                raise ValueError(
                    f"{file} must hold {count} records, got {len(starts)}; prepare or "
                    "copy it again"
                )
            offsets.append(starts[skip : skip + take])
            lengths.append(sizes[skip : skip + take])
            numbers.append(np.full(len(offsets[-1]), number))
        nothing = [np.zeros(0, np.int64)]
        self._offsets = np.concatenate(offsets or nothing)
        self._lengths = np.concatenate(lengths or nothing)
        self._numbers = np.concatenate(numbers or nothing)

    def __len__(self) -> int:
        return len(self._offsets)

    def __getitem__(self, k: int) -> bytes:
        # Opened anew each time, so that threads and forked workers share no position.
        with self.files[self._numbers[k]].open("rb", buffering=0) as opened:
            opened.seek(int(self._offsets[k]))
            return opened.read(int(self._lengths[k]))


def index(file: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Finds the records of a file.

    Returns:
      (n,) int64 positions of the first bytes and (n,) int64 lengths.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is damaged.
    """
    if not os.path.isfile(file):
        raise FileNotFoundError(f"{file} is missing; prepare or copy it again")
    headers, starts, position = [], [], 0
    size = os.path.getsize(file)
    with open(file, "rb") as opened:
        while position < size:
            opened.seek(position)
            header = opened.read(_HEADER)
            length = int.from_bytes(header[:8], "little")
            if position + _HEADER + length + _FOOTER > size:
                raise ValueError(
                    f"{file} ends inside record {len(starts)}, which starts at byte "
                    f"{position}; prepare or copy it again"
                )
            headers.append(header)
            starts.append(position + _HEADER)
            position += _HEADER + length + _FOOTER
    table = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, _HEADER)
    stored = np.ascontiguousarray(table[:, 8:]).view("<u4")[:, 0]
    wrong = np.flatnonzero(masked_crc(table[:, :8]) != stored)
    if wrong.size:
        raise ValueError(
            f"record {wrong[0]} of {file} has a damaged length (its checksum differs); "
            "prepare or copy it again"
        )
    lengths = np.ascontiguousarray(table[:, :8]).view("<i8")[:, 0]
    return np.array(starts, np.int64), lengths


def _crc_table() -> np.ndarray:
    """Computes CRC-32C (Castagnoli, reflected polynomial) of each single byte."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = (table >> 1) ^ np.where(table & 1, np.uint32(0x82F63B78), np.uint32(0))
    return table


def masked_crc(rows: np.ndarray) -> np.ndarray:
    """Computes the checksum of each row of (n, w) uint8; returns (n,) uint32."""
    table = _crc_table()
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in rows.T:
        crc = table[(crc ^ column) & 0xFF] ^ (crc >> 8)
    crc = ~crc
    # The mask of the TFRecord format: rotate right by 15 bits, add a constant.
    return ((crc >> 15) | (crc << 17)) + np.uint32(0xA282EAD8)
