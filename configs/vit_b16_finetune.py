"""Fine-tunes a published ViT-B/16 on a folder of your own pictures.

Paper: Dosovitskiy et al. 2021, section 4.1 and appendix B.1.1,
https://arxiv.org/abs/2010.11929
python scripts/train.py --config=configs/vit_b16_finetune.py --config.data.path=FOLDER
(FOLDER/<class>/*.jpg, or FOLDER/train/<class>/…). The weights are fetched by name where
`huggingface_hub` is installed; --config.init.weights=FILE reads a file you brought.
--config.data.image_size=384 fine-tunes at a higher resolution: the position embedding
is interpolated. Hardware: a GPU.
"""

from configs import resnet18_finetune


def get_config(arg: str = ""):
    """Returns the experiment; `quick` starts from drawn weights on synthetic images."""
    config = resnet18_finetune.get_config(arg)
    config.model.name = "vit"
    config.data.mean = config.data.std = (0.5, 0.5, 0.5)
    config.optimizer.name = "momentum"
    config.optimizer.learning_rate = 1e-2
    config.optimizer.weight_decay = 0.0
    config.optimizer.clip_norm = 1.0
    config.optimizer.layer_decay = 1.0
    if arg == "quick":
        config.optimizer.learning_rate = 0.1
        config.train.epochs = 6.0
    else:
        config.init.weights = "google/vit-base-patch16-224"
        config.model.variant = "B/16"
        config.model.norm_epsilon = 1e-12  # of these weights
        config.schedule.warmup_steps = 20
    return config
