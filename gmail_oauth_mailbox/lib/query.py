"""Searches in Gmail's own language.

Sources: Gmail's help page "Refine searches in Gmail"; Gmail API, "Search and filter
messages", which has ``after:`` in seconds.
"""

import re
from calendar import timegm
from urllib.parse import quote

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
# Google's front end refuses addresses above about 8 KB (414). Of these, the labels that
# are left out get so many characters, as the address has them.
LABELS_ROOM = 4_000
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


def size(text):
    """Return how many characters of an address a text takes.

    >>> size("ab"), size("a b"), size("ü")
    (2, 3, 6)
    """
    return len(quote(text.replace(" ", "+"), safe="+"))


def fitting(terms, room):
    """Return the first of some terms that fit into so much room, as one text. What is
    left out of the search is left out after it was looked at.

    :param room: in characters of an address

    >>> fitting(["-label:a", "-label:b"], 15)
    '-label:a'
    """
    taken = []
    for term in terms:
        room -= size(term) + 1
        if room < 0:
            break
        taken.append(term)
    return " ".join(taken)


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


def people(addresses, room=MOST_CHARACTERS):
    """Return (the term for mail from or to one of as many addresses as fit into one
    search, how many of them it covers).

    Each is asked for in all its spellings: Google documents none of them as the same.
    What cannot be an address in a search is covered, and not named, and so is what is
    too long for any search.

    :param room: in characters of an address, one of them at least

    >>> people(["ann@a.test", "no address"])
    ('{from:ann@a.test to:ann@a.test cc:ann@a.test bcc:ann@a.test}', 2)
    >>> people(["no address"])
    ('', 1)
    """
    terms, taken, covered = [], 0, 0
    for address in addresses:
        term = " ".join(
            f"{role}:{spelled}"
            for spelled in spellings(address)
            if ADDRESS.fullmatch(spelled)
            for role in ("from", "to", "cc", "bcc")
        )
        if term:
            length = size(term)
            if terms and taken + length > room:
                break
            if length <= LABELS_ROOM:
                terms.append(term)
                taken += length + 1
        covered += 1
    return (f"{{{' '.join(terms)}}}" if terms else ""), covered
