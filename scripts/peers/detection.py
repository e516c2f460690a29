"""The CenterNet workloads of the benchmark: a training step, and finding objects.

A step is the network, the targets drawn from the boxes, the loss and Adam; finding is
the network, the peaks and the 100 likeliest boxes. PyTorch's side gets float images
where ours gets bytes, and draws its targets as the authors' loader does, in numpy.
"""

import os
import time

import numpy as np

from scripts.peers import work

_FOUND = 100  # boxes of a picture
_MOST = 32  # objects of a picture that there is room for


def batch(item: work.Work) -> dict[str, np.ndarray]:
    """Makes a batch of noise with boxes, as `research/data/objects.py` gives it."""
    generator = np.random.default_rng(0)
    b, (height, width, _) = item.batch, item.image
    sides = np.array([width, height], np.float32)
    size = generator.uniform(0.1, 0.4, (b, item.objects, 2)) * sides
    corner = generator.uniform(0, 1, size.shape) * (sides - size)
    rows = {
        "image": generator.integers(0, 256, (b, *item.image), np.uint8),
        "boxes": np.zeros((b, _MOST, 4), np.float32),
        "labels": np.zeros((b, _MOST), np.int32),
        "box_mask": np.zeros((b, _MOST), np.float32),
        "crowd": np.zeros((b, _MOST), bool),
        "size": np.tile(np.array([height, width], np.int32), (b, 1)),
    }
    rows["boxes"][:, : item.objects] = np.concatenate([corner, corner + size], -1)
    shape = (b, item.objects)
    rows["labels"][:, : item.objects] = generator.integers(0, item.classes, shape)
    rows["box_mask"][:, : item.objects] = 1
    return rows


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender in work.OURS:
        return _ours(item, "native" if contender == "native" else "auto")
    compiled = contender == "compiled"
    if item.train:
        return _train_by_pytorch(item, compiled)
    return _find_by_pytorch(item, compiled)


def _ours(item: work.Work, kernels: str):
    """Times the compiled training step, or what `scripts/predict.py` calls."""
    import jax

    from research.data import objects, source
    from research.training import experiment, programs
    from scripts import app

    programs.enable_compile_cache()
    config = app.read_config("centernet_bccd")
    config.model.variant, config.model.kernels = item.variant, kernels
    config.data.batch_size = config.data.eval_batch_size = item.batch
    config.augment.zoom, config.augment.flip = (), "none"
    config.augment.flip_vertical, config.augment.jitter = False, (0.0,) * 4
    config.optimizer.name, config.optimizer.learning_rate = item.optimizer, item.rate
    config.optimizer.weight_decay = config.optimizer.clip_norm = 0.0
    config.train.ema_decay = 0.0
    features = objects.form(item.image[:2], _MOST)
    spec = source.Spec(features, source.number_names(item.classes))
    ours = programs.Programs(experiment.build(config, spec, 100 * item.batch))
    rows, state = batch(item), ours.init(0)
    shown = {name: rows[name] for name in ("image", "size")}

    def run(steps: int) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(steps):
            if item.train:
                state, packed = ours.train(state, None, rows)
            else:
                ours.predict(state, shown)
        if item.train:
            jax.block_until_ready((state, packed))
        return time.perf_counter() - began

    return run


def network(item: work.Work):
    """Builds PyTorch's CenterNet, of the parameters of ours."""
    from scripts.peers import centernet_network

    return centernet_network.CenterNet(item.classes)


def _image(rows):
    import torch

    image = torch.from_numpy(rows["image"]).permute(0, 3, 1, 2)
    return (image.float() / 255 - 0.5).contiguous() / 0.25


def wanted(item: work.Work, rows) -> list:
    """Draws a batch's targets with numpy, as the authors' loader does."""
    import torch

    from scripts.peers import centernet_network

    height, width, _ = item.image
    shape = (item.classes, height // 4, width // 4)
    pictures = [
        centernet_network.targets(boxes[: item.objects] / 4, labels, _MOST, shape)
        for boxes, labels in zip(
            rows["boxes"], rows["labels"][:, : item.objects], strict=True
        )
    ]
    columns = zip(*pictures, strict=True)
    return [torch.from_numpy(np.stack(column)) for column in columns]


def _train_by_pytorch(item: work.Work, compiled: bool):
    import torch

    from scripts.peers import centernet_network

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    net = network(item).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=item.rate)
    rows = batch(item)
    image = _image(rows)

    def objective(image, *targets):
        return centernet_network.loss(net(image), *targets)

    if compiled:
        objective = torch.compile(objective, fullgraph=True)

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            targets = wanted(item, rows)
            optimizer.zero_grad()
            objective(image, *targets).backward()
            optimizer.step()
        return time.perf_counter() - began

    return run


def _find_by_pytorch(item: work.Work, compiled: bool):
    import torch

    from scripts.peers import centernet_network

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    net, image = network(item).eval(), _image(batch(item))

    def find(image):
        return centernet_network.decode(net(image), _FOUND)

    if compiled:
        find = torch.compile(find, fullgraph=True)

    @torch.inference_mode()
    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            find(image)
        return time.perf_counter() - began

    return run
