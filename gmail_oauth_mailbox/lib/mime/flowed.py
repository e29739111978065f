"""Text whose lines were broken softly by its sender (RFC 3676)."""

from itertools import groupby
from operator import itemgetter

SIGNATURE = "-- "


def flowed(text, delsp=False):
    """Return a ``format=flowed`` text with its paragraphs on one line each.

    Quoted paragraphs keep their quote marks, and a blank behind them (4.5); lines that
    differ in their depth of quoting are never joined, nor is a line joined with the
    one that begins a signature (4.3). Stuffed blanks go (4.4).

    :param text: str, lines ended by "\\\\n" or "\\\\r\\\\n"
    :param delsp: the part says ``delsp=yes``: the blank at the end of a line only marks
        the break, as in languages without blanks, and in addresses (4.2)

    >>> flowed("See \\nthere\\n> quoted \\n> text\\n-- \\nAnn")
    'See there\\n> quoted text\\n-- \\nAnn'
    >>> flowed("https://x.test/a/ \\nb", delsp=True)
    'https://x.test/a/b'
    """
    lines = text.replace("\r\n", "\n").split("\n")
    joined = []
    # Of neighbours only.
    lines = map(_parsed, lines)
    for depth, group in groupby(lines, itemgetter(0)):  # pylint: disable=W8155
        marks = ">" * depth + " " if depth else ""
        joined += [marks + line for line in _paragraphs(group, delsp)]
    return "\n".join(joined)


def _parsed(line):
    """Return (depth of quoting, content without its stuffed blank) of a line."""
    content = line.lstrip(">")
    depth = len(line) - len(content)
    return depth, content.removeprefix(" ")


def _paragraphs(lines, delsp):
    """Yield the paragraphs of lines of one depth."""
    pieces = []
    for _depth, content in lines:
        if content == SIGNATURE:
            if pieces:
                yield "".join(pieces)
            yield content
            pieces = []
        elif content.endswith(" "):
            pieces.append(content[:-1] if delsp else content)
        else:
            yield "".join([*pieces, content])
            pieces = []
    if pieces:
        yield "".join(pieces)
