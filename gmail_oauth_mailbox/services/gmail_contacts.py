import dataclasses
import itertools
import json
import logging
from collections import defaultdict
from datetime import datetime, timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..lib import errors
from ..lib.contact import may_be_one, plain_name
from ..lib.domains import is_role
from ..lib.mime.addresses import address_key
from ..lib.rules import doubt
from ..lib.rules.phone import phone_key
from ..lib.types import ParsedContact
from .gmail_contact_values import is_of_company, precedence
from .gmail_store import CONFLICTS
from .partner_keys import partner_ids

_logger = logging.getLogger(__name__)

# Google's sync tokens live for seven days after a full synchronisation. Those of a
# fleet are spread over a day, since Google allows few of their first pages at once.
FULL_AFTER = timedelta(days=5)
SPREAD = 86_400
# Contacts that are settled between two commits.
AT_ONCE = 500
# https://developers.google.com/people/api/rest/v1/contactGroups
SYSTEM_LABELS = [
    f"contactGroups/{name}"
    for name in (
        *("all", "blocked", "chatBuddies", "coworkers", "family", "friends"),
        *("myContacts", "starred"),
    )
]
# Stands for the etag of a person that can't be read.
UNREAD = "unread"
# When rules for everybody's contacts changed last.
RULES_AT = "gmail_oauth_mailbox.contact_rules_at"
EPOCH = datetime(1970, 1, 1)
# Why a Google contact becomes no new contact, though it may be one that there is.
NOT_CREATED = ("policy", "not_written_to", "no_right")
# Rows with what comes of one page.
TAKE = """
    INSERT INTO gmail_contact (
           mailbox_id, resource_name, etag, name, email, email_key, phone,
           company_name, card, company_key, photo_url, seen, is_gone, create_uid,
           create_date, write_uid, write_date)
    SELECT %(mailbox)s, resource_name, etag, name, email, email_key, phone,
           company_name, card, company_key, photo_url, %(seen)s, false, %(uid)s,
           %(now)s, %(uid)s, %(now)s
      FROM jsonb_to_recordset(%(rows)s::jsonb) AS x(
           resource_name text, etag text, name text, email text, email_key text,
           phone text, company_name text, card jsonb, company_key text, photo_url text)
        ON CONFLICT (mailbox_id, resource_name) DO UPDATE
       SET etag = excluded.etag, name = excluded.name, email = excluded.email,
           email_key = excluded.email_key, phone = excluded.phone,
           company_name = excluded.company_name, card = excluded.card,
           company_key = excluded.company_key, photo_url = excluded.photo_url,
           is_gone = false, write_date = excluded.write_date
     WHERE gmail_contact.etag IS DISTINCT FROM excluded.etag OR gmail_contact.is_gone
 RETURNING id
"""
# Who shares a key with whom, in the same company. What its owner decided stands alone,
# and an address book that she has not confirmed tells nothing to others.
PERSONS = """
    WITH RECURSIVE persons(id) AS (
        SELECT unnest(%(ids)s)
         UNION
        SELECT other.contact_id
          FROM persons p
          JOIN gmail_contact_key mine ON mine.contact_id = p.id
          JOIN gmail_contact_key other ON other.key = mine.key
          JOIN gmail_contact c ON c.id = other.contact_id
          JOIN gmail_mailbox m ON m.id = c.mailbox_id
         WHERE m.company_id IS NOT DISTINCT FROM %(company)s AND c.choice IS NULL
           AND (m.id = %(mailbox)s OR m.contact_state = 'active'))
    SELECT id FROM persons
"""


class Guard:
    """Notes each person of Google before it is read that may have killed a worker.

    :param lease: Lease
    :ivar failed: resource names of those that are not read: they did so twice while
        they were alone in work
    """

    def __init__(self, lease):
        self.lease = lease
        self.failed = []
        self.key = None

    def __call__(self, name):
        """Return whether a person is read."""
        suspicion, key = self.lease.suspicion, f"person:{name}"
        if not suspicion.is_suspect(self.lease.lane, key):
            return True
        if suspicion.is_fatal(key):
            # It stays suspect: Google sends it with each full synchronization.
            self.failed.append(name)
            return False
        self.end()
        self.key = key
        self.lease.commit([key], "read")
        return True

    def end(self):
        """The last person was read."""
        if self.key:
            self.lease.suspicion.clear(self.key)
            self.key = None


class GmailContacts(models.AbstractModel):
    """The contacts that owners have in Google: read, and told apart.

    Which contact in Odoo a Google contact is follows from all Google contacts of the
    company together, so that the order in which mailboxes are read does not count.
    """

    _name = "gmail.contacts"
    _description = "Google Contacts"

    # ------------------------------------------------------------------
    # Reading
    # ------------------------------------------------------------------

    @api.model
    def _run(self, mailbox, lease):
        """Read what changed, page by page, for one slice.

        :return: whether there is more
        """
        if not mailbox.contact_page:
            self._mark_changed(mailbox)
        if not self._settle_pending(mailbox, lease):
            return True
        client = self.env["gmail.oauth"]._people(mailbox)
        if not mailbox.contact_page and self._is_full_due(mailbox):
            self._begin_full(mailbox)
        has_groups = not mailbox.contact_page and not mailbox.contact_cursor
        if has_groups:
            self._take_groups(mailbox, client.groups())
        while True:
            guard = Guard(lease)
            try:
                page = client.connections(
                    mailbox.contact_page, mailbox.contact_cursor, guard
                )
            except (errors.CursorExpired, errors.RequestRefused):
                if not mailbox.contact_page and not mailbox.contact_cursor:
                    raise
                # Its token, or that of its page, is too old.
                self._begin_full(mailbox)
                continue
            if not has_groups and self._has_new_label(mailbox, page):
                self._take_groups(mailbox, client.groups())
                has_groups = True
            if not page.next_page_token and not self._is_believed(mailbox, page):
                self._doubt_contacts(mailbox, page, lease)
            guard.end()
            self._keep_failed(mailbox, guard.failed)
            is_careful = bool(lease.suspicion)
            self._take_page(mailbox, page, is_careful)
            lease.commit()
            if is_careful and not self._settle_pending(mailbox, lease):
                return True
            if not page.next_page_token:
                photos = self.env["gmail.contact.photos"]
                return not photos._take(mailbox, client, lease)
            if lease.is_over:
                return True

    def _settle_pending(self, mailbox, lease):
        """Settle what waits since its owner imported, took back or chose otherwise.

        :return: False when the slice ended first
        """
        contacts = self.env["gmail.contact"]
        while True:
            pending = contacts.search(
                [("mailbox_id", "=", mailbox.id), ("is_pending", "=", True)],
                order="id",
                limit=AT_ONCE,
            )
            if not pending:
                return True
            alone = pending.filtered(
                lambda c: lease.suspicion.is_suspect(lease.lane, f"contact:{c.id}")
            )
            together = pending - alone
            together.is_pending = False
            self._settle_each(together)
            for contact in alone:
                self._settle_alone(contact, lease)
                if lease.is_over:
                    break
            lease.commit()
            if lease.is_over:
                return False

    def _settle_alone(self, contact, lease):
        """Settle a Google contact that may have killed a worker; one that did so twice
        while it was alone in work is skipped."""
        key = f"contact:{contact.id}"
        if lease.suspicion.is_fatal(key):
            _logger.error("Google contact %s stopped workers", contact.id)
            contact.write({"is_pending": False, "outcome": "skip", "reason": "refused"})
        else:
            lease.commit([key], "read")
            contact.is_pending = False
            self._settle_each(contact)
        lease.suspicion.clear(key)

    def _keep_failed(self, mailbox, names):
        """Keep people as they are stored that can't be read, so that they don't count
        as deleted; new ones are shown without a name.

        :param names: resource names
        """
        if not names:
            return
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE gmail_contact SET seen = %s"
            " WHERE mailbox_id = %s AND resource_name = ANY(%s)"
            " RETURNING resource_name",
            [mailbox.contact_round, mailbox.id, names],
        )
        known = {name for (name,) in self.env.cr.fetchall()}
        new = [
            ParsedContact(resource_name=name, etag=UNREAD)
            for name in names
            if name not in known
        ]
        self._settle_each(self._take(mailbox, new))

    @api.model
    def _settle_offline(self):
        """Settle what waits in mailboxes whose contacts cannot be read now."""
        contacts = self.env["gmail.contact"]
        waiting = [
            ("is_pending", "=", True),
            *("|", ("mailbox_id.state", "!=", "connected")),
            ("mailbox_id.can_contacts", "=", False),
        ]
        while pending := contacts.search(
            waiting, order="mailbox_id, id", limit=AT_ONCE
        ):
            own = pending.filtered(lambda c, p=pending: c.mailbox_id == p[0].mailbox_id)
            own.is_pending = False
            try:
                self._settle_each(own)
            except CONFLICTS:
                # Somebody changed the same contacts; the next run does it.
                self.env.cr.rollback()
                return
            if not self.env["ir.cron"]._commit_progress(len(own)):
                self.env["gmail.scheduler"]._trigger("contacts")
                return

    def _settle_each(self, contacts):
        """Settle Google contacts; one that nothing can be done with holds up no other.

        :raises psycopg2.Error: a conflict, which mends itself
        """
        unread = contacts.filtered(lambda contact: contact.etag == UNREAD)
        unread.write({"outcome": "skip", "reason": "refused"})
        contacts -= unread
        try:
            with self.env.cr.savepoint():
                self._settle(contacts)
        except CONFLICTS:
            raise
        except (UserError, psycopg2.Error, ValueError) as error:
            if len(contacts) > 1:
                for contact in contacts:
                    self._settle_each(contact)
                return
            _logger.warning("Google contact %s: %s", contacts.id, errors.place(error))
            contacts.write({"outcome": "skip", "reason": "refused"})

    def _mark_changed(self, mailbox):
        """Look again at whom the owner has written to meanwhile, at those who have a
        contact in Odoo by now, and at all that were left out, if rules have changed."""
        rules_at = self.env["ir.config_parameter"].sudo().get_param(RULES_AT)
        if rules_at and rules_at != mailbox.contact_rules_at:
            self._mark_left_out(mailbox)
            mailbox.contact_rules_at = rules_at
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE gmail_contact c SET is_pending = true
             WHERE c.mailbox_id = %s AND c.reason = 'not_written_to'
               AND EXISTS (SELECT FROM gmail_participant p
                             JOIN gmail_message m ON m.id = p.message_id
                            WHERE p.mailbox_id = c.mailbox_id
                              AND p.address_key = c.email_key AND p.role <> 'from'
                              AND m.direction = 'out')
            """,
            [mailbox.id],
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT id, email_key, write_date FROM gmail_contact
                 WHERE mailbox_id = %s AND reason = ANY(%s) AND email_key <> ''
                """,
                mailbox.id,
                list(NOT_CREATED),
            )
        )
        self.env["gmail.contact"].invalidate_model(["is_pending"])
        if not rows:
            return
        oldest = min(moment for _id, _key, moment in rows)
        ids = partner_ids(
            self.env,
            [key for _id, key, _moment in rows],
            SQL("p.active AND p.write_date > %s", oldest),
        )
        written = {}
        for partner in self.env["res.partner"].sudo().browse(ids):
            key = address_key(partner.email_normalized)
            written[key] = max(written.get(key, oldest), partner.write_date)
        self.env["gmail.contact"].browse(
            row_id for row_id, key, moment in rows if written.get(key, moment) > moment
        ).is_pending = True

    @api.model
    def _look_again(self, user=None):
        """Have Google contacts without a part in Odoo settled anew, since rules have
        changed: of a user, or of everybody; when their mailbox is read next."""
        if not user:
            # They may be millions: each mailbox looks at its own.
            now = fields.Datetime.to_string(fields.Datetime.now())
            self.env["ir.config_parameter"].sudo().set_param(RULES_AT, now)
            return
        mailboxes = self.env["gmail.mailbox"].sudo()
        for mailbox in mailboxes.search([("user_id", "=", user.id)]):
            self._mark_left_out(mailbox)

    def _mark_left_out(self, mailbox):
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE gmail_contact SET is_pending = true
             WHERE mailbox_id = %s AND is_applied IS NOT TRUE
            """,
            [mailbox.id],
        )
        self.env["gmail.contact"].invalidate_model(["is_pending"])

    @api.model
    def _settle_later(self, mailbox):
        """Have all contacts of a mailbox (sudo) settled anew by the scheduled action:
        there may be many."""
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE gmail_contact SET is_pending = true WHERE mailbox_id = %s",
            [mailbox.id],
        )
        self.env["gmail.contact"].invalidate_model(["is_pending"])
        mailbox.next_contacts = fields.Datetime.now()
        self.env["gmail.scheduler"]._trigger("contacts")

    def _is_full_due(self, mailbox):
        spread = timedelta(seconds=mailbox.id * 7919 % SPREAD)
        return (
            not mailbox.contact_full_at
            or mailbox.contact_full_at + FULL_AFTER + spread < fields.Datetime.now()
        )

    def _begin_full(self, mailbox):
        mailbox.write(
            {
                "contact_cursor": False,
                "contact_page": False,
                "contact_full_at": fields.Datetime.now(),
                "contact_round": mailbox.contact_round + 1,
            }
        )

    def _has_new_label(self, mailbox, page):
        """Whether contacts have a label that was made since all were read."""
        labels = {name for contact in page.contacts for name in contact.groups}
        labels = labels.difference(SYSTEM_LABELS)
        if not labels or not mailbox.contact_cursor:
            return False
        known = self.env["gmail.contact.group"].search_count(
            [("mailbox_id", "=", mailbox.id), ("resource_name", "in", list(labels))]
        )
        return known < len(labels)

    def _take_groups(self, mailbox, groups):
        known = self.env["gmail.contact.group"].search(
            [("mailbox_id", "=", mailbox.id)]
        )
        by_name = {group.resource_name: group for group in known}
        wanted = {g.resource_name: g for g in groups if g.kind == "user" and g.name}
        gone = known.filtered(lambda g: g.resource_name not in wanted)
        # Without the one that was chosen, all contacts would be wanted.
        (gone - mailbox.contact_group_id).unlink()
        for name, group in wanted.items():
            values = {"name": group.name, "count": group.count}
            if name in by_name:
                by_name[name].write(values)
            else:
                values.update(mailbox_id=mailbox.id, resource_name=name)
                known.create(values)

    def _is_believed(self, mailbox, page):
        """Whether the last page of a full synchronization leaves most contacts as they
        are, or Google's own count confirms it, or a second one said the same.

        :param page: lib's ContactPage
        """
        if mailbox.contact_cursor:
            # Google names each deleted contact.
            return True
        seen = {contact.resource_name for contact in page.contacts}
        gone, known, listed = self._unseen(mailbox, seen)
        if not doubt.removes_nearly_all(gone, known):
            mailbox.contact_doubted = False
            return True
        confirmed = doubt.counts_confirm(listed, page.total)
        if confirmed is None:
            confirmed = mailbox.contact_doubted
        return confirmed

    def _unseen(self, mailbox, names):
        """Return (how many stored contacts a full synchronization has not shown, how
        many are stored, how many it has shown).

        :param names: resource names on its last page, which isn't stored yet
        """
        self.env.flush_all()
        [(gone, known)] = self.env.execute_query(
            SQL(
                """
                SELECT count(*) FILTER (WHERE seen IS DISTINCT FROM %(round)s
                                          AND resource_name <> ALL(%(names)s)),
                       count(*)
                  FROM gmail_contact
                 WHERE mailbox_id = %(id)s AND is_gone IS NOT TRUE
                """,
                id=mailbox.id,
                round=mailbox.contact_round,
                names=list(names),
            )
        )
        [(before,)] = self.env.execute_query(
            SQL(
                "SELECT count(*) FROM gmail_contact WHERE mailbox_id = %s"
                " AND seen = %s AND resource_name <> ALL(%s)",
                mailbox.id,
                mailbox.contact_round,
                list(names),
            )
        )
        return gone, known, before + len(names)

    def _doubt_contacts(self, mailbox, page, lease):
        """Keep what a full synchronization did show, and have it repeated: it lacks
        nearly all contacts, and Google counts more.

        :raises errors.RetryLater: always
        """
        self._settle_each(self._take(mailbox, page.contacts))
        self._begin_full(mailbox)
        mailbox.contact_doubted = True
        lease.commit()
        raise errors.RetryLater("Google's list of contacts is not whole", kind="list")

    def _take_page(self, mailbox, page, is_careful=False):
        """Keep a page, and do what follows from it.

        :param is_careful: its contacts are settled later, one at a time
        """
        is_full = not mailbox.contact_cursor
        changed = self._take(mailbox, page.contacts)
        values = {"contact_page": page.next_page_token}
        if not page.next_page_token:
            values["contact_cursor"] = page.next_sync_token
            if is_full:
                self._mark_gone(mailbox)
            if mailbox.contact_state in (False, "reading"):
                values["contact_state"] = "preview"
        elif not mailbox.contact_state:
            values["contact_state"] = "reading"
        mailbox.write(values)
        if is_careful:
            changed.is_pending = True
        else:
            self._settle_each(changed)

    def _take(self, mailbox, contacts):
        """Keep contacts of Google; return those that are new or other than before."""
        self.env.flush_all()
        rows = self.env["gmail.contact"]
        now = fields.Datetime.now()
        self._follow_merges(mailbox, contacts)
        deleted = [c.resource_name for c in contacts if c.is_deleted]
        # Google may name one twice; its last word counts.
        alive = {c.resource_name: c for c in contacts if not c.is_deleted}
        if deleted:
            self.env.cr.execute(
                """
                UPDATE gmail_contact SET is_gone = true, write_date = %s
                 WHERE mailbox_id = %s AND resource_name = ANY(%s)
             RETURNING id
                """,
                [now, mailbox.id, deleted],
            )
            rows |= rows.browse(row_id for (row_id,) in self.env.cr.fetchall())
        if alive:
            self.env.cr.execute(
                TAKE,
                {
                    "mailbox": mailbox.id,
                    "seen": mailbox.contact_round,
                    "uid": self.env.uid,
                    "now": now,
                    "rows": json.dumps(
                        [self._columns(c) for c in alive.values()], default=str
                    ),
                },
            )
            rows |= rows.browse(row_id for (row_id,) in self.env.cr.fetchall())
            self.env.cr.execute(
                """
                UPDATE gmail_contact SET seen = %s
                 WHERE mailbox_id = %s AND resource_name = ANY(%s)
                """,
                [mailbox.contact_round, mailbox.id, list(alive)],
            )
        rows.invalidate_model()
        self._keep_keys(rows)
        return rows

    def _columns(self, contact):
        company = plain_name(contact.company)
        return {
            "resource_name": contact.resource_name,
            "etag": contact.etag,
            "name": contact.name or None,
            "email": contact.emails[0] if contact.emails else None,
            "email_key": address_key(contact.emails[0]) if contact.emails else None,
            "phone": contact.phones[0].number if contact.phones else None,
            "company_name": contact.company or None,
            "company_key": company or None,
            "photo_url": contact.photo_url or None,
            "card": dataclasses.asdict(contact),
        }

    def _follow_merges(self, mailbox, contacts):
        """Contacts that were merged in Google keep what was decided for one of them."""
        pairs = [(old, c.resource_name) for c in contacts for old in c.was]
        if pairs:
            self.env.cr.execute(
                """
                UPDATE gmail_contact c SET resource_name = x.new
                  FROM unnest(%(old)s, %(new)s) AS x(old, new)
                 WHERE c.mailbox_id = %(mailbox)s AND c.resource_name = x.old
                   AND c.id = (SELECT min(o.id) FROM gmail_contact o
                                WHERE o.mailbox_id = %(mailbox)s
                                  AND o.resource_name IN (
                                      SELECT y.old
                                        FROM unnest(%(old)s, %(new)s) AS y(old, new)
                                       WHERE y.new = x.new))
                   AND NOT EXISTS (SELECT FROM gmail_contact o
                                    WHERE o.mailbox_id = %(mailbox)s
                                      AND o.resource_name = x.new)
                """,
                {
                    "mailbox": mailbox.id,
                    "old": [old for old, _new in pairs],
                    "new": [new for _old, new in pairs],
                },
            )

    def _keep_keys(self, contacts):
        """Keep what tells persons apart."""
        self.env.cr.execute(
            "DELETE FROM gmail_contact_key WHERE contact_id = ANY(%s)", [contacts.ids]
        )
        # Everybody has them in her address book, and they are nobody's contact.
        colleagues = self._colleagues(
            {email for contact in contacts for email in contact.card["emails"]}
        )
        pairs = [
            (contact.id, key)
            for contact in contacts
            if colleagues.isdisjoint(map(address_key, contact.card["emails"]))
            for key in keys(contact)
        ]
        if pairs:
            self.env.cr.execute(
                """
                INSERT INTO gmail_contact_key (contact_id, key)
                SELECT * FROM unnest(%s, %s)
                """,
                [list(column) for column in zip(*pairs, strict=True)],
            )
        self.env["gmail.contact.key"].invalidate_model()

    @api.model
    def _colleagues(self, addresses):
        """Return the keys of those of some addresses that are of users, or of their
        mailboxes."""
        keys_ = {address_key(address) for address in addresses}
        users = self.env["res.users"].sudo()
        users = users.search(
            [
                ("share", "=", False),
                ("partner_id", "in", partner_ids(self.env, keys_)),
            ]
        )
        # Few of them, and none is stored with its key.
        self.env["gmail.mailbox"].flush_model(["email"])
        rows = self.env.execute_query(SQL("SELECT email FROM gmail_mailbox"))
        mailboxes = {address_key(email) for (email,) in rows}
        emails = users.partner_id.mapped("email_normalized")
        return {*map(address_key, emails), *(mailboxes & keys_)}

    def _mark_gone(self, mailbox):
        """What a full synchronisation did not show was deleted in Google."""
        mailbox.contact_doubted = False
        gone, known, _listed = self._unseen(mailbox, ())
        if doubt.is_bulk(gone, known):
            scheduler = self.env["gmail.scheduler"]
            words = scheduler._words(mailbox)
            scheduler._tell_owner_of(
                mailbox,
                words.env._("Google contacts of %s deleted", mailbox.email),
                words._of_contact_removal(gone),
            )
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE gmail_contact SET is_gone = true
             WHERE mailbox_id = %s AND seen IS DISTINCT FROM %s
               AND is_gone IS NOT TRUE
            """,
            [mailbox.id, mailbox.contact_round],
        )
        self.env["gmail.contact"].invalidate_model()
        # What has no part in Odoo may have one now: contacts came, rules went.
        self._mark_left_out(mailbox)

    # ------------------------------------------------------------------
    # Who is who
    # ------------------------------------------------------------------

    @api.model
    def _settle(self, contacts):
        """Find out which contacts in Odoo some Google contacts (sudo) are, and, in
        mailboxes whose import was confirmed, write what follows."""
        for mailbox, own in contacts.grouped("mailbox_id").items():
            self._find(mailbox, own)
            self._decide(mailbox, *self._persons(mailbox, own))

    def _persons(self, mailbox, contacts):
        """Return the groups of Google contacts that are one person each, and those of
        which it is not clear who they are."""
        self.env.flush_all()
        self.env.cr.execute(
            PERSONS,
            {
                "ids": contacts.ids,
                "company": mailbox.company_id.id or None,
                "mailbox": mailbox.id,
            },
        )
        ids = sorted(row_id for (row_id,) in self.env.cr.fetchall())
        found = contacts.browse(ids)
        keys = {
            contact: [] if contact.choice else contact.key_ids.mapped("key")
            for contact in found
        }
        persons, doubtful = [], self.env["gmail.contact"]
        for person in joined(keys):
            if self._is_mixed(person, keys):
                single, unclear = self._unmixed(person, keys)
                persons += single
                doubtful |= unclear
            elif unclear := self._namesakes(person):
                clear = {c: keys[c] for c in person if c not in unclear}
                persons += [*joined(clear), *([contact] for contact in unclear)]
                doubtful |= unclear
            else:
                persons.append(person)
        nobody = self.env["gmail.contact"]
        return [nobody.union(*person) for person in persons], doubtful

    def _is_mixed(self, person, keys):
        """Whether somebody tells two of some Google contacts apart: both are in one
        address book, and share nothing."""
        by_mailbox = defaultdict(list)
        for contact in person:
            by_mailbox[contact.mailbox_id].append(keys[contact])
        return any(
            set(one).isdisjoint(other)
            for own in by_mailbox.values()
            for one, other in itertools.combinations(own, 2)
        )

    def _namesakes(self, person):
        """Return those of some Google contacts whose address has another name too in
        the same address book: two people share it, and only the owner knows whether
        one of them is meant."""
        found = self.env["gmail.contact"]
        for own in found.union(*person).grouped("mailbox_id").values():
            named = own.filtered("name")
            if any(
                not may_be_one(one.name, other.name)
                for one, other in itertools.combinations(named, 2)
            ):
                found |= named
        return found

    def _unmixed(self, person, keys):
        """Return the groups of Google contacts that share their main key, and those
        that have the main key of another group too: one of them is a team's, or two
        people's."""
        main = {contact: keys[contact][:1] for contact in person}
        mains = {key for own in main.values() for key in own}
        unclear = [
            contact
            for contact in person
            if mains.intersection(keys[contact]).difference(main[contact])
        ]
        clear = {c: own for c, own in main.items() if c not in unclear}
        unclear = self.env["gmail.contact"].union(*unclear)
        return [*joined(clear), *([contact] for contact in unclear)], unclear

    def _find(self, mailbox, contacts):
        """Note which contacts in Odoo, that Google did not make, are like some Google
        contacts of one mailbox, as far as its owner may read them."""
        env = self.env["gmail.linker"]._as_owner(mailbox)
        by_address = self._by_address(env, contacts)
        by_name = self._by_name(env, contacts)
        for contact in contacts:
            emails = contact.card["emails"]
            for reason, found in (
                ("address", by_address(contact, emails[:1])),
                ("other_address", by_address(contact, emails[1:])),
                ("name_phone", by_name(contact)),
            ):
                if found:
                    contact.found = self._among(env, sorted(set(found)), reason)
                    break
            else:
                if not self._is_kept(contact):
                    contact.found = False

    def _among(self, env, partner_ids, reason):
        """Return what is noted of contacts that are like a Google contact; somebody
        whose user is one of them is a colleague."""
        partners = env["res.partner"].browse(partner_ids)
        if not all(partners.mapped("partner_share")):
            return [[], "colleague"]
        return [partner_ids, reason]

    def _is_kept(self, contact):
        """Whether a contact is still whom it was found to be, though its address, or
        theirs, has changed since."""
        ids = (contact.found or [()])[0]
        return contact.is_applied and list(ids) == contact.partner_id.ids

    def _by_address(self, env, contacts):
        """Return a function from a Google contact and some of its addresses to the ids
        of the contacts whose own one of them is."""
        addresses = {address_key(e) for c in contacts for e in c.card["emails"]}
        # What somebody archived is known, and does not come again.
        partners = (
            env["res.partner"]
            .with_context(active_test=False)
            .search_fetch(
                [("id", "in", partner_ids(self.env, addresses))],
                ["email_normalized", "name", "active", "partner_share"],
            )
        )
        key_of = {p: address_key(p.email_normalized) for p in partners}
        living = {key_of[p] for p in partners.filtered("active")}
        partners = partners.filtered(lambda p: p.active or key_of[p] not in living)
        found = defaultdict(list)
        for partner in partners - self._made(partners, "email"):
            row = (partner.id, plain_name(partner.name or ""))
            found[key_of[partner]].append(row)

        def function(contact, emails):
            name = plain_name(contact.name or "")
            return [
                partner
                for email in emails
                for partner, known_as in found.get(address_key(email), ())
                # At a desk's address there may be several people.
                if not is_role(email) or name in ("", known_as)
            ]

        return function

    def _by_name(self, env, contacts):
        """Return a function from a Google contact to the ids of the contacts that have
        its name and one of its phones."""
        names = {c.name.lower() for c in contacts if c.name and c.card["phones"]}
        found = defaultdict(list)
        if names:
            self.env.cr.execute(
                """
                SELECT id FROM res_partner
                 WHERE active AND phone IS NOT NULL AND lower(name) = ANY(%s)
                """,
                [list(names)],
            )
            ids = [row_id for (row_id,) in self.env.cr.fetchall()]
            partners = env["res.partner"].search_fetch(
                [("id", "in", ids)],
                ["name", "phone", "country_id", "company_id", "partner_share"],
            )
            for partner in partners - self._made(partners, "phone"):
                row = (partner.id, partner.phone, country_of(partner))
                found[plain_name(partner.name)].append(row)

        def function(contact):
            company = company_country(contact.mailbox_id)
            own = card_country(contact.card)
            return {
                partner
                for partner, phone, country in found[plain_name(contact.name or "")]
                # A number without a country is of the other one's.
                if phone_keys(contact.card, own or country or company)
                & ({phone_key(phone, country or own or company)} - {""})
            }

        return function

    def _made(self, partners, field):
        """Return those of some contacts that Google made, or whose value of a field
        is Google's."""
        origins = (
            self.env["gmail.contact.origin"]
            .sudo()
            .search_fetch([("partner_id", "in", partners.ids)])
        )
        made = origins.filtered(
            lambda o: (
                (o.created_key and not is_of_company(o))
                or (o.written or {}).get(field) == o.partner_id[field]
            )
        )
        return partners.browse(made.partner_id.ids)

    # ------------------------------------------------------------------
    # What follows
    # ------------------------------------------------------------------

    def _decide(self, mailbox, persons, doubtful):
        """Decide for groups of Google contacts that are one person each, since
        something of a mailbox has changed; others' are decided anew only by what their
        owners have confirmed.

        :param doubtful: those of which their owner has to say who they are
        """
        values = self.env["gmail.contact.values"]
        everybody = self.env["gmail.contact"].union(*persons)
        seen = {one for c in everybody for one in (c.found or [()])[0]}
        seen.update(everybody.partner_id.ids, everybody.chosen_id.ids)
        by_mailbox = everybody.grouped("mailbox_id")
        rules = {}

        def know(mailboxes):
            for box in mailboxes:
                if box not in rules:
                    own = by_mailbox[box]
                    # Of those alone whose rules are asked.
                    own.with_prefetch(own.ids).mapped("card")
                    rules[box] = Rules(self, box, own, seen)

        know(mailbox & everybody.mailbox_id)
        made, todo = self._made_of(everybody), defaultdict(list)
        partners = set(everybody.partner_id.ids)
        had = {c: c.partner_id.id for c in everybody.filtered("is_applied")}
        is_active = rules[mailbox].is_active if mailbox in rules else False
        settled = self.env["gmail.contact"]
        # Persons that were one until now have one contact in Odoo, which one of them
        # keeps.
        taken = set()
        for person in sorted(persons, key=lambda p: min(map(precedence, p))):
            is_clear = person not in doubtful
            own = sorted({c.partner_id.id for c in person} & made.keys() - taken)
            decide = self._decide_one if is_clear else self._leave_open
            wanted = decide(person, own, rules)
            if wanted is None:
                know(person.mailbox_id)
                wanted = decide(person, own, rules)
            if is_clear:
                taken.update(own)
            for contact, (outcome, reason, partner) in wanted.items():
                if not is_active and contact.mailbox_id != mailbox:
                    continue
                settled |= contact
                is_new = outcome == "create" and not partner
                if is_new and rules[contact.mailbox_id].is_active:
                    todo[person].append(contact)
                self._note(contact, outcome, reason, partner, rules)
        self._note_completing(settled)
        values._create_for(mailbox.company_id, todo)
        partners.update(everybody.partner_id.ids)
        has = {c: c.partner_id.id for c in everybody.filtered("is_applied")}
        lost = {c: one for c, one in had.items() if has.get(c) != one}
        self._note_owners(has, lost)
        values._fill(self.env["res.partner"].browse(partners), lost)
        self._note_kept(lost, made)

    def _made_of(self, contacts):
        """Return {contact in Odoo that Google made: its origin} of Google contacts."""
        origins = self.env["gmail.contact.origin"].search(
            [
                ("partner_id", "in", contacts.partner_id.ids),
                ("created_key", "!=", False),
            ]
        )
        return {origin.partner_id.id: origin for origin in origins}

    def _leave_open(self, contact, _own, rules):
        """Return what ``_decide_one`` does, of one that its owner has to decide."""
        if contact.mailbox_id not in rules:
            return {} if contact.outcome in ("conflict", "skip") else None
        out = rules[contact.mailbox_id].leaves_out(contact)
        return {
            contact: ("skip", out, False) if out else ("conflict", "several", False)
        }

    def _decide_one(self, person, own, rules):
        """Return {contact: (outcome, reason, id of the contact in Odoo or False)}.

        Rules cost statements, and hundreds of mailboxes may know one person: those of
        others' are asked only if what they have decided would change.

        :param own: ids of the contacts that Google made of the person
        :return: None when rules are wanting for that
        """
        others = [c for c in person if c.mailbox_id not in rules]
        natives = {c.partner_id.id for c in others if self._is_native(c)}
        decided, free = {}, []
        for contact in person - self.env["gmail.contact"].union(*others):
            out = rules[contact.mailbox_id].leaves_out(contact)
            chosen = contact.choice == "link" and contact.chosen_id.id
            if out:
                decided[contact] = ("skip", out, False)
            elif chosen and rules[contact.mailbox_id].may_read(chosen):
                decided[contact] = ("match", "chosen", chosen)
            else:
                free.append(contact)
        for contact in free:
            found, reason = contact.found or ([], False)
            ids = [one for one in found if rules[contact.mailbox_id].may_read(one)]
            if contact.choice == "create":
                ids = []
            if contact.is_applied and contact.partner_id.id in ids:
                # Another that is like it came later.
                ids = contact.partner_id.ids
            if len(ids) == 1:
                natives.add(ids[0])
                decided[contact] = ("match", reason, ids[0])
            elif ids:
                decided[contact] = ("conflict", "several", False)
        rest = [contact for contact in free if contact not in decided]
        target = next(iter(natives)) if len(natives) == 1 else False
        if not all(self._is_settled(contact, target, own) for contact in others):
            return None
        for contact in rest:
            rule = rules[contact.mailbox_id]
            mine = contact.partner_id.id
            if contact.choice == "create" and mine in own:
                decided[contact] = ("create", "chosen", mine)
            elif contact.choice != "create" and target and rule.may_read(target):
                decided[contact] = ("match", "other_address", target)
            elif contact.choice != "create" and own and rule.may_join(contact, own[0]):
                decided[contact] = ("create", "new", own[0])
            else:
                why_not = rule.why_not_create(contact)
                decided[contact] = (
                    ("skip", why_not, False) if why_not else ("create", "new", False)
                )
        return decided

    def _is_native(self, contact):
        """Whether a Google contact is, by what was found, one that Odoo had."""
        return (
            contact.outcome in ("match", "update")
            and contact.partner_id.id in (contact.found or [()])[0]
        )

    def _is_settled(self, contact, target, own):
        """Whether what was decided for a Google contact of another mailbox stays.

        :param target: id of the contact in Odoo that all of a person are, or False
        :param own: ids of the contacts that Google made of the person
        """
        if self._is_native(contact):
            return True
        if contact.outcome == "conflict":
            return len((contact.found or [()])[0]) > 1
        if contact.outcome == "skip":
            is_seen = own and not contact.partner_id.browse(own[0]).gmail_is_private
            return contact.reason not in NOT_CREATED or not (target or is_seen)
        if target:
            return contact.partner_id.id == target
        return bool(own) and (contact.outcome, contact.partner_id.id) == (
            "create",
            own[0],
        )

    def _note(self, contact, outcome, reason, partner, rules):
        """Keep what was decided for a Google contact."""
        rule = rules[contact.mailbox_id]
        is_active = rule.is_active
        if outcome == "create" and contact.choice == "create":
            reason = "chosen"
        if not is_active and partner and not rule.may_read(partner):
            # A colleague's, which an import joins; until then she learns of none.
            partner = False
        if outcome == "match" and contact.is_applied and contact.outcome == "update":
            # It has completed it.
            outcome = "update"
        values = {
            "outcome": outcome,
            "reason": reason,
            "partner_id": partner,
            "is_applied": is_active and bool(partner),
        }
        current = {
            name: contact[name].id if name == "partner_id" else contact[name]
            for name in values
        }
        if values != current:
            contact.write(values)

    def _note_owners(self, has, lost):
        """Let owners see who became part of their contacts, and not who no longer is.

        :param has: {gmail.contact: id of the contact in Odoo that it has part in}
        :param lost: {gmail.contact: id of the contact in Odoo that it is no more}
        """
        visibility = self.env["gmail.contact.visibility"]
        visibility._admit([(one, c.mailbox_id.user_id.id) for c, one in has.items()])
        visibility._dismiss([(one, c.mailbox_id.user_id.id) for c, one in lost.items()])

    def _note_kept(self, lost, made):
        """Tell whose contact an undo left where it is.

        :param lost: {gmail.contact: id of the contact in Odoo that it is no more}
        :param made: ids of contacts in Odoo that Google made
        """
        undone = {
            c: one for c, one in lost.items() if c.reason == "undone" and one in made
        }
        partners = self.env["res.partner"].browse(set(undone.values())).exists()
        kept = [c.id for c, one in undone.items() if one in partners.ids]
        self.env["gmail.contact"].browse(kept).reason = "kept"

    def _note_completing(self, contacts):
        """Tell apart whom Odoo knows less of than Google."""
        matched = contacts.filtered(lambda c: c.outcome == "match" and c.partner_id)
        self.env["gmail.contact.values"]._completing(matched).outcome = "update"

    # ------------------------------------------------------------------
    # What the owner does
    # ------------------------------------------------------------------

    @api.model
    def _choose(self, contacts, choice, partner_id=False):
        """Do with Google contacts (sudo) of the caller as she says."""
        chosen = self.env["res.partner"]
        if choice == "link":
            chosen = chosen.browse(int(partner_id)).exists()
            if not chosen or not chosen.has_access("read"):
                raise UserError(self.env._("Choose a contact that you may read."))
        contacts.write(
            {
                "choice": choice,
                "chosen_id": chosen.id,
                "is_pending": len(contacts) > AT_ONCE,
            }
        )
        if len(contacts) <= AT_ONCE:
            self.sudo()._settle(contacts.sudo())
            return True
        # More than anybody waits for.
        contacts.mailbox_id.next_contacts = fields.Datetime.now()
        self.env["gmail.scheduler"]._trigger("contacts")
        return self._said(self.env._("Odoo does this by itself in a moment."))

    @api.model
    def _said(self, message):
        """Return the action that tells something and shows the list anew."""
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "info",
                "message": message,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    @api.model
    def _import(self, mailbox):
        """Write what the preview of a mailbox (sudo) of the caller shows."""
        if mailbox.contact_state == "active":
            raise UserError(
                self.env._(
                    "These contacts were imported already. What you change in Google "
                    "follows by itself."
                )
            )
        if mailbox.contact_state != "preview":
            raise UserError(
                self.env._("There is nothing to import yet. Wait a moment.")
            )
        mailbox.write(
            {"contact_state": "active", "contact_imported_at": fields.Datetime.now()}
        )
        self._settle_later(mailbox)

    @api.model
    def _undo_import(self, mailbox):
        """Take back what the import of a mailbox (sudo) of the caller wrote, as far as
        nobody changed or used it since."""
        until = mailbox.contact_undo_until
        if not until or until < fields.Datetime.now():
            raise UserError(
                self.env._("There is no import of the last 30 days to take back.")
            )
        mailbox.contact_state = "undone"
        self._settle_later(mailbox)

    @api.model
    def _preview_again(self, mailbox):
        """Show what an import would do, after one was taken back."""
        if mailbox.contact_state == "undone":
            mailbox.contact_state = "preview"
            self._settle_later(mailbox)


def keys(contact):
    """Return what a Google contact shares with others that are the same person: its
    addresses; a desk's with its name; without any, its name and phone."""
    name = plain_name(contact.name or "")
    emails = contact.card["emails"]
    found = [
        f"{name}|{address_key(e)}" if is_role(e) else address_key(e) for e in emails
    ]
    if not emails and name:
        country = card_country(contact.card) or company_country(contact.mailbox_id)
        found = [
            f"{name}|{phone}" for phone in sorted(phone_keys(contact.card, country))
        ]
    return found


def phone_keys(card, country):
    """Return the keys of the phones of a Google contact.

    :param country: code of the country of numbers that name none
    """
    found = set()
    for phone in card["phones"]:
        key = phone_key(phone["number"])
        # Google reads a national number with the country of its account.
        if not key.startswith("+") and (canonical := phone.get("canonical")):
            key = phone_key(canonical)
        if not key.startswith("+"):
            key = phone_key(phone["number"], country)
        found.add(key)
    return found - {""}


def card_country(card):
    """Return the code of the country that a Google contact lives in, or ""."""
    return (card["address"] or {}).get("country_code") or ""


def country_of(partner):
    """Return the code of the country of a contact in Odoo, else of the company that it
    belongs to, or ""."""
    country = partner.country_id or partner.sudo().company_id.country_id
    return country.code or ""


def company_country(mailbox):
    """Return the code of the country of a mailbox's company, or ""."""
    company = mailbox.company_id or mailbox.user_id.company_id
    return company.sudo().country_id.code or ""


def joined(keys):
    """Return lists of those that share a key, also by way of others.

    :param keys: {anything: its keys}
    """
    parent = {one: one for one in keys}

    def root(one):
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    first = {}
    for one, own in keys.items():
        for key in own:
            parent[root(one)] = root(first.setdefault(key, one))
    groups = defaultdict(list)
    for one in keys:
        groups[root(one)].append(one)
    return list(groups.values())


class Rules:
    """What the owner and the administrator of a mailbox let happen to contacts.

    :param service: gmail.contacts, superuser
    """

    def __init__(self, service, mailbox, contacts, partner_ids):
        env = service.env
        self._mailbox = mailbox
        owner = env["gmail.linker"]._as_owner(mailbox)
        self.is_active = mailbox.contact_state == "active"
        self._is_undone = mailbox.contact_state == "undone"
        self.policy = env["gmail.setup"]._contact_policy(mailbox)
        self._keeps_out = env["gmail.exclusions"]._keeps_out(mailbox)
        self._group = mailbox.contact_group_id.resource_name
        self._may_create = owner["res.partner"].has_access("create")
        addresses = {
            address_key(e) for contact in contacts for e in contact.card["emails"]
        }
        own = map(address_key, mailbox._addresses())
        self._colleagues = {*service._colleagues(addresses), *own}
        self._written_to = (
            self._of_written_to(env, addresses) if self.policy == "written_to" else ()
        )
        partners = owner["res.partner"].with_context(active_test=False)
        partners = partners.search_fetch([("id", "in", list(partner_ids))], ["active"])
        self._readable = set(partners.ids)
        self._living = set(partners.filtered("active").ids)
        hidden = env["res.partner"].browse(set(partner_ids) - self._readable)
        companies = (env["res.company"], *mailbox.user_id.company_ids)
        self._private = {
            partner.id
            for partner in hidden.exists()
            if partner.gmail_is_private and partner.company_id in companies
        }

    def _of_written_to(self, env, addresses):
        env.flush_all()
        rows = env.execute_query(
            SQL(
                """
                SELECT DISTINCT p.address_key
                  FROM gmail_participant p
                  JOIN gmail_message m ON m.id = p.message_id
                 WHERE p.mailbox_id = %s AND p.address_key = ANY(%s)
                   AND p.role <> 'from' AND m.direction = 'out'
                """,
                self._mailbox.id,
                list(addresses),
            )
        )
        return {address for (address,) in rows}

    def leaves_out(self, contact):
        """Return why a Google contact has no part in Odoo, or None."""
        emails = contact.card["emails"]
        if self._is_undone:
            return "kept" if contact.reason == "kept" else "undone"
        if contact.choice == "skip":
            return "left_out"
        # What was imported stays, whatever becomes of it in Google and in Odoo.
        if contact.is_applied and contact.partner_id:
            return "excluded" if self._is_excluded(contact) else None
        called = (
            contact.name or contact.company_name or emails or contact.card["phones"]
        )
        if not called and contact.choice != "link":
            return "unreachable"
        if contact.choice:
            return None
        if contact.is_gone:
            return "gone"
        if self._group and self._group not in contact.card["groups"]:
            return "label"
        if not self._colleagues.isdisjoint(map(address_key, emails)):
            return "colleague"
        found, reason = contact.found or ([], False)
        if reason == "colleague":
            return "colleague"
        if not self._readable.isdisjoint(found) and self._living.isdisjoint(found):
            return "archived"
        if self._is_excluded(contact):
            return "excluded"
        if not emails and not (contact.name and contact.card["phones"]):
            return "unreachable"
        return None

    def _is_excluded(self, contact):
        emails = contact.card["emails"]
        return (
            not contact.choice
            and bool(emails)
            and self._keeps_out(EPOCH, set(emails), False)
        )

    def why_not_create(self, contact):
        """Return why a Google contact becomes no new contact in Odoo, or None."""
        if not self._may_create:
            return "no_right"
        if contact.choice == "create":
            return None
        if self.policy == "never":
            return "policy"
        if self.policy == "written_to" and not (
            set(self._written_to) & set(map(address_key, contact.card["emails"]))
        ):
            return "not_written_to"
        return None

    def may_read(self, partner_id):
        return partner_id in self._readable

    def may_join(self, contact, partner_id):
        """Whether a Google contact may be the one that was made of somebody else's, who
        alone sees it so far."""
        return self.may_read(partner_id) or (
            partner_id in self._private and not self.why_not_create(contact)
        )
