"""A small CenterNet on BCCD: 364 photographs of blood, boxes around three cell types.

Paper of the method: Zhou, Wang & Krähenbühl 2019, https://arxiv.org/abs/1904.07850
Data: https://github.com/Shenggan/BCCD_Dataset, its own lists: 205 pictures to train,
87 to choose the checkpoint, 72 to test; two boxes have no area and are dropped.
python scripts/train.py --config=configs/centernet_bccd.py --config.data.path=FOLDER
(FOLDER holds Annotations, JPEGImages and ImageSets.) Hardware: CPU, a second of one
core per update, 36 minutes in all. Expected: test ap50 0.83, from drawn parameters, at
128 x 160 pixels.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` finds synthetic shapes."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "centernet", "small"
    config.task.name = "detection"
    config.data.name = "voc"
    config.data.image_size = (128, 160)
    config.data.max_boxes = 32  # the fullest picture has 30
    config.data.mean, config.data.std = (0.74, 0.70, 0.71), (0.10, 0.10, 0.10)
    config.data.batch_size, config.data.eval_batch_size = 16, 29
    config.augment.zoom = (0.7, 1.4)
    config.augment.flip = "random"
    config.augment.flip_vertical = True
    config.augment.jitter = (0.2, 0.2, 0.2, 0.03)
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 1e-3
    config.optimizer.weight_decay = 1e-2
    config.optimizer.clip_norm = 10.0
    config.schedule.name = "cosine"
    config.schedule.warmup_steps = 100
    config.train.epochs = 180.0  # 2,306 updates
    config.train.ema_decay = 0.998
    config.train.log_every = 26  # two epochs
    config.train.eval_every = 130  # ten epochs
    config.checkpoint.metric = "validation/f1"
    config.claim.update(
        paper="Zhou, Wang & Krähenbühl: Objects as Points",
        year=2019,
        link="https://arxiv.org/abs/1904.07850",
        table="none: other data than the paper's",
        metric="test/ap50",
        mode="max",
        protocol="BCCD's test list, 72 pictures, pycocotools, read once, at the "
        "checkpoint of best F1 on the validation list, 87 pictures",
        seeds=1,
        hardware="2 CPU cores",
        wall_time="half an hour",
    )
    if arg == "quick":
        base.use_synthetic_objects(config, image_shape=(64, 64, 3), count=256)
        config.model.variant = "debug"
        config.data.eval_batch_size = 32
        config.optimizer.learning_rate = 1e-2
        config.train.epochs, config.train.log_every = 8.0, 16
        config.train.eval_every = 64
        config.schedule.warmup_steps = 10
        config.train.ema_decay = 0.9
    return config
