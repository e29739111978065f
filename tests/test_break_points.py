"""The breaks of break_points.py fit the code, and the docs list them."""

import pathlib
import re

import pytest

from .break_points import ADDON, BREAKS, ROOT

DOCS = ROOT / "docs" / "security.rst"


def _name(item):
    return f"{item.point}-{item.what}"


@pytest.mark.parametrize("item", BREAKS, ids=_name)
def test_text_and_test_are_there(item):
    text = (ROOT / ADDON / item.path).read_text(encoding="utf-8")
    assert text.count(item.old) == 1
    path, _class, name = (item.test.split("::") + [""])[:3]
    name = name or _class
    source = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"def {name}\(", source)
    assert name in DOCS.read_text(encoding="utf-8")


def test_no_point_is_missing():
    points = {item.point for item in BREAKS}
    assert points == {*map(str, range(1, 23)), "beyond", "sharing"}


def test_the_docs_name_tests_that_exist():
    """Every test that any page of the docs names."""
    for page in sorted((ROOT / "docs").glob("*.rst")):
        text = page.read_text(encoding="utf-8")
        for path, name in re.findall(r"(tests/test_\w+\.py)::(?:\w+::)?(\w+)", text):
            source = pathlib.Path(ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"(def|class) {name}\b", source), f"{page.name}: {name}"
