"""RetinaNet with ResNet-50 and a feature pyramid on COCO 2017.

Paper: Lin, Goyal, Girshick, He & Dollár 2017, https://arxiv.org/abs/1708.02002
Published here is torchvision's number for this network: 36.4 AP on val2017,
https://docs.pytorch.org/vision/stable/models.html#object-detection
python scripts/train.py --config=configs/retinanet_coco.py --config.data.path=FOLDER \
  --config.init.weights=resnet50
(FOLDER holds annotations/instances_{train,val}2017.json, train2017 and val2017.)
Hardware: 8 GPUs; not run here. Expected: validation AP 36.4 %.
Differences: pictures are fitted into 800 x 1344 pixels, each in its own orientation.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` finds synthetic shapes."""
    base.no_argument(arg)
    config = base.get_config()
    config.init.fresh = ("^(?!backbone/)",)
    config.model.name, config.model.variant = "retinanet", "resnet50"
    config.task.name = "detection"
    config.data.name = "coco"
    config.data.image_size = (800, 1344)
    config.data.mean, config.data.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config.data.batch_size, config.data.eval_batch_size = 16, 16
    config.data.cache = "none"
    config.data.workers = 8
    config.augment.flip = "random"
    config.optimizer.name = "momentum"
    config.optimizer.learning_rate = 0.01
    config.optimizer.weight_decay = 1e-4
    config.optimizer.freeze = ("^backbone/(stem|stage1)", "^backbone/.*norm")
    config.schedule.name = "step"
    config.schedule.warmup_steps = 1000
    config.schedule.boundaries, config.schedule.factor = (16 / 26, 22 / 26), 0.1
    config.train.epochs = 26.0
    config.checkpoint.metric = "validation/f1"
    config.claim.update(
        paper="Lin et al.: Focal Loss for Dense Object Detection",
        year=2017,
        link="https://arxiv.org/abs/1708.02002",
        table="torchvision, RetinaNet_ResNet50_FPN_Weights.COCO_V1",
        metric="validation/ap",
        mode="max",
        protocol="COCO val2017, 5,000 pictures, pycocotools, at the last checkpoint",
        published=0.364,
        tolerance=0.005,
        reason="two seeds of such detectors differ by some tenths of a point",
        seeds=1,
        hardware="8 GPUs",
        wall_time="not measured",
    )
    if arg == "quick":
        base.use_synthetic_objects(config, image_shape=(64, 64, 3), count=256)
        config.model.variant = "debug"
        config.data.batch_size, config.data.eval_batch_size = 16, 32
        config.optimizer.name = "adamw"
        config.optimizer.freeze = ()
        config.schedule.warmup_steps = 10
        config.train.epochs, config.train.log_every = 6.0, 16
        config.train.eval_every = 48
    return config
