"""Fine-tunes BERT-base on SST-2: is a film review's sentence positive?

Paper: Devlin et al. 2019, section 4.1 and Table 1, https://arxiv.org/abs/1810.04805
python scripts/train.py --config=configs/bert_base_sst2.py --config.data.path=FOLDER
--config.init.weights=WEIGHTS --config.data.tokenizer=WEIGHTS
(FOLDER holds GLUE's train.tsv, dev.tsv and the labelled test-labeled.tsv; WEIGHTS is
the folder of bert-base-uncased: config.json, model.safetensors, vocab.txt.)
Hardware: a GPU, about half an hour. Expected: test accuracy 93.5 % +- 0.5. Not run.
"""

from configs import base, bert_nano_sst2


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic sentences from scratch."""
    base.no_argument(arg)
    if arg == "quick":
        return bert_nano_sst2.get_config(arg)
    config = base.get_config()
    config.init.weights = "bert-base-uncased"
    config.model.name, config.model.variant = "bert", "base"
    config.model.dropout = 0.1
    config.task.name = "text_classification"
    config.task.widths, config.data.sort_pool = 4, 50
    config.data.name = "text_table"
    config.data.files = (
        ("train", "train.tsv"),
        ("validation", "dev.tsv"),
        ("test", "test-labeled.tsv"),
    )
    config.data.tokenizer = "vocab.txt"
    config.data.length = 128
    config.data.batch_size, config.data.eval_batch_size = 32, 128
    config.optimizer.learning_rate = 2e-5
    config.optimizer.weight_decay = 1e-2
    config.optimizer.eps = 1e-6
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "linear"
    config.schedule.warmup_steps = 631  # 10 % of 3 * 67,349 / 32
    config.train.epochs = 3.0
    config.claim.update(
        paper="Devlin, Chang, Lee & Toutanova: BERT: Pre-training of Deep "
        "Bidirectional Transformers for Language Understanding",
        year=2019,
        link="https://arxiv.org/abs/1810.04805",
        table="Table 1, SST-2, BERT_BASE",
        metric="test/accuracy",
        protocol="the 1,821 test sentences, read once, at the checkpoint that is best "
        "on the 872 of the development set",
        published=0.935,
        tolerance=0.005,
        reason="the standard error of 1,821 sentences is 0.6 %",
        hardware="one GPU",
        wall_time="half an hour",
    )
    return config
