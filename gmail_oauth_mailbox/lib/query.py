"""Searches in Gmail's own language.

Sources: Gmail's help page "Refine searches in Gmail"; Gmail API, "Search and filter
messages", which has ``after:`` in seconds.
"""

import re
from calendar import timegm

from .mime.addresses import spellings

# A smaller number could be taken for a date; older mail is rare, and all of it is
# asked for then.
FIRST_SECONDS = 1_000_000_000
HIDDEN = "-in:spam -in:trash -in:drafts -in:chats"
CATEGORIES = {
    "CATEGORY_PERSONAL": "primary",
    "CATEGORY_PROMOTIONS": "promotions",
    "CATEGORY_SOCIAL": "social",
    "CATEGORY_FORUMS": "forums",
    "CATEGORY_UPDATES": "updates",
}
# Of the part of a search that names people. Google tells no limit; the web page's
# search takes about so many.
MOST_CHARACTERS = 1_500
# Anything else would be read as a part of the search's language.
ADDRESS = re.compile(
    r"[^\s\"'(){}<>,;:\\|*?][^\s\"(){}<>,;:\\|*?]*@[^\s\"(){}<>,;:|*?]+"
)
# Gmail writes a label's name with hyphens in their place.
BETWEEN_WORDS = re.compile(r"[ /]")
# Of what is typed into a search field.
MOST_ASKED = 300
OPENS = {"(": ")", "{": "}"}
BRACKETS = re.compile(r"[(){}]")
PLAIN_LABEL = re.compile(r"[\w-]+")


def window(since=None):
    """Return the search for mail that may be mirrored.

    :param since: naive UTC datetime of the oldest that is wanted, or None for all

    >>> from datetime import datetime
    >>> window(datetime(2026, 11, 1))
    '-in:spam -in:trash -in:drafts -in:chats after:1793491200'
    """
    seconds = timegm(since.timetuple()) if since else 0
    return f"{HIDDEN} after:{seconds}" if seconds >= FIRST_SECONDS else HIDDEN


def without(gmail_id, name):
    """Return the term that leaves out mail with a label, or "" when the language has
    no safe way to say it: such mail is left out after it was looked at.

    >>> without("CATEGORY_SOCIAL", "CATEGORY_SOCIAL")
    '-category:social'
    >>> without("Label_7", "Work/Old stuff")
    '-label:work-old-stuff'
    """
    if gmail_id in CATEGORIES:
        return f"-category:{CATEGORIES[gmail_id]}"
    if gmail_id in ("INBOX", "SENT"):
        return f"-in:{gmail_id.lower()}"
    if gmail_id.startswith("Label_"):
        word = BETWEEN_WORDS.sub("-", name).lower()
        if PLAIN_LABEL.fullmatch(word):
            return f"-label:{word}"
    return ""


def asked(text):
    """Return what somebody looks for as one term, or "" when it is nothing.

    Her text may use the search's language; brackets and quotes that are not closed
    would tear other terms in, and go.

    >>> asked("from:ann (offer OR order)")
    '(from:ann (offer OR order))'
    >>> asked('offer) OR in:spam (')
    '(offer OR in:spam)'
    """
    text = " ".join(text.split())[:MOST_ASKED]
    if text.count('"') % 2:
        text = text.replace('"', " ")
    opened = []
    for mark in BRACKETS.findall(text):
        if mark in OPENS:
            opened.append(OPENS[mark])
        elif not opened or opened.pop() != mark:
            opened = [None]
            break
    if opened:
        text = BRACKETS.sub(" ", text)
    text = " ".join(text.split())
    return f"({text})" if text else ""


def people(addresses):
    """Return (the term for mail from or to one of as many addresses as fit into one
    search, how many of them it covers).

    Each is asked for in all its spellings: Google documents none of them as the same.
    What cannot be an address in a search is covered, and not named.

    >>> people(["ann@a.test", "no address"])
    ('{from:ann@a.test to:ann@a.test cc:ann@a.test bcc:ann@a.test}', 2)
    >>> people(["no address"])
    ('', 1)
    """
    terms, size, covered = [], 0, 0
    for address in addresses:
        term = " ".join(
            f"{role}:{spelled}"
            for spelled in spellings(address)
            if ADDRESS.fullmatch(spelled)
            for role in ("from", "to", "cc", "bcc")
        )
        if term:
            if terms and size + len(term) > MOST_CHARACTERS:
                break
            terms.append(term)
            size += len(term) + 1
        covered += 1
    return (f"{{{' '.join(terms)}}}" if terms else ""), covered
