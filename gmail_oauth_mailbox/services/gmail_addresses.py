from odoo import api, fields, models
from odoo.tools import SQL

from ..lib import query
from ..lib.mime.addresses import address_key
from .partner_keys import key_sql, matching, partner_ids

# Addresses looked at for one search; how many it names depends on their length.
MOST = 200
# RFC 5321 allows 320 characters; what is longer is none, and no index takes it. An
# address whose contact moves to other companies, or is its owner's alone no more, is a
# new one: others may read it now.
CONTACTS = """
    SELECT k.key AS address,
           string_agg(
               DISTINCT COALESCE(p.company_id, 0)::text
                        || CASE WHEN p.gmail_is_private THEN '*' ELSE '' END,
               ',') AS companies
      FROM res_partner p CROSS JOIN LATERAL (SELECT %(key)s AS key) k
     WHERE p.active AND p.partner_share AND p.email_normalized <> ''
       AND length(p.email_normalized) <= 320 AND k.key <> ''
     GROUP BY k.key
"""


class GmailAddresses(models.AbstractModel):
    """Which addresses are contacts: those of active partners that are no internal
    users, as far as the owner of a mailbox may read them."""

    _name = "gmail.addresses"
    _description = "Gmail Addresses"

    @api.model
    def _cron_refresh(self):
        """Have mail with new contacts looked for, in mailboxes that want only such, and
        note which contacts are new to those who share."""
        if self.env["gmail.version"]._is_outdated():
            return
        ways = self.env["gmail.way"].sudo()
        if ways.search_count([("key", "=like", "chosen:%")], limit=1):
            with self.env["gmail.connect"]._short_transaction() as env:
                env["gmail.linking"]._compare_ways()
        wanted = (
            self.env["gmail.mailbox"]
            .sudo()
            .search_count(
                [("import_scope", "=", "contacts"), ("state", "!=", "draft")], limit=1
            )
        )
        if wanted and self._refresh():
            self.env["gmail.scheduler"]._trigger("backfill")

    def _refresh(self):
        """Bring the list up to date with the contacts.

        :return: whether there are new ones
        """
        with self.env["gmail.connect"]._short_transaction() as env:
            contacts = SQL(CONTACTS, key=key_sql(env))
            # One at a time, so that ids become visible in their order.
            env.cr.execute("LOCK TABLE gmail_address IN SHARE ROW EXCLUSIVE MODE")
            env.cr.execute(
                SQL(
                    """
                    DELETE FROM gmail_address a
                     WHERE NOT EXISTS (SELECT FROM (%s) c
                                        WHERE c.address = a.address
                                          AND c.companies = a.companies)
                    """,
                    contacts,
                )
            )
            env.cr.execute(
                SQL(
                    """
                    INSERT INTO gmail_address (address, companies)
                    SELECT address, companies FROM (%s) c ORDER BY address
                        ON CONFLICT (address) DO NOTHING
                    """,
                    contacts,
                )
            )
            found = bool(env.cr.rowcount)
            if found:
                env.cr.execute(
                    """
                    UPDATE gmail_mailbox
                       SET backfill_done = false, next_backfill = %s
                     WHERE import_scope = 'contacts' AND backfill_done
                    """,
                    [fields.Datetime.now()],
                )
        return found

    def _next_search(self, mailbox):
        """Return (term of a search, id of the last address that it covers); the term
        is "" when the owner may read none of them, and the id None at the end."""
        self.env.cr.execute(
            "SELECT id, address FROM gmail_address WHERE id > %s ORDER BY id LIMIT %s",
            [mailbox.address_cursor or 0, MOST],
        )
        rows = self.env.cr.fetchall()
        if not rows:
            return "", None
        partners = self._partners(mailbox, [key for _id, key in rows])
        # As the contact has it: Gmail's own spellings follow from that, not from a key.
        term, covered = query.people(
            (
                partners[key]["email_normalized"]
                if partners.get(key, {}).get("partner_share")
                else ""
                for _id, key in rows
            ),
            min(mailbox.search_room or query.MOST_CHARACTERS, query.MOST_CHARACTERS),
        )
        return term, rows[covered - 1][0]

    def _reached(self, mailbox):
        """Return (addresses that were searched for, all of them)."""
        self.env.cr.execute(
            "SELECT count(*) FILTER (WHERE id <= %s), count(*) FROM gmail_address",
            [mailbox.address_cursor or 0],
        )
        return self.env.cr.fetchone()

    @api.model
    def _partner_ids(self, addresses):
        """Return the ids of partners with one of some addresses in any spelling,
        whether the user may read them or not."""
        return partner_ids(self.env, addresses)

    def _partners(self, mailbox, addresses):
        """Return {key: id, partner_share, and email_normalized} of partners that the
        owner may read; of several with one address, the oldest contact.

        :param addresses: in any spelling; the keys are those of lib.mime.addresses
        """
        if not addresses:
            return {}
        partners = self.env["res.partner"].with_user(mailbox.user_id)
        found = SQL("(SELECT p.id FROM res_partner p WHERE %s)", matching(addresses))
        rows = partners.search_read(
            [("id", "in", found)],
            ["email_normalized", "partner_share"],
            order="partner_share, id desc",
            load=None,
        )
        return {address_key(row["email_normalized"]): row for row in rows}
