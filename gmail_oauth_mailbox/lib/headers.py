"""Headers of mail, broken ones too: text, addresses, ids.

Sources: RFC 5322 (addresses, Message-ID), RFC 2047 and 2231 (encoded words).
"""

import base64
import binascii
import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from .mime import charsets
from .types import Address

MAX_HEADER = 100_000
# Of one whose parameters are worth remembering.
MAX_USUAL_HEADER = 200
MAX_ADDRESSES = 2_000
# Names, marks, comments: what a header is made of.
MAX_TOKENS = 20_000
# Bytes of one Message-ID; PostgreSQL's index takes 2,704.
MAX_ID = 1_000
MAX_NAME = 500
MAX_ADDRESS = 320
# The text of an encoded word may hold a "?", which RFC 2047 forbids and some write.
START = r"=\?([^?\s]{1,60})\?([bBqQ])\?"
ENCODED_WORD = re.compile(
    rf"{START}((?:(?!=\?[^?\s]{{1,60}}\?[bBqQ]\?)[^?]|\?(?!=))*)\?="
)
NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
FOLD = re.compile(r"[\r\n\t]+[ \t]*|\x00")
MESSAGE_ID = re.compile(r"<[^<>]{1,900}>")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SURROGATE = re.compile("[\ud800-\udfff]+")


def text_of(value):
    """Return ``value`` when it is text, without lone surrogates, else ""."""
    if not isinstance(value, str):
        return ""
    if not value.isascii() and SURROGATE.search(value):
        # Bytes that a parser kept as surrogates: they are the sender's raw text.
        try:
            value = charsets.decode(value.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            value = SURROGATE.sub("\ufffd", value)
    return value


def decode_header(value):
    """Return a header's text: unfolded, encoded words read (RFC 2047), what turns its
    direction closed. Never fails.

    Gmail mostly decodes headers itself, but not broken ones.

    >>> decode_header("=?utf-8?q?caf=C3=A9?= =?iso-8859-1?Q?_=FC?=")
    'café ü'
    """
    value = value[:MAX_HEADER] if isinstance(value, str) else ""
    if value.isprintable() and "=?" not in value:
        return value.strip()
    if "=?" in value:
        value = _decode_words(FOLD.sub(" ", value))
    value = FOLD.sub(" ", text_of(value))
    return balanced(CONTROL.sub("", value)).strip()


def _decode_words(value):
    """Return a header with its encoded words read. Neighbours of one charset are one
    text: some programs cut a letter, or a shift of the charset, in two."""
    pieces, run, position = [], [], 0
    for match in ENCODED_WORD.finditer(value):
        between = value[position : match.start()]
        # RFC 2231, 5: a language may follow the charset.
        charset = match[1].partition("*")[0].lower()
        if between.strip() or not run or run[0][0] != charset:
            pieces.append(_decode_run(run))
            pieces.append(between if between.strip() or not run else "")
            run = []
        run.append((charset, match[2].lower(), match[3], match[0]))
        position = match.end()
    return "".join((*pieces, _decode_run(run), value[position:]))


def _decode_run(run):
    """Return the text of neighbouring encoded words of one charset."""
    if not run:
        return ""
    charset = run[0][0]
    raws = [_bytes_of(encoding, content) for _c, encoding, content, _w in run]
    if any(
        encoding == "b" and len(content.rstrip("= ")) % 4 == 1
        for _c, encoding, content, _w in run
    ):
        # The base64 itself was cut, not the text.
        raws = [_bytes_of("b", "".join(content for _c, _e, content, _w in run))]
    if any(raw is None for raw in raws):
        return "".join(
            word if raw is None else charsets.decode(raw, charset)
            for raw, (_c, _e, _t, word) in zip(raws, run, strict=False)
        )
    whole = b"".join(raws)
    if charsets.is_of(whole, charset):
        return charsets.decode(whole, charset)
    return "".join(charsets.decode(raw, charset) for raw in raws)


def _bytes_of(encoding, content):
    """Return the bytes of an encoded word, or None. Bytes above 127 in it are raw
    ones of its charset, which a parser may have kept as signs of as many."""
    if encoding == "q" and not content.isascii() and max(content) <= "\xff":
        raw = content.encode("latin-1")
    else:
        raw = content.encode(
            "utf-8", "surrogateescape" if _is_raw(content) else "replace"
        )
    try:
        if encoding == "b":
            return b"".join(map(_of_base64, raw.split(b"=")))
        return binascii.a2b_qp(raw.replace(b"_", b"=20"), header=False)
    except (binascii.Error, ValueError):
        return None


def _of_base64(raw):
    raw = NOT_BASE64.sub(b"", raw)
    return base64.b64decode(raw[: len(raw) - (len(raw) % 4 == 1)] + b"==")


def _is_raw(content):
    """Whether all surrogates of a text stand for bytes (PEP 383)."""
    return all("\udc80" <= c <= "\udcff" for c in content if "\ud800" <= c <= "\udfff")


# -- direction ----------------------------------------------------------

# Unicode Standard Annex 9: embeddings and isolates have an end, overrides turn letters
# that have a direction of their own.
EMBEDDED, ISOLATED = "\u202a\u202b", "\u2066\u2067\u2068"
POP_EMBEDDED, POP_ISOLATED = "\u202c", "\u2069"
OVERRIDE = re.compile("[\u202d\u202e]")
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")


def balanced(text):
    """Return a text whose marks of direction all end within it, without those that
    write letters backwards.

    >>> balanced("a\u202ecod.exe"), balanced("\u2067b") == "\u2067b\u2069"
    ('acod.exe', True)
    """
    if text.isascii() or not DIRECTION.search(text):
        return text
    opened, kept = [], []
    for character in OVERRIDE.sub("", text):
        if character in EMBEDDED:
            opened.append(POP_EMBEDDED)
        elif character in ISOLATED:
            opened.append(POP_ISOLATED)
        elif character in (POP_EMBEDDED, POP_ISOLATED):
            if not opened or opened[-1] != character:
                continue
            opened.pop()
        kept.append(character)
    return "".join((*kept, *reversed(opened)))


# -- addresses ----------------------------------------------------------

QUOTED = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(
    rf"""
    (?P<quoted>{QUOTED})
  | (?P<comment>\()
  | <(?P<angle>(?:{QUOTED}|[^<>",;])*)>
  | (?P<mark>[,;:<>])
  | (?P<word>[^",;:<>(]+)
    """,
    re.X | re.S,
)
# RFC 5322, 3.4.1: a quoted string or an atom, "@", an atom or a literal.
PIECE = re.compile(
    rf"""(?P<quoted>{QUOTED})|(?P<literal>\[[^\[\]\\\s]{{1,100}}\])
    |(?P<atom>[^\s"(),:;<>@\[\]\\]+)|(?P<at>@)|(?P<blank>\s+)|(?P<other>.)""",
    re.X | re.S,
)
ATOM = re.compile(r"[^\s\"(),:;<>@\[\]\\]+")
ROUTE = re.compile(r"\s*@[^:<>\"]*:")
AROUND_DOT = re.compile(r"\s{0,9}([.@])\s{0,9}")
MAILTO = re.compile(r"\s*mailto:", re.I)


def parse_addresses(value):
    """Return the Address objects of a header such as To, in order.

    Groups are dissolved, comments become names when there is none, and what holds
    no address is left out. Broken headers give what can be read of them, but never an
    address out of a name: its domain is what follows the last "@" that isn't quoted.

    >>> parse_addresses('Ann <a@x.org>, team: b@x.org, "C, D" <c@x.org>;')[2].name
    'C, D'
    >>> parse_addresses('"boss@x.org" <eve@y.org>, "boss@x.org"')
    (Address(name='boss@x.org', address='eve@y.org'),)
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
        # After a quote without an end, quotes mean nothing.
        if not _quotes_end(self._value):
            self._value = self._value.replace('"', " ")
        self._found = []
        # A name without an address that a comma ended, as in "Doe, John <j@x.org>".
        self._carried = ""
        self._clear()

    def _clear(self):
        # Pieces of text as written, quoted strings with their quotes.
        self._pieces, self._comments, self._angle = [], [], None
        self._is_over = False

    def entries(self):
        value, position, left = self._value, 0, MAX_TOKENS
        while position < len(value) and len(self._found) < MAX_ADDRESSES and left:
            left -= 1
            match = TOKEN.match(value, position)
            if match is None:
                position += 1
                continue
            position = match.end()
            kind = match.lastgroup
            if kind == "comment":
                comment, position = _comment(value, position)
                self._comments.append(comment)
            elif kind == "angle":
                self._take_angle(match)
            elif kind == "mark":
                self._mark(match[0])
            else:
                self._pieces.append(match[0])
                if kind == "word" and self._angle is not None and "@" in match[0]:
                    # "<a@x.org>@y.org" is no address of x.org.
                    self._is_over = True
        self._finish()
        return tuple(self._found)

    def _take_angle(self, match):
        """Of several in one entry the last one is the address."""
        if self._angle:
            self._pieces.append(f" {self._angle} ")
        self._angle, self._is_over = match["angle"], False

    def _mark(self, mark):
        if mark == ":":
            if self._angle is None and not any("@" in piece for piece in self._pieces):
                # The name of a group ends.
                self._clear()
                self._carried = ""
            else:
                self._pieces.append(":")
        elif mark in ",;":
            self._finish()
            if mark == ";":
                self._carried = ""
        else:
            self._pieces.append(" ")

    def _finish(self):
        """End one entry."""
        source = "".join(self._pieces)
        if self._angle is None:
            address, source = _last_address(source)
        else:
            address = "" if self._is_over else _only_address(self._angle)
        name = _name(source)
        if address:
            if self._carried and name:
                name = f"{self._carried}, {name}"
            name = name or _name(" ".join(self._comments))
            self._found.append(Address(name[:MAX_NAME], address[:MAX_ADDRESS]))
            self._carried = ""
        else:
            self._carried = name if self._angle is None else ""
        self._clear()


def name_of(value):
    """Return what a header without an address says of its sender.

    >>> name_of("root (Cron Daemon)")
    'root (Cron Daemon)'
    """
    return " ".join(decode_header(value).replace('"', " ").split())[:MAX_NAME]


def _quotes_end(value):
    """Whether each quoted string has an end (RFC 5322, 3.2.4)."""
    quoted = escaped = False
    if '"' in value:
        for character in value:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = quoted
            elif character == '"':
                quoted = not quoted
    return not quoted


def _only_address(text):
    """Return the address that a text is, or "" when it is none."""
    for prefix in (ROUTE, MAILTO):
        if match := prefix.match(text):
            text = text[match.end() :]
    if '"' not in text:
        text = AROUND_DOT.sub(r"\1", text)
    address, rest = _last_address(text.strip(" '"))
    return "" if rest.strip() else address


def _last_address(text):
    """Return (the address that the last unquoted "@" of a text belongs to, or "";
    the text without it)."""
    pieces = [match for match in PIECE.finditer(text) if match.lastgroup != "blank"]
    place = max(
        (n for n, piece in enumerate(pieces) if piece.lastgroup == "at"), default=0
    )
    if not 0 < place < len(pieces) - 1:
        return "", text
    before, after = pieces[place - 1], pieces[place + 1]
    if before.lastgroup not in ("quoted", "atom"):
        return "", text
    if after.lastgroup not in ("atom", "literal"):
        return "", text
    if place > 1 and pieces[place - 2].lastgroup == "at":
        # "a@b@c" is no address, of whatever reading.
        return "", text
    local, domain = before[0], after[0]
    if local.startswith('"'):
        bare = _unquote(local)
        local = bare if ATOM.fullmatch(bare) else local
    elif local.startswith("'") and domain.endswith("'"):
        local, domain = local[1:], domain[:-1]
    if not (local and domain):
        return "", text
    rest = f"{text[: before.start()]} {text[after.end() :]}"
    return f"{local}@{domain}", rest.strip(" '<>")


def _name(text):
    text = re.sub(QUOTED, lambda match: f" {_unquote(match[0])} ", text, flags=re.S)
    return " ".join(decode_header(text).split()).strip(" '")


def _unquote(quoted):
    return re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.S)


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

# A value is read whole, so that nothing in it is taken for another parameter.
PARAMETER = re.compile(
    rf"(?:^|[;\s])([^\s;=\"]{{1,60}})\s*=\s*({QUOTED}|[^\s;]+)", re.S
)
# Of these alone: some programs write the backslashes of folders as they are.
QUOTED_PAIR = re.compile(r"\\([\"\\])")
# RFC 2231, 3 and 4: "name*0*=utf-8'en'a%20b"; number and last "*" are optional.
PIECE_OF = re.compile(
    r"(?:^|[;\s])([\w-]{1,40})\*(?:(\d{1,4})(\*)?)?\s*=\s*(\"[^\"]*\"|[^\s;]+)"
)


def _continued(raw, parameter):
    """Return a parameter that is written in pieces, or with a charset, or ""."""
    if "*" not in raw:
        return ""
    pieces, charset = {}, ""
    for name, number, star, value in PIECE_OF.findall(raw):
        if name.lower() != parameter:
            continue
        value = value.strip('"')
        is_first, is_encoded = int(number or 0) == 0, bool(star or not number)
        if is_first and is_encoded and value.count("'") >= 2:
            charset, _language, value = value.split("'", 2)
        pieces.setdefault(
            int(number or 0),
            unquote_to_bytes(value) if is_encoded else value.encode("utf-8", "replace"),
        )
    return charsets.decode(b"".join(pieces[n] for n in sorted(pieces)), charset)


def _parameter(raw, parameter):
    if found := _continued(raw, parameter):
        # The plain one beside it is for programs that can't read this.
        return found
    for match in PARAMETER.finditer(raw):
        if match[1].lower() == parameter:
            value = match[2]
            is_quoted = len(value) > 1 and value[0] == value[-1] == '"'
            value = value[1:-1] if is_quoted else value.strip('"')
            return QUOTED_PAIR.sub(r"\1", value)
    return ""


# Most parts of most email say one of few things.
_usual_parameter = lru_cache(maxsize=1024)(_parameter)


class Headers:
    """The headers of a part, looked up without regard to case, first one first."""

    def __init__(self, part):
        self._values = {}
        headers = part.get("headers")
        for header in headers if isinstance(headers, list) else ():
            if not isinstance(header, dict):
                continue
            name = text_of(header.get("name")).strip().lower()
            value = text_of(header.get("value"))
            if name in self._values:
                self._values[name].append(value)
            else:
                self._values[name] = [value]

    def raw(self, name):
        values = self._values.get(name)
        return values[0] if values else ""

    def text(self, name):
        raw = self.raw(name)
        return decode_header(raw) if raw else ""

    def all(self, name):
        return self._values.get(name, [])

    def among(self, names):
        """Return those of a set of names that are there."""
        return self._values.keys() & names

    def word(self, name):
        """Return the first word of a structured header, in lower case."""
        text = self.text(name)
        return END_OF_WORD.split(text.lower(), maxsplit=1)[0] if text else ""

    def parameter(self, name, parameter):
        """Return a parameter of a structured header (RFC 2045), or "". One in pieces,
        or with a charset of its own, is put together (RFC 2231)."""
        raw = self.raw(name)[:MAX_HEADER]
        if "=" not in raw:
            return ""
        if len(raw) <= MAX_USUAL_HEADER:
            return _usual_parameter(raw, parameter)
        return _parameter(raw, parameter)
