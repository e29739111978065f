"""Bounds for headers that the standard library parses.

``email.utils`` calls itself for each comment within a comment and for each group of
addresses, and ends the work with RecursionError at a few hundred of them. An address
has 320 characters at most (RFC 5321: 64 + 1 + 255), a date about 40 (RFC 5322, 3.3).
"""

import re

# Characters of a list of addresses that a person or Odoo wrote.
MAX_ADDRESSES = 100_000
# Characters of one address with its name.
MAX_ADDRESS = 2_000
MAX_DATE = 200
# Comments or groups; addresses have hardly ever one.
MAX_NESTED = 50
NESTING = re.compile(r"[():]")


def addresses(text):
    """Return a list of addresses (str or None) that ``email.utils`` can read: without
    its comments and groups when there are too many.

    >>> addresses("a@x.test, b@x.test")
    'a@x.test, b@x.test'
    """
    text = (text or "")[:MAX_ADDRESSES]
    if text.count("(") + text.count(":") > MAX_NESTED:
        text = NESTING.sub(" ", text)
    return text


def address(text):
    """Return one address with its name, as ``addresses`` does; "" when it is longer
    than any."""
    text = text or ""
    return addresses(text) if len(text) <= MAX_ADDRESS else ""


def date(text):
    """Return the value of a Date header that ``email.utils`` can read, or ""."""
    text = text or ""
    return text if len(text) <= MAX_DATE else ""
