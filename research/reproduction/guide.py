"""Which architecture for which input and task: a judgement, in one table.

A row lists what is worth a try, the best first where data and an accelerator are
plenty. Reasons are of the papers and of RESULTS.md; costs and numbers come from claims
and evidence, not from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from research import lookup
from research.reproduction import tables

BEGIN = "<!-- guide: made by scripts/reproduce.py --write -->"
END = "<!-- end of guide -->"
DEVICES = ("cpu", "gpu", "tpu")


@dataclass(frozen=True)
class Choice:
    """One way to go.

    Attributes:
      config: the experiment to begin with, of configs/.
      name: of the architecture.
      reason: when it is right.
      examples: training examples below which another choice is better.
      cpu: a CPU trains it in an hour or two.
    """

    config: str
    name: str
    reason: str
    examples: int = 0
    cpu: bool = True


@dataclass(frozen=True)
class Row:
    """One input and one task.

    Attributes:
      input: what an example is.
      task: what is wanted.
      choices: the best first, where data and an accelerator are plenty.
      baseline: what to try before any network.
    """

    input: str
    task: str
    choices: tuple[Choice, ...]
    baseline: str = ""


ROWS = (
    Row(
        "images",
        "classification",
        (
            Choice(
                "vit_b16_finetune",
                "Vision Transformer, pre-trained",
                "the best from 224 pixels on, where published weights may be used",
                cpu=False,
            ),
            Choice(
                "resnet18_finetune",
                "ResNet, pre-trained",
                "hundreds of examples are enough: only the head begins anew",
            ),
            Choice(
                "speedrun_cifar10",
                "airbench",
                "small images from scratch: the most accuracy per second",
                examples=10_000,
                cpu=False,
            ),
            Choice(
                "resnet20_cifar10",
                "ResNet-20",
                "small images from scratch, the usual reference",
                examples=10_000,
                cpu=False,
            ),
            Choice(
                "cnn_mnist",
                "two convolutions",
                "small, simple images on a CPU",
                examples=1_000,
            ),
            Choice("lenet_modern_mnist", "LeNet-5", "the same in seconds"),
        ),
    ),
    Row(
        "text",
        "classification",
        (
            Choice(
                "bert_base_sst2",
                "BERT, pre-trained",
                "knows the language already: thousands of examples are enough",
                cpu=False,
            ),
            Choice(
                "lstm_sst2",
                "LSTM",
                "no published weights needed, a CPU is enough",
                examples=10_000,
            ),
            Choice(
                "bert_nano_sst2",
                "small BERT",
                "pre-trained on your own texts, where there are many more of them "
                "than labels",
            ),
        ),
        baseline="bag of words and logistic regression",
    ),
    Row(
        "text",
        "generation",
        (
            Choice(
                "gpt2_124m",
                "GPT-2",
                "from some hundred million words on, or from published weights",
                examples=100_000_000,
                cpu=False,
            ),
            Choice(
                "awd_lstm_ptb",
                "AWD-LSTM",
                "a few million words: regularised recurrence beats a small GPT",
                examples=1_000_000,
                cpu=False,
            ),
            Choice(
                "gpt_shakespeare_char",
                "small GPT",
                "characters, minutes on a CPU",
            ),
            Choice("lstm_ptb", "LSTM", "words below some five million, on a CPU"),
        ),
        baseline="n-grams with Kneser-Ney smoothing",
    ),
    Row(
        "text",
        "translation",
        (
            Choice(
                "transformer_wmt14",
                "Transformer base",
                "millions of sentence pairs",
                examples=1_000_000,
                cpu=False,
            ),
            Choice(
                "transformer_multi30k",
                "small Transformer",
                "tens of thousands of pairs",
                examples=10_000,
            ),
            Choice(
                "bahdanau_multi30k",
                "GRU with attention",
                "shows which words it looks at; slower to train",
                examples=10_000,
            ),
        ),
    ),
    Row(
        "sequences",
        "classification",
        (
            Choice(
                "gru_mnist_pixels",
                "GRU",
                "learns long memories more easily than an LSTM, and can stream",
            ),
            Choice("lstm_mnist_pixels", "LSTM", "beside it, as a check"),
        ),
    ),
    Row(
        "tables",
        "classification",
        (
            Choice(
                "mlp_mnist",
                "MLP with dropout",
                "config.data.name=arrays reads columns from an NPZ file",
                examples=1_000,
            ),
        ),
        baseline="gradient-boosted trees, which are mostly better",
    ),
    Row(
        "images",
        "compression",
        (
            Choice("deep_autoencoder_mnist", "deep autoencoder", "the shortest codes"),
            Choice("vqvae_mnist", "VQ-VAE", "discrete codes, a few bytes an image"),
            Choice("vae_mnist", "VAE", "codes with a density, that can be drawn"),
        ),
        baseline="PCA of the same size, shown beside each run",
    ),
    Row(
        "images",
        "anomaly",
        (
            Choice(
                "anomaly_mnist",
                "autoencoder on normal images",
                "an image that is rebuilt badly is unlike them; scripts/one_class.py "
                "compares",
            ),
        ),
        baseline="Isolation Forest and PCA, shown beside each run",
    ),
    Row(
        "series",
        "anomaly",
        (
            Choice(
                "anomaly_series",
                "autoencoder on windows",
                "marks the spans of a CSV file that are unlike its normal part",
            ),
        ),
        baseline="Isolation Forest",
    ),
    Row(
        "embeddings",
        "search",
        (
            Choice(
                "autoencoder_movielens",
                "autoencoder's codes",
                "8 times fewer bytes, searched in cells and scored again in full by "
                "scripts/search.py",
                examples=100_000,
            ),
        ),
        baseline="exact search, quick enough below 100,000 vectors",
    ),
    Row(
        "ratings",
        "recommendation",
        (),
        baseline="matrix factorisation by a library made for it; no network here",
    ),
)


def row(input: str, task: str) -> Row:
    """Looks up a row.

    Raises:
      ValueError: there is none; the sentence names the nearest and the known ones.
    """
    inputs = list(dict.fromkeys(each.input for each in ROWS))
    if input not in inputs:
        raise ValueError(lookup.unknown("input", input, inputs))
    tasks = [each.task for each in ROWS if each.input == input]
    if task not in tasks:
        raise ValueError(lookup.unknown(f"task on {input}", task, tasks))
    return next(each for each in ROWS if (each.input, each.task) == (input, task))


def ranked(found: Row, examples: int | None, device: str) -> list[tuple[Choice, str]]:
    """Orders the choices of a row for what one has.

    Args:
      found: the row.
      examples: for training; None: not said.
      device: one of DEVICES.

    Returns:
      (choice, what speaks against it or ""), those with nothing against them first.

    Raises:
      ValueError: the device is unknown, or `examples` is below 1.
    """
    if device not in DEVICES:
        raise ValueError(lookup.unknown("device", device, DEVICES))
    if examples is not None and examples < 1:
        raise ValueError(f"--examples must be at least 1, got {examples}; correct it")
    judged = []
    for choice in found.choices:
        against = []
        if examples is not None and examples < choice.examples:
            against.append(f"wants {choice.examples:,} examples or more")
        if device == "cpu" and not choice.cpu:
            against.append("too slow on a CPU")
        judged.append((choice, ", ".join(against)))
    return sorted(judged, key=lambda pair: bool(pair[1]))


def readme(entries: Sequence[tables.Entry]) -> str:
    """Writes the README's table with the markers around it."""
    reached = {
        entry.name: f"{entry.verdict.reached} {entry.claim.metric.replace('/', ' ')}"
        for entry in entries
        if entry.verdict.kind not in ("not run", "partial")
    }
    rows = []
    for each in ROWS:
        told = [
            f"[{choice.name}](configs/{choice.config}.py)"
            + (f" ({reached[choice.config]})" if choice.config in reached else "")
            for choice in each.choices
        ]
        rows.append((each.input, each.task, ", ".join(told), each.baseline))
    head = ("input", "task", "architectures, and what they reached here", "baseline")
    return f"{BEGIN}\n{tables.table(head, rows)}{END}"
