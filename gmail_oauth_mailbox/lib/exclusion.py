"""Patterns of addresses whose mail stays out: an address, a domain, or stars."""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

from .domains import is_public_suffix
from .mime.addresses import address_key, ascii_domain, bare, unicode_domain

MOST_STARS = 4
# Letters that make a part with a star a name: newsletter@*.*, *@*shop.example
MIN_NAME = 4
MOST_LENGTH = 320  # RFC 5321: 64 + 1 + 255
DOMAIN = re.compile(r"[a-z0-9*-]+(\.[a-z0-9*-]+)+")
LOCAL = re.compile(r"[^\s@<>,;:\"()\\]+")


class PatternError(ValueError):
    """A pattern that cannot be used; ``code`` says why."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Pattern:
    """A pattern over whole addresses.

    One without a star names a mailbox, in all spellings of its address. One with stars
    is about the text of an address, in both spellings of its domain.

    :ivar text: an address in lower case in which ``*`` stands for any characters
    :ivar written: the same with the domain as its people write it
    """

    text: str
    written: str

    @property
    def is_exact(self):
        return "*" not in self.text

    @cached_property
    def key(self):
        """The key of the only address that is meant; see lib.mime.addresses."""
        return address_key(self.text)

    @property
    def likes(self):
        """The pattern as PostgreSQL's LIKE takes it, in each spelling."""
        return [re.sub(r"([\\%_])", r"\\\1", x).replace("*", "%") for x in self._texts]

    def matches(self, address):
        """Whether an address is meant; in linear time."""
        if self.is_exact:
            return address_key(address) == self.key
        spelled = {address.lower(), address_key(address), address_key(address, False)}
        return any(_matches(text, one) for text in self._texts for one in spelled)

    @property
    def _texts(self):
        return list({self.text, self.written})


def parse_pattern(written):
    """Return the pattern that a user wrote.

    :raises PatternError: ``empty``, ``wrong``, ``all`` (it would match everyone, or
        everyone below a public suffix)

    >>> parse_pattern("Newsletter@Shop.test").text, parse_pattern("@shop.test").text
    ('newsletter@shop.test', '*@shop.test')
    >>> parse_pattern("shop.test").matches("a@shop.test")
    True
    >>> parse_pattern("*@*.shop.test").matches("a@mail.shop.test")
    True
    """
    pattern = stored_pattern(written)
    local, _at, domain = pattern.text.rpartition("@")
    is_named = len(re.sub(r"\W", "", local)) >= MIN_NAME
    if not is_named and not _is_narrow(domain):
        raise PatternError("all")
    return pattern


@lru_cache(maxsize=1024)
def stored_pattern(written):
    """Return a pattern that was accepted once, whatever would be said of it today.

    :raises PatternError: ``empty``, ``wrong``
    """
    if len(written or "") > MOST_LENGTH:
        raise PatternError("wrong")
    written = bare(written).lower()
    if not written:
        raise PatternError("empty")
    local, at, domain = written.rpartition("@")
    if not at or not local:
        local = "*"
    name = ascii_domain(domain)
    is_mixed = any("*" in x and not x.isascii() for x in domain.split("."))
    if is_mixed or not LOCAL.fullmatch(local) or not DOMAIN.fullmatch(name):
        raise PatternError("wrong")
    text, spelled = (
        re.sub(r"\*+", "*", f"{local}@{x}") for x in (name, unicode_domain(name))
    )
    if max(len(text), len(spelled)) > MOST_LENGTH or text.count("*") > MOST_STARS:
        raise PatternError("wrong")
    return Pattern(text, spelled)


def _is_narrow(domain):
    """Whether a pattern of domains leaves out most of what is below a public suffix.

    A label without a star names something, unless it belongs to a public suffix; one
    with a star does by its letters.
    """
    if "*" not in domain:
        return True
    labels = domain.split(".")
    if "*" in labels[-1]:
        # It may be any top-level domain.
        labels, suffix = labels[:-1], ""
    else:
        suffix = labels.pop()
        while labels and "*" not in labels[-1]:
            name = f"{labels[-1]}.{suffix}"
            if not is_public_suffix(name):
                return True
            suffix = name
            labels.pop()
    if labels and "*" in labels[-1] and suffix:
        # *co.uk means *.co.uk too.
        end = labels[-1].rpartition("*")[2]
        if end and is_public_suffix(f"{end}.{suffix}"):
            labels.pop()
    return any(
        "*" not in label or len(re.sub(r"\W", "", label)) >= MIN_NAME
        for label in labels
    )


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
