"""HTML of strangers made safe, and turned into text.

nh3 (ammonia) parses as browsers do and keeps an allow-list. Remote images are not
loaded: their address moves to ``data-remote-src``, that of attached ones to
``data-cid``, and the page that shows the mail fills in what the reader asked for.
"""

import html as html_lib
import re
import secrets
from urllib.parse import unquote

import nh3

from .html import sizes, stylesheet
from .html.hostile import (
    MAX_HTML,
    MAX_IMAGE,
    ODD,
    Sealed,
    bounded,
    is_hostile,
    parsable,
    rough_text,
)
from .html.styles import MAX_STYLE, clean_style

TAGS = frozenset(
    "a abbr acronym address article aside b bdi bdo big blockquote br caption center"
    " cite code col colgroup dd del details dfn div dl dt em figcaption figure font"
    " footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q s"
    " samp section small span strike strong sub summary sup table tbody td tfoot th"
    " thead time tr tt u ul var wbr".split()
)
DROPPED_WITH_CONTENT = frozenset(
    "script style title noscript noembed noframes template iframe object applet"
    " embed svg math select textarea audio video canvas xml".split()
)
ALIGN = {"align", "valign", "bgcolor", "width", "height"}
ATTRIBUTES = {
    "*": {"style", "dir", "lang", "title"},
    "a": {"href"},
    "blockquote": {"type"},
    "br": {"clear"},
    "col": ALIGN | {"span"},
    "colgroup": ALIGN | {"span"},
    "div": {"align"},
    "font": {"color", "face", "size"},
    "h1": {"align"},
    "h2": {"align"},
    "h3": {"align"},
    "hr": {"align", "size", "width", "color"},
    "img": {"src", "alt", "width", "height", "border", "align", "hspace", "vspace"},
    "li": {"type", "value"},
    "ol": {"type", "start"},
    "p": {"align"},
    "table": ALIGN | {"border", "cellpadding", "cellspacing", "summary"},
    "tbody": ALIGN,
    "td": ALIGN | {"colspan", "rowspan", "nowrap", "headers", "scope", "abbr"},
    "tfoot": ALIGN,
    "th": ALIGN | {"colspan", "rowspan", "nowrap", "headers", "scope", "abbr"},
    "thead": ALIGN,
    "tr": ALIGN,
    "ul": {"type"},
}
# A style sheet needs the classes; they are not in the result.
ATTRIBUTES_WITH_CLASS = {**ATTRIBUTES, "*": ATTRIBUTES["*"] | {"class"}}
# Characters of an address, and of what else an attribute says.
MAX_VALUE = 8_000
MAX_TITLE = 2_000

SCHEMES = frozenset({"http", "https", "mailto", "cid", "data"})
LINK = re.compile(r"(?:https?://|mailto:)[^\x00-\x20\x7f]*", re.I)
REMOTE = re.compile(r"(?:https?:)?//[^\x00-\x20\x7f]+", re.I)
IS_DATA = re.compile("data:", re.I)
DATA_IMAGE = re.compile(
    r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]+", re.I
)


class _Filter:
    """Decides on each attribute that the allow-list let pass.

    nh3's filter changes values, not names; images therefore get a marker that no
    sender can know, and their attribute is renamed in the result.
    """

    def __init__(self, sealed, sheet):
        self.marker = secrets.token_hex(8)
        self._opened = sealed.value if sealed.is_sealed else None
        self._sheet = sheet
        self._room = MAX_HTML

    def __call__(self, tag, attribute, value):
        # Called for each attribute of all email: of its work, the least first.
        if self._opened and not (attribute == "src" and IS_DATA.match(value)):
            # nh3 is slow with a long value of many references.
            value = self._opened(value[: MAX_VALUE + 1])
        if attribute == "style":
            return clean_style(value[:MAX_STYLE])
        if attribute in sizes.ATTRIBUTES:
            return sizes.attribute(attribute, value)
        if attribute == "href":
            return self._link(value)
        if attribute == "src":
            return self._image(value)
        if attribute == "class":
            return self._classes(value)
        return value if len(value) <= MAX_TITLE else None

    def _link(self, value):
        if len(value) > MAX_VALUE:
            return None
        value = value.strip()
        return value if LINK.fullmatch(value) else None

    def _image(self, value):
        if IS_DATA.match(value):
            return self._embedded(value.strip())
        if len(value) > MAX_VALUE:
            return None
        value = value.strip()
        scheme = value[:4].lower()
        if scheme == "cid:":
            return f"{self.marker}cid{unquote(value[4:])[:500]}"  # RFC 2392
        if scheme == "data":
            return self._embedded(value)
        if REMOTE.fullmatch(value):
            if value.startswith("//"):
                value = f"https:{value}"
            return f"{self.marker}remote{value}"
        return None

    def _embedded(self, value):
        if len(value) > min(MAX_IMAGE, self._room) or not DATA_IMAGE.fullmatch(value):
            return None
        self._room -= len(value)
        return value

    def _classes(self, value):
        """Return the classes that the style sheet knows, behind the marker."""
        found = [name for name in value.split()[:20] if name in self._sheet.classes]
        return f"{self.marker}{' '.join(found)}" if found else None

    def dress(self, clean):
        """Return the result with the style sheet's declarations before an element's
        own, instead of its classes."""
        classes = re.compile(rf' class="{self.marker}([^"]*)"')

        def replace(match):
            if match[1]:
                return match[0]
            attributes, names = match[3], ()
            if self.marker in attributes and (found := classes.search(attributes)):
                attributes = attributes[: found.start()] + attributes[found.end() :]
                names = tuple(found[1].split())
            style = html_lib.escape(self._sheet.style(match[2], names))
            if not style:
                return f"<{match[2]}{attributes}>" if names else match[0]
            if ' style="' in attributes:
                attributes = attributes.replace(' style="', f' style="{style}; ', 1)
            else:
                attributes += f' style="{style}"'
            return f"<{match[2]}{attributes}>"

        return CLEAN_TAG.sub(replace, clean)

    def rename(self, clean):
        if self._sheet:
            clean = self.dress(clean)
        return clean.replace(f'src="{self.marker}remote', 'data-remote-src="').replace(
            f'src="{self.marker}cid', 'data-cid="'
        )


def clean_html(html):
    """Return ``html`` without anything that acts, loads or leaves its place.

    Never fails and takes time linear in the size; HTML built to keep a parser busy
    comes back as its text. What is longer than ``hostile.MAX_HTML`` is cut.

    >>> clean_html('<p onclick="x()">a <a href="javascript:x()">b</a></p>')
    '<p>a <a target="_blank" rel="noopener noreferrer">b</a></p>'
    >>> clean_html('<img src="https://example.com/a.png">')
    '<img data-remote-src="https://example.com/a.png">'
    """
    html = bounded(html)
    if is_hostile(html):
        return text_to_html(rough_text(html))
    sealed, sheet = Sealed(html), stylesheet.read(html)
    attribute_filter = _Filter(sealed, sheet)
    clean = nh3.clean(
        sealed.html,
        tags=TAGS,
        clean_content_tags=DROPPED_WITH_CONTENT,
        attributes=ATTRIBUTES_WITH_CLASS if sheet else ATTRIBUTES,
        attribute_filter=attribute_filter,
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=SCHEMES,
        strip_comments=True,
    )
    return attribute_filter.rename(sealed.opened(clean))


# What may stand in the HTML of Odoo's own editor, besides.
EDITOR_TAGS = TAGS | frozenset(
    "button dialog fieldset form hgroup input label legend map option picture select"
    " source svg textarea track video".split()
)
EDITOR_ATTRIBUTES = {
    "*": frozenset().union(*ATTRIBUTES.values())
    | frozenset(
        "abbr action alt checked class cols contenteditable disabled for height hidden"
        " id label media method multiple name placeholder readonly rel role rows"
        " selected src tabindex target type value width".split()
    )
}


def well_formed(html):
    """Return HTML that Odoo's sanitizer and lxml are not slow with, for which they
    still have to do all the rest: mostly ``html`` as it is.

    Odoo's regular expressions take quadratic time for tags and comments without an
    end. What nh3 writes has none.

    :param html: str or None, of Odoo's editor, or of a stranger
    """
    html = parsable(html)
    if is_hostile(html):
        return text_to_html(rough_text(html))
    return _spelled_out(html) if ODD.search(html) else html


def spelled_out(html):
    """Return any HTML with each element and attribute as a browser understands it,
    written as ``CLEAN_TAG`` reads it, or None for what takes too long.

    >>> spelled_out("<p class=a>one<s>two")
    '<p class="a">one<s>two</s></p>'
    """
    html = parsable(html)
    return None if is_hostile(html) else _spelled_out(html)


def _spelled_out(html):
    # Values of attributes stay sealed until they are written: they have no cap.
    sealed = Sealed(html)
    clean = nh3.clean(
        sealed.html,
        tags=EDITOR_TAGS,
        clean_content_tags=DROPPED_WITH_CONTENT - EDITOR_TAGS,
        attributes=EDITOR_ATTRIBUTES,
        generic_attribute_prefixes={"data-", "aria-"},
        link_rel=None,
        url_schemes=SCHEMES | {"tel", "ftp"},
        strip_comments=True,
    )
    return sealed.opened(clean)


# ----------------------------------------------------------------------
# Between text and HTML
# ----------------------------------------------------------------------

# nh3 writes attribute values in double quotes, "<" and ">" in them escaped.
CLEAN_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:[^<>\"]|\"[^\"]*\")*)>")
CUT_ENTITY = re.compile(r"&[#\w]{0,10}$")
VOID = frozenset({"br", "col", "hr", "img", "wbr"})
LINES = frozenset(
    "address article aside blockquote br caption center dd details div dl dt"
    " figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre"
    " section summary table tbody tfoot thead tr ul".split()
)
TRAILING = re.compile(r"[ \t]*\n[ \t]*")
MANY_LINES = re.compile(r"\n{3,}")
MANY_BLANKS = re.compile(r"[ \t\xa0\u200b\u200c\u200d\u034f\ufeff\u2007\xad]+")
URL = re.compile(r"\bhttps?://[^\s<>\"'\x00-\x1f]{1,2000}", re.I)
QUOTES = re.compile(r"((?:>[ ]?){1,20})(.*)")
# Characters and lines of a text that becomes HTML.
MAX_TEXT = 2_000_000
MAX_LINES = 200_000
END_OF_URL = ".,;:!?)]}"


def html_to_text(html):
    """Return the readable text of any HTML, for search and snippets.

    >>> html_to_text("<p>one</p><p>two&nbsp;&amp; three</p>")
    'one\\ntwo & three'
    """
    return clean_html_to_text(clean_html(html))


def clean_html_to_text(clean):
    """Return the text of what ``clean_html`` returned."""

    def replace(match):
        if match[2] in LINES:
            return "\n"
        return "\t" if match[2] in ("td", "th") else ""

    text = CLEAN_TAG.sub(replace, clean.replace("\r", "").replace("\n", " "))
    text = MANY_BLANKS.sub(" ", html_lib.unescape(text))
    text = TRAILING.sub("\n", text)
    return MANY_LINES.sub("\n\n", re.sub(r"\n\n", "\n", text)).strip()


def folded_html(clean, size):
    """Return about the first ``size`` characters of what ``clean_html`` returned, its
    elements closed; pictures larger than a tenth of that are left out.

    >>> folded_html("<div><p>one</p><p>two and three</p></div>", 24)
    '<div><p>one</p><p>two an</p></div>'
    """
    parts, opened, room, position = [], [], size, 0
    for match in CLEAN_TAG.finditer(clean):
        text, tag, name = clean[position : match.start()], match[0], match[2]
        position = match.end()
        room -= len(text)
        if room <= 0:
            parts.append(CUT_ENTITY.sub("", text[: len(text) + room]))
            break
        parts.append(text)
        if name == "img" and len(tag) > size // 10:
            continue
        room -= len(tag)
        if match[1]:
            if opened and opened[-1] == name:
                opened.pop()
        elif name not in VOID:
            opened.append(name)
        parts.append(tag)
    else:
        parts.append(CUT_ENTITY.sub("", clean[position : position + max(room, 0)]))
    parts += [f"</{name}>" for name in reversed(opened)]
    return "".join(parts)


def remote_html(clean):
    """Return what ``clean_html`` returned with remote pictures that load; the page
    decides from where.

    >>> remote_html('<img data-remote-src="https://example.com/a.png">')
    '<img src="https://example.com/a.png">'
    """
    return CLEAN_TAG.sub(
        lambda match: match[0].replace(' data-remote-src="', ' src="'), clean
    )


def quotable_html(clean):
    """Return what ``clean_html`` returned for an answer that quotes it: remote
    pictures again with their address, those of the mail itself left out.

    >>> quotable_html('<p>a</p><img data-remote-src="https://example.com/a.png">')
    '<p>a</p><img src="https://example.com/a.png">'
    """

    def replace(match):
        tag = match[0]
        if match[2] != "img" or " data-cid=" not in tag:
            return tag.replace(' data-remote-src="', ' src="')
        return ""

    return CLEAN_TAG.sub(replace, clean)


def unremote_html(clean):
    """Return what ``clean_html`` returned without pictures from elsewhere, for pages
    that have no frame around it.

    >>> unremote_html('<p>a</p><img data-remote-src="https://example.com/a.png">')
    '<p>a</p>'
    """

    def replace(match):
        return "" if " data-remote-src=" in match[0] else match[0]

    return CLEAN_TAG.sub(replace, clean)


def text_to_html(text):
    """Return plain text as HTML: lines kept, links to click, quotes set off.

    >>> text_to_html("see http://example.com/a.")[:40]
    '<div>see <a href="http://example.com/a" '
    """
    parts, depth = [], 0
    text = (text or "")[:MAX_TEXT].replace("\r\n", "\n").replace("\r", "\n")
    for line in text.split("\n", MAX_LINES)[:MAX_LINES]:
        level = 0
        if line.startswith(">"):
            match = QUOTES.match(line)
            level, line = match[1].count(">"), match[2]
        while depth < level:
            parts.append('<blockquote type="cite">')
            depth += 1
        while depth > level:
            parts.append("</blockquote>")
            depth -= 1
        parts.append(f"<div>{_line_to_html(line) or '<br>'}</div>")
    parts.append("</blockquote>" * depth)
    return "".join(parts)


def _line_to_html(line):
    pieces, position = [], 0
    for match in URL.finditer(line):
        url = _without_end(match[0])
        pieces.append(_escape(line[position : match.start()]))
        pieces.append(
            f'<a href="{html_lib.escape(url)}" target="_blank"'
            f' rel="noopener noreferrer">{_escape(url)}</a>'
        )
        position = match.start() + len(url)
    pieces.append(_escape(line[position:]))
    return "".join(pieces)


def _without_end(url):
    """Return an address without the marks behind it, unless a bracket is closed."""
    surplus, end = url.count(")") - url.count("("), len(url)
    while end and url[end - 1] in END_OF_URL:
        if url[end - 1] == ")":
            if surplus <= 0:
                break
            surplus -= 1
        end -= 1
    return url[:end]


def _escape(text):
    text = html_lib.escape(text.replace("\x00", ""), quote=False)
    return text.replace("\t", "    ").replace("  ", " \xa0")
