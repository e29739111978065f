"""Patterns of addresses whose mail stays out: an address, a domain, or stars."""

import re
from dataclasses import dataclass

from .domains import to_ascii

MOST_STARS = 4
# Letters of a name without a domain, such as newsletter@*.*
MOST_GENERAL = 4
MOST_LENGTH = 320  # RFC 5321: 64 + 1 + 255
DOMAIN = re.compile(r"[a-z0-9*-]+(\.[a-z0-9*-]+)+")
LOCAL = re.compile(r"[^\s@<>,;:\"()\\]+")


class PatternError(ValueError):
    """A pattern that cannot be used; ``code`` says why."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern over whole addresses in lower case.

    :ivar text: an address in which ``*`` stands for any characters
    :ivar written: the same with the domain as its people write it
    """

    text: str
    written: str

    @property
    def is_exact(self):
        return "*" not in self.text

    @property
    def texts(self):
        return list({self.text, self.written})

    @property
    def likes(self):
        """The pattern as PostgreSQL's LIKE takes it, in each spelling."""
        return [
            re.sub(r"([\\%_])", r"\\\1", text).replace("*", "%") for text in self.texts
        ]

    def matches(self, address):
        """Whether an address in lower case is meant; in linear time."""
        return any(_matches(text, address) for text in self.texts)


def parse_pattern(written):
    """Return the pattern that somebody wrote.

    :raises PatternError: ``empty``, ``wrong``, ``all`` (it would match everybody)

    >>> parse_pattern("Newsletter@Shop.test").text, parse_pattern("@shop.test").text
    ('newsletter@shop.test', '*@shop.test')
    >>> parse_pattern("shop.test").matches("a@shop.test")
    True
    >>> parse_pattern("*@*.shop.test").matches("a@mail.shop.test")
    True
    """
    written = (written or "").strip().lower()
    if not written:
        raise PatternError("empty")
    local, at, domain = written.rpartition("@")
    if not at or not local:
        local = "*"
    ascii_domain = to_ascii(domain)
    if not LOCAL.fullmatch(local) or not DOMAIN.fullmatch(ascii_domain):
        raise PatternError("wrong")
    text, spelled = (
        re.sub(r"\*+", "*", f"{local}@{name}") for name in (ascii_domain, domain)
    )
    if max(len(text), len(spelled)) > MOST_LENGTH or text.count("*") > MOST_STARS:
        raise PatternError("wrong")
    # The top-level domain alone is half of the world.
    name, words = ascii_domain.rpartition(".")[0], re.sub(r"\W", "", local)
    if not re.search(r"[a-z0-9]", name) and len(words) < MOST_GENERAL:
        raise PatternError("all")
    return Pattern(text, spelled)


def _matches(text, address):
    first, *rest = text.split("*")
    if not rest:
        return address == text
    *middle, last = rest
    place, end = len(first), len(address) - len(last)
    if not (address.startswith(first) and address.endswith(last)) or place > end:
        return False
    for piece in middle:
        found = address.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True
