"""Opens published tokenizers from their own files.

- tokenizer.json, of the library `tokenizers` itself;
- GPT-2's byte-level BPE: encoder.json and vocab.bpe, or by their later names vocab.json
  and merges.txt, in one folder, with any common prefix, such as gpt2-encoder.json;
- BERT's WordPiece: vocab.txt, one token a line. It is cased where it holds capitals.
"""

import json
import pathlib

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from research.data import text_files

_HOLDS = "tokenizer.json, encoder.json with vocab.bpe, or vocab.txt"
_PAIRS = (("encoder.json", "vocab.bpe"), ("vocab.json", "merges.txt"))
_BPE_SPECIAL = ("<|endoftext|>", "<s>", "<pad>", "</s>", "<unk>", "<mask>")
_BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def open_path(path: str, vocabulary_size: int = 0) -> Tokenizer:
    """Opens the tokenizer in a file or folder.

    Args:
      path: one of the files above, or a folder that holds one under its plain name.
      vocabulary_size: number of tokens that it must have; 0 takes any.

    Raises:
      FileNotFoundError: a file is missing.
      ValueError: a file is damaged, or the size is another one.
    """
    file = _main_file(pathlib.Path(path).expanduser())
    pair = _pair(file)
    if pair is not None:
        opened = _gpt2(*pair)
    elif file.suffix == ".json":
        opened = _json(file)
    else:
        opened = _bert_file(file)
    size = opened.get_vocab_size()
    if vocabulary_size not in (0, size):
        raise ValueError(
            f"the tokenizer of {file} has {size} tokens, got "
            f"vocabulary_size={vocabulary_size}; leave it at 0"
        )
    return opened


def bert(vocabulary: dict[str, int], lowercase: bool) -> Tokenizer:
    """Builds BERT's tokenizer: basic tokenization, then greedy WordPiece.

    Args:
      vocabulary: token -> id; pieces inside a word begin with "##".
      lowercase: whether capitals and accents are dropped.
    """
    built = Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)
    )
    built.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.WordPiece()
    return built


def add_sentence_marks(tokenizer: Tokenizer) -> None:
    """Makes it put [CLS] a [SEP], or [CLS] a [SEP] b [SEP], around sentences."""
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    if all(number is not None for _, number in ids):
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [SEP] $B:1 [SEP]:1",
            special_tokens=ids,
        )


def _main_file(path: pathlib.Path) -> pathlib.Path:
    """Finds the file that a folder is opened by."""
    if not path.is_dir():
        return path
    for name in ("tokenizer.json", *(pair[0] for pair in _PAIRS), "vocab.txt"):
        if (path / name).is_file():
            return path / name
    raise FileNotFoundError(
        f"tokenizer folder {path} has no {_HOLDS}; name a folder or file that has"
    )


def _pair(file: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path] | None:
    """Finds vocabulary and merges, given either; None for other kinds of files."""
    for names in _PAIRS:
        for name in names:
            if file.name.endswith(name):
                prefix = file.name.removesuffix(name)
                return tuple(file.with_name(prefix + other) for other in names)
    return None


def _gpt2(vocabulary_file: pathlib.Path, merges_file: pathlib.Path) -> Tokenizer:
    vocabulary = _vocabulary(vocabulary_file)
    merges = []
    for number, line in enumerate(text_files.lines(text_files.read(merges_file)), 1):
        if line.startswith("#version") or not line.strip():
            continue
        parts = line.split(" ")
        if len(parts) != 2:
            raise ValueError(
                f"line {number} of {merges_file} must hold two symbols, got {line!r}; "
                "download it again"
            )
        merges.append(tuple(parts))
    missing = set(pre_tokenizers.ByteLevel.alphabet()) - set(vocabulary)
    if missing or any(token.endswith("</w>") for token in vocabulary):
        raise ValueError(
            f"{vocabulary_file} is not a byte-level vocabulary as GPT-2's; use its "
            "tokenizer.json"
        )
    try:
        model = models.BPE(vocabulary, merges)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(
            f"{vocabulary_file} and {merges_file.name} do not belong together "
            f"({error}); download both again"
        ) from error
    built = Tokenizer(model)
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens([name for name in _BPE_SPECIAL if name in vocabulary])
    return built


def _vocabulary(file: pathlib.Path) -> dict[str, int]:
    try:
        vocabulary = json.loads(text_files.read(file))
        if sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise ValueError("its ids are not 0, 1, 2, …")
    except (AttributeError, TypeError, json.JSONDecodeError, ValueError) as error:
        raise ValueError(
            f"{file} is not a JSON object of tokens and ids ({error}); download it "
            "again"
        ) from error
    return vocabulary


def _json(file: pathlib.Path) -> Tokenizer:
    text = text_files.read(file)
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(
            f"{file} is not a file of the library `tokenizers` ({error}); download it "
            "again"
        ) from error


def _bert_file(file: pathlib.Path) -> Tokenizer:
    tokens = text_files.lines(text_files.read(file))
    vocabulary = {token: number for number, token in enumerate(tokens)}
    if "[UNK]" not in vocabulary or len(vocabulary) != len(tokens):
        raise ValueError(
            f"{file} is not a BERT vocabulary, one token a line and each once, [UNK] "
            "among them; name another file"
        )
    special = [name for name in _BERT_SPECIAL if name in vocabulary]
    cased = any(t != t.lower() for t in tokens if not t.startswith("["))
    built = bert(vocabulary, lowercase=not cased)
    built.add_special_tokens(special)
    add_sentence_marks(built)
    return built
