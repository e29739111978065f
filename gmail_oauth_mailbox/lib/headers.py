"""Headers of mail, broken ones too: text, addresses, ids.

Sources: RFC 5322 (addresses, Message-ID), RFC 2047 and 2231 (encoded words).
"""

import base64
import binascii
import re
from functools import lru_cache

from .types import Address

MAX_HEADER = 100_000
MAX_ADDRESSES = 2_000
# Bytes of one Message-ID; PostgreSQL's index takes 2,704.
MAX_ID = 1_000
ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
WORDS_APART = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
FOLD = re.compile(r"[\r\n\t]+[ \t]*|\x00")
MESSAGE_ID = re.compile(r"<[^<>]{1,900}>")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]")


def text_of(value):
    """Return ``value`` when it is text, without lone surrogates, else ""."""
    if not isinstance(value, str):
        return ""
    if not value.isascii() and SURROGATE.search(value):
        # Bytes that a parser kept as surrogates: they are the sender's raw text.
        try:
            value = decode_bytes(value.encode("utf-8", "surrogateescape"), "")
        except UnicodeEncodeError:
            value = SURROGATE.sub("\ufffd", value)
    return value


def decode_header(value):
    """Return a header's text: unfolded, encoded words read (RFC 2047), never failing.

    Gmail mostly decodes headers itself, but not broken ones.

    >>> decode_header("=?utf-8?q?caf=C3=A9?= =?iso-8859-1?Q?_=FC?=")
    'café ü'
    """
    value = text_of(value)[:MAX_HEADER]
    if value.isprintable() and "=?" not in value:
        return value.strip()
    value = FOLD.sub(" ", value)
    if "=?" in value:
        value = ENCODED_WORD.sub(_decode_word, WORDS_APART.sub(r"\1", value))
        # An encoded word may hold line ends.
        value = FOLD.sub(" ", value)
    return CONTROL.sub("", value).strip()


def _decode_word(match):
    charset, encoding, content = match.groups()
    raw = content.encode("utf-8", "replace")
    try:
        if encoding in "bB":
            raw = base64.b64decode(raw + b"=" * (-len(raw) % 4))
        else:
            raw = binascii.a2b_qp(raw.replace(b"_", b"=20"), header=False)
    except (binascii.Error, ValueError):
        return match[0]
    # RFC 2231, 5: a language may follow the charset.
    return decode_bytes(raw, charset.partition("*")[0])


STATEFUL = ("iso-2022", "iso2022", "hz", "utf-7", "utf7", "utf-16", "utf-32", "utf16")
ALIASES = {
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "ks_c_5601-1987": "cp949",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "us-ascii": "cp1252",
    "ascii": "cp1252",
    "iso-8859-8-i": "iso-8859-8",
    "x-unknown": "cp1252",
    "unicode-1-1-utf-7": "utf-7",
}


def decode_bytes(raw, charset):
    """Return bytes as text.

    UTF-8 goes first whatever the part declares: Gmail hands out text in UTF-8 while
    the part's header keeps the original charset. Charsets that shift with escapes
    look like ASCII and are therefore read as declared.
    """
    charset = charset.strip(" \"'\t").lower()
    charset = ALIASES.get(charset, charset)
    stateful = charset.startswith(STATEFUL)
    if charset.startswith(("utf-16", "utf-32", "utf16", "utf32")):
        # In those, even plain letters come with a NUL.
        stateful = b"\0" in raw
    if stateful and (b"\x1b" in raw or b"~{" in raw or not charset.startswith("iso")):
        candidates = (charset, "utf-8")
    else:
        candidates = ("utf-8", charset)
    for candidate in candidates:
        try:
            return raw.decode(candidate)
        except (LookupError, ValueError, UnicodeError):
            continue
    return _decode_as_much(raw, charset)


def _decode_as_much(raw, charset):
    """Return text of bytes that fit neither UTF-8 nor their charset exactly."""
    for candidate in (charset, "cp1252"):
        try:
            text = raw.decode(candidate, "replace")
        except (LookupError, ValueError, UnicodeError):
            continue
        if text.count("\ufffd") * 10 <= len(text) + 10:
            return text
    return raw.decode("latin-1")


TOKEN = re.compile(
    r"""
    (?P<quoted>"(?:[^"\\]|\\.)*"?)
  | (?P<comment>\()
  | <(?P<angle>[^<>,;"]*|[^<>]*)>
  | (?P<mark>[,;:<>])
  | (?P<word>[^",;:<>(]+)
    """,
    re.X | re.S,
)
NOT_ADDRESS = re.compile(r"[\s<>()\[\],;:\"]+")


def parse_addresses(value):
    """Return the Address objects of a header such as To, in order.

    Groups are dissolved, comments become names when there is none, and what holds
    no address is left out. Broken headers give what can be read of them.

    >>> parse_addresses('Ann <a@x.org>, team: b@x.org, "C, D" <c@x.org>;')[2].name
    'C, D'
    """
    value = text_of(value)[:MAX_HEADER]
    return _addresses(value) if len(value) < 200 else _AddressReader(value).entries()


# Mail comes from the same people, and to the same owner.
@lru_cache(maxsize=2048)
def _addresses(value):
    return _AddressReader(value).entries()


class _AddressReader:
    """Reads the tokens of an address header, one pass, whatever they are."""

    def __init__(self, value):
        self._value = FOLD.sub(" ", value)
        self._found = []
        # A name without an address that a comma ended, as in "Doe, John <j@x.org>".
        self._carried = ""
        self._clear()

    def _clear(self):
        self._words, self._comments, self._angle = [], [], None

    def entries(self):
        value, position = self._value, 0
        while position < len(value) and len(self._found) < MAX_ADDRESSES:
            match = TOKEN.match(value, position)
            if match is None:
                position += 1
                continue
            position = match.end()
            kind = match.lastgroup
            if kind == "quoted":
                self._words.append(_unquote(match[0]))
            elif kind == "word":
                self._words.append(match[0])
            elif kind == "comment":
                comment, position = _comment(value, position)
                self._comments.append(comment)
            elif kind == "angle":
                if self._angle is not None:
                    self._finish()
                self._angle = match["angle"]
            else:
                self._mark(match[0])
        self._finish()
        return tuple(self._found)

    def _mark(self, mark):
        if mark == ":":
            if self._angle is None and not any("@" in word for word in self._words):
                # The name of a group ends.
                self._clear()
                self._carried = ""
            else:
                self._words.append(":")
        elif mark in ",;":
            self._finish()
            if mark == ";":
                self._carried = ""

    def _finish(self):
        """End one entry."""
        name, address = _name(self._words), self._angle
        if address is None:
            words = NOT_ADDRESS.split(name)
            address = next((w for w in words if "@" in w.strip("@")), None)
            if address:
                name = " ".join(name.replace(address, " ", 1).split()).strip(" '\"<>")
        address = _bare(address or "")
        if "@" in address:
            if self._carried and name:
                name = f"{self._carried}, {name}"
            name = name or _name(self._comments)
            self._found.append(Address(name[:500], address[:320]))
            self._carried = ""
        else:
            self._carried = name if self._angle is None else ""
        self._clear()


def _name(words):
    return decode_header(" ".join(w.strip() for w in words if w.strip())).strip(" '")


def _unquote(quoted):
    content = quoted[1:-1] if len(quoted) > 1 and quoted.endswith('"') else quoted[1:]
    return re.sub(r"\\(.)", r"\1", content)


def _comment(value, position):
    """Return the comment that begins at ``position`` and where it ends."""
    depth, start = 1, position
    while position < len(value):
        character = value[position]
        if character == "\\":
            position += 1
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return value[start:position], position + 1
        position += 1
    return value[start:], position


def _bare(address):
    """Return an address without blanks, source route and remains of mailto."""
    address = re.sub(r"\s+", "", decode_header(address)).strip("'\"")
    if address.startswith("@") and ":" in address:
        address = address.rpartition(":")[2]
    return address.removeprefix("mailto:").removeprefix("MAILTO:")


def message_ids(value):
    if not value:
        return ()
    value = FOLD.sub(" ", text_of(value)[:MAX_HEADER])
    ids = MESSAGE_ID.findall(value)
    if not ids:
        ids = [word for word in value.split() if "@" in word]
    return tuple(dict.fromkeys(_cut(re.sub(r"\s+", "", item), MAX_ID) for item in ids))


def _cut(text, size):
    """Return as much of ``text`` as fits into ``size`` bytes of UTF-8."""
    return text.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")


END_OF_WORD = re.compile(r"[\s;(]")


@lru_cache(maxsize=64)
def _parameter(name):
    return re.compile(rf"(?:^|[;\s]){name}\s*=\s*(\"[^\"]*\"|[^\s;]+)", re.I)


class Headers:
    """The headers of a part, looked up without regard to case, first one first."""

    def __init__(self, part):
        self._values = {}
        headers = part.get("headers")
        for header in headers if isinstance(headers, list) else ():
            if isinstance(header, dict):
                name = text_of(header.get("name")).strip().lower()
                self._values.setdefault(name, []).append(text_of(header.get("value")))

    def raw(self, name):
        values = self._values.get(name)
        return values[0] if values else ""

    def text(self, name):
        return decode_header(self.raw(name))

    def all(self, name):
        return self._values.get(name, [])

    def word(self, name):
        """Return the first word of a structured header, in lower case."""
        return END_OF_WORD.split(self.text(name).lower(), maxsplit=1)[0]

    def parameter(self, name, parameter):
        match = _parameter(parameter).search(self.raw(name))
        return match[1].strip('"') if match else ""
