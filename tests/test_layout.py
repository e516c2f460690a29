"""The arrows of the design: which part of the project may import which."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# folder or file -> prefixes of project modules that it may import
ARROWS = {
    "research/models/layers": ("research.models.layers", "research.models.kernels"),
    "research/models/kernels": ("research.models.kernels",),
    "research/models": ("research.models.layers", "research.models.kernels"),
    "research/metrics": ("research.metrics",),
    "research/data": ("research.data",),
    "research/tasks": (
        "research.tasks",
        "research.models",
        "research.metrics",
        "research.training.state",
    ),
    "research/training": (
        "research.training",
        "research.weights",
        "research.tasks",
        "research.data",
        "research.models",
        "research.metrics",
        "research.lookup",
    ),
    "research/weights": (
        "research.weights",
        "research.data",
        "research.models",
        "research.lookup",
    ),
    "research": ("research",),
    "configs": ("configs",),
    "scripts": ("scripts", "configs", "research"),
}


def _project_files():
    for top in ("research", "configs", "scripts"):
        yield from sorted((ROOT / top).rglob("*.py"))


def _imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _allowed(path: pathlib.Path):
    name = path.relative_to(ROOT).as_posix()
    longest = max((key for key in ARROWS if name.startswith(key)), key=len)
    return ARROWS[longest]


@pytest.mark.parametrize("path", list(_project_files()), ids=lambda p: p.stem)
def test_imports_follow_the_arrows(path):
    allowed = _allowed(path)
    for name in _imports(ast.parse(path.read_text())):
        if name.split(".")[0] in ("research", "configs", "scripts", "tests"):
            fits = any(name == a or name.startswith(a + ".") for a in allowed)
            assert fits, f"{path.name} imports {name}: the arrow points the wrong way"


def test_a_wrong_arrow_is_noticed():
    names = list(_imports(ast.parse("from research.training import loop")))
    allowed = _allowed(ROOT / "research/models/lenet.py")
    assert not any(n.startswith(a) for n in names for a in allowed)


def test_configs_import_only_ml_collections():
    for path in sorted((ROOT / "configs").glob("*.py")):
        tops = {name.split(".")[0] for name in _imports(ast.parse(path.read_text()))}
        assert tops <= {"configs", "ml_collections"}, path.name


def test_jit_is_called_in_training_only():
    for folder in ("models", "tasks", "data", "metrics"):
        for path in sorted((ROOT / "research" / folder).glob("*.py")):
            assert "jax.jit" not in path.read_text(), path.name
