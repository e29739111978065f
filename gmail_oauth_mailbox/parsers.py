"""Odoo's and the standard library's parsers, behind the bounds that they lack.

What others wrote (mail, contacts, answers of Google, users) reaches the parsers of
``odoo.tools`` and ``email.utils`` through these functions only. Each has the name and
the result of the function that it calls; a text beyond the bound counts as broken.
"""

from email import utils

from lxml import etree

from odoo import tools
from odoo.tools import mail

from .lib.mime import limits
from .lib.sanitize import well_formed

# Characters of plain text that become HTML.
MAX_TEXT = 1_000_000


def email_normalize(text):
    return mail.email_normalize(limits.address(text))


def email_normalize_all(text):
    return mail.email_normalize_all(limits.addresses(text))


def email_split_tuples(text):
    return mail.email_split_tuples(limits.addresses(text))


def email_split_and_format(text):
    return mail.email_split_and_format(limits.addresses(text))


def getaddresses(texts):
    return utils.getaddresses([limits.addresses(text) for text in texts])


def html_sanitize(html, **options):
    return tools.html_sanitize(well_formed(html), **options)


def html2plaintext(html, **options):
    try:
        return mail.html2plaintext(well_formed(html), **options)
    except (etree.LxmlError, AttributeError):
        # lxml makes nothing, or no document, of what holds no element and no text.
        return ""


def is_html_empty(html):
    return tools.is_html_empty(well_formed(html))


def plaintext2html(text, **options):
    return mail.plaintext2html((text or "")[:MAX_TEXT], **options)
