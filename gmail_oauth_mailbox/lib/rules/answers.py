"""Whether an email answers one that Odoo sent, decided without a database.

An answer is posted on the record of the email that it answers, at nearly every level.
The ids that an email names in References prove nothing: a colleague can write any id
into an email of their own, and whoever answers that copies it. So only what an email
answers counts (RFC 5322, 3.6.4: In-Reply-To, or the last id of References), step by
step back to Odoo's email, and no step is a colleague's.
"""

from dataclasses import dataclass

# Emails from Gmail between an answer and Odoo's email.
MAX_STEPS = 32


@dataclass(frozen=True, slots=True)
class Email:
    """An email that Odoo sent from a record.

    :ivar id: of its mail.message
    :ivar record: (model, id)
    :ivar recipients: keys of the addresses that Odoo sent it to
    """

    id: int
    record: tuple[str, int]
    recipients: frozenset = frozenset()


@dataclass(frozen=True, slots=True)
class Step:
    """An email of the mailbox that is linked to a record.

    :ivar record: (model, id)
    :ivar kind: as in sharing.Place
    :ivar email: id of the Email that it answers ("reply") or that it is ("sent"), or
        None
    """

    record: tuple[str, int]
    kind: str
    email: int | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An email that the mailbox holds.

    :ivar is_own: the owner sent it, beyond doubt
    :ivar senders: keys of the addresses in From
    :ivar is_outside: none of them is a colleague's
    :ivar answers: Message-ID of what it answers, or ""
    :ivar steps: of Step
    """

    is_own: bool
    senders: frozenset
    is_outside: bool = False
    answers: str = ""
    steps: tuple[Step, ...] = ()


def answered_id(in_reply_to, references):
    """Return the id of what an email answers, or "".

    :param in_reply_to: first id of that header, or empty
    :param references: ids separated by blanks, the oldest first, or empty

    >>> answered_id("", "<a@x.test> <b@x.test>")
    '<b@x.test>'
    >>> answered_id("<a@x.test>", "<b@x.test>")
    '<a@x.test>'
    """
    return in_reply_to or next(reversed((references or "").split()), "")


def find(answers, stored, by_message_id, by_id):
    """Return the Email that an email answers, also by way of other answers, or None.

    :param answers: Message-ID of what the email answers
    :param stored: {Message-ID: (Stored, …)} of the mailbox
    :param by_message_id: {Message-ID: Email}
    :param by_id: {id: Email}
    """
    records = None
    for _step in range(MAX_STEPS):
        copies = stored.get(answers, ())
        found = _found(answers, copies, by_message_id, by_id)
        if found:
            return found if records is None or found.record in records else None
        if not copies or not all(copy.is_own for copy in copies):
            return None
        # The owner went on from Gmail.
        earlier = {copy.answers for copy in copies}
        if len(earlier) > 1:
            return None
        for copy in copies:
            linked = {step.record for step in copy.steps}
            records = linked if records is None else records & linked
        [answers] = earlier
    return None


def _found(answers, copies, by_message_id, by_id):
    """Return the Email that has an id, or that all emails with it answer, or None."""
    if all(copy.is_own for copy in copies) and answers in by_message_id:
        return by_message_id[answers]
    of_copies = [set(_emails_of(copy, by_id)) for copy in copies]
    common = set.intersection(*of_copies) if of_copies else set()
    return by_id[common.pop()] if len(common) == 1 else None


def _emails_of(copy, by_id):
    """Yield the ids of the Emails that an email of the mailbox is, or answers."""
    for step in copy.steps:
        email = by_id.get(step.email)
        if step.kind not in ("sent", "reply") or not email:
            continue
        if email.record != step.record:
            continue
        if copy.is_own or (copy.is_outside and copy.senders & email.recipients):
            yield email.id


def is_answer(email, senders):
    """Whether an email that Gmail vouches for is posted as an answer to Odoo's.

    :param email: Email that it answers, or None
    :param senders: keys of the addresses in its From
    """
    return bool(email and senders & email.recipients)


def goes_on(email, outside, partakers):
    """Whether an email that the owner sent from Gmail belongs on a record.

    :param email: Email that it answers, or None
    :param outside: keys of its recipients who are no colleagues
    :param partakers: keys of those who take part in the record
    """
    return bool(email and outside & (email.recipients | partakers))
