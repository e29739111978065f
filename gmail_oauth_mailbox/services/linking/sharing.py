"""One email on all records: reads its copies, has lib/rules/sharing decide, and brings
the chatter in line with the decision."""

import logging
from collections import defaultdict
from dataclasses import replace

from odoo.exceptions import UserError

from ...lib.rules import same_email, sharing
from ..failures import alone
from .choices import address_keys, former_name, name_of, steps_of

_logger = logging.getLogger(__name__)

NAMED = ("from", "to", "cc")


def keys_of_people(copy):
    """Return the keys of the addresses in From, To, and Cc of a gmail.message."""
    people = copy.participant_ids.filtered(lambda p: p.role in NAMED)
    return address_keys(people.mapped("address"))


def own_level(copy):
    """Return the level that a mailbox's own choice gives a gmail.message: that of its
    conversation, else the mailbox's when it arrived."""
    if copy.thread_id.sharing_level:
        return copy.thread_id.sharing_level
    if not copy.date:
        return False
    level = sharing.level_at(steps_of(copy.mailbox_id), copy.date.isoformat())
    # What shares anything is a choice for people's email, "nobody" one for all.
    return level if level == "nobody" or not copy.is_automated else False


class Sharing:
    """Settles what records show of emails.

    :param env_su: superuser environment
    :param chatter: Chatter
    :param choices: Choices
    :param moves: Moves
    """

    def __init__(self, env_su, chatter, choices, moves):
        self.env = env_su
        self.chatter = chatter
        self.choices = choices
        self.moves = moves

    # ------------------------------------------------------------------
    # One email
    # ------------------------------------------------------------------

    def settle(self, key, give_up=False):
        """Bring what records show of an email in line with the decision on it.

        :param key: same_email.mail_key
        :param give_up: do without attachments that Gmail does not give
        :return: False when something is left: attachments that Gmail is to be asked for
            later, or an entry that could not be posted; the others are settled
        """
        messages = self.env["gmail.message"].search([("mail_key", "=", key)])
        entries = self.env["gmail.entry"].search([("mail_key", "=", key)])
        self._compute_digests(messages)
        touched = self.moves.follow(entries, messages)
        entries = entries.exists()
        self._adopt_links(messages, entries)
        self._mark_gone(entries)
        choices = self.choices.of_email(key)
        self.env["gmail.linker"]._note_internal(messages)
        copies = self._copies(messages)
        by_id = {message.id: message for message in messages}
        touched |= self._note_sent(key, messages)
        entries = self.env["gmail.entry"].search([("mail_key", "=", key)])
        limit = self._limit()
        self._name_earlier(entries, messages, sharing.decide(copies, choices, limit))
        copies += self._gone(entries, choices)
        decision = sharing.decide(copies, choices, limit)
        waiting = set() if give_up else self._fetch_files(decision, by_id, entries)
        changed, complete = self._apply(key, decision, by_id, entries, waiting)
        touched |= changed
        self._apply_asked(decision, by_id)
        if touched:
            self.env["gmail.correspondence"]._recount(touched)
            self._announce(messages)
        return complete and not waiting

    def limit_of(self, message):
        """Return how much of a message (sudo) its owner may put on a record by hand:
        what they, the mailboxes that it names, and the administrator don't keep back.
        """
        if message.is_bcc:
            # Other people must not learn that the owner has it.
            return "nobody"
        [copy] = self._copies(message)
        level = message.thread_id.sharing_level or "everything"
        for choice in self.choices.of_email(message.mail_key):
            if choice.mailbox == copy.mailbox or sharing.counts(choice, copy):
                level = sharing.stricter(level, choice.level)
        return sharing.capped(level, self._limit())

    def is_internal(self, message):
        """Whether all people on a message are colleagues, or were once."""
        return message.id in self._internal(message)

    # ------------------------------------------------------------------
    # Reading
    # ------------------------------------------------------------------

    def _limit(self):
        return self.env["gmail.setup"]._sharing_ceiling()

    def _compute_digests(self, messages):
        """Compute the digests of messages that were not compared yet."""
        for message in messages.filtered(lambda m: not m.content_digest):
            people = message.participant_ids.filtered(lambda p: p.role in NAMED)
            message.content_digest = same_email.digest(
                message.subject,
                [(p.role, p.address, p.name) for p in people],
                message.body,
                [(a.name, a.size) for a in message.attachment_ids],
            )

    def _mark_gone(self, entries):
        """Give entries whose copy is gone a digest of their own, so that no other copy
        takes them over, or is kept back by them."""
        for entry in entries:
            is_gone = not entry.message_id and entry.mail_message_id
            if is_gone and entry.digest and " " not in entry.digest:
                if entry.kind != "stock":
                    entry.digest = f"{entry.digest} {entry.id}"

    def _internal(self, messages):
        """Return the ids of messages that are among colleagues, or were once."""
        filings = self.env["gmail.filing"].search(
            [("message_id", "in", messages.ids), ("is_internal", "=", True)]
        )
        now = self.env["gmail.linker"]._internal(messages)
        return now | set(filings.message_id.ids)

    def _copies(self, messages):
        """Return messages as lib.rules.sharing.Copy."""
        places = self._places(messages)
        internal = self._internal(messages)
        return [
            sharing.Copy(
                id=message.id,
                mailbox=former_name(message.mailbox_id),
                digest=message.content_digest or "",
                level=own_level(message),
                is_private=message.thread_id.sharing_level == "nobody",
                people=keys_of_people(message),
                addresses=address_keys(message.mailbox_id._addresses()),
                is_from_owner=message.direction == "out" and message.is_authentic,
                is_hidden=message.is_bcc,
                by_list=message.is_list,
                is_internal=message.id in internal,
                date=message.header_date or None,
                places=tuple(places[message.id]),
            )
            for message in messages
        ]

    def _places(self, messages):
        """Return {message id: its lib.rules.sharing.Place rows}."""
        filings = self.env["gmail.filing"].search(
            [("message_id", "in", messages.ids)], order="id"
        )
        places = defaultdict(list)
        for filing in filings:
            places[filing.message_id.id].append(
                sharing.Place(
                    record=(filing.res_model, filing.res_id),
                    kind=filing.kind,
                    is_wanted=filing.is_wanted,
                    is_offered=bool(filing.offer_id),
                    notify=filing.notify,
                    parent=filing.parent_id or None,
                )
            )
        return places

    def _gone(self, entries, choices):
        """Return the copies of entries whose message is gone. They have the choice that
        their mailbox leaves behind, and no more than the entry shows."""
        own = {choice.mailbox: choice for choice in choices}
        found = []
        for entry in entries:
            is_gone = not entry.message_id and entry.mail_message_id
            if not is_gone or entry.kind == "stock":
                continue
            mailbox = name_of(entry)
            copy = sharing.Copy(
                id=None,
                mailbox=mailbox,
                digest=entry.digest or f"entry {entry.id}",
                people=address_keys((entry.addresses or "").split()),
                by_list=entry.is_list,
                date=entry.header_date or None,
                most=entry.level,
                stored=entry.copy_number or None,
                was_folded=entry.is_folded,
                places=(
                    sharing.Place(
                        (entry.res_model, entry.res_id),
                        entry.kind,
                        is_wanted=entry.is_wanted,
                    ),
                ),
            )
            choice = own.get(mailbox) or (
                self._strictest(copy, choices) if not mailbox else None
            )
            found.append(
                replace(
                    copy,
                    level=choice.level if choice else False,
                    is_private=bool(choice and choice.is_private),
                )
            )
        return found

    def _strictest(self, copy, choices):
        """Return the choice for an entry of an earlier version, which names no mailbox:
        the strictest of those that count for it."""
        counting = (c for c in choices if sharing.counts(c, copy))
        return min(counting, key=lambda c: sharing.rank(c.level), default=None)

    # ------------------------------------------------------------------
    # Links that come back
    # ------------------------------------------------------------------

    def _adopt_links(self, messages, entries):
        """Link copies that were imported again to the records that still show them."""
        for entry in entries:
            if entry.message_id or entry.kind == "stock" or not entry.digest:
                continue
            digest = sharing.base(entry.digest)
            for message in messages:
                if (former_name(message.mailbox_id), message.content_digest) != (
                    name_of(entry),
                    digest,
                ):
                    continue
                record = (entry.res_model, entry.res_id)
                link = self.env["gmail.link"].search(
                    [
                        ("thread_id", "=", message.thread_id.id),
                        ("res_model", "=", record[0]),
                        ("res_id", "=", record[1]),
                    ],
                    limit=1,
                )
                if link.state == "removed":
                    continue
                self.env["gmail.linker"]._relink(message, record, entry)
                self._take_back(entry, message, entries)

    def _take_back(self, entry, message, entries):
        """Have an entry name the copy of its own mailbox that is there again."""
        twins = entries.filtered(
            lambda e: (
                e != entry
                and e.digest == message.content_digest
                and (e.res_model, e.res_id) == (entry.res_model, entry.res_id)
            )
        )
        if not twins:
            entry.write(
                {
                    "digest": message.content_digest,
                    "message_id": message.id,
                    "mailbox_id": message.mailbox_id.id,
                    "former": False,
                }
            )

    # ------------------------------------------------------------------
    # Applying
    # ------------------------------------------------------------------

    def _note_sent(self, key, messages):
        """Note where messages of Odoo's own show emails that were sent from records."""
        touched = set()
        places = self._places(messages)
        for message in messages:
            for place in places[message.id]:
                if place.kind == "sent" and self.chatter.adopt_sent(
                    key, place.record, message
                ):
                    touched.add(place.record)
        return touched

    def _name_earlier(self, entries, messages, decision):
        """Give entries of earlier versions, which name no copy, the digest of the one
        that they become."""
        for entry in entries.filtered(lambda e: not e.digest and e.mail_message_id):
            record = (entry.res_model, entry.res_id)
            taken = {e.digest for e in entries if (e.res_model, e.res_id) == record}
            if entry.kind == "stock":
                same = messages.filtered(
                    lambda m, post=entry.mail_message_id: (
                        m.sent_message_id == post.message_id
                        or same_email.same_words(m.body, post.body)
                    )
                )
                digests = (same or messages).mapped("content_digest")
            else:
                digests = [t.copy.digest for t in decision.targets.get(record, ())]
            left = [digest for digest in digests if digest not in taken]
            if left and not left[0].startswith("entry "):
                entry.digest = left[0]

    def _apply(self, key, decision, by_id, entries, waiting):
        """Remove entries, then rewrite and post the others.

        :param waiting: ids of copies whose attachments are not here yet
        :return: (records that are concerned, whether all went well)
        """
        touched, standing, complete = set(), {}, True
        for entry in entries:
            record = (entry.res_model, entry.res_id)
            standing[record, entry.digest or f"entry {entry.id}"] = entry
        wanted = {
            (record, target.copy.digest): target
            for record, targets in decision.targets.items()
            for target in targets
        }
        blocked = {
            record
            for (record, digest), entry in standing.items()
            if digest.startswith("entry ") and not entry.mail_message_id
        }
        for (record, digest), entry in list(standing.items()):
            if entry.kind == "stock" or not entry.mail_message_id:
                # Odoo's own is never changed; what a user deleted is not posted again.
                continue
            target = wanted.get((record, digest))
            if not target or (target.place.kind != entry.kind and target.copy.id):
                self.chatter.remove(entry)
                del standing[record, digest]
                touched.add(record)
        less_first = sorted(
            wanted.items(), key=lambda item: sharing.rank(item[1].level)
        )
        for (record, digest), target in less_first:
            if record in blocked or target.copy.id in waiting:
                continue
            entry = standing.get((record, digest))
            # One that fails keeps back no other, and no removal.
            with alone(self.env, _logger, "Entry of %s", key) as failed:
                if self._apply_one(key, record, target, entry, by_id):
                    touched.add(record)
            complete = complete and not failed
        return touched, complete

    def _apply_one(self, key, record, target, entry, by_id):
        """Bring one entry in line; return whether it changed."""
        copy = by_id.get(target.copy.id)
        if not entry:
            if copy:
                self.chatter.post(key, record, target, copy)
            return bool(copy)
        if entry.kind == "stock" or not entry.mail_message_id:
            return False
        if copy and self.chatter.give_way(entry, copy):
            return True
        if self._is_same(entry, target):
            return False
        self.chatter.rewrite(entry, target, copy or self.env["gmail.message"].browse())
        return True

    def _is_same(self, entry, target):
        return (
            entry.level == target.level
            and entry.is_folded == target.is_folded
            and (target.copy.id is None or entry.message_id.id == target.copy.id)
        )

    def _apply_asked(self, decision, by_id):
        """Have the links of answers to Odoo's mail say whether their owner is asked."""
        for copy_id, (model, res_id) in decision.asked:
            self._links(by_id[copy_id], model, res_id, "linked").write(
                {"state": "suggested", "reason": "private"}
            )
        for (model, res_id), targets in decision.targets.items():
            for target in targets:
                if target.copy.id and target.place.kind == "reply":
                    links = self._links(
                        by_id[target.copy.id], model, res_id, "suggested"
                    )
                    links.filtered(lambda link: link.reason == "private").write(
                        {"state": "linked", "reason": False}
                    )

    def _links(self, message, model, res_id, state):
        return self.env["gmail.link"].search(
            [
                ("thread_id", "=", message.thread_id.id),
                ("res_model", "=", model),
                ("res_id", "=", res_id),
                ("origin", "=", "reply"),
                ("state", "=", state),
            ]
        )

    def _fetch_files(self, decision, by_id, entries):
        """Fetch the attachments that entries will show; return the ids of the copies
        whose attachments Gmail doesn't give now."""
        standing = {
            entry.message_id.id for entry in entries if entry.level == "everything"
        }
        waiting = set()
        for targets in decision.targets.values():
            for target in targets:
                copy = by_id.get(target.copy.id)
                if not copy or target.level != "everything" or copy.id in standing:
                    continue
                missing = copy.attachment_ids.filtered(lambda a: not a.attachment_id)
                if not missing:
                    continue
                if copy.mailbox_id.state != "connected":
                    waiting.add(copy.id)
                    continue
                try:
                    self.env["gmail.files"]._fetch(missing)
                except UserError:
                    waiting.add(copy.id)
        return waiting

    def _announce(self, messages):
        """Have the clients of those who hold the email show it as it is now."""
        sync = self.env["gmail.sync"]
        for message in messages:
            sync._announce(message.mailbox_id, [message.thread_id.id])
