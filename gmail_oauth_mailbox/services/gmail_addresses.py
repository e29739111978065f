from odoo import api, fields, models
from odoo.tools import SQL

from ..lib import query

# Addresses looked at for one search; how many it names depends on their length.
MOST = 200
# RFC 5321 allows 320 characters; what is longer is none, and no index takes it. An
# address whose contact moves to other companies, or is its owner's alone no more, is a
# new one: others may read it now.
CONTACTS = SQL("""
    SELECT email_normalized AS address,
           string_agg(
               DISTINCT COALESCE(company_id, 0)::text
                        || CASE WHEN gmail_is_private THEN '*' ELSE '' END,
               ',') AS companies
      FROM res_partner
     WHERE active AND partner_share AND email_normalized <> ''
       AND length(email_normalized) <= 320
     GROUP BY email_normalized
""")


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
                    CONTACTS,
                )
            )
            env.cr.execute(
                SQL(
                    """
                    INSERT INTO gmail_address (address, companies)
                    SELECT address, companies FROM (%s) c ORDER BY address
                        ON CONFLICT (address) DO NOTHING
                    """,
                    CONTACTS,
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
        partners = self._partners(mailbox, [address for _id, address in rows])
        term, covered = query.people(
            address if partners.get(address, {}).get("partner_share") else ""
            for _id, address in rows
        )
        return term, rows[covered - 1][0]

    def _reached(self, mailbox):
        """Return (addresses that were searched for, all of them)."""
        self.env.cr.execute(
            "SELECT count(*) FILTER (WHERE id <= %s), count(*) FROM gmail_address",
            [mailbox.address_cursor or 0],
        )
        return self.env.cr.fetchone()

    def _partners(self, mailbox, addresses):
        """Return {address: id and partner_share} of partners that the owner may read;
        of several with one address, the oldest contact."""
        if not addresses:
            return {}
        partners = (
            self.env["res.partner"]
            .with_user(mailbox.user_id)
            .search_read(
                [("email_normalized", "in", list(addresses))],
                ["email_normalized", "partner_share"],
                order="partner_share, id desc",
                load=None,
            )
        )
        return {partner["email_normalized"]: partner for partner in partners}
