"""The quoted text at the end of a message, folded as mail programs do.

Works on what ``clean_html`` returns, which is well-formed. A ``details`` element opens
and closes without a script.
"""

import re

QUOTE_TAG = re.compile(r"<(/?)blockquote\b[^>]*>")
TAG = re.compile(r"<[^>]*>")
# "On Monday, Carla wrote:" in an element of its own, right before the quote.
ATTRIBUTION = re.compile(
    r"<(div|p|span)\b[^>]*>(?:(?!</?(?:div|p|blockquote)\b).){1,400}"
    r":\s*(?:<br[^>]*>\s*)*</\1>\s*(?:<br[^>]*>\s*)*$",
    re.DOTALL,
)
WORD = re.compile(r"\w")
# Looked through before a quote for the line that introduces it.
MOST_ATTRIBUTION = 1500


def fold_quote(clean, title):
    """Return a message with the quote at its end folded.

    A quote that the writer answers line by line stays open, and one that is all there
    is, too.

    :param title: what the button is called, HTML-escaped

    >>> fold_quote("<p>Yes</p><blockquote>Well?</blockquote>", "Quoted")[:22]
    '<p>Yes</p><details><su'
    """
    start, end = _last_quote(clean)
    if start is None or _has_words(clean[end:]) or not _has_words(clean[:start]):
        return clean
    before = clean[max(0, start - MOST_ATTRIBUTION) : start]
    if match := ATTRIBUTION.search(before):
        start += match.start() - len(before)
        if not _has_words(clean[:start]):
            return clean
    return (
        f'{clean[:start]}<details><summary title="{title}" aria-label="{title}">'
        f"•••</summary>{clean[start:end]}</details>{clean[end:]}"
    )


def _last_quote(clean):
    """Return (start, end) of the last quote that is in no other, or (None, None)."""
    depth, start, found = 0, None, (None, None)
    for match in QUOTE_TAG.finditer(clean):
        if not match[1]:
            if not depth:
                start = match.start()
            depth += 1
        elif depth:
            depth -= 1
            if not depth:
                found = (start, match.end())
    return found


def _has_words(html):
    return bool(WORD.search(TAG.sub(" ", html)))
