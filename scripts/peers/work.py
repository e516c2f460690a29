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
      optimizer: name in our configs: "momentum" or "adamw".
      rate: learning rate.
      train: a training step; otherwise logits only.
      loop: the loop and PyTorch's DataLoader, on MNIST-sized data, compete as well.
      pairs: tokens of a source and a target, instead of an image; see translation.py.
      window: tokens of a text, instead of an image; see language.py and gpt.py.
    """

    model: str
    variant: str
    batch: int
    steps: int
    image: tuple[int, int, int] = (224, 224, 3)
    classes: int = 1000
    optimizer: str = "momentum"
    rate: float = 0.01
    train: bool = True
    loop: bool = False
    pairs: tuple[int, ...] = ()
    window: int = 0

    @property
    def contenders(self) -> tuple[str, ...]:
        """Names of those that run; the first is what the others are compared with."""
        if self.loop:
            return ("loop", "step", "dataloader", "eager", "fused", "compiled")
        if self.model == "gpt" and not self.train:
            return ("step", "native", "transformers")
        if self.pairs:
            return ("step", "native", "eager", "hoisted")
        if self.model == "resnet":
            return ("step", "native", *PLAIN, *(f"{c}_nhwc" for c in PLAIN))
        return ("step", "native", *PLAIN)


PLAIN = ("eager", "compiled")

_MNIST = dict(image=(28, 28, 1), classes=10, loop=True)

# Named <builder in networks.py>[_<what differs>].
WORK = {
    "lenet": Work("lenet", "modern", 64, 300, **_MNIST),
    "mlp": Work("mlp", "512-512", 128, 300, **_MNIST),
    "resnet20": Work("resnet", "20", 128, 3, (32, 32, 3), 10),
    "resnet50": Work("resnet", "50", 16, 1),
    "resnet50_predict1": Work("resnet", "50", 1, 10, train=False),
    "resnet50_predict8": Work("resnet", "50", 8, 2, train=False),
    "vit_s16": Work("vit", "S/16", 16, 1, optimizer="adamw", rate=1e-3),
    "vit_s16_predict8": Work("vit", "S/16", 8, 2, train=False),
    "unet": Work("unet", "cifar10", 16, 1, (32, 32, 3), 10, rate=2e-4),
    "unet_mnist": Work("unet", "mnist", 128, 2, (28, 28, 1), 10, rate=2e-4),
    "bahdanau": Work("seq2seq", "bahdanau", 128, 1, classes=5_893, pairs=(20, 20)),
    "lstm_ptb": Work("rnn", "ptb_medium", 20, 5, classes=10_000, rate=1.0, window=35),
    "gpt_char": Work("gpt", "char-cpu", 12, 40, classes=65, rate=1e-3, window=64),
    "gpt2": Work("gpt", "124M", 4, 1, classes=50_257, rate=6e-4, window=256),
    "gpt2_generate1": Work("gpt", "124M", 1, 1, classes=50_257, window=64, train=False),
    "gpt2_generate8": Work("gpt", "124M", 8, 1, classes=50_257, window=64, train=False),
}
MOMENTUM, DECAY = 0.9, 0.01
EXAMPLES = 16_384  # of the data that a loop reads
