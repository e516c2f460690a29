"""Random access to TFRecord files, against a plain CRC-32C of our own."""

import pickle
import re
import struct

import pytest

from research.data import tfrecord


def masked_crc(content: bytes) -> int:
    """Computes the checksum of TFRecord bit by bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def write(file, records):
    """Writes a TFRecord file."""
    with open(file, "wb") as opened:
        for record in records:
            length = struct.pack("<Q", len(record))
            opened.write(length + struct.pack("<I", masked_crc(length)))
            opened.write(record + struct.pack("<I", masked_crc(record)))


@pytest.fixture
def records():
    return [b"x" * n + bytes([n]) for n in (0, 5, 1, 255, 17)]


@pytest.fixture
def file(tmp_path, records):
    write(tmp_path / "a.tfrecord", records)
    return tmp_path / "a.tfrecord"


def _fails(kind, message, file, count=5):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        tfrecord.TFRecords([(file, 0, count, count)])


def test_checksum_of_the_standard():
    # RFC 3720, B.4: CRC-32C of 32 zero bytes is 8A9136AA; then the mask.
    crc = 0x8A9136AA
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc(bytes(32)) == (rotated + 0xA282EAD8) & 0xFFFFFFFF


def test_any_order(file, records):
    opened = tfrecord.TFRecords([(file, 0, 5, 5)])
    assert len(opened) == 5
    for k in (3, 0, 4, 1, 2, 3):
        assert opened[k] == records[k]
    assert pickle.loads(pickle.dumps(opened))[3] == records[3]


def test_parts_of_several_files(file, records, tmp_path):
    write(tmp_path / "b.tfrecord", [b"other", b"last"])
    shards = [(file, 3, 2, 5), (tmp_path / "b.tfrecord", 0, 1, 2)]
    opened = tfrecord.TFRecords(iter(shards))
    assert [opened[k] for k in range(3)] == [*records[3:], b"other"]
    assert len(tfrecord.TFRecords([])) == 0


def test_missing_file(tmp_path):
    message = f"{tmp_path}/no is missing; prepare or copy it again"
    _fails(FileNotFoundError, message, tmp_path / "no")


def test_truncated(file):
    content = file.read_bytes()
    start = len(content) - (12 + 18 + 4)  # of the last record
    for kept in (len(content) - 1, start + 5):
        file.write_bytes(content[:kept])
        _fails(
            ValueError,
            f"{file} ends inside record 4, which starts at byte {start}; prepare or "
            "copy it again",
            file,
        )


def test_damaged_length(file, records):
    content = bytearray(file.read_bytes())
    second = 12 + len(records[0]) + 4
    content[second + 8] ^= 1  # in the checksum of the length
    file.write_bytes(content)
    _fails(
        ValueError,
        f"record 1 of {file} has a damaged length (its checksum differs); prepare or "
        "copy it again",
        file,
    )


def test_another_number_of_records(file):
    message = f"{file} must hold 6 records, got 5; prepare or copy it again"
    _fails(ValueError, message, file, count=6)
