"""ViT-B/16 on ImageNet-1k from scratch: 86,567,656 parameters.

Paper: Dosovitskiy et al. 2021, Table 3 (recipe) and Table 5 (77.91 % top-1, fine-tuned
at 384x384), https://arxiv.org/abs/2010.11929
python scripts/train.py --config=configs/vit_b16_imagenet.py
--config.data.path=TFDS_DIR --config.data.workers=16 (prepare it once:
scripts/prepare_data.py --name=imagenet2012). Hardware: 8 accelerators or more; not run.
Test is ImageNet's validation set; 1 % of the training images choose the checkpoint.
Differences: one linear head; no fine-tuning at a higher resolution.
"""

from configs import resnet50_imagenet


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images in a small net."""
    config = resnet50_imagenet.get_config(arg)
    config.model.name = "vit"
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 3e-3
    config.optimizer.weight_decay = 0.3
    config.optimizer.decay_mask = "matrices"
    config.optimizer.clip_norm = 1.0
    config.schedule.name = "cosine"
    config.claim.update(
        paper="Dosovitskiy et al.: An Image is Worth 16x16 Words",
        year=2021,
        link="https://arxiv.org/abs/2010.11929",
        table="none: Table 5 gives 77.91 % after fine-tuning at 384 pixels",
        published=None,
        tolerance=0.0,
        reason="",
        wall_time="some days",
    )
    if arg == "quick":
        config.optimizer.learning_rate = 1e-2
        config.schedule.warmup_steps = 10
        config.train.epochs = 12.0
        return config
    config.model.variant = "B/16"
    config.model.dropout = 0.1
    config.data.mean = config.data.std = (0.5, 0.5, 0.5)
    config.data.batch_size, config.data.eval_batch_size = 4096, 1024
    config.schedule.warmup_steps = 10_000
    config.train.epochs = 300.0
    return config
