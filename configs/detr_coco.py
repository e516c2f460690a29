"""DETR with ResNet-50 on COCO 2017: 41,302,368 trained parameters.

Paper: Carion, Massa, Synnaeve, Usunier, Kirillov & Zagoruyko 2020, table 1, 42.0 AP
after 500 epochs, https://arxiv.org/abs/2005.12872
python scripts/train.py --config=configs/detr_coco.py --config.data.path=FOLDER \
  --config.init.weights=resnet50
(FOLDER holds annotations/instances_{train,val}2017.json, train2017 and val2017.)
Hardware: 16 GPUs for three days in the paper; not run here. Expected: validation AP
42.0 %.
Differences: pictures are fitted into 800 x 1344 pixels, the filling is not masked, and
windows are drawn by zoom instead of the paper's scale and crop augmentation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` finds synthetic shapes."""
    base.no_argument(arg)
    config = base.get_config()
    config.init.fresh = ("^(?!backbone/)",)
    config.model.name, config.model.variant = "detr", "resnet50"
    config.task.name = "detection"
    config.data.name = "coco"
    config.data.image_size = (800, 1344)
    config.data.mean, config.data.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config.data.batch_size, config.data.eval_batch_size = 64, 16
    config.data.cache = "none"
    config.data.workers = 8
    config.augment.flip = "random"
    config.augment.zoom = (0.6, 1.7)
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 1e-4
    config.optimizer.weight_decay = 1e-4
    config.optimizer.clip_norm = 0.1
    config.optimizer.multipliers = (("^backbone/", 0.1),)
    config.optimizer.freeze = ("^backbone/(stem|stage1)", "^backbone/.*norm")
    config.schedule.name = "step"
    config.schedule.boundaries, config.schedule.factor = (400 / 500,), 0.1
    config.train.epochs = 500.0
    config.checkpoint.metric = "validation/f1"
    config.claim.update(
        paper="Carion et al.: End-to-End Object Detection with Transformers",
        year=2020,
        link="https://arxiv.org/abs/2005.12872",
        table="Table 1",
        metric="validation/ap",
        mode="max",
        protocol="COCO val2017, 5,000 pictures, pycocotools, at the last checkpoint",
        published=0.42,
        tolerance=0.005,
        reason="two seeds of such detectors differ by some tenths of a point",
        seeds=1,
        hardware="16 GPUs",
        wall_time="not measured",
    )
    if arg == "quick":
        base.use_synthetic_objects(config, image_shape=(64, 64, 3), count=256)
        config.model.variant = "debug"
        config.data.batch_size, config.data.eval_batch_size = 16, 32
        config.augment.zoom = ()
        config.optimizer.learning_rate = 3e-3
        config.optimizer.multipliers, config.optimizer.freeze = (), ()
        config.train.epochs, config.train.log_every = 6.0, 16
        config.train.eval_every = 48
    return config
