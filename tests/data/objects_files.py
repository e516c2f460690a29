"""Small folders of annotated pictures, for tests of what reads them."""

import json

import numpy as np
from PIL import Image

SIZE = (60, 80)  # height, width


def write_picture(file, size=SIZE):
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    Image.fromarray(pixels).save(file)


def write_voc(root, boxes, lists=None, size=SIZE):
    """Writes {name: [(class, left, top, right, bottom), …]}, with JPEG pictures."""
    (root / "Annotations").mkdir(parents=True, exist_ok=True)
    for name, objects in boxes.items():
        write_picture(root / "JPEGImages" / f"{name}.jpg", size)
        told = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>"
            f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for kind, a, b, c, d in objects
        )
        (root / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>{size[1]}</width>"
            f"<height>{size[0]}</height></size>{told}</annotation>"
        )
    for split, names in (lists or {}).items():
        file = root / "ImageSets" / "Main" / f"{split}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(names))


def coco(annotations, images=("a.jpg",), categories=((3, "cat"), (7, "dog"))):
    """Makes COCO's dictionary of (image id, category id, bbox, iscrowd) tuples."""
    return {
        "images": [
            {"id": k, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
            for k, name in enumerate(images, 1)
        ],
        "annotations": [
            {"id": k, "image_id": i, "category_id": c, "bbox": list(b), "iscrowd": w}
            for k, (i, c, b, w) in enumerate(annotations, 1)
        ],
        "categories": [{"id": k, "name": name} for k, name in categories],
    }


def write_coco(root, split, told):
    """Writes instances_<split>.json and the pictures that it names."""
    for image in told["images"]:
        write_picture(root / split / image["file_name"])
    file = root / "annotations" / f"instances_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(told))
    return file
