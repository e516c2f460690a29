"""PyTorch networks under published names, and weights worth comparing."""

import numpy as np
import pytest


@pytest.fixture
def torch():
    """PyTorch, deterministic, or a skip."""
    module = pytest.importorskip("torch", reason="the references are PyTorch's")
    module.manual_seed(0)
    return module


@pytest.fixture
def transformers():
    """Hugging Face's reference networks, quiet, or a skip."""
    pytest.importorskip("torch", reason="the references are PyTorch's")
    module = pytest.importorskip("transformers", reason="the references are its own")
    module.utils.logging.set_verbosity_error()
    module.utils.logging.disable_progress_bar()
    return module


@pytest.fixture
def lively(torch):
    """Draws batch statistics, norms and biases anew, so that each of them counts."""

    def draw(module):
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                if name.endswith("running_mean"):
                    buffer.normal_(0, 0.2)
                elif name.endswith("running_var"):
                    buffer.uniform_(0.5, 2)
                elif name.endswith("num_batches_tracked"):
                    buffer.fill_(7)
            for name, value in module.named_parameters():
                if value.ndim == 1:
                    value.add_(0.1 * torch.randn_like(value))
                if name.endswith(("pos_embedding", "class_token", "cls_token")):
                    value.copy_(0.1 * torch.randn_like(value))
                if name.split(".")[0] in ("fc", "head", "heads", "classifier"):
                    value.copy_(0.05 * torch.randn_like(value))
        return module.eval()

    return draw


@pytest.fixture
def pixels():
    """Makes a batch of normalised images, (2, side, side, channels)."""

    def draw(side, channels=3):
        shape = (2, side, side, channels)
        return np.random.default_rng(0).normal(size=shape).astype(np.float32)

    return draw


@pytest.fixture
def logits_of(torch):
    """Runs a PyTorch network on images as they are here, (b, h, w, c)."""

    def run(module, images, **options):
        with torch.no_grad():
            found = module(torch.from_numpy(images).permute(0, 3, 1, 2), **options)
        return getattr(found, "logits", found).numpy()

    return run


@pytest.fixture
def agrees(logits_of):
    """Asserts that our logits are the reference's within 1e-4 and not all alike."""
    import jax

    def check(model, variables, module, images, **options):
        here = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
        there = logits_of(module, images, **options)
        assert here.shape == there.shape and here.dtype == np.float32
        assert np.std(there) > 0.01
        assert np.max(np.abs(here - there)) <= 1e-4

    return check


@pytest.fixture
def torch_resnet(torch):
    """Makes a ResNet under the names that torchvision and timm share."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, inner, outputs, stride, bottleneck):
            super().__init__()

            def conv(a, b, size, step):
                return nn.Conv2d(a, b, size, step, size // 2, bias=False)

            shapes = [(inputs, inner, 3, stride), (inner, outputs, 3, 1)]
            if bottleneck:
                shapes = [(inputs, inner, 1, 1), (inner, inner, 3, stride)]
                shapes.append((inner, outputs, 1, 1))
            self.count = len(shapes)
            for i, shape in enumerate(shapes, 1):
                setattr(self, f"conv{i}", conv(*shape))
                setattr(self, f"bn{i}", nn.BatchNorm2d(shape[1]))
            self.downsample = None
            if stride != 1 or inputs != outputs:
                self.downsample = nn.Sequential(
                    conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
                )

        def forward(self, x):
            y = x
            for i in range(1, self.count + 1):
                y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
                y = torch.relu(y) if i < self.count else y
            return torch.relu(
                y + (x if self.downsample is None else self.downsample(x))
            )

    class ResNet(nn.Module):
        def __init__(self, sizes, width, bottleneck, classes):
            super().__init__()
            self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.count, inputs = len(sizes), width
            for s, blocks in enumerate(sizes):
                inner = width * 2**s
                outputs = 4 * inner if bottleneck else inner
                made = []
                for b in range(blocks):
                    stride = 2 if s and not b else 1
                    made.append(Block(inputs, inner, outputs, stride, bottleneck))
                    inputs = outputs
                setattr(self, f"layer{s + 1}", nn.Sequential(*made))
            self.fc = nn.Linear(inputs, classes)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            x = torch.max_pool2d(x, 3, 2, 1)
            for s in range(self.count):
                x = getattr(self, f"layer{s + 1}")(x)
            return self.fc(x.mean((2, 3)))

    return ResNet
