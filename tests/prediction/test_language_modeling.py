"""Writing with published weights, token for token as their publisher does."""

import json

import pytest

from research.data import tokenization
from scripts import predict

TEXT = "to be or not to be that is the question whether tis nobler in the mind"


@pytest.fixture
def published(tmp_path):
    """A network of transformers with a tokenizer: (folder, module, tokenizer)."""
    torch = pytest.importorskip("torch", reason="the references are PyTorch's")
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(0)
    tokenizer = tokenization.create("char", [TEXT])
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=32,
        n_embd=16,
        n_layer=2,
        n_head=2,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=None,
    )
    module = transformers.GPT2LMHeadModel(config).eval()
    module.save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text(tokenizer.to_str())
    return tmp_path, module, tokenizer


def test_the_script_goes_on_with_a_text(published, capsys):
    torch = pytest.importorskip("torch")
    folder, module, tokenizer = published
    prompt = "to be"
    ids, _ = tokenization.encode(tokenizer, [prompt])
    ids = torch.tensor(ids[None].astype("int64"))
    with torch.no_grad():
        there = module.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=8,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    argv = [f"--weights={folder}", prompt, "--temperature=0", "--max-tokens=8"]
    predict.main([*argv, "--json"])
    (row,) = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert row["prompt"] == prompt
    here, _ = tokenization.encode(tokenizer, [prompt + row["text"]])
    assert here.tolist() == there[0].tolist()
