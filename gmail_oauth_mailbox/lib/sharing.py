"""What of a mail may stand in a document, decided without a database.

A mail is held by several mailboxes; their owners' explicit choices are votes, and the
strictest wins. A mailbox is asked for the choice that held when the mail came: to
share more acts on later mail, to share less acts on all of it.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import timezone
from email.utils import parsedate_to_datetime

# From the strictest to the loosest; ``False`` is unset, no vote.
LEVELS = ("nobody", "metadata", "subject", "everything")
RANKS = {"nobody": 0, False: 1, "metadata": 2, "subject": 3, "everything": 4}
WORD = re.compile(r"\w+")
TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class Vote:
    """An owner's explicit choice for a mail.

    :ivar level: one of LEVELS
    :ivar is_veto: she keeps its conversation private
    :ivar is_vouched: her copy is from whom it says
    """

    level: str
    is_veto: bool = False
    is_vouched: bool = True


@dataclass(frozen=True, slots=True)
class Filing:
    """A document that a mail belongs to.

    :ivar document: (model, id)
    :ivar is_reply: it answers a mail that Odoo sent from that document
    """

    document: tuple[str, int]
    is_reply: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What shall stand in a document: one of LEVELS but ``nobody``."""

    level: str
    is_reply: bool = False


def rank(level):
    """Return how loose a level is; unset lies between nobody and metadata."""
    return RANKS[level or False]


def stricter(one, other):
    """Return the stricter of two levels.

    >>> stricter("subject", "everything")
    'subject'
    """
    return min(one or False, other or False, key=rank)


def capped(level, ceiling):
    """Return a level below the administrator's ceiling; no ceiling is ``False``.

    >>> capped("everything", "metadata"), capped(False, "nobody")
    ('metadata', False)
    """
    if not level or not ceiling or rank(level) <= rank(ceiling):
        return level or False
    return ceiling


def changed(steps, level, moment):
    """Return the steps of a mailbox whose level becomes ``level`` at ``moment``.

    :param steps: ((since, level), …) with rising levels; the first since is None
    :param moment: anything that compares with the others, e.g. ISO text

    >>> changed(((None, False),), "everything", "2026-11-24")
    ((None, False), ('2026-11-24', 'everything'))
    >>> changed(((None, False), ("2026-11-24", "everything")), "nobody", "2026-11-25")
    ((None, 'nobody'),)
    """
    level = level or False
    kept = tuple(step for step in steps if rank(step[1]) <= rank(level))
    if kept and kept[-1][1] == level:
        return kept
    # What came at a looser level is at this one now.
    since = next((since for since, _level in steps[len(kept) :]), moment)
    return (*kept, (since if kept else None, level))


def level_at(steps, moment):
    """Return the level that holds for mail of ``moment``."""
    level = False
    for since, step in steps:
        if since is None or since <= moment:
            level = step
    return level


def strictest(votes):
    """Return the strictest level among votes, or False when there is none."""
    levels = [vote.level for vote in votes]
    return min(levels, key=rank) if levels else False


def demanded(votes, filings, ceiling=False, is_vouched=False):
    """Return {document: Demand} of a mail.

    An answer to Odoo's mail belongs to its document whatever the level, unless an
    owner keeps the conversation private; elsewhere the votes decide.

    :param is_vouched: somebody has a copy that is from whom it says; copies that may be
        forged, word by word, then make nothing of it public

    >>> demanded([Vote("subject"), Vote("everything")], [Filing(("crm.lead", 1))])
    {('crm.lead', 1): Demand(level='subject', is_reply=False)}
    """
    if any(vote.is_veto for vote in votes):
        return {}
    level = strictest(votes)
    if is_vouched and not any(vote.is_vouched for vote in votes):
        level = stricter(level, False)
    level = capped(level, ceiling)
    found = {}
    for filing in filings:
        if filing.is_reply:
            found[filing.document] = Demand("everything", True)
        elif rank(level) > rank(False):
            found.setdefault(filing.document, Demand(level))
    return found


def mail_key(message_id, sender, date, body):
    """Return what copies of one mail share: Message-ID, From, Date and text.

    Another text under the same id makes another key, so that nobody can put words into
    a mail that a colleague has.

    :param sender: normalised address
    :param date: the Date header
    :param body: plain text
    :return: 32 hexadecimal digits, or None for mail without a Message-ID
    """
    if not message_id:
        return None
    digest = hashlib.sha256()
    for part in (message_id, sender or "", date_of(date), letters(body)):
        digest.update(part.encode("utf-8", "surrogatepass"))
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def date_of(header):
    """Return a Date header (RFC 5322, 3.3) as ISO text in UTC, whole seconds, or ""
    when it cannot be read."""
    try:
        date = parsedate_to_datetime(header or "")
        if date.tzinfo:
            date = date.astimezone(timezone.utc).replace(tzinfo=None)
        return date.isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, IndexError):
        return ""


def letters(text):
    """Return the words of a text without what mail servers change: blanks, line ends,
    signs.

    >>> letters("Hello,\\r\\n> Anna!")
    'HelloAnna'
    """
    return "".join(WORD.findall(text or ""))


def same_words(html, other):
    """Whether two pieces of HTML say the same, whoever sanitised them.

    >>> same_words("<p>Hello <b>Anna</b></p>", "<div>Hello Anna</div>")
    True
    """
    return letters(TAG.sub(" ", html or "")) == letters(TAG.sub(" ", other or ""))
