"""The look that a text's own style sheets give to its paragraphs, as inline styles.

Mail programs that have a style sheet in each message, such as Outlook, set the spacing
of paragraphs there; without it each line would have a blank one below. Rules of one
element, one class, or both are read (``p``, ``.MsoNormal``, ``p.MsoNormal``, in lists
too), outside of ``@media``; nothing else.

Source: CSS 2.2, 4.1 (syntax) and 6.4 (order of rules).
"""

import re

from .hostile import comment_end
from .styles import STYLE_COMMENT, clean_declaration

# Characters of all style sheets of a text, and what is taken of them.
MAX_SHEET = 100_000
MAX_SHEETS = 20
MAX_RULES = 500
MAX_SELECTORS = 50
MAX_DECLARATIONS = 20
# Characters of one element's style, and of all that are added to a text.
MAX_STYLE = 600
MAX_ADDED = 500_000

# What makes a text look different without hiding, placing or resizing anything.
PROPERTIES = frozenset(
    "background-color color font font-family font-size font-style font-weight"
    " line-height margin margin-bottom margin-left margin-right margin-top padding"
    " padding-bottom padding-left padding-right padding-top text-align"
    " text-decoration text-indent white-space".split()
)
START = re.compile(r"<style(?=[\s/>])([^<>]{0,300})>|<!--", re.I)
END = re.compile(r"</style", re.I)
MEDIA = re.compile(r"\bmedia\s*=\s*[\"']?\s*([^\"'>]*)", re.I)
SHOWN_MEDIA = frozenset({"", "all", "screen"})
BRACE = re.compile(r"[{}]")
SELECTOR = re.compile(r"([a-zA-Z][a-zA-Z0-9]{0,20})?(?:\.([A-Za-z_-][\w-]{0,100}))?")


class Sheet:
    """The rules of a text.

    :ivar classes: names that a rule mentions
    """

    def __init__(self, rules):
        self._rules = rules
        self._known = {}
        self._left = MAX_ADDED
        self.classes = frozenset(name for _element, name in rules if name)

    def __bool__(self):
        return bool(self._rules)

    def style(self, element, classes):
        """Return the declarations for an element with some classes, or "".

        :param element: its name in lower case
        :param classes: tuple of names
        """
        key = element, classes
        style = self._known.get(key)
        if style is None:
            # The more exact a selector, the later; in the order of the sheet else.
            found = list(self._rules.get((element, ""), ()))
            for owner in ("", element):
                exact = [self._rules.get((owner, name), ()) for name in classes]
                found += sorted(rule for rules in exact for rule in rules)
            style = "; ".join(text for _order, text in found)
            # What does not fit is not known, rather than a part of it.
            style = style if len(style) <= MAX_STYLE else ""
            self._known[key] = style
        self._left -= len(style)
        return style if self._left >= 0 else ""


def read(html):
    """Return the Sheet of the style elements of ``html``, an empty one for none.

    >>> read("<style>p.MsoNormal, li {margin:0cm}</style>").style("p", ("MsoNormal",))
    'margin: 0cm'
    """
    rules = {}
    count = 0
    for text in _sheets(html):
        for selectors, body in _blocks(text):
            if count >= MAX_RULES:
                return Sheet(rules)
            count += 1
            style = _style(body)
            if not style:
                continue
            for selector in selectors.split(",", MAX_SELECTORS)[:MAX_SELECTORS]:
                match = SELECTOR.fullmatch(selector.strip())
                if match and (match[1] or match[2]):
                    key = (match[1] or "").lower(), match[2] or ""
                    rules.setdefault(key, []).append((count, style))
    return Sheet(rules)


def _sheets(html):
    """Yield the texts of the style elements that stand in no comment."""
    left, position = MAX_SHEET, 0
    for _sheet in range(MAX_SHEETS):
        while (match := START.search(html, position)) and match[1] is None:
            position = comment_end(html, match.end())
        if not match:
            return
        end = END.search(html, match.end())
        if not end:
            return
        position = end.end()
        media = MEDIA.search(match[1])
        is_shown = not media or media[1].strip().lower() in SHOWN_MEDIA
        if left > 0 and is_shown:
            text = html[match.end() : min(end.start(), match.end() + left)]
            left -= len(text)
            yield STYLE_COMMENT.sub(" ", text).replace("<!--", " ").replace("-->", " ")


def _blocks(text):
    """Yield (selectors, declarations) of the rules that stand in no other block."""
    depth, start, opened, prelude = 0, 0, 0, ""
    for brace in BRACE.finditer(text):
        if brace[0] == "{":
            depth += 1
            if depth == 1:
                # Behind statements such as @import.
                prelude = text[start : brace.start()].rpartition(";")[2].strip()
                opened = brace.end()
        elif depth:
            depth -= 1
            if not depth:
                start = brace.end()
                if not prelude.startswith("@"):
                    yield prelude, text[opened : brace.start()]


def _style(body):
    """Return the declarations that are taken, or ""."""
    kept = []
    for declaration in body.split(";", MAX_DECLARATIONS)[:MAX_DECLARATIONS]:
        if len(declaration) > MAX_STYLE:
            continue
        name = declaration.partition(":")[0].strip().lower()
        clean = clean_declaration(declaration) if name in PROPERTIES else None
        if clean:
            kept.append(clean)
    return "; ".join(kept)
