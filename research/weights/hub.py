"""Names of published weights, and fetching them from the Hugging Face hub."""

import pathlib

from research import lookup

_PYTORCH = "https://download.pytorch.org/models"
# Short name -> (repository or address, architecture, its variant).
NAMES = {
    "resnet18": ("microsoft/resnet-18", "resnet", "18"),
    "resnet34": ("microsoft/resnet-34", "resnet", "34"),
    "resnet50": ("microsoft/resnet-50", "resnet", "50"),
    "resnet101": ("microsoft/resnet-101", "resnet", "101"),
    "resnet152": ("microsoft/resnet-152", "resnet", "152"),
    "vit_ti16": ("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", "vit", "Ti/16"),
    "vit_s16": ("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", "vit", "S/16"),
    "vit_s32": ("timm/vit_small_patch32_224.augreg_in21k_ft_in1k", "vit", "S/32"),
    "vit_b16": ("google/vit-base-patch16-224", "vit", "B/16"),
    "vit_b32": ("google/vit-base-patch32-384", "vit", "B/32"),
    "vit_l16": ("google/vit-large-patch16-224", "vit", "L/16"),
    "vit_l32": ("google/vit-large-patch32-384", "vit", "L/32"),
    "vit_h14": ("google/vit-huge-patch14-224-in21k", "vit", "H/14"),
    "ast-audioset": ("MIT/ast-finetuned-audioset-10-10-0.4593", "ast", "audioset"),
    "ast-speech-commands": (
        "MIT/ast-finetuned-speech-commands-v2",
        "ast",
        "speech_commands",
    ),
    "bert-base-uncased": ("google-bert/bert-base-uncased", "bert", "base"),
    "bert-base-cased": ("google-bert/bert-base-cased", "bert", "base-cased"),
    "bert-large-uncased": ("google-bert/bert-large-uncased", "bert", "large"),
    "bert-tiny": ("google/bert_uncased_L-2_H-128_A-2", "bert", "tiny"),
    "bert-mini": ("google/bert_uncased_L-4_H-256_A-4", "bert", "mini"),
    "bert-small": ("google/bert_uncased_L-4_H-512_A-8", "bert", "small"),
    "bert-medium": ("google/bert_uncased_L-8_H-512_A-8", "bert", "medium"),
    "gpt2": ("openai-community/gpt2", "gpt", "124M"),
    "gpt2-medium": ("openai-community/gpt2-medium", "gpt", "355M"),
    "gpt2-large": ("openai-community/gpt2-large", "gpt", "774M"),
    "gpt2-xl": ("openai-community/gpt2-xl", "gpt", "1558M"),
    "alexnet": (f"{_PYTORCH}/alexnet-owt-7be5be79.pth", "alexnet", "2014"),
    "vgg11": (f"{_PYTORCH}/vgg11-8a719046.pth", "vgg", "11"),
    "vgg13": (f"{_PYTORCH}/vgg13-19584684.pth", "vgg", "13"),
    "vgg16": (f"{_PYTORCH}/vgg16-397923af.pth", "vgg", "16"),
    "vgg19": (f"{_PYTORCH}/vgg19-dcbb9e9d.pth", "vgg", "19"),
}
_OF_TEXT = ("bert", "gpt")
# How a name ends, or begins, that is a path.
_FILES, _FOLDERS = (".safetensors", ".pth", ".pt", ".bin"), ("/", "./", "../", "~")


def repository(name: str) -> str:
    """Finds the repository, or file, of a short name; "owner/name" is one already.

    Raises:
      FileNotFoundError: it is the path of a file, which is not there.
      ValueError: the name is neither.
    """
    if name in NAMES:
        return NAMES[name][0]
    if name.endswith(_FILES) or name.startswith(_FOLDERS):
        raise FileNotFoundError(
            f"there is no weight file {name}; correct the path or bring the file there"
        )
    owner, slash, rest = name.partition("/")
    if slash and owner and rest and "/" not in rest:
        return name
    sentence = lookup.unknown("published weights", name, NAMES)
    raise ValueError(f"{sentence}, or a repository of huggingface.co as owner/name")


def fetch(name: str) -> pathlib.Path:
    """Downloads a repository's weights and configs, once; later calls find them.

    Raises:
      FileNotFoundError: huggingface_hub or the network is not there, and the sentence
        says which files to bring from where; or the name is a path.
      ValueError: the name is unknown.
    """
    repo = repository(name)
    if repo.startswith("https://"):
        raise FileNotFoundError(
            f"the weights {name} are not fetched by name; bring {repo} and give it as "
            "path=FILE"
        )
    try:
        import huggingface_hub
    except ImportError:
        raise FileNotFoundError(
            _bring(repo, "huggingface_hub is not installed")
        ) from None
    try:
        folder = huggingface_hub.snapshot_download(
            repo, allow_patterns=["*.json", "*.safetensors"]
        )
        if not list(pathlib.Path(folder).glob("*.safetensors")):
            folder = huggingface_hub.snapshot_download(
                repo, allow_patterns=["*.json", "pytorch_model*.bin"]
            )
    except (OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise FileNotFoundError(_bring(repo, reason)) from error
    return pathlib.Path(folder)


def _bring(repo: str, reason: str) -> str:
    files = "config.json, preprocessor_config.json and model.safetensors"
    if repo.startswith("timm/"):
        files = "config.json and model.safetensors"
    elif any(repo == of and net in _OF_TEXT for of, net, _ in NAMES.values()):
        files = "config.json, tokenizer.json and model.safetensors"
    return (
        f"the weights {repo} are not here and cannot be fetched ({reason}); "
        f"bring {files} from https://huggingface.co/{repo}/tree/main into one folder "
        "and give that folder in place of the name"
    )
