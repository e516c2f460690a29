"""How good made images are, as `scripts/sample_quality.py` measured them."""

import pathlib

from research.reports import page
from research.training import workdir

FILE = "evaluation/samples.json"


def section(folder: pathlib.Path) -> str:
    """Shows distances to the data, and the classes that a classifier sees."""
    file = folder / FILE
    if not file.exists():
        return ""
    values = workdir.read_json(file)
    told = (
        f"<p>Images beside as many of {page.escape(values['reference'])}, or all that "
        f"it has; features: {page.escape(values['features'])}. These numbers depend on "
        "the features and the number of images, and compare with no published ones."
        "</p>"
    )
    names = sorted({name for each in values["history"] for name in each["metrics"]})
    ways = sorted({name for each in values["history"] for name in each["how"]})
    rows = [
        (
            f"{each['step']:,}",
            f"{each['images']:,}",
            str(each["seed"]),
            *(str(each["how"].get(way, "as trained for")) for way in ways),
            *(page.number(each["metrics"].get(n), n) for n in names),
        )
        for each in values["history"]
    ]
    heads = (
        "step",
        "images",
        "seed",
        *ways,
        *(name.partition("/")[2] for name in names),
    )
    classes = page.table(
        ("class", "made", "real"),
        zip(
            values["class_names"],
            (f"{n:,}" for n in values["made"]),
            (f"{n:,}" for n in values["real"]),
            strict=True,
        ),
    )
    body = told + page.table(heads, rows) + "<h3>Classes, measured last</h3>" + classes
    return page.section("Quality of the images", body)
