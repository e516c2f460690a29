"""The sources of sounds: folders, spoken digits and synthetic ones."""

import logging
import re

import numpy as np
import pytest
import soundfile

from research.data import (
    cache,
    fsdd,
    sound_folder,
    speech_commands,
    synthetic_sounds,
)

RATE = 8_000
_SPLITS = ("train", "validation", "test")
SHORT = {"sample_rate": RATE, "seconds": 0.01}  # 80 samples


def _write(file, value, count=80, channels=1, rate=RATE):
    file.parent.mkdir(parents=True, exist_ok=True)
    shape = (count, channels) if channels > 1 else count
    soundfile.write(file, np.full(shape, value, np.int16), rate)


@pytest.fixture
def folder(tmp_path):
    for split, start in (("train", 0), ("val", 100)):
        for label, name in enumerate(("no", "yes")):
            for k in (2, 0, 1):
                value = 1 + start + 10 * label + k
                _write(tmp_path / split / name / f"{k}.wav", value)
    return tmp_path


def test_a_folder_of_classes(folder):
    assert sound_folder.splits(str(folder)) == ("train", "validation")
    part = sound_folder.load("validation", str(folder), **SHORT)
    assert part.spec.class_names == ("no", "yes")
    assert part.spec.sizes == {"sample_rate": RATE, "num_classes": 2}
    assert part.labels().tolist() == [0, 0, 0, 1, 1, 1]
    rows = part.gather(np.array([5, 0, 3]))
    assert rows["audio"].shape == (3, 80) and rows["audio"].dtype == np.int16
    assert rows["audio"][:, 40].tolist() == [113, 101, 111]
    assert rows["label"].tolist() == [1, 0, 1] and rows["label"].dtype == np.int32


def test_a_class_without_sounds_is_refused(folder):
    (folder / "train" / "empty").mkdir()
    (folder / "val" / "empty").mkdir()
    (folder / "train" / "empty" / "notes.txt").write_text("no sound")
    message = (
        f"class folder {folder}/train/empty holds no sound (.wav, .flac, .ogg); add "
        "some or remove it"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        sound_folder.load("train", str(folder), **SHORT)


def test_what_is_noted_is_logged_once_of_each_kind(folder, caplog):
    for k in (0, 1):
        _write(folder / "train" / "no" / f"{k}.wav", 7, channels=2)
    _write(folder / "train" / "yes" / "0.wav", 7, rate=16_000)
    part = sound_folder.load("train", str(folder), **SHORT)
    with caplog.at_level(logging.WARNING):
        part.gather(np.arange(6))
    assert [record.getMessage() for record in caplog.records] == [
        f"{folder}/train/no/0.wav has 2 channels, which are averaged; further files "
        "like it are not named",
        f"{folder}/train/yes/0.wav is resampled from 16000 to 8000 Hz; further files "
        "like it are not named",
    ]


def test_the_cache_keeps_sounds_and_their_rate(folder, tmp_path):
    part = sound_folder.load("train", str(folder), **SHORT)
    kept = cache.decode_once(part, limit_bytes=10**6, folder=tmp_path / "cache")
    assert kept.spec == part.spec
    every = np.arange(len(part))
    np.testing.assert_array_equal(
        kept.gather(every)["audio"], part.gather(every)["audio"]
    )
    other = sound_folder.load("train", str(folder), **SHORT | {"seconds": 0.02})
    assert other.fingerprint() != part.fingerprint()


@pytest.fixture
def digits(tmp_path):
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for take in (0, 4, 5, 11):
                name = f"{digit}_{speaker}_{take}.wav"
                _write(tmp_path / "recordings" / name, 1 + digit)
    (tmp_path / "recordings" / "README.wav").write_text("not a recording")
    return tmp_path


def test_the_official_split_of_fsdd_is_by_take(digits):
    assert fsdd.splits(str(digits)) == ("train", "test")
    train, test = (fsdd.load(s, str(digits), **SHORT) for s in ("train", "test"))
    assert len(train) == len(test) == 40
    assert {f.stem.split("_")[2] for f in test.files} == {"0", "4"}
    assert {f.stem.split("_")[2] for f in train.files} == {"5", "11"}
    rows = test.gather(np.arange(40))
    np.testing.assert_array_equal(rows["audio"][:, 40], rows["label"] + 1)
    assert not set(train.files) & set(test.files)


def test_the_published_recordings_of_fsdd(research_data):
    folder = research_data / "fsdd"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    train, test = (fsdd.load(s, str(folder)) for s in ("train", "test"))
    assert np.bincount(train.labels()).tolist() == [270] * 10
    assert np.bincount(test.labels()).tolist() == [30] * 10
    assert len(fsdd.load("test", str(folder), held_out="george")) == 500
    audio = test.gather(np.arange(0, 300, 37))["audio"]
    assert audio.shape == (9, 8_000) and (np.abs(audio).max(axis=1) > 500).all()


def test_a_speaker_of_fsdd_may_be_held_out(digits):
    options = SHORT | {"held_out": "bob"}
    train, test = (fsdd.load(s, str(digits), **options) for s in ("train", "test"))
    assert len(train) == len(test) == 40
    assert all("_bob_" in f.name for f in test.files)
    assert all("_ann_" in f.name for f in train.files)


def test_an_unknown_speaker_or_another_folder_is_refused(digits, tmp_path):
    message = (
        f"config.data.held_out must be a speaker of {digits}/recordings or empty, got "
        "'eve'; use one of ann, bob"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        fsdd.load("test", str(digits), held_out="eve")
    other = tmp_path / "other"
    other.mkdir()
    message = (
        f"no recording of FSDD is in {other}; set config.data.path to a folder with "
        "the recordings of FSDD, called like 7_jackson_32.wav"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        fsdd.load("train", str(other))


@pytest.fixture
def words(tmp_path):
    for number, word in enumerate(("_background_noise_", "bed", "cat")):
        for take in range(5):
            _write(tmp_path / word / f"{take}.wav", 10 * number + take)
    (tmp_path / "validation_list.txt").write_text("cat/1.wav\nbed/4.wav\n")
    (tmp_path / "testing_list.txt").write_text("bed/0.wav\n")
    return tmp_path


def test_speech_commands_are_split_by_their_lists(words):
    parts = {s: speech_commands.load(s, str(words), **SHORT) for s in _SPLITS}
    assert speech_commands.splits(str(words)) == _SPLITS
    names = {
        s: [f"{f.parent.name}/{f.name}" for f in p.files] for s, p in parts.items()
    }
    assert names["validation"] == ["bed/4.wav", "cat/1.wav"]
    assert names["test"] == ["bed/0.wav"]
    assert len(names["train"]) == 7 and "bed/1.wav" in names["train"]
    assert all(part.spec.class_names == ("bed", "cat") for part in parts.values())
    assert parts["validation"].labels().tolist() == [0, 1]
    rows = parts["validation"].gather(np.arange(2))
    assert rows["audio"][:, 40].tolist() == [14, 21]


def test_a_listed_recording_that_is_missing_is_named(words):
    (words / "cat" / "1.wav").unlink()
    message = (
        f"{words}/validation_list.txt lists cat/1.wav, which is not there (1 such in "
        "all); unpack the archive again"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        speech_commands.load("test", str(words), **SHORT)


def test_speech_commands_without_lists_are_refused(words):
    (words / "testing_list.txt").unlink()
    message = (
        f"{words}/testing_list.txt does not exist; set config.data.path to a folder "
        "with one folder of WAV files per word, validation_list.txt and "
        "testing_list.txt"
    )
    with pytest.raises(FileNotFoundError, match=f"^{re.escape(message)}$"):
        speech_commands.load("train", str(words), **SHORT)


def test_synthetic_sounds_are_balanced_and_repeatable():
    options = dict(num_classes=4, count=64)
    train = synthetic_sounds.load("train", **options)
    rows = train.gather(np.arange(64))
    assert rows["audio"].shape == (64, 2_000) and rows["audio"].dtype == np.int16
    assert np.bincount(train.labels()).tolist() == [16] * 4
    again = synthetic_sounds.load("train", **options).gather(np.arange(64))
    np.testing.assert_array_equal(rows["audio"], again["audio"])
    other = synthetic_sounds.load("train", **options, seed=1).gather(np.arange(64))
    assert (rows["audio"] != other["audio"]).any()
    assert train.spec.sizes == {"sample_rate": 8_000, "num_classes": 4}


def test_too_few_synthetic_sounds_are_refused():
    message = (
        "synthetic sounds need num_classes >= 2 and count >= 4, got 1 and 64; correct "
        "them"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        synthetic_sounds.load("train", num_classes=1, count=64)
