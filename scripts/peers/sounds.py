"""Contenders on waveforms: a network on spectrograms, and the spectrograms alone."""

import os
import time

import jax
import numpy as np

from research.data import sound_files, source
from research.models import audio_cnn
from research.models.layers import spectrogram
from research.training import experiment, programs
from scripts import app
from scripts.peers import timing, work


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if not item.train:
        return (_librosa if contender == "librosa" else _features)(item)
    if contender in work.OURS:
        return _step(item, "native" if contender == "native" else "auto")
    return _pytorch(item, contender == "compiled")


def batch(item: work.Work) -> dict[str, np.ndarray]:
    """Makes one batch of noise: audio (b, t) int16, label (b,) int32."""
    generator = np.random.default_rng(0)
    shape = (item.batch, item.samples)
    return {
        "audio": generator.integers(-9_000, 9_000, shape, np.int16),
        "label": generator.integers(0, item.classes, item.batch, np.int32),
    }


def _step(item: work.Work, kernels: str):
    """Times the compiled training step, on one batch that does not change."""
    programs.enable_compile_cache()
    config = app.read_config("audio_cnn_fsdd")
    config.model.kernels, config.model.variant = kernels, item.variant
    config.data.batch_size = item.batch
    config.optimizer.learning_rate = item.rate
    config.optimizer.weight_decay = work.DECAY
    for key in ("shift", "gain", "noise"):
        config.augment[key] = 0.0
    config.train.steps = 1_000_000
    examples = source.Arrays(batch(item))
    names = source.number_names(item.classes)
    spec = sound_files.spec(item.samples, config.data.sample_rate, names)
    ours = programs.Programs(experiment.build(config, spec, len(examples)))
    rows = examples.gather(np.arange(item.batch))
    return timing.training(ours, rows)


def _features(item: work.Work):
    """Times our spectrograms of a batch."""
    model, waves = audio_cnn.build(item.variant), _waves(item)
    rule = _rule(model)
    made = jax.jit(lambda x: spectrogram.log_mel(x, **rule))

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            jax.block_until_ready(made(waves))
        return time.perf_counter() - began

    return run


def _librosa(item: work.Work):
    """Times librosa's spectrograms of a batch, which it takes whole."""
    import librosa

    model, waves = audio_cnn.build(item.variant), np.asarray(_waves(item))
    rule = _rule(model)
    options = dict(sr=rule["sample_rate"], n_fft=rule["window"], n_mels=rule["mels"])

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            power = librosa.feature.melspectrogram(
                y=waves, hop_length=rule["hop"], **options
            )
            librosa.power_to_db(power, top_db=None)
        return time.perf_counter() - began

    return run


def _waves(item: work.Work) -> jax.Array:
    return jax.numpy.asarray(batch(item)["audio"] / np.float32(2**15))


def _rule(model: audio_cnn.AudioCNN) -> dict:
    """Returns what the network's spectrogram is made by, as `log_mel` takes it."""
    rate = model.sample_rate
    sizes = dict(window=round(model.window * rate), hop=round(model.hop * rate))
    return dict(sample_rate=rate, mels=model.mels, scale=model.mel_scale, **sizes)


def _pytorch(item: work.Work, compiled: bool):
    """Times PyTorch's usual loop on one batch that does not change."""
    import torch

    from scripts.peers import networks

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    model = audio_cnn.build(item.variant)
    net = networks.audio_cnn(model, _rule(model)).train()
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=item.rate, weight_decay=work.DECAY
    )
    rows = batch(item)
    audio = torch.from_numpy(rows["audio"].astype(np.float32) / 2**15)
    label = torch.from_numpy(rows["label"]).long()

    def objective(audio, label):
        return torch.nn.functional.cross_entropy(net(audio), label)

    if compiled:
        objective = torch.compile(objective, fullgraph=True)

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            objective(audio, label).backward()
            optimizer.step()
        return time.perf_counter() - began

    return run
