import logging
from collections import defaultdict
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, hmac

from ..lib.errors import place
from ..lib.exclusion import PatternError, parse_pattern, stored_pattern
from ..lib.mime.addresses import (
    GMAIL_DOMAINS,
    address_key,
    domain_of,
    pasted,
    spellings,
)
from ..parsers import email_normalize_all
from .failures import is_passing

_logger = logging.getLogger(__name__)

# Messages removed in one transaction.
PAGE = 200
MOST_ADDRESSES = 50
# A worker that began before may still store mail; none takes longer.
LATECOMERS = timedelta(minutes=2)
# Until a row that failed, or that a worker died of, is tried again.
PAUSE = timedelta(hours=1)
SCOPE = "gmail_oauth_mailbox-erasure"


class GmailExclusions(models.AbstractModel):
    """Whose mail stays out of Odoo: excluded addresses, and persons whose mail was
    erased. Counts it, removes it page by page, and keeps it away."""

    _name = "gmail.exclusions"
    _description = "Gmail Exclusions"

    # ------------------------------------------------------------------
    # What was written
    # ------------------------------------------------------------------

    @api.model
    def _pattern(self, written):
        """Return the lib.exclusion.Pattern that somebody wrote.

        :raises UserError: it is none
        """
        try:
            return parse_pattern(written)
        except PatternError as error:
            raise UserError(
                {
                    "empty": self.env._("Write an address or a domain."),
                    "wrong": self.env._(
                        "Write one address such as news@shop.example, a domain such as "
                        "shop.example, or a pattern such as *@*.shop.example."
                    ),
                    "all": self.env._(
                        "This would exclude nearly everybody. Write more of it."
                    ),
                }[error.code]
            ) from error

    @api.model
    def _addresses(self, written):
        """Return the addresses in a text, one per line.

        :raises UserError: one is none, or there are too many
        """
        found = {}
        for line in (written or "").replace(",", "\n").splitlines():
            if not line.strip():
                continue
            addresses = pasted(line)
            if len(addresses) != 1:
                raise UserError(self.env._("%s is no email address.", line.strip()))
            found.setdefault(address_key(addresses[0]), addresses[0])
        if not found:
            raise UserError(self.env._("Write at least one address."))
        if len(found) > MOST_ADDRESSES:
            raise UserError(
                self.env._("Erase at most %s addresses at once.", MOST_ADDRESSES)
            )
        # Few of them, and none is stored with its key.
        self.env["gmail.mailbox"].flush_model(["email"])
        rows = self.env.execute_query(SQL("SELECT email FROM gmail_mailbox"))
        mailboxes = [email for (email,) in rows if address_key(email) in found]
        if mailboxes:
            raise UserError(
                self.env._(
                    "%s is a mailbox here, all of whose mail would go. Its owner "
                    "disconnects and deletes it.",
                    mailboxes[0],
                )
            )
        return list(found.values())

    # ------------------------------------------------------------------
    # Counting
    # ------------------------------------------------------------------

    def _with(self, addresses):
        """Return the SQL condition on a participant ``p`` with one of the addresses."""
        return SQL("p.address_key = ANY(%s)", list(map(address_key, addresses)))

    def _of_pattern(self, pattern, user):
        """Return the condition for the mail that an exclusion is about; one's own
        address on one's own mail excludes nothing."""
        who = (
            self._with([pattern.text])
            if pattern.is_exact
            else SQL(
                "(p.address LIKE ANY(%(likes)s) OR p.address_key LIKE ANY(%(likes)s))",
                likes=pattern.likes,
            )
        )
        whose = SQL("b.user_id = %s", user.id) if user else SQL("TRUE")
        return SQL("%s AND NOT %s AND %s", who, self._of_owners(user), whose)

    def _of_owners(self, user):
        """Return the SQL condition on a participant ``p`` with an address of the owner
        of its mailbox ``b``.

        :param user: whose mailboxes; empty for all
        """
        mailboxes = self.env["gmail.mailbox"].sudo()
        rows = [
            (mailbox.id, address_key(address))
            for mailbox in mailboxes.search([("user_id", "=", user.id)] if user else [])
            for address in mailbox._addresses()
        ]
        ids, keys = map(list, zip(*rows, strict=True)) if rows else ([], [])
        return SQL(
            "(b.id, COALESCE(p.address_key, '')) IN"
            " (SELECT * FROM unnest(%s::int[], %s::text[]))",
            ids,
            keys,
        )

    def _count(self, condition):
        """Return how many (messages, mailboxes) there are."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                SELECT count(DISTINCT p.message_id), count(DISTINCT p.mailbox_id)
                  FROM gmail_participant p
                  JOIN gmail_mailbox b ON b.id = p.mailbox_id
                 WHERE %s
                """,
                condition,
            )
        )
        return self.env.cr.fetchone()

    @api.model
    def _count_excluded(self, pattern, user):
        """Return how many (messages, mailboxes) an exclusion would remove.

        :param user: whose mailboxes; empty for all
        """
        return self._count(self._of_pattern(pattern, user))

    @api.model
    def _count_erased(self, addresses):
        """Return what an erasure would remove: messages, mailboxes, entries in
        documents, and posts of Odoo's own that stay there."""
        messages, mailboxes = self._count(self._with(addresses))
        entries = self._entries_of(addresses)
        own = entries.filtered(lambda entry: entry.kind == "stock")
        return {
            "messages": messages,
            "mailboxes": mailboxes,
            "entries": len(entries - own),
            "own": len(own),
        }

    def _entries_of(self, addresses, until=None):
        """Return what stands of mail with addresses in documents (gmail.entry, sudo),
        also where nobody has the mail any more."""
        wanted = set(map(address_key, addresses))
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT e.id, NULL
              FROM gmail_entry e
              JOIN gmail_participant p ON p.message_id = e.message_id
             WHERE p.address_key = ANY(%(keys)s) AND e.mail_message_id IS NOT NULL
             UNION
            SELECT id, NULL FROM gmail_entry
             WHERE string_to_array(addresses, ' ') && %(keys)s::text[]
               AND mail_message_id IS NOT NULL
             UNION
            SELECT e.id, x.written
              FROM gmail_entry e
              JOIN mail_message m ON m.id = e.mail_message_id
        CROSS JOIN LATERAL (SELECT concat_ws(',', m.email_from, m.incoming_email_to,
                                             m.incoming_email_cc) AS written) x
             WHERE EXISTS (SELECT FROM unnest(%(addresses)s::text[]) AS a
                            WHERE strpos(lower(x.written), a) > 0)
                OR EXISTS (SELECT FROM unnest(%(dotless)s::text[]) AS a
                            WHERE strpos(replace(lower(x.written), '.', ''), a) > 0)
            """,
            {
                "keys": sorted(wanted),
                "addresses": [one for x in addresses for one in spellings(x)],
                # Gmail's have dots anywhere.
                "dotless": [
                    one.replace(".", "")
                    for x in addresses
                    if domain_of(x) in GMAIL_DOMAINS
                    for one in spellings(x)
                ],
            },
        )
        ids = {
            entry
            for entry, written in self.env.cr.fetchall()
            if written is None
            or wanted.intersection(map(address_key, email_normalize_all(written)))
        }
        entries = self.env["gmail.entry"].sudo().browse(sorted(ids))
        return entries.filtered(lambda e: not until or not e.date or e.date <= until)

    # ------------------------------------------------------------------
    # Deciding
    # ------------------------------------------------------------------

    @api.model
    def _exclude(self, pattern, user):
        """Exclude addresses from now on; what is stored leaves by itself.

        :param user: whose mail; empty for everybody's (administrators)
        :raises UserError: excluded already
        """
        self.env["gmail.version"]._check()
        exclusions = self.env["gmail.exclusion"].sudo()
        if not user and not self.env["gmail.setup"]._is_admin():
            raise AccessError(self.env._("Only administrators exclude for everybody."))
        same = [("pattern", "=", pattern.text), ("user_id", "=", user.id)]
        if exclusions.search_count(same, limit=1):
            raise UserError(self.env._("This is excluded already."))
        exclusions.create(
            {"pattern": pattern.text, "user_id": user.id, "is_pending": True}
        )
        self.env["gmail.contacts"].sudo()._look_again(user)
        self.env["gmail.linking"]._forget_way(
            f"exclusion:{user.id or 0}:{pattern.text}"
        )
        self.env["gmail.linking"]._wake()

    @api.model
    def _erase(self, addresses):
        """Erase the mail with addresses from all mailboxes and documents."""
        self.env["gmail.version"]._check()
        if not self.env["gmail.setup"]._is_admin():
            raise AccessError(self.env._("Only administrators erase a person's mail."))
        now = fields.Datetime.now()
        self.env["gmail.erasure"].sudo().create(
            [
                {
                    "address": address,
                    "address_hash": self._hash(address_key(address)),
                    "until": now,
                    "is_pending": True,
                }
                for address in addresses
            ]
        )
        self.env["gmail.linking"]._wake()

    def _hash(self, address):
        return hmac(self.env(su=True), SCOPE, address)

    def _hashes(self, address):
        """Return the hashes that an erasure of an address may have: of its key, and, as
        19.0.1.1.0 kept it, of how it was written."""
        return {self._hash(one) for one in {address_key(address), address}}

    @api.model
    def _erased(self, addresses):
        """Return those of addresses whose mail was erased."""
        hashes = {a: self._hashes(a) for a in addresses}
        self.env.cr.execute(
            "SELECT address_hash FROM gmail_erasure WHERE address_hash = ANY(%s)",
            [sorted(set().union(*hashes.values()))],
        )
        erased = {row[0] for row in self.env.cr.fetchall()}
        return {a for a, of_address in hashes.items() if of_address & erased}

    # ------------------------------------------------------------------
    # Keeping away
    # ------------------------------------------------------------------

    @api.model
    def _keeps_out(self, mailbox):
        """Return a test whether a message stays out of a mailbox.

        :return: test(date, addresses, is_sent_here)
        """
        patterns = [
            stored_pattern(exclusion.pattern)
            for exclusion in self.env["gmail.exclusion"]
            .sudo()
            .search([("user_id", "in", (mailbox.user_id.id, False))])
        ]
        self.env.cr.execute(
            "SELECT address_hash, max(until) FROM gmail_erasure GROUP BY 1"
        )
        erased = dict(self.env.cr.fetchall())
        last = max(erased.values(), default=None)
        own = set(map(address_key, mailbox._addresses()))

        def test(date, addresses, is_sent_here):
            if last and date <= last:
                hashes = (h for address in addresses for h in self._hashes(address))
                untils = map(erased.get, hashes)
                if any(until and date <= until for until in untils):
                    return True
            return not is_sent_here and any(
                pattern.matches(address)
                for pattern in patterns
                for address in addresses
                if address_key(address) not in own
            )

        return test

    # ------------------------------------------------------------------
    # Removing
    # ------------------------------------------------------------------

    @api.model
    def _sweep_page(self, is_careful=False):
        """Remove a page of stored mail that is excluded or erased; return whether
        there may be more. For the scheduled action that files mail.

        :param is_careful: a worker died of something: each row is put off before the
            work on it begins, so that it can't keep others waiting
        """
        for model in ("gmail.exclusion", "gmail.erasure"):
            for row_id in self._due(model):
                if is_careful:
                    self._put_off(model, row_id)
                if self._sweep(model, row_id):
                    return True
        return False

    def _due(self, model):
        """Return the ids of the pending rows of a model whose time has come."""
        self.env.cr.execute(
            SQL(
                """
                SELECT id FROM %s
                 WHERE is_pending AND (retry_at IS NULL OR retry_at <= %s)
                 ORDER BY id
                """,
                SQL.identifier(self.env[model]._table),
                fields.Datetime.now(),
            )
        )
        return [row_id for (row_id,) in self.env.cr.fetchall()]

    def _put_off(self, model, row_id):
        """Try a row again later, in a transaction of its own."""
        later = fields.Datetime.now() + PAUSE
        with self.env["gmail.connect"]._short_transaction() as env:
            env[model].browse(row_id).exists().retry_at = later
        self.env["gmail.linking"]._wake(later)
        # A run that has done something is not one that timed out: Odoo would switch
        # the scheduled action off.
        self.env["ir.cron"]._commit_progress(1)

    def _sweep(self, model, row_id):
        """Remove a page of what a row is about; return whether there may be more.
        What fails is tried again later, and keeps back no other row."""
        try:
            with self.env["gmail.connect"]._short_transaction() as env:
                return env["gmail.exclusions"]._sweep_row(model, row_id)
        except Exception as error:  # noqa: BLE001
            if is_passing(error):
                raise
            # Not its text, which may quote an address.
            _logger.error("Removing mail, %s %s: %s", model, row_id, place(error))
            self._put_off(model, row_id)
            return False

    def _sweep_row(self, model, row_id):
        self.env.cr.execute(
            SQL(
                "SELECT FROM %s WHERE id = %s AND is_pending FOR UPDATE SKIP LOCKED",
                SQL.identifier(self.env[model]._table),
                row_id,
            )
        )
        if not self.env.cr.rowcount:
            return False
        row = self.env[model].browse(row_id)
        is_erasure = model == "gmail.erasure"
        more = self._sweep_erasure(row) if is_erasure else self._sweep_exclusion(row)
        row.retry_at = False
        if more:
            return True
        ends = row.create_date + LATECOMERS
        if ends > fields.Datetime.now():
            self.env["gmail.linking"]._wake(ends)
            return False
        row.is_pending = False
        if is_erasure:
            row.address = False
        return False

    def _sweep_exclusion(self, exclusion):
        """Remove a page of the owner's copies and their choices; where they keep an
        email private, or show less of it than others who have it, that stays, so that
        nothing comes to light by it."""
        condition = self._of_pattern(
            stored_pattern(exclusion.pattern), exclusion.user_id
        )
        keys, count = self._bury_page(condition)
        for mailbox_id, of_mailbox in keys.items():
            self.env.cr.execute(
                """
                DELETE FROM gmail_vote v
                 WHERE mailbox_id = %s AND mail_key = ANY(%s)
                   AND level <> 'nobody' AND is_veto IS NOT TRUE
                   AND (level = 'everything'
                        OR NOT EXISTS (SELECT FROM gmail_vote o
                                        WHERE o.mail_key = v.mail_key
                                          AND o.id <> v.id))
                """,
                [mailbox_id, list(of_mailbox)],
            )
        for mailbox_id, of_mailbox in keys.items():
            entries = self.env["gmail.entry"].search(
                [
                    ("mailbox_id", "=", mailbox_id),
                    ("mail_key", "in", list(of_mailbox)),
                    ("message_id", "=", False),
                    ("kind", "=", "note"),
                ]
            )
            documents = {(entry.res_model, entry.res_id) for entry in entries}
            self.env["gmail.linking"]._remove_entries(entries)
            self.env["gmail.correspondence"]._recount(documents)
        self.env["gmail.linking"]._enqueue(set().union(*keys.values()))
        exclusion.removed += count
        return count == PAGE

    def _sweep_erasure(self, erasure):
        """Remove a page of all copies of mail with an address, and what stands of it
        in documents."""
        addresses = [erasure.address]
        entries = self._entries_of(addresses, erasure.until)
        entries = entries.filtered(lambda entry: entry.kind != "stock")[:PAGE]
        documents = {(entry.res_model, entry.res_id) for entry in entries}
        self.env["gmail.linking"]._remove_entries(entries)
        self.env["gmail.correspondence"]._recount(documents)
        erasure.entries += len(entries)
        if len(entries) == PAGE:
            return True
        condition = SQL("%s AND m.date <= %s", self._with(addresses), erasure.until)
        keys, count = self._bury_page(condition)
        for mailbox_id, of_mailbox in keys.items():
            self.env.cr.execute(
                "DELETE FROM gmail_vote WHERE mailbox_id = %s AND mail_key = ANY(%s)",
                [mailbox_id, list(of_mailbox)],
            )
        erasure.messages += count
        self.env["gmail.linking"]._forget_erased(erasure.address)
        return count == PAGE

    def _bury_page(self, condition):
        """Remove a page of messages, which no census brings back.

        :return: ({mailbox id: mail keys}, how many messages)
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                SELECT m.mailbox_id, m.gmail_id, m.mail_key
                  FROM gmail_message m
                 WHERE m.id IN (SELECT p.message_id
                                  FROM gmail_participant p
                                  JOIN gmail_mailbox b ON b.id = p.mailbox_id
                                  JOIN gmail_message m ON m.id = p.message_id
                                 WHERE %s
                                 LIMIT %s)
                """,
                condition,
                PAGE,
            )
        )
        rows = self.env.cr.fetchall()
        keys, ids = defaultdict(set), defaultdict(list)
        for mailbox_id, gmail_id, key in rows:
            ids[mailbox_id].append(gmail_id)
            keys[mailbox_id].update({key} - {None})
        store = self.env["gmail.store"]
        for mailbox in self.env["gmail.mailbox"].browse(ids):
            touched = store._bury(mailbox, ids[mailbox.id])
            store._refresh_threads(touched)
            self.env["gmail.sync"]._announce(mailbox, touched)
        return keys, len(rows)
