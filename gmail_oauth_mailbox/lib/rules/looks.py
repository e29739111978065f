"""Whether two pieces of HTML look the same to a reader: the same words, with the same
of them struck out, hidden, quoted, linked, or colored.

Two programs that clean one email leave different HTML. What makes no reader see
another thing is *quiet* and not compared: fonts and sizes that can be read, margins,
classes of mail programs, which no style sheet of Odoo's knows. Everything else counts,
known or not.
"""

import html as html_lib
import re
from typing import NamedTuple

from ..html import sizes
from ..html.styles import clean_declaration
from ..sanitize import CLEAN_TAG, LINES, TAGS, VOID, spelled_out

# Tags that leave words where and as they are, without an attribute.
PLAIN_TAGS = frozenset(
    "a abbr address article b blockquote br center cite code col colgroup dd div dl dt"
    " em figure font footer header i img ins kbd main nav p pre section span strong"
    " table tbody td th time tr tt u var wbr".split()
)
# As far as they are in neither: they change no word, nor where it stands.
QUIET_ATTRIBUTES = frozenset(
    "abbr alt cite clear data-cid data-o-mail-quote-container data-remote-src headers"
    " href id lang name rel scope src summary target title".split()
)
# What Odoo's chatter folds until the reader clicks.
FOLDS = frozenset({"data-o-mail-quote", "data-o-mail-quote-node"})
FOLDED = "folded"
# Characters of the line above a quote: who wrote it, and when.
MAX_ATTRIBUTION = 300
# Of mail programs; Outlook puts "x_" before those of the email that it answers.
QUIET_CLASS = re.compile(
    r"(?:x_)*(?:Mso\w*|WordSection\d*|Section\d+|EmailStyle\d*|EmailQuote|ContentPasted\d*"
    r"|elementToProof|elementtoproof|gmail_\w+|gmail-[\w-]+|moz-[\w-]+|Apple-[\w-]+"
    r"|yahoo[\w-]*|ydp[\w-]*|protonmail_[\w-]+|zmail_[\w-]+|OutlookMessageHeader)"
)
QUIET_NAMES = frozenset(
    "box-sizing clear font-variant overflow-wrap text-align word-break"
    " word-wrap".split()
)
# (name, value) without an effect that a reader notices.
QUIET_DECLARATIONS = frozenset(
    {
        ("background", "inherit"),
        ("background-color", "inherit"),
        ("color", "inherit"),
        ("color", "windowtext"),
        ("direction", "ltr"),
        ("float", "none"),
        ("font", "inherit"),
        ("font-size", "large"),
        ("font-size", "larger"),
        ("font-size", "medium"),
        ("font-size", "small"),
        ("font-size", "x-large"),
        ("font-style", "normal"),
        ("font-weight", "400"),
        ("font-weight", "normal"),
        ("letter-spacing", "normal"),
        ("line-height", "normal"),
        ("text-decoration", "none"),
        ("text-transform", "none"),
        ("vertical-align", "baseline"),
        ("vertical-align", "bottom"),
        ("vertical-align", "middle"),
        ("vertical-align", "top"),
        ("word-spacing", "normal"),
    }
)
SPACING = re.compile(r"(?:margin|padding)(?:-(?:top|right|bottom|left))?|text-indent")
LENGTH = re.compile(r"(\d{1,3}(?:\.\d{1,8})?|\.\d{1,8}|0)(px|pt|em|rem|ex|cm|mm|in|%)?")
PIXELS = {
    "px": 1,
    "pt": 4 / 3,
    "em": 16,
    "rem": 16,
    "ex": 8,
    "cm": 38,
    "mm": 3.8,
    "in": 96,
}
BORDER = re.compile(r"border(?:-(?:top|right|bottom|left))?(?:-(?:width|style|color))?")
MAX_BORDER = 5
# Of a font, and of the room around words; all elements around a word together.
MIN_FONT, MAX_FONT, MAX_SPACE = 10, 32, 200
# Elements in one another; Odoo's sanitizer has fewer.
MAX_DEPTH = 300
# Lines without a word that one of two may have more than the other.
MAX_MORE_EMPTY = 20
# Of pictures instead of letters: words in them can't be read.
SYMBOLS = re.compile(
    r"ding|symbol|icon|bar\s*code|marlett|emoji|awesome|redact|outlook|blank", re.I
)
# Not the signs that Python, but no browser, takes for blanks.
BLANK = re.compile(r"[^\S\x1c-\x1f\x85]+")
ELEMENT = re.compile(r"<\s*/?\s*([a-zA-Z][\w:.-]*)")
HTTP = re.compile(r"https?://", re.I)
# Stand for where a row and a cell begin, and for what is seen and no word.
ROW, CELL, THING = "\u241e", "\u241f", "\ufffc"
# Pixels of room without words that a reader doesn't notice.
MAX_QUIET_SPACE = 40
MARKS = re.compile(r"(?:[ \t\xa0]*>)+[ \t\xa0]*")
ATTRIBUTE = re.compile(r'([^\s"=<>/]+)(?:="([^"]*)")?')


def same_looks(html, other, target, names, other_names, may_go_on=False):
    """Whether two pieces of HTML look the same.

    :param target: function that returns where a link leads
    :param names: dict of what identifies attached pictures by Content-ID or address
    :param other_names: the same, of ``other``
    :param may_go_on: whether ``other`` may say more below

    >>> plain = lambda url: url
    >>> same_looks("<p>a <b>b</b></p>", "<pre>a\\nb</pre>", plain, {}, {})
    True
    >>> same_looks("<p>a b</p>", "<p>a <s>b</s></p>", plain, {}, {})
    False
    """
    one, two = _Reading(target, names), _Reading(target, other_names)
    seen, seen_there = one.runs(html), two.runs(other)
    if seen is None or seen_there is None:
        return False
    if may_go_on and seen:
        last = len(seen) - 1
        if seen_there[last:] and seen_there[last][0] == seen[last][0]:
            if seen_there[last][1].startswith(seen[last][1]):
                seen_there = [*seen_there[:last], seen[last]]
    is_same = seen == seen_there
    return is_same and abs(one.most_empty - two.most_empty) <= MAX_MORE_EMPTY


class _Element(NamedTuple):
    """An open element.

    :ivar state: (quotes, *looks) of all elements up to it
    :ivar room: pixels around its words, of all elements up to it
    :ivar looks: its own
    :ivar space: its own pixels
    :ivar seen: how much a reader saw before it
    """

    name: str
    state: tuple
    room: float = 0
    looks: tuple = ()
    space: float = 0
    seen: int = 0


class _Reading:
    """What a reader sees of a piece of HTML: runs of words and their looks."""

    def __init__(self, target, names):
        self._target = target
        self._names = names
        self._open = [_Element("", (0,))]
        self._preformatted = 0
        self._marks = 0
        self._is_new_line = True
        self._empty = 0
        self.most_empty = 0
        self._seen = 0
        self._runs = []

    def runs(self, html):
        """Return the list of (looks, text), or None for what no email of a mailbox
        has: elements that are removed there, and what takes too long."""
        if any(name.lower() not in TAGS for name in ELEMENT.findall(html or "")):
            return None
        html = spelled_out(html or "")
        if html is None:
            return None
        position = 0
        for match in CLEAN_TAG.finditer(html):
            self._text(html[position : match.start()])
            position = match.end()
            if len(self._open) > MAX_DEPTH:
                return None
            if match[1]:
                self._close(match[2])
            else:
                self._begin(match[2], match[3])
        self._text(html[position:])
        return _unfolded(self._canonical())

    def _begin(self, name, written):
        attributes = {
            key.lower(): html_lib.unescape(value or "")
            for key, value in ATTRIBUTE.findall(written)
        }
        if name in LINES:
            self._line()
        looks, space = _looks(name, attributes)
        own = tuple(look for look in looks if look != FOLDED)
        if name == "img":
            self._token(f"{self._picture(attributes)} {' '.join(own)}")
        elif name in VOID and own:
            self._token(f"{name} {' '.join(own)}")
        if name in VOID:
            return
        self._preformatted += name == "pre"
        if name == "a" and attributes.get("href"):
            link = f"link {self._lead(attributes['href'])}"
            looks, own = (*looks, link), (*own, link)
        outer = self._open[-1]
        room = outer.room + space
        if room > MAX_SPACE >= outer.room:
            looks = (*looks, "far away")
        quotes, *others = outer.state
        state = (quotes + (name == "blockquote"), *others, *looks)
        self._open.append(_Element(name, state, room, own, space, self._seen))
        if name in ("tr", "td", "th"):
            self._add(self._state(), ROW if name == "tr" else CELL)

    def _close(self, name):
        element = self._open[-1]
        if element.name == name:
            is_odd = element.looks or element.space > MAX_QUIET_SPACE
            if is_odd and element.seen == self._seen:
                # A line, a box, or room, over or beside the words.
                self._token(f"empty {' '.join(element.looks)} {element.space}")
            self._preformatted -= name == "pre"
            self._open.pop()
        if name in LINES:
            self._line()

    def _line(self):
        self._is_new_line, self._marks = True, 0
        self._empty += 1
        self.most_empty = max(self.most_empty, self._empty)
        self._add((), " ")

    def _text(self, text):
        text = html_lib.unescape(text)
        lines = text.split("\n") if self._preformatted else [BLANK.sub(" ", text)]
        for number, line in enumerate(lines):
            if number:
                self._line()
            if line.strip():
                self._seen += 1
            if self._is_new_line and line.strip():
                match = MARKS.match(line)
                self._marks = match[0].count(">") if match else 0
                line = line[match.end() :] if match else line
                self._is_new_line, self._empty = False, 0
            self._add(self._state(), line)

    def _token(self, said):
        """Add what is seen and no word."""
        self._is_new_line = False
        self._seen += 1
        self._add((*self._state(), said), THING)

    def _state(self):
        quotes, *looks = self._open[-1].state
        return quotes + self._marks, *looks

    def _lead(self, url):
        """Return where a link leads; one of another kind leads where it says."""
        return self._target(url) if HTTP.match(url) else f"\0{url}"

    def _picture(self, attributes):
        source = attributes.get("src") or attributes.get("data-cid") or ""
        name = self._names.get(source)
        if name is None:
            name = self._lead(source or attributes.get("data-remote-src") or "")
        return f"picture {name} {attributes.get('alt', '')}"

    def _add(self, state, text):
        if text:
            self._runs.append((state, text))

    def _canonical(self):
        """Return the runs with one blank wherever there is any, and links that name
        themselves as the words that they are."""
        joined, has_blank = [], False
        for state, text in self._runs:
            words = [word for word in BLANK.split(text) if word]
            if not words:
                has_blank = True
                continue
            has_blank = has_blank or bool(BLANK.match(text))
            said = " ".join(words)
            if joined and has_blank:
                joined[-1][1] += " "
            joined.append([state, said])
            has_blank = bool(BLANK.match(text[-1]))
        joined = _merged(joined)
        return _merged(
            [tuple(look for look in state if not self._names_itself(look, text)), text]
            for state, text in joined
        )

    def _names_itself(self, look, text):
        return isinstance(look, str) and look == f"link {self._target(text.strip())}"


def _merged(runs):
    """Return runs with neighbors of the same looks in one."""
    merged = []
    for state, text in runs:
        if merged and merged[-1][0] == state:
            merged[-1][1] += text
        else:
            merged.append([state, text])
    return merged


def _unfolded(runs):
    """Return runs that look as if nothing were folded, where only quotes and
    signatures are; others keep that look."""
    found, group = [], []
    for state, text in [*runs, ((0,), "")]:
        if FOLDED in state:
            group.append([state, text])
            continue
        if group and _may_fold(group):
            group = [
                [tuple(look for look in state if look != FOLDED), text]
                for state, text in group
            ]
        found += group
        group = []
        if text:
            found.append([state, text])
    return _merged(found)


def _may_fold(group):
    """Whether runs that follow each other are a quote, below a line that says whose,
    or a signature."""
    depths = [state[0] for state, _text in group]
    if not any(depths):
        return group[0][1].lstrip().startswith("--")
    first = next(n for n, depth in enumerate(depths) if depth)
    above = "".join(text for _state, text in group[:first])
    return len(above) <= MAX_ATTRIBUTION and all(depths[first:])


def _looks(name, attributes):
    """Return what makes an element's words look different, as a tuple of str, and the
    room around them in pixels."""
    found, space = [] if name in PLAIN_TAGS else [name], 0
    if not FOLDS.isdisjoint(attributes):
        found.append(FOLDED)
    for key, value in attributes.items():
        if key == "style":
            for look, room in map(_declaration, value.split(";")):
                found += [look] if look else []
                space += room
        elif key == "class":
            found += [c for c in value.split() if not QUIET_CLASS.fullmatch(c)]
        elif key not in QUIET_ATTRIBUTES | FOLDS and not _is_usual(name, key, value):
            if key in sizes.ATTRIBUTES:
                value = sizes.attribute(key, value) or value
            found.append(f"{key} {value}")
    return tuple(found), space


def _is_usual(name, key, value):
    if key == "align":
        # That of a table or a picture moves it beside the words.
        return value.lower() == "left" and name in ("div", "p")
    if key == "type":
        return name not in ("li", "ol", "ul")
    return (key, value.lower()) in (
        ("bgcolor", "#ffffff"),
        ("bgcolor", "white"),
        ("dir", "auto"),
        ("dir", "ltr"),
    )


def _declaration(written):
    """Return a declaration of CSS in one way of writing, or None for a quiet one, and
    the room in pixels that it leaves around words."""
    name, _colon, value = written.partition(":")
    name, value = name.strip().lower(), value.strip().lower()
    value = value.removesuffix("!important").strip()
    if not name or name.startswith("mso-") or _is_quiet(name, value):
        return None, 0
    space = _space(name, value)
    if space is not None and space <= MAX_SPACE:
        return None, space
    return clean_declaration(f"{name}: {value}") or f"{name}: {value}", 0


def _is_quiet(name, value):
    if name in QUIET_NAMES or (name, value) in QUIET_DECLARATIONS:
        return True
    if name == "font-family":
        return not SYMBOLS.search(value)
    if name == "font-size":
        # Those smaller than the text around them can add up to unreadable ones.
        least = 16 if value.endswith(("em", "%")) else MIN_FONT
        return least <= _pixels(value) <= MAX_FONT
    if BORDER.fullmatch(name):
        widths = [_pixels(v) for v in value.split() if v[0] in ".0123456789"]
        return all(width <= MAX_BORDER for width in widths)
    if name == "line-height":
        return MAX_FONT / 2 <= _pixels(value) <= 2 * MAX_FONT
    return False


def _space(name, value):
    """Return the pixels of a margin or padding, or None when it is neither."""
    if not SPACING.fullmatch(name):
        return None
    return max((0 if v == "auto" else _pixels(v) for v in value.split()), default=0)


def _pixels(value):
    """Return a length in pixels, a number without a unit being one of lines, or
    infinity for another value."""
    match = LENGTH.fullmatch(value)
    if not match:
        return float("inf")
    number = float(match[1])
    return number * (0.16 if match[2] == "%" else PIXELS[match[2] or "em"])
