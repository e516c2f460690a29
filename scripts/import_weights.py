"""Imports published weights: recognises them, shows them, writes them in another form.

  python scripts/import_weights.py resnet50-0676ba61.pth            # what is in it
  python scripts/import_weights.py microsoft/resnet-50 --to=r50     # our own form
  python scripts/import_weights.py r50 --to=r50.safetensors --export=torchvision

Read are the forms of torchvision, timm, torch.nn's recurrent layers and DiT (.pth, .pt,
.safetensors), folders of Hugging Face's save_pretrained and of diffusers, and our own
form; a name alone is fetched where there is a network and huggingface_hub. Every tensor
is accounted for; nothing is overwritten.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

from scripts import app


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("source", help="name, repository of the hub, file or folder")
    parser.add_argument("--path", help="file or folder of the weights that it names")
    parser.add_argument("--to", help="folder to write (torchvision, pytorch: a file)")
    parser.add_argument(
        "--export",
        default="menagerie",
        help="huggingface, timm, torchvision, pytorch, or menagerie, our own names",
    )
    parser.add_argument("--num-classes", type=int, help="a new head of so many classes")
    parser.add_argument("--image-size", type=int, help="side of a ViT's images, pixels")
    parser.add_argument("--heads", type=int, help="of a ViT whose files do not say it")
    parser.add_argument("--class-names", help="file of names, where there are none")
    options = parser.parse_args(argv)
    with app.one_sentence_errors():
        for line in convert(options):
            print(line)


def convert(options):
    """Reads the weights, writes them where `--to` says, and yields what to print.

    Raises:
      FileNotFoundError: the weights are not there.
      ValueError: they are damaged, do not fit, or cannot be written as asked.
    """
    from research.weights import exporting, filling, published

    found = published.describe(
        options.source, options.path, class_names=options.class_names
    )
    asked = {"num_classes": options.num_classes, "heads": options.heads}
    model = found.build(**{k: v for k, v in asked.items() if v is not None})
    variables = filling.fill(found, model, options.image_size)
    yield from _facts(found, model)
    yield from _table(found, variables)
    if options.to is None:
        return
    size = options.image_size or found.image_size
    same_classes = getattr(model, "num_classes", 0) == found.num_classes
    written = exporting.export(
        model,
        variables,
        options.to,
        options.export,
        image_size=size,
        preprocessing=found.preprocessing if size == found.image_size else None,
        class_names=found.class_names if same_classes else None,
    )
    for file in written:
        yield f"written: {file}"


def _facts(found, model):
    from research.weights import own

    yield f"{found.source}: {found.form.publisher} {found.architecture}"
    for name, value in own.fields(model).items():
        yield f"  {name:22s} {value}"
    if found.image_size is None:
        return
    height, width = found.image_size
    yield f"  {'images':22s} {height}x{width}x{found.channels}"
    yield f"  {'preprocessing':22s} {found.preprocessing or 'not stated'}"
    names = found.class_names
    yield f"  {'class names':22s} {', '.join(names[:3]) + ', ...' if names else 'none'}"


def _table(found, variables):
    """Lists every leaf with the tensors that it is made of."""
    from flax import traverse_util

    from research.weights import rules

    leaves = traverse_util.flatten_dict(variables, sep="/")
    sources = rules.sources(found.form, leaves)
    for path, leaf in leaves.items():
        yield f"  {path:48s} {leaf.shape!s:20s} {' + '.join(sources[path].names)}"
    count = sum(x.size for p, x in leaves.items() if p.startswith("params/"))
    yield f"{count:,} parameters in {len(leaves)} leaves"


if __name__ == "__main__":
    app.run(main)
