"""Text of strangers in the cells of spreadsheets.

Source: OWASP, "CSV Injection". A program that opens a file takes a cell for a formula
by how it begins, some after blanks or by the wide forms of the signs; the library that
writes xlsx also takes ``{=``, and makes links to other computers of ``external:`` and
``file:``.
"""

import re

FORMULA = re.compile(
    r"[\t\r\n]|[\s\x00-\x1f\ufeff\u200b]*(?:\{?[=＝]|[+\-@＋－＠]|(?:(?:in|ex)ternal|file):)"
)


def as_text(value):
    """Return the value of a cell; a text that could run gets an apostrophe in front.

    >>> as_text('=1+1'), as_text('Offer'), as_text(-5)
    ("'=1+1", 'Offer', -5)
    """
    if isinstance(value, str) and FORMULA.match(value):
        return "'" + value
    return value
