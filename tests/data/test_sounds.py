"""Reading sound files: channels, rates, lengths, and what is refused or told."""

import re

import numpy as np
import pytest
import soundfile
from scipy import signal

from research.data import sounds

RATE = 8_000


def _tone(hertz=440.0, rate=RATE, seconds=0.5):
    time = np.arange(round(rate * seconds)) / rate
    return 0.5 * np.sin(2 * np.pi * hertz * time)


def _write(file, samples, rate=RATE, **how):
    soundfile.write(file, samples, rate, **how)
    return file


def _fails(kind, message, file, **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        sounds.read(file, RATE, **options)


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", 2**-15),
        ("a.wav", "PCM_U8", 2**-6),
        ("a.wav", "FLOAT", 1e-7),
        ("a.flac", "PCM_24", 2**-22),
    ],
)
def test_samples_are_those_that_were_written(tmp_path, name, subtype, error):
    file = _write(tmp_path / name, _tone(), subtype=subtype)
    sound = sounds.read(file, RATE)
    assert sound.samples.dtype == np.float32 and sound.notes == {}
    np.testing.assert_allclose(sound.samples, _tone(), rtol=0, atol=error)


def test_channels_are_averaged_and_said(tmp_path):
    left, right = _tone(440), _tone(1_000)
    file = _write(tmp_path / "a.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    sound = sounds.read(file, RATE)
    np.testing.assert_allclose(sound.samples, (left + right) / 2, atol=1e-6)
    assert sound.notes == {"stereo": f"{file} has 2 channels, which are averaged"}


def test_another_rate_is_resampled_and_said_or_refused(tmp_path):
    file = _write(tmp_path / "a.wav", _tone(rate=22_050), 22_050, subtype="FLOAT")
    sound = sounds.read(file, RATE)
    assert sound.notes == {"resampled": f"{file} is resampled from 22050 to 8000 Hz"}
    assert len(sound.samples) == 4_000
    inside = slice(100, -100)
    error = np.abs(sound.samples - _tone())[inside].max()
    assert error < 1e-3
    _fails(
        ValueError,
        f"{file} must have 8000 samples per second, got 22050; convert it, or set "
        "config.data.other_rate to resample",
        file,
        other_rate="refuse",
    )


def test_resampling_removes_what_would_alias():
    rng = np.random.default_rng(0)
    above = signal.sosfilt(
        signal.butter(12, 6_000, "highpass", fs=16_000, output="sos"),
        rng.normal(size=16_000),
    ).astype(np.float32)
    assert np.std(sounds.resample(above, 16_000, 8_000)) < 0.03 * np.std(above)


def test_a_clipped_file_is_told_of(tmp_path):
    file = _write(tmp_path / "a.wav", (4 * _tone()).clip(-1, 1))
    (note,) = sounds.read(file, RATE).notes.values()
    assert re.fullmatch(
        re.escape(f"{file} is clipped: ") + r"\d\d\.\d% of its samples are at full "
        "scale",
        note,
    )


def test_silence_is_refused_or_kept(tmp_path):
    file = _write(tmp_path / "a.wav", np.zeros(100))
    _fails(
        ValueError,
        f"{file} holds silence only, 100 samples of 0; record it again or remove it",
        file,
    )
    assert not sounds.read(file, RATE, silence="keep").samples.any()


def test_what_is_no_sound_is_refused(tmp_path):
    _fails(
        FileNotFoundError,
        f"sound file {tmp_path}/no.wav does not exist; correct its path",
        tmp_path / "no.wav",
    )
    file = _write(tmp_path / "empty.wav", np.zeros(0))
    message = f"{file} holds no samples; record it again or remove it"
    _fails(ValueError, message, file)
    broken = tmp_path / "broken.wav"
    broken.write_text("this is text")
    _fails(
        ValueError,
        f"{broken} is not a readable sound file (Format not recognised); replace or "
        "remove it",
        broken,
    )
    file = _write(tmp_path / "nan.wav", np.full(9, np.nan), subtype="FLOAT")
    _fails(
        ValueError,
        f"{file} holds samples that are not finite numbers; write it again",
        file,
    )


def test_lengths_are_cut_and_filled_about_the_middle():
    samples = np.arange(1.0, 8)
    np.testing.assert_array_equal(sounds.fit(samples, 3), [3, 4, 5])
    np.testing.assert_array_equal(sounds.fit(samples, 7), samples)
    np.testing.assert_array_equal(sounds.fit(samples[:2], 5), [0, 1, 2, 0, 0])


def test_whole_numbers_keep_the_scale():
    made = sounds.to_int16(np.array([-1, -0.5, 0, 0.5, 1, 1.5]))
    assert made.tolist() == [-32768, -16384, 0, 16384, 32767, 32767]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (0, 1.0, "resample", "refuse"),
            "config.data.sample_rate and seconds must give at least one sample, got 0 "
            "per second and 1.0 s; use for example 16000 and 1.0",
        ),
        (
            (8_000, 1.0, "convert", "refuse"),
            "config.data.other_rate must be resample or refuse, got 'convert'; "
            "correct it",
        ),
    ],
)
def test_options_out_of_range_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        sounds.check(*arguments)
