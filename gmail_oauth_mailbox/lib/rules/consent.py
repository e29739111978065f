"""Whether an owner is asked before somebody else's act shares more of their email.

A *way* is what leads an email to a record without its owner's act: the address of a
contact, the domain of a company, a subject rule. The owner's choice to share covers the
ways that existed by then, and those that they make. Every other way is offered once,
and no answer means that nothing is shared. What they declined stays declined.
"""

from dataclasses import dataclass
from datetime import datetime

OPEN, ASK, CLOSED = "open", "ask", "closed"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to a record.

    :ivar since: when it came to lead where it leads now, or None for long ago
    :ivar actor: id of the user whose act that was, or None when unknown
    :ivar is_standing: an answer covers all that this user does later, too
    """

    since: datetime | None = None
    actor: int | None = None
    is_standing: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What an owner answered to the offer of a way.

    :ivar state: "asked", "accepted" or "declined"
    :ivar at: when they answered, or were asked
    """

    state: str
    at: datetime


def decide(way, owner, chosen_at=None, answer=None):
    """Return OPEN (share), ASK (offer it), or CLOSED (it is offered, or declined).

    :param way: Way, or None when nothing is known about it, which opens nothing. An
        email that the owner linked themselves has no way to ask about.
    :param owner: id of the user whose email it is
    :param chosen_at: when the owner last chose to share, or None
    :param answer: Answer to an earlier offer of it, or None

    >>> morning, noon = datetime(2026, 11, 30, 9), datetime(2026, 11, 30, 12)
    >>> decide(Way(noon, actor=2), 1, morning), decide(Way(noon, actor=1), 1, morning)
    ('ask', 'open')
    """
    if answer and answer.state == "declined":
        # Until they answer anew, or link by hand; their other acts mean other things.
        return CLOSED
    if way and (way.since is None or way.actor == owner):
        return OPEN
    if way is None:
        return CLOSED if answer and answer.state == "asked" else ASK
    if answer and (way.is_standing or answer.at >= way.since):
        return OPEN if answer.state == "accepted" else CLOSED
    if chosen_at and way.since <= chosen_at:
        return OPEN
    return ASK
