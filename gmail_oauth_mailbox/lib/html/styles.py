"""Styles of strangers: which declarations of CSS are harmless.

Nothing loads, acts, or takes an element out of its place on the page.
"""

import re
from functools import lru_cache

from . import sizes

# Characters of one style.
MAX_STYLE = 8_000
STYLES = frozenset(
    "background background-color border border-bottom border-bottom-color"
    " border-bottom-style border-bottom-width border-collapse border-color"
    " border-left border-left-color border-left-style border-left-width"
    " border-radius border-right border-right-color border-right-style"
    " border-right-width border-spacing border-style border-top border-top-color"
    " border-top-style border-top-width border-width box-sizing caption-side clear"
    " color direction display empty-cells float font font-family font-size"
    " font-style font-variant font-weight height letter-spacing line-height"
    " list-style list-style-position list-style-type margin margin-bottom"
    " margin-left margin-right margin-top max-height max-width min-height min-width"
    " overflow overflow-wrap padding padding-bottom padding-left padding-right"
    " padding-top table-layout text-align text-decoration text-decoration-color"
    " text-decoration-line text-decoration-style text-indent text-overflow"
    " text-transform vertical-align visibility white-space width word-break"
    " word-spacing word-wrap".split()
)
STYLE_FUNCTIONS = frozenset({"rgb", "rgba", "hsl", "hsla"})
STYLE_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.S)
STYLE_CALL = re.compile(r"([\w-]*)\s*\(")
STYLE_VALUE = re.compile(r"[\w\s#%.,()+/'\"!-]{1,400}")
# The frame is as tall as its content: sizes of the window would grow without end.
OF_THE_WINDOW = re.compile(r"\d(?:[dsl]?v(?:h|b|min|max))\b", re.I)
NEGATIVE = re.compile(r"(?:^|[\s,(])-\s*[\d.]")
MAY_NOT_BE_NEGATIVE = ("margin", "text-indent", "letter-spacing", "word-spacing")


def clean_style(style):
    """Return the declarations of ``style`` that are harmless, or None.

    No url(), no escape, no function but colours, nothing that takes an element out
    of its place on the page.
    """
    if "/*" in style:
        style = STYLE_COMMENT.sub("", style)
    kept = filter(None, map(clean_declaration, style.split(";")))
    return "; ".join(kept) or None


# Styles differ from mail to mail, their declarations hardly do.
@lru_cache(maxsize=4096)
def clean_declaration(declaration):
    """Return one declaration when it is harmless, else None."""
    name, _colon, value = declaration.partition(":")
    name, value = name.strip().lower(), value.strip()
    if name not in STYLES or not STYLE_VALUE.fullmatch(value):
        return None
    if OF_THE_WINDOW.search(value):
        return None
    if any(f.lower() not in STYLE_FUNCTIONS for f in STYLE_CALL.findall(value)):
        return None
    if name.startswith(MAY_NOT_BE_NEGATIVE) and NEGATIVE.search(value):
        return None
    if not sizes.is_sane(name, value):
        return None
    return f"{name}: {value}"
