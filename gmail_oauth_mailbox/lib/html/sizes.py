"""Lengths that a text asks for on the screen, within what a screen has.

Sources: HTML standard, "Rules for parsing dimension values"; CSS Values and Units 4.
"""

import re
from functools import lru_cache

# Pixels. A picture may be as tall as a few pages, a gap may not.
MAX_SIZE = 5_000
MAX_GAP = 500
MAX_FONT = 200
MAX_PERCENT = 400
# Multiples of the font's size without a unit: line-height.
MAX_LINES = 20
# Columns or rows that a cell covers: more of them are laid out one by one.
MAX_SPAN = 200
# Of the entries of a list.
MAX_NUMBER = 1_000_000

ATTRIBUTES = {
    "border": MAX_GAP,
    "cellpadding": MAX_GAP,
    "cellspacing": MAX_GAP,
    "colspan": MAX_SPAN,
    "height": MAX_SIZE,
    "hspace": MAX_GAP,
    "rowspan": MAX_SPAN,
    "size": MAX_GAP,
    "span": MAX_SPAN,
    "start": MAX_NUMBER,
    "value": MAX_NUMBER,
    "vspace": MAX_GAP,
    "width": MAX_SIZE,
}
# Characters.
MAX_DIMENSION = 40
DIMENSION = re.compile(r"[+-]?(\d{1,15})(?:\.\d{0,15})?\s*(%?)")
# A radius of thousands of pixels is how a pill is drawn.
NO_LENGTHS = ("border-radius", "color", "font-family")
SIZES = ("height", "width", "min-height", "min-width", "max-height", "max-width")
# Pixels of a unit; those of a font are taken for 16.
UNITS = {
    "px": 1,
    "pt": 4 / 3,
    "pc": 16,
    "in": 96,
    "cm": 37.8,
    "mm": 3.78,
    "q": 0.945,
    "em": 16,
    "rem": 16,
    "ex": 8,
    "ch": 8,
    "lh": 24,
    "rlh": 24,
    "cap": 16,
    "ic": 16,
}
# Not of a colour such as #1e9999, nor of a name such as h1.
LENGTH = re.compile(
    r"(?<![\w#.-])[+-]?(\d+(?:\.\d*)?|\.\d+)(e[+-]?\d+)?(%|[a-z]*)", re.I
)


def attribute(name, value):
    """Return the value of a sizing attribute of HTML, or None for an absurd one.

    >>> attribute("width", "100%"), attribute("rowspan", "1000000000")
    ('100%', None)
    """
    if name not in ATTRIBUTES:
        return value
    return _dimension(name, value) if len(value) <= MAX_DIMENSION else None


# The same few stand in all mail.
@lru_cache(maxsize=4096)
def _dimension(name, value):
    most = ATTRIBUTES[name]
    match = DIMENSION.match(value.strip())
    if not match:
        # "large" and "2*" say nothing of pixels; a browser ignores what it can't read.
        return value if len(value) <= 20 and not value.strip().isdigit() else None
    number = int(match[1])
    if match[2]:
        most = MAX_PERCENT
    return value if number <= most else None


def is_sane(name, value):
    """Whether a declaration of a style stays within a page.

    :param name: of the property, in lower case

    >>> is_sane("height", "40px"), is_sane("padding-top", "1000000pt")
    (True, False)
    """
    if name in NO_LENGTHS or name.endswith("-color"):
        return True
    for number, exponent, unit in LENGTH.findall(value):
        if exponent or len(number) > 20:
            return False
        if not _is_sane_length(name, float(number), unit.lower()):
            return False
    return True


def _is_sane_length(name, number, unit):
    if unit == "%":
        return number <= MAX_PERCENT
    if not unit:
        return number <= (MAX_LINES if name == "line-height" else MAX_SIZE)
    pixels = number * UNITS.get(unit, 16)
    if name in SIZES:
        return pixels <= MAX_SIZE
    return pixels <= (MAX_FONT if name in ("font", "font-size") else MAX_GAP)
