"""What the benchmark times: workloads, and which contenders run each."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Work:
    """One workload: a model, a batch, and training or inference.

    Attributes:
      model: file in research/models.
      variant: of its table.
      batch: examples per step.
      steps: per turn of the benchmark.
      image: shape of one example.
      classes: number of labels.
      task: file in research/tasks of a training step on images.
      optimizer: name in our configs: "momentum", "adam" or "adamw".
      rate: learning rate.
      train: a training step; otherwise logits only.
      loop: the loop and PyTorch's DataLoader, on MNIST-sized data, compete as well.
      pairs: tokens of a source and a target, instead of an image; see translation.py.
      window: tokens of a text, instead of an image; see language.py, bert.py, gpt.py.
      samples: of a waveform, instead of an image; see sounds.py.
      objects: of a picture, to be found; see detection.py.
      horizon: steps to forecast from `window` steps of a series; see forecasting.py.
    """

    model: str
    variant: str
    batch: int
    steps: int
    image: tuple[int, int, int] = (224, 224, 3)
    classes: int = 1000
    task: str = "classification"
    optimizer: str = "momentum"
    rate: float = 0.01
    train: bool = True
    loop: bool = False
    pairs: tuple[int, ...] = ()
    window: int = 0
    samples: int = 0
    objects: int = 0
    horizon: int = 0

    @property
    def contenders(self) -> tuple[str, ...]:
        """Names of those that run; the first is what the others are compared with."""
        if self.horizon:
            return ("loop", "step", "native", "dataloader", *PLAIN)
        if self.loop:
            return ("loop", "step", "dataloader", "eager", "fused", "compiled")
        if self.samples:
            return ("step", "native", *PLAIN) if self.train else ("step", "librosa")
        if self.model == "gpt" and not self.train:
            return ("step", "native", "transformers")
        if self.pairs:
            return ("step", "native", "eager", "hoisted")
        if self.model == "resnet":
            return ("step", "native", *PLAIN, *(f"{c}_nhwc" for c in PLAIN))
        return ("step", "native", *PLAIN)


OURS = ("loop", "step", "native")
ROUNDED = "_bfloat16"  # behind the name of a contender whose products are rounded
PLAIN = ("eager", "compiled")

_MNIST = dict(image=(28, 28, 1), classes=10, loop=True)
_CODES = dict(optimizer="adam", rate=1e-3, **_MNIST)

_OBJECTS = dict(image=(128, 160, 3), classes=80, objects=12, optimizer="adam")
_SERIES = dict(optimizer="adam", window=336, horizon=96)

# Named <builder in networks.py>[_<what differs>].
WORK = {
    "lenet": Work("lenet", "modern", 64, 300, **_MNIST),
    "mlp": Work("mlp", "512-512", 128, 300, **_MNIST),
    "autoencoder": Work("autoencoder", "64", 128, 300, task="reconstruction", **_CODES),
    "conv_autoencoder": Work(
        "autoencoder", "conv-64", 128, 50, task="reconstruction", **_CODES
    ),
    "vae": Work("vae", "400-20", 128, 200, task="variational", **_CODES),
    "resnet20": Work("resnet", "20", 128, 3, (32, 32, 3), 10),
    "resnet50": Work("resnet", "50", 16, 1),
    "resnet50_predict1": Work("resnet", "50", 1, 10, train=False),
    "resnet50_predict8": Work("resnet", "50", 8, 2, train=False),
    "vit_s16": Work("vit", "S/16", 16, 1, optimizer="adamw", rate=1e-3),
    "vit_s16_predict8": Work("vit", "S/16", 8, 2, train=False),
    "audio_cnn": Work(
        *("audio_cnn", "16-32-64-64", 64, 10),
        **dict(classes=10, optimizer="adamw", rate=1e-3, samples=8_000),
    ),
    "log_mel": Work("audio_cnn", "16-32-64-64", 64, 20, train=False, samples=8_000),
    "unet": Work("unet", "cifar10", 16, 1, (32, 32, 3), 10, rate=2e-4),
    "unet_mnist": Work("unet", "mnist", 128, 2, (28, 28, 1), 10, rate=2e-4),
    "dcgan": Work("dcgan", "64", 64, 2, (64, 64, 3), task="adversarial", rate=2e-4),
    "stylegan2": Work(
        "stylegan2", "small", 8, 16, (32, 32, 3), task="adversarial", rate=2e-3
    ),
    "centernet": Work("centernet", "resnet18", 16, 1, rate=1e-3, **_OBJECTS),
    "centernet_predict": Work("centernet", "resnet18", 8, 5, train=False, **_OBJECTS),
    "dlinear": Work("dlinear", "dlinear", 32, 1_000, rate=5e-3, **_SERIES),
    "patchtst": Work("patchtst", "small-42", 128, 20, rate=1e-4, **_SERIES),
    "bahdanau": Work("seq2seq", "bahdanau", 128, 1, classes=5_893, pairs=(20, 20)),
    "lstm_ptb": Work("rnn", "ptb_medium", 20, 5, classes=10_000, rate=1.0, window=35),
    "bert_predict1": Work(
        "bert", "base", 1, 5, classes=30_522, window=128, train=False
    ),
    "gpt_char": Work("gpt", "char-cpu", 12, 40, classes=65, rate=1e-3, window=64),
    "gpt2": Work("gpt", "124M", 4, 1, classes=50_257, rate=6e-4, window=256),
    "gpt2_generate1": Work("gpt", "124M", 1, 1, classes=50_257, window=64, train=False),
    "gpt2_generate8": Work("gpt", "124M", 8, 1, classes=50_257, window=64, train=False),
}
MOMENTUM, DECAY = 0.9, 0.01
EXAMPLES = 16_384  # of the data that a loop reads
