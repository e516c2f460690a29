"""Fine-tunes a published ResNet-18 on a folder of your own pictures.

python scripts/train.py --config=configs/resnet18_finetune.py --config.data.path=FOLDER
(FOLDER/<class>/*.jpg, or FOLDER/train/<class>/…). The weights are fetched by name where
`huggingface_hub` is installed; --config.init.weights=FILE reads a file you brought.
A new head with one unit per class is trained with all else; for a linear probe add
--config.optimizer.freeze="('^(?!head/)',)" --config.model.norm=frozen
Hardware: any; minutes for some hundred pictures on 2 CPU cores.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` starts from drawn weights on synthetic images."""
    base.no_argument(arg)
    config = base.get_config()
    config.init.weights = "resnet18"
    config.model.name, config.model.variant = "resnet", "18"
    config.data.name = "image_folder"
    config.data.holdout = 0.2
    config.data.image_size, config.data.resize = 224, 256
    config.data.mean, config.data.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config.data.batch_size, config.data.eval_batch_size = 32, 32
    config.augment.random_resized_crop = (0.3, 1.0)
    config.augment.flip = "random"
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 3e-4
    config.optimizer.weight_decay = 1e-2
    config.optimizer.layer_decay = 0.8
    config.schedule.name = "cosine"
    config.train.epochs = 10.0
    config.train.log_every = 10
    if arg == "quick":
        config.init.weights = ""
        config.model.variant = "debug"
        base.use_synthetic(config, image_shape=(64, 64, 3), num_classes=4, count=256)
        config.optimizer.learning_rate = 1e-2
        config.train.epochs = 3.0
    return config
