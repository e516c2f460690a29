"""RetinaNet with ResNet-18 on BCCD, from published ImageNet parameters.

Paper of the method: Lin et al. 2017, https://arxiv.org/abs/1708.02002
Data: as in configs/centernet_bccd.py, 205 pictures to train, 87 to choose the
checkpoint, 72 to test.
python scripts/train.py --config=configs/retinanet_bccd.py --config.data.path=FOLDER
(FOLDER holds Annotations, JPEGImages and ImageSets. The weights of the trunk are
fetched by name where `huggingface_hub` is installed; --config.init.weights=FILE reads
a file you brought, and --config.init.weights= draws them; add --config.model.norm=batch
then.)
Hardware: one GPU, minutes. Expected: test ap50 above 0.70; not run.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` finds synthetic shapes from drawn parameters."""
    base.no_argument(arg)
    config = base.get_config()
    config.init.weights = "resnet18"
    config.init.fresh = ("^(?!backbone/)",)
    config.model.name, config.model.variant = "retinanet", "resnet18"
    config.task.name = "detection"
    config.data.name = "voc"
    config.data.image_size = (480, 640)
    config.data.max_boxes = 32  # the fullest picture has 30
    config.data.mean, config.data.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config.data.batch_size, config.data.eval_batch_size = 8, 8
    config.augment.zoom = (0.7, 1.4)
    config.augment.flip = "random"
    config.augment.flip_vertical = True
    config.augment.jitter = (0.2, 0.2, 0.2, 0.03)
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 3e-4
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 10.0
    config.optimizer.multipliers = (("^backbone/", 0.3),)
    config.schedule.name = "cosine"
    config.schedule.warmup_steps = 100
    config.train.epochs = 60.0
    config.train.log_every = 25
    config.train.eval_every = 125  # five epochs
    config.checkpoint.metric = "validation/f1"
    if arg == "quick":
        base.use_synthetic_objects(config, image_shape=(64, 64, 3), count=256)
        config.init.weights = ""
        config.model.variant = "debug"
        config.data.batch_size, config.data.eval_batch_size = 16, 32
        config.optimizer.learning_rate = 1e-2
        config.train.epochs, config.train.log_every = 16.0, 16
        config.train.eval_every = 128
        config.schedule.warmup_steps = 10
    return config
