"""The judgement behind the guide: what is worth a try for each input and task.

A row lists the best first where data and an accelerator are plenty. Reasons are of the
papers and of RESULTS.md; costs and numbers come from claims and evidence, not from
here.
"""

from dataclasses import dataclass


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
        "images",
        "detection",
        (
            Choice(
                "detr_coco",
                "DETR",
                "no anchors, no suppression; needs the most pictures and the longest "
                "training",
                examples=100_000,
                cpu=False,
            ),
            Choice(
                "retinanet_coco",
                "RetinaNet",
                "objects of all sizes, from published weights or thousands of pictures",
                examples=5_000,
                cpu=False,
            ),
            Choice(
                "retinanet_bccd",
                "RetinaNet on a pre-trained trunk",
                "hundreds of pictures, a GPU",
                cpu=False,
            ),
            Choice(
                "centernet_bccd",
                "CenterNet",
                "hundreds of pictures, from scratch, on a CPU",
            ),
        ),
    ),
    Row(
        "images",
        "generation",
        (
            Choice(
                "ddpm_cifar10",
                "diffusion (DDPM)",
                "the best pictures and every mode of the data; many steps to draw one",
                examples=10_000,
                cpu=False,
            ),
            Choice(
                "flow_cifar10",
                "flow matching",
                "as good with fewer steps",
                examples=10_000,
                cpu=False,
            ),
            Choice(
                "dit_cifar10",
                "diffusion Transformer",
                "grows best with data and compute",
                examples=50_000,
                cpu=False,
            ),
            Choice(
                "stylegan2_images",
                "StyleGAN2",
                "one step to draw a picture, styles that can be mixed",
                examples=1_000,
                cpu=False,
            ),
            Choice("ddpm_mnist", "small diffusion", "small pictures, on a CPU"),
            Choice("dcgan_mnist", "DCGAN", "small pictures in one step, on a CPU"),
            Choice("vae_mnist", "VAE", "blurred, with a likelihood; usable in minutes"),
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
                cpu=False,
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
                cpu=False,
            ),
            Choice("lstm_mnist_pixels", "LSTM", "beside it, as a check", cpu=False),
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
        "forecasting",
        (
            Choice(
                "patchtst_etth1",
                "PatchTST",
                "long look-back, channels that resemble each other",
                examples=5_000,
            ),
            Choice(
                "itransformer_etth1",
                "iTransformer",
                "many channels that depend on each other",
                examples=5_000,
            ),
            Choice(
                "dlinear_etth1",
                "DLinear",
                "a linear map is hard to beat, and trains in seconds",
            ),
        ),
        baseline="repeating the last value or season, shown beside each run",
    ),
    Row(
        "audio",
        "recognition",
        (
            Choice(
                "ast_speech_commands",
                "Audio Spectrogram Transformer, pre-trained",
                "the best up to ten seconds, where published weights may be used",
                cpu=False,
            ),
            Choice(
                "audio_cnn_fsdd",
                "log-mel CNN",
                "from a thousand sounds on, minutes on a CPU",
            ),
            Choice(
                "m5_speech_commands",
                "M5",
                "reads the wave itself; wants more data for it",
                examples=10_000,
                cpu=False,
            ),
        ),
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
