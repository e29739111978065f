"""HTML made to keep a parser busy: found before it is parsed.

nh3 parses with html5ever, which takes time quadratic in these (measured with 0.3.8):

* "&" and the characters U+0080 to U+00BF (the no-break space, the soft hyphen, the
  middle dot) within one text or one value of an attribute, when the result is written:
  the time is their number times its length. ``Sealed`` takes them out.
* elements that are open at the same time, attributes of one element, formatting that is
  opened again in each block;
* what stands in a table but in none of its cells: it is moved before the table, which
  is searched for among all its siblings each time (HTML standard, "foster parenting");
* attributes of repeated ``<html>`` tags: they are joined.
"""

import html as html_lib
import re

# Characters of a text, its embedded images included; Gmail itself clips at 102 KB.
MAX_HTML = 2_000_000
MAX_IMAGE = 350_000
# What html5ever takes quadratic time for is beyond any mail a person or a mail
# program writes; such mail is shown as text.
MAX_TAGS = 250_000
MAX_DEPTH = 2_000
MAX_ATTRIBUTES = 500
MAX_NAME = 100
MAX_FORMATTING_WORK = 3_000_000
# Elements that may be nested, times tags: about a second.
MAX_NESTING_WORK = 1_000_000_000
# What is moved out of a table, times tags: about a tenth of a second.
MAX_MOVING_WORK = 300_000_000
# References and characters of ``SLOW``, times characters: about a tenth of a second.
MAX_REFERENCE_WORK = 4_000_000_000
# Characters; less takes a tenth of a second whatever it is.
CHECK_FROM = 40_000

EMBEDDED = re.compile(r"data:[\w/+.-]{1,60};base64,[A-Za-z0-9+/=\s]*", re.I)
BLANKS = re.compile(r"[\s\x00-\x1f]+")
TAG_START = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,30})|<!--")
COMMENT_END = re.compile(r"--!?>")
# HTML's blanks are fewer than those of ``\s``: the others belong to names and values.
TAG_NAME = re.compile(rf"</?(?=([a-zA-Z][^ \t\n\f\r/>]{{0,{MAX_NAME}}}))")
ATTRIBUTE = re.compile(
    r"[ \t\n\f\r/]*([^ \t\n\f\r/>][^ \t\n\f\r/>=]*)?[ \t\n\f\r]*(=?)[ \t\n\f\r]*"
)
UNQUOTED = re.compile(r"[^ \t\n\f\r>]*")
# Of ``<html>``, only the attributes act on what is parsed as a fragment. ``link`` is
# dropped wherever it stands, and has no end.
HTML_TAG = re.compile(r"<html(?=[ \t\n\f\r/])", re.I)
# Elements without an end, or whose end may be left out.
NOT_NESTED = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li dt dd"
    " td th tr tbody thead tfoot option optgroup colgroup".split()
)
FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
TABLE = frozenset("table tbody thead tfoot tr colgroup col".split())
CELL = frozenset("td th caption".split())
# Within these, tags are no tags, or do something else: where a cell begins and ends is
# in doubt from there on.
DOUBTFUL = frozenset(
    "frameset iframe math noembed noframes noscript plaintext script select style svg"
    " template textarea title xmp".split()
)
# So few tags are neither deep nor much work, wherever they stand.
FEW_TAGS = min(MAX_DEPTH, int(MAX_FORMATTING_WORK**0.5))
# What may begin a tag, but none whose end and number of attributes (100 at most) are
# beyond doubt.
REST_OF_TAG = r"""
    (?![a-zA-Z0-9:_-]*
        (?:[ \t\n\f\r]+[^\s/>="'<]+
            (?:=(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=`]+))?){0,100}
        [ \t\n\f\r]*/?>)
    """
UNUSUAL_TAG = re.compile(rf"</?[a-zA-Z]{REST_OF_TAG}", re.X)
# The same, and whatever else is no tag but begins like one.
ODD = re.compile(rf"<(?:(?!/?[a-zA-Z])|/?[a-zA-Z]{REST_OF_TAG})", re.X)


def parsable(html):
    """Return ``html`` (str or None) without NUL and halves of surrogate pairs."""
    html = str(html or "").replace("\x00", "")
    try:
        html.encode()
    except UnicodeEncodeError:
        return html.encode("utf-8", "replace").decode()
    return html


def bounded(html):
    """Return ``html`` (str or None) as parsers take it, at most MAX_HTML characters.

    Embedded images make room for the text: the largest go, then those that do not fit
    beside it.
    """
    html = parsable(html)
    if len(html) > MAX_HTML:
        room = MAX_HTML - len(EMBEDDED.sub("", html))

        def keep(match):
            nonlocal room
            size = len(match[0])
            if size > min(MAX_IMAGE, room):
                return ""
            room -= size
            return match[0]

        html = EMBEDDED.sub(keep, html)[:MAX_HTML]
    if len(html) >= CHECK_FROM:
        html = HTML_TAG.sub("<link", html)
    return html


def is_hostile(html):
    """Whether parsing would take time quadratic in the size."""
    if len(html) < CHECK_FROM or is_small(html):
        return False
    return (
        html.count("<") > MAX_TAGS or has_many_attributes(html) or has_much_work(html)
    )


def is_small(html):
    """Whether a short look already tells that ``html`` is not hostile."""
    return html.count("<") <= FEW_TAGS and not UNUSUAL_TAG.search(html)


def has_much_work(html):
    """Whether thousands of elements are open at once, or moved out of a table."""
    opened, depth, nested, formatting, tags, position = {}, 0, 0, 0, 0, 0
    table = _Table()
    while match := TAG_START.search(html, position):
        if table.is_open:
            table.text(html[position : match.start()])
        position = match.end()
        name = match[2]
        if not name:
            position = comment_end(html, position)
            continue
        tags += 1
        name = name.lower()
        table.tag(name, match[1])
        if table.moved * tags > MAX_MOVING_WORK:
            return True
        if match[1]:
            if opened.get(name):
                opened[name] -= 1
                depth -= 1
        elif name not in NOT_NESTED:
            opened[name] = opened.get(name, 0) + 1
            depth += 1
            nested += 1
            # What looks like an end may be none, within a style for instance.
            if depth > MAX_DEPTH or nested * tags > MAX_NESTING_WORK:
                return True
            if name in FORMATTING:
                formatting = max(formatting, sum(opened.get(f, 0) for f in FORMATTING))
        position, _count = _skip_attributes(html, position)
    if table.is_open:
        table.text(html[position:])
    work = formatting * tags > MAX_FORMATTING_WORK
    return (
        work or nested * tags > MAX_NESTING_WORK or table.moved * tags > MAX_MOVING_WORK
    )


class _Table:
    """Counts what is moved before the table that it stands in; rather too much.

    :ivar is_open: whether what follows would be moved
    :ivar moved: how many elements and pieces of text
    """

    def __init__(self):
        self.is_open = False
        self.moved = 0
        self._is_seen = False
        self._is_in_doubt = False

    def tag(self, name, is_end):
        if name in DOUBTFUL and self._is_seen:
            self._is_in_doubt = self.is_open = True
        if name in TABLE:
            self._is_seen = True
            self.is_open = self._is_in_doubt or name != "table" or not is_end
        elif name in CELL:
            self.is_open = self._is_in_doubt or bool(is_end)
        elif self.is_open:
            self.moved += 1

    def text(self, text):
        """Count the text behind a tag, whose ">" it begins with."""
        text = text.removeprefix(">")
        if text and not text.isspace():
            self.moved += 1


def comment_end(html, position):
    """Return where a comment ends whose "<!--" ends at ``position``."""
    if html.startswith((">", "->"), position):
        return html.index(">", position) + 1
    match = COMMENT_END.search(html, position)
    return match.end() if match else len(html)


def has_many_attributes(html):
    """Whether anything that may be a tag has hundreds of attributes.

    What looks like a tag within a comment, a style or a value counts too: whether it
    is one, only a whole parser knows.
    """
    for match in TAG_NAME.finditer(html):
        if match.end(1) - match.start(1) > MAX_NAME:
            return True
        _end, count = _skip_attributes(html, match.end(1))
        if count > MAX_ATTRIBUTES:
            return True
    return False


def _skip_attributes(html, position):
    """Return where the tag ends, and how many attributes it has (or too many)."""
    size = len(html)
    for count in range(MAX_ATTRIBUTES + 2):
        match = ATTRIBUTE.match(html, position)
        position = match.end()
        if position >= size or (not match[2] and html[position] == ">"):
            return position, count
        if not match[2]:
            continue
        quote = html[position]
        if quote in "\"'":
            end = html.find(quote, position + 1)
            if end < 0:
                return size, count
            position = end + 1
        else:
            position = UNQUOTED.match(html, position).end()
    return position, MAX_ATTRIBUTES + 1


def rough_text(html):
    """Return the text of hostile HTML, without parsing it."""
    text = re.sub(r"<[^<>]*>?", " ", html)
    return html_lib.unescape(BLANKS.sub(" ", text)).strip()[:100_000]


# ----------------------------------------------------------------------
# Character references
# ----------------------------------------------------------------------

# What nh3 is slow to write: "&", and the characters whose UTF-8 begins with the byte of
# the no-break space.
SLOW = re.compile("[&\x80-\xbf]")
# Neither a name nor a number follows.
BARE_AMPERSAND = re.compile(r"&(?!#[0-9]|#[xX][0-9a-fA-F]|[a-zA-Z])")
REFERENCE = re.compile(r"[<>]|&(?:#[xX]?[0-9a-fA-F]{1,8}|[a-zA-Z][a-zA-Z0-9]{0,31});?")
NBSP = "\xa0"
# As nh3 writes them.
ESCAPED = {"&": "&amp;", NBSP: "&nbsp;"}
PRIVATE = range(0xE000, 0xF900)
PRIVATE_PLANE = range(0xF0000, 0x10FFFD)


class Sealed:
    """HTML in which single characters that it does not have stand for what nh3 is slow
    to write, however that is spelled.

    :ivar html: to be parsed
    """

    def __init__(self, html):
        self.html = html
        self._seals = {}
        if len(html) * _count_slow(html) <= MAX_REFERENCE_WORK:
            return
        used = set(html)
        areas = (chr(code) for area in (PRIVATE, PRIVATE_PLANE) for code in area)
        self._free = (character for character in areas if character not in used)
        ampersand = self._seal("&")
        html = html.replace("&amp;", ampersand).replace("&nbsp;", self._seal(NBSP))
        for character in filter(SLOW.match, used - {"&"}):
            html = html.replace(character, self._seal(character))
        html = BARE_AMPERSAND.sub(ampersand, html)
        known, is_in_tag = {}, False

        def replace(match):
            nonlocal is_in_tag
            written = match[0]
            if written in "<>":
                is_in_tag = written == "<"
                return written
            key = written, is_in_tag, is_in_tag and html.startswith("=", match.end())
            sealed = known.get(key)
            if sealed is None:
                known[key] = sealed = self._reference(*key)
            return sealed

        self.html = REFERENCE.sub(replace, html)

    def _seal(self, character):
        """Return what stands for a slow character."""
        if character not in self._seals:
            self._seals[character] = next(self._free)
        return self._seals[character]

    def _reference(self, written, is_in_tag, is_before_equals):
        """Return a reference that stands for nothing slow as it is. In a value of an
        attribute, one without a semicolon may be part of an address: "&copy=1"."""
        meant = html_lib.unescape(written)
        if not SLOW.search(meant):
            return written
        is_whole = written.endswith(";") or written.startswith("&#")
        if is_in_tag and not is_whole and (is_before_equals or len(meant) > 1):
            return self._seal("&") + written[1:]
        return SLOW.sub(lambda match: self._seal(match[0]), meant)

    @property
    def is_sealed(self):
        """Whether anything was taken out."""
        return bool(self._seals)

    def value(self, value):
        """Return the value of an attribute of the parsed HTML as it was meant."""
        for character, sealed in self._seals.items():
            value = value.replace(sealed, character)
        return value

    def opened(self, clean):
        """Return the HTML that the parser wrote, with the characters back."""
        for character, sealed in self._seals.items():
            clean = clean.replace(sealed, ESCAPED.get(character, character))
        return clean


def _count_slow(html):
    if html.isascii() or len(html) ** 2 <= MAX_REFERENCE_WORK:
        return html.count("&")
    return len(html) - len(SLOW.sub("", html))
