"""ResNet-50 (v1.5) on ImageNet: 25,557,032 parameters.

Paper: He, Zhang, Ren & Sun 2016, https://arxiv.org/abs/1512.03385; recipe and number
are those of torchvision's first weights, 76.13 % top-1,
https://github.com/pytorch/vision/tree/main/references/classification
python scripts/train.py --config=configs/resnet50_imagenet.py
--config.data.path=TFDS_DIR --config.data.workers=16 (prepare it once:
scripts/prepare_data.py --name=imagenet2012). Hardware: 8 accelerators; not run.
Test is ImageNet's validation set; 1 % of the training images choose the checkpoint.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic images in a small net."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "resnet", "50"
    config.model.dtype = "bfloat16"
    config.data.name = "tfds"
    config.data.dataset = "imagenet2012"
    config.data.validation, config.data.test = "", "validation"
    config.data.holdout = 0.01
    config.data.image_size, config.data.resize = 224, 256
    config.data.mean, config.data.std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    config.data.batch_size, config.data.eval_batch_size = 256, 256
    config.data.cache = "none"
    config.data.workers = 8
    config.augment.random_resized_crop = (0.08, 1.0)
    config.augment.flip = "random"
    config.optimizer.name = "momentum"
    config.optimizer.learning_rate = 0.1
    config.optimizer.weight_decay = 1e-4
    config.optimizer.decay_mask = "all"
    config.schedule.name = "step"
    config.schedule.boundaries = (1 / 3, 2 / 3)  # epochs 30 and 60
    config.train.epochs = 90.0
    config.train.log_every = 100
    config.claim.update(
        paper="He, Zhang, Ren & Sun: Deep Residual Learning for Image Recognition",
        year=2016,
        link="https://arxiv.org/abs/1512.03385",
        table="torchvision's recipe and number for its first weights",
        metric="test/accuracy",
        protocol="ImageNet validation split, 50,000 images, one central crop of 224 "
        "pixels, read once, at the checkpoint best on 1 % of the training images",
        published=0.7613,
        tolerance=0.005,
        reason="public runs of this recipe range from 76.1 to 76.7 %",
        hardware="8 accelerators",
        wall_time="4 to 12 hours",
    )
    if arg == "quick":
        base.use_synthetic(config, image_shape=(64, 64, 3), num_classes=10, count=512)
        config.model.variant, config.model.dtype = "debug", "float32"
        config.data.batch_size, config.data.eval_batch_size = 32, 128
        config.data.workers = 0
        config.train.epochs, config.train.log_every = 3.0, 10
    return config
