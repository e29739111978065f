"""HTML of strangers made safe, and turned into text.

nh3 (ammonia) parses as browsers do and keeps an allow-list. Remote images are not
loaded: their address moves to ``data-remote-src``, that of attached ones to
``data-cid``, and the page that shows the mail fills in what the reader asked for.
"""

import html as html_lib
import re
import secrets
from functools import lru_cache
from urllib.parse import unquote

import nh3

# Characters of HTML without its embedded images; Gmail itself clips at 102 KB.
MAX_HTML = 2_000_000
MAX_IMAGE = 350_000
MAX_IMAGES = 2_000_000
# What html5ever takes quadratic time for is beyond any mail a person or a mail
# program writes; such mail is shown as text.
MAX_DEPTH = 2_000
MAX_ATTRIBUTES = 500
MAX_NAME = 100
MAX_FORMATTING_WORK = 3_000_000
# Elements that may be nested, times tags: about a second.
MAX_NESTING_WORK = 1_000_000_000
CHECK_FROM = 20_000

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

SCHEMES = frozenset({"http", "https", "mailto", "cid", "data"})
LINK = re.compile(r"(?:https?://|mailto:)[^\x00-\x20\x7f]*", re.I)
REMOTE = re.compile(r"(?:https?:)?//[^\x00-\x20\x7f]+", re.I)
DATA_IMAGE = re.compile(
    r"data:image/(?:png|gif|jpe?g|webp);base64,[A-Za-z0-9+/=\s]+", re.I
)
EMBEDDED = re.compile(r"data:[\w/+.-]{1,60};base64,[A-Za-z0-9+/=\s]*", re.I)
BLANKS = re.compile(r"[\s\x00-\x1f]+")


@lru_cache(maxsize=1024)
def _clean_style(style):
    """Return the declarations of ``style`` that are harmless, or None.

    No url(), no escape, no function but colours, nothing that takes an element out
    of its place on the page.
    """
    style = style[:8000]
    if "/*" in style:
        style = STYLE_COMMENT.sub("", style)
    kept = filter(None, map(_clean_declaration, style.split(";")))
    return "; ".join(kept) or None


# Styles differ from mail to mail, their declarations hardly do.
@lru_cache(maxsize=4096)
def _clean_declaration(declaration):
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
    return f"{name}: {value}"


class _Filter:
    """Decides on each attribute that the allow-list let pass.

    nh3's filter changes values, not names; images therefore get a marker that no
    sender can know, and their attribute is renamed in the result.
    """

    def __init__(self):
        self.marker = secrets.token_hex(8)
        self._room = MAX_IMAGES

    def __call__(self, tag, attribute, value):
        if attribute == "style":
            return _clean_style(value)
        if attribute == "href":
            value = value.strip()
            return value if LINK.fullmatch(value) else None
        if attribute == "src":
            return self._image(value.strip())
        return value if len(value) <= 2000 else None

    def _image(self, value):
        scheme = value[:4].lower()
        if scheme == "cid:":
            return f"{self.marker}cid{unquote(value[4:])[:500]}"  # RFC 2392
        if scheme == "data":
            if len(value) > min(MAX_IMAGE, self._room):
                return None
            if not DATA_IMAGE.fullmatch(value):
                return None
            self._room -= len(value)
            return value
        if REMOTE.fullmatch(value) and len(value) <= 8000:
            if value.startswith("//"):
                value = f"https:{value}"
            return f"{self.marker}remote{value}"
        return None

    def rename(self, clean):
        return clean.replace(f'src="{self.marker}remote', 'data-remote-src="').replace(
            f'src="{self.marker}cid', 'data-cid="'
        )


def clean_html(html):
    """Return ``html`` without anything that acts, loads or leaves its place.

    Never fails and takes time linear in the size; HTML built to keep a parser busy
    comes back as its text.

    >>> clean_html('<p onclick="x()">a <a href="javascript:x()">b</a></p>')
    '<p>a <a target="_blank" rel="noopener noreferrer">b</a></p>'
    >>> clean_html('<img src="https://example.com/a.png">')
    '<img data-remote-src="https://example.com/a.png">'
    """
    html = _bounded((html or "").replace("\x00", ""))
    if len(html) >= CHECK_FROM and not _is_small(html) and _is_hostile(html):
        return text_to_html(_rough_text(html))
    attribute_filter = _Filter()
    clean = nh3.clean(
        html,
        tags=TAGS,
        clean_content_tags=DROPPED_WITH_CONTENT,
        attributes=ATTRIBUTES,
        attribute_filter=attribute_filter,
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes=SCHEMES,
        strip_comments=True,
    )
    return attribute_filter.rename(clean)


def _bounded(html):
    """Return ``html`` cut to a size that is still a mail, images apart."""
    if len(html) <= MAX_HTML:
        return html
    room = MAX_IMAGES

    def keep(match):
        nonlocal room
        size = len(match[0])
        if size > min(MAX_IMAGE, room):
            return ""
        room -= size
        return match[0]

    return EMBEDDED.sub(keep, html)[: MAX_HTML + MAX_IMAGES]


# ----------------------------------------------------------------------
# HTML made to keep a parser busy
# ----------------------------------------------------------------------

TAG_START = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,30})|<!--")
# HTML's blanks are fewer than those of ``\s``: the others belong to names and values.
TAG_NAME = re.compile(rf"</?(?=([a-zA-Z][^ \t\n\f\r/>]{{0,{MAX_NAME}}}))")
ATTRIBUTE = re.compile(
    r"[ \t\n\f\r/]*([^ \t\n\f\r/>][^ \t\n\f\r/>=]*)?[ \t\n\f\r]*(=?)[ \t\n\f\r]*"
)
UNQUOTED = re.compile(r"[^ \t\n\f\r>]*")
# Elements without an end, or whose end may be left out.
NOT_NESTED = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li dt dd"
    " td th tr tbody thead tfoot option optgroup colgroup".split()
)
FORMATTING = frozenset("a b big code em font i nobr s small strike strong tt u".split())
# So few tags are neither deep nor much work, wherever they stand.
FEW_TAGS = min(MAX_DEPTH, int(MAX_FORMATTING_WORK**0.5))
# What may begin a tag, but none whose end and number of attributes (100 at most) are
# beyond doubt.
UNUSUAL_TAG = re.compile(
    r"""
    </?[a-zA-Z](?![a-zA-Z0-9:_-]*
        (?:[ \t\n\f\r]+[^\s/>="'<]+
            (?:=(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=`]+))?){0,100}
        [ \t\n\f\r]*/?>)
    """,
    re.X,
)


def _is_small(html):
    """Whether a short look already tells that ``_is_hostile`` would be False."""
    return html.count("<") <= FEW_TAGS and not UNUSUAL_TAG.search(html)


def _is_hostile(html):
    """Whether parsing would take time quadratic in the size: thousands of elements
    open at once, or hundreds of attributes on one."""
    if _has_many_attributes(html):
        return True
    opened, depth, nested, formatting, tags, position = {}, 0, 0, 0, 0, 0
    while match := TAG_START.search(html, position):
        position = match.end()
        name = match[2]
        if not name:
            end = html.find("-->", position)
            if end < 0:
                break
            position = end
            continue
        tags += 1
        name = name.lower()
        if match[1]:
            if opened.get(name):
                opened[name] -= 1
                depth -= 1
            continue
        if name not in NOT_NESTED:
            opened[name] = opened.get(name, 0) + 1
            depth += 1
            nested += 1
            # What looks like an end may be none, within a style for instance.
            if depth > MAX_DEPTH or nested * tags > MAX_NESTING_WORK:
                return True
            if name in FORMATTING:
                formatting = max(formatting, sum(opened.get(f, 0) for f in FORMATTING))
        position, _count = _skip_attributes(html, position)
    work = formatting * tags > MAX_FORMATTING_WORK
    return work or nested * tags > MAX_NESTING_WORK


def _has_many_attributes(html):
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


def _rough_text(html):
    """Return the text of hostile HTML, without parsing it."""
    text = re.sub(r"<[^<>]*>?", " ", html)
    return html_lib.unescape(BLANKS.sub(" ", text)).strip()[:100_000]


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
    lines = (text or "").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line in lines:
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
        url = match[0]
        while url and url[-1] in END_OF_URL:
            if url[-1] == ")" and url.count("(") >= url.count(")"):
                break
            url = url[:-1]
        pieces.append(_escape(line[position : match.start()]))
        pieces.append(
            f'<a href="{html_lib.escape(url)}" target="_blank"'
            f' rel="noopener noreferrer">{_escape(url)}</a>'
        )
        position = match.start() + len(url)
    pieces.append(_escape(line[position:]))
    return "".join(pieces)


def _escape(text):
    text = html_lib.escape(text.replace("\x00", ""), quote=False)
    return text.replace("\t", "    ").replace("  ", " \xa0")
