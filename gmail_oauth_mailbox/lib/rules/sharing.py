"""What a record shows of an email, decided without a database.

Several mailboxes hold copies of an email. Nothing in a copy proves anything against the
owner of its mailbox, since they can insert any message into it. So every entry on a
record is made from one copy, of a mailbox whose own choice allows it, and shows nothing
of another copy. Choices of other mailboxes only ever make an entry show less, and only
those of mailboxes that the copy itself names or that share a mailing list with it.

A mailbox's choice is the one that applied when the email arrived: sharing more acts on
later email, sharing less on all of it.
"""

from dataclasses import dataclass
from datetime import datetime

# From the strictest to the loosest. ``False`` is unset: no choice.
LEVELS = ("nobody", "metadata", "subject", "everything")
RANKS = {"nobody": 0, False: 1, "metadata": 2, "subject": 3, "everything": 4}


@dataclass(frozen=True, slots=True)
class Choice:
    """The choice of a mailbox's owner for an email, kept after its copies are gone.

    :ivar mailbox: names the mailbox, also one that was deleted
    :ivar level: one of LEVELS
    :ivar is_private: the conversation is always private
    :ivar addresses: keys of the mailbox's verified addresses (domains.mailbox_key)
    :ivar date: Date header of its copies, or None when unknown or when they differ
    """

    mailbox: str
    level: str
    is_private: bool = False
    addresses: frozenset = frozenset()
    date: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A record that a mailbox links its copy to.

    :ivar record: (model, id)
    :ivar kind: "note", "reply" (it answers an email that Odoo sent from the record), or
        "sent" (it was sent from the record, which shows it already)
    :ivar is_wanted: the owner wrote the email that it answers, or asked for this answer
    :ivar is_offered: somebody else's act leads here, and the owner hasn't agreed
    :ivar notify: followers learn of the answer
    :ivar parent: id of the mail.message that it answers, or None
    """

    record: tuple[str, int]
    kind: str = "note"
    is_wanted: bool = False
    is_offered: bool = False
    notify: bool = False
    parent: int | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """A mailbox's copy of an email.

    :ivar id: of the message, rising in the order in which copies were stored; None when
        the copy is gone and its entry remains
    :ivar mailbox: as in Choice
    :ivar digest: the same for copies that show the same (same_email.digest); of one
        that is gone with a mark of its entry, see ``base``
    :ivar level: its own choice, one of LEVELS or False
    :ivar is_private: its conversation is always private
    :ivar people: keys of the addresses in From, To, and Cc
    :ivar addresses: keys of the mailbox's verified addresses
    :ivar is_from_owner: the mailbox sent it, from one of these
    :ivar is_hidden: it names the owner nowhere (Bcc)
    :ivar by_list: it came by a mailing list
    :ivar is_internal: all people on it are colleagues
    :ivar date: Date header, or None
    :ivar most: of a copy that is gone: the level that its entry has, else None
    :ivar stored: of a copy that is gone: the id that it had, or None when unknown
    :ivar was_folded: of a copy that is gone: its entry is folded
    :ivar places: of Place
    """

    id: int | None
    mailbox: str
    digest: str
    level: str | bool = False
    is_private: bool = False
    people: frozenset = frozenset()
    addresses: frozenset = frozenset()
    is_from_owner: bool = False
    is_hidden: bool = False
    by_list: bool = False
    is_internal: bool = False
    date: datetime | None = None
    most: str | None = None
    stored: int | None = None
    was_folded: bool = False
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What a record shall show of an email.

    :ivar copy: the one that it is made from
    :ivar place: of that copy
    :ivar level: one of LEVELS but "nobody"
    :ivar is_folded: a copy that differs stands before it
    """

    copy: Copy
    place: Place
    level: str
    is_folded: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What records show of an email.

    :ivar targets: {record: (Target, …)}, each of another digest, the first one open
    :ivar asked: (copy id, record) of answers to Odoo's mail that wait for their owner
    """

    targets: dict
    asked: frozenset


def rank(level):
    """Return how loose a level is. Unset lies between nobody and metadata."""
    return RANKS[level or False]


def stricter(one, other):
    """Return the stricter of two levels.

    >>> stricter("subject", "everything")
    'subject'
    """
    return min(one or False, other or False, key=rank)


def joined(source, target, default, has_emails):
    """Return the owner's level for a conversation that emails of another one move to,
    since Gmail joined the two. Nothing is shared that one of the choices kept private.

    :param source: the choice for the conversation that they come from, one of LEVELS
    :param target: the choice for the one that they move to, one of LEVELS or False
    :param default: what the mailbox says: one of LEVELS or False
    :param has_emails: whether the target holds other emails

    >>> joined("everything", False, "nobody", True)
    False
    >>> joined("nobody", "everything", "everything", True)
    'nobody'
    >>> joined("everything", False, "nobody", False)
    'everything'
    """
    if target:
        return stricter(source, target)
    if not has_emails or rank(source) < rank(default):
        return source
    return target


def capped(level, limit):
    """Return a level within the administrator's limit. No limit is ``False``.

    >>> capped("everything", "metadata"), capped(False, "nobody")
    ('metadata', False)
    """
    if not level or not limit or rank(level) <= rank(limit):
        return level or False
    return limit


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
    # Email of a looser level has this one now.
    since = next((since for since, _level in steps[len(kept) :]), moment)
    return (*kept, (since if kept else None, level))


def level_at(steps, moment):
    """Return the level that applies to email of ``moment``."""
    level = False
    for since, step in steps:
        if since is None or since <= moment:
            level = step
    return level


def counts(choice, copy):
    """Whether another mailbox's choice limits what is shown of a copy.

    It does when the copy names that mailbox, or came by a mailing list, whose members
    it doesn't name. A mailbox that a copy doesn't name decides nothing about it.
    """
    if choice.mailbox == copy.mailbox:
        return False
    if choice.date and copy.date and choice.date != copy.date:
        return False
    return copy.by_list or not choice.addresses.isdisjoint(copy.people)


def allowed(copy, choices, limit=False):
    """Return the level at which a copy can be shown, one of LEVELS or False.

    :param choices: of all mailboxes for this email
    :param limit: the administrator's, or False

    >>> anna = Copy(1, "anna", "d", "everything", people=frozenset({"anna", "ben"}))
    >>> ben = Choice("ben", "subject", addresses=frozenset({"ben"}))
    >>> eve = Choice("eve", "nobody", addresses=frozenset({"eve"}))
    >>> allowed(anna, [ben, eve]), allowed(anna, [ben], "metadata")
    ('subject', 'metadata')
    """
    level = copy.level
    if not level:
        return False
    for choice in choices:
        if counts(choice, copy):
            level = stricter(level, choice.level)
    if copy.most:
        level = stricter(level, copy.most)
    return capped(level, limit)


def decide(copies, choices, limit=False):
    """Return the Decision for an email.

    :param copies: all copies of it, and of entries whose copy is gone
    :param choices: of all mailboxes for it
    :param limit: the administrator's, or False

    >>> lead = Place(("crm.lead", 1))
    >>> found = decide([Copy(1, "anna", "d", "subject", places=(lead,))], [])
    >>> [(t.copy.id, t.level) for t in found.targets["crm.lead", 1]]
    [(1, 'subject')]
    """
    candidates, shown, asked = {}, set(), set()
    for copy in copies:
        is_private = _is_private(copy, copies, choices)
        for place in copy.places:
            if place.kind == "sent":
                shown.add((place.record, copy.digest))
                continue
            if is_private:
                continue
            target, is_asked = _target(copy, place, choices, limit)
            if target:
                of_record = candidates.setdefault(place.record, {})
                best = of_record.get(copy.digest)
                if best is None or _order(target) < _order(best):
                    of_record[copy.digest] = target
            elif is_asked:
                asked.add((copy.id, place.record))
    targets = {}
    for record, by_digest in candidates.items():
        left = [
            target
            for digest, target in by_digest.items()
            if (record, digest) not in shown
            and not _is_shown_by_gone(target, by_digest.values())
        ]
        first, *others = sorted(left, key=_position) or [None]
        if first:
            folded = (Target(t.copy, t.place, t.level, True) for t in others)
            targets[record] = (first, *folded)
    return Decision(targets, frozenset(asked))


def _is_private(copy, copies, choices):
    """Whether a conversation that is always private keeps a copy from being shown.

    Anyone can send the owner another email with the same From and Message-ID. What the
    owner chooses for that one counts only for copies that have its Date, too.
    """
    own = [c for c in copies if c.mailbox == copy.mailbox and c.is_private]
    if any(other.date == copy.date for other in own):
        return True
    for choice in choices:
        if not choice.is_private:
            continue
        if choice.mailbox != copy.mailbox:
            if counts(choice, copy):
                return True
        elif choice.date == copy.date or not (choice.date or own):
            # Of copies that are gone the date may be unknown.
            return True
    return False


def _target(copy, place, choices, limit):
    """Return (Target or None, whether the owner is asked) for a copy on a record."""
    if copy.is_hidden or place.is_offered:
        return None, False
    if place.kind == "reply":
        if copy.level == "nobody" and not place.is_wanted:
            return None, True
        return Target(copy, place, "everything"), False
    if copy.is_internal:
        return None, False
    level = allowed(copy, choices, limit)
    if rank(level) <= rank(False):
        return None, False
    return Target(copy, place, level), False


def base(digest):
    """Return the digest of what an entry shows, without the mark of one whose copy is
    gone."""
    return digest.partition(" ")[0]


def _is_shown_by_gone(target, others):
    """Whether an entry whose copy is gone shows the same, and as much."""
    digest = target.copy.digest
    return target.copy.id is not None and any(
        other.copy.id is None
        and base(other.copy.digest) == digest
        and rank(other.level) >= rank(target.level)
        for other in others
    )


def _standing(copy):
    """Return how close a copy is to its email: its sender's own first, then those of
    mailboxes that it names."""
    if copy.is_from_owner:
        return 0
    return 2 if copy.addresses.isdisjoint(copy.people) else 1


def _order(target):
    """The first of copies that show the same makes the entry: of equal ones the one
    that was stored first, so that none that is made later takes its place."""
    copy = target.copy
    return (
        -rank(target.level),
        target.place.kind != "reply",
        _standing(copy),
        copy.id or 0,
    )


def _position(target):
    """The first of copies that differ stands open: the one that was stored first.
    What the copies say of themselves, anyone can write."""
    copy = target.copy
    number = copy.id or copy.stored
    # Entries of earlier versions don't tell. Those that stand open stay so.
    unknown = number is None and copy.was_folded
    return (unknown, number or 0, copy.digest)
