import logging

from odoo import api, models, tools
from odoo.tools import SQL

from .failures import alone

_logger = logging.getLogger(__name__)

# Contacts that are looked up at once.
AT_ONCE = 5000
# Where the scheduled action goes on.
LAST = "gmail_oauth_mailbox.contact_visibility_last"
# Who works for a company, or is a user, is no document.
NO_DOCUMENTS = ("res.partner", "res.users")
# Contacts that are deleted in one transaction.
AT_A_TIME = 200


class GmailContactVisibility(models.AbstractModel):
    """Who sees the contacts that Google made: everybody, or, if the administrator wants
    that, those in whose Google contacts they are, until a document needs them.

    The rule on res.partner rests on what is kept here. Statements leave the date of the
    last change alone, by which an undo knows what somebody else has changed.
    """

    _name = "gmail.contact.visibility"
    _description = "Visibility of Google Contacts"

    @api.model
    @tools.ormcache()
    def _has_private(self):
        """Whether there is any contact that its owners alone see."""
        self.env["res.partner"].flush_model(["gmail_is_private"])
        [(found,)] = self.env.execute_query(
            SQL("SELECT EXISTS (SELECT FROM res_partner WHERE gmail_is_private)")
        )
        return found

    @api.model
    def _keep(self, partners, user):
        """Let a user alone see new contacts (sudo), if the administrator wants that."""
        if not partners or self.env["gmail.setup"]._contact_visibility() != "owner":
            return
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_partner SET gmail_is_private = true WHERE id = ANY(%s)",
            [partners.ids],
        )
        partners.invalidate_recordset(["gmail_is_private"])
        if not self._has_private():
            self.env.registry.clear_cache()
        self._admit([(partner.id, user.id) for partner in partners])

    @api.model
    def _admit(self, pairs):
        """Let users see private contacts, which are in their Google contacts too.

        :param pairs: [(id of a contact, id of a user)]
        """
        self._execute(
            """
            INSERT INTO gmail_contact_owner_rel (partner_id, user_id)
            SELECT DISTINCT x.partner, x.owner
              FROM unnest(%s::int[], %s::int[]) AS x(partner, owner)
              JOIN res_partner p ON p.id = x.partner AND p.gmail_is_private
                ON CONFLICT DO NOTHING
            """,
            pairs,
        )

    @api.model
    def _dismiss(self, pairs):
        """Hide private contacts from users who took them out of Odoo, as long as
        somebody else sees them.

        :param pairs: [(id of a contact, id of a user)]
        """
        self._execute(
            """
            DELETE FROM gmail_contact_owner_rel r
             USING unnest(%s::int[], %s::int[]) AS x(partner, owner)
             WHERE r.partner_id = x.partner AND r.user_id = x.owner
               AND EXISTS (SELECT FROM gmail_contact c
                             JOIN gmail_mailbox m ON m.id = c.mailbox_id
                            WHERE c.partner_id = x.partner AND c.is_applied
                              AND m.user_id <> x.owner)
               AND NOT EXISTS (SELECT FROM gmail_contact c
                                 JOIN gmail_mailbox m ON m.id = c.mailbox_id
                                WHERE c.partner_id = x.partner AND c.is_applied
                                  AND m.user_id = x.owner)
            """,
            pairs,
        )

    @api.model
    def _follow(self, companies):
        """Let those see private companies who see somebody that works there."""
        private = companies.filtered("gmail_is_private")
        if not private:
            return
        self.env.flush_all()
        self.env.cr.execute(
            """
              WITH wanted AS (
                   SELECT DISTINCT p.parent_id AS partner_id, r.user_id
                     FROM res_partner p
                     JOIN gmail_contact_owner_rel r ON r.partner_id = p.id
                    WHERE p.parent_id = ANY(%(ids)s)),
                   kept AS (
                   INSERT INTO gmail_contact_owner_rel (partner_id, user_id)
                   SELECT partner_id, user_id FROM wanted
                       ON CONFLICT DO NOTHING)
            DELETE FROM gmail_contact_owner_rel r
             WHERE r.partner_id IN (SELECT partner_id FROM wanted)
               AND (r.partner_id, r.user_id) NOT IN (
                   SELECT partner_id, user_id FROM wanted)
            """,
            {"ids": private.ids},
        )
        private.invalidate_recordset(["gmail_owner_ids"])
        self._open_companies(private)

    def _open_companies(self, companies):
        """Let everybody see companies, where somebody works whom everybody sees."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT parent_id FROM res_partner
                 WHERE parent_id = ANY(%s) AND gmail_is_private IS NOT TRUE
                """,
                companies.ids,
            )
        )
        self._open(companies.browse(row_id for (row_id,) in rows))

    def _execute(self, statement, pairs):
        if pairs:
            self.env.flush_all()
            self.env.cr.execute(
                statement, [list(column) for column in zip(*pairs, strict=True)]
            )
            self.env["res.partner"].invalidate_model(["gmail_owner_ids"])

    @api.model
    def _open(self, partners):
        """Let everybody see contacts (sudo), and the companies that they work for."""
        private = partners.filtered("gmail_is_private")
        while parents := private.parent_id.filtered("gmail_is_private") - private:
            private |= parents
        if private:
            self.env.flush_all()
            self.env.cr.execute(
                "DELETE FROM gmail_contact_owner_rel WHERE partner_id = ANY(%s)",
                [private.ids],
            )
            self.env.cr.execute(
                "UPDATE res_partner SET gmail_is_private = false WHERE id = ANY(%s)",
                [private.ids],
            )
            private.invalidate_recordset(["gmail_is_private", "gmail_owner_ids"])
            self.env["gmail.linking"]._note_changed(private)

    @api.model
    def _in_documents(self, records, names):
        """Let everybody see the contacts that stand in fields of documents.

        :raises AccessError: the caller does not see one herself
        """
        for name in () if records._name in NO_DOCUMENTS else names:
            field = records._fields.get(name)
            if field and field.comodel_name == "res.partner":
                private = records.sudo()[name].filtered("gmail_is_private")
                self._check(records.env, private)
                self.sudo()._open(private)

    @api.model
    def _check(self, env, partners):
        """Check that the user of an environment sees private contacts (sudo), whose ids
        somebody may have guessed.

        :raises AccessError: they do not
        """
        private = partners.filtered("gmail_is_private")
        if not private:
            return
        linking = env["gmail.linking"]
        if linking._is_taking_in() and (actor := linking._actor()):
            # Odoo's gateway acts as superuser for whoever hands an email in.
            env = env(user=actor.id, su=False)
        if not env.su:
            env["res.partner"].browse(private.ids).check_access("read")

    @api.model
    def _cron_open(self):
        """Let everybody see the contacts that stand on a document by now: what was
        computed, or came by mail, was no change that somebody made there."""
        if self.env["gmail.version"]._is_outdated():
            return
        partners = self.env["res.partner"].sudo().with_context(active_test=False)
        parameters = self.env["ir.config_parameter"].sudo()
        progress = self.env["ir.cron"]._commit_progress
        private = [("gmail_is_private", "=", True)]
        try:
            last = int(parameters.get_param(LAST) or 0)
        except ValueError:
            last = 0
        while True:
            some = partners.search(
                [*private, ("id", ">", last)], order="id", limit=AT_ONCE
            )
            last = some[-1:].id or 0
            parameters.set_param(LAST, last)
            # Those of a page that fails stay private.
            with alone(self.env, _logger, "Contacts up to %s", last):
                used = self._on_documents(some)
                self._open(used | some.filtered(lambda p: not p.gmail_owner_ids))
                self._open_companies(some)
            if not last:
                progress(remaining=0)
                return
            left = partners.search_count([*private, ("id", ">", last)])
            if not progress(len(some), remaining=left):
                return

    def _on_documents(self, partners):
        """Return those of some contacts that stand on a document, write or follow
        there, or are users."""
        if not partners:
            return partners
        self.env.flush_all()
        found = set()
        for table, column, condition in self._places():
            found.update(
                self.env["gmail.contact.values"]._referring(
                    table, column, partners, condition
                )
            )
        return partners.filtered(lambda partner: partner.id in found)

    def _places(self):
        """Yield (table, column, condition) of where contacts stand on documents."""
        yield "res_users", "partner_id", SQL("TRUE")
        yield "mail_message", "author_id", SQL("model <> 'res.partner'")
        yield "mail_followers", "partner_id", SQL("res_model <> 'res.partner'")
        for name, model in self.env.registry.items():
            is_document = issubclass(model, self.env.registry["mail.thread"])
            if not is_document or not model._auto or name in NO_DOCUMENTS:
                continue
            for field in model._fields.values():
                if field.comodel_name == "res.partner" and field.store:
                    if field.type == "many2one":
                        yield model._table, field.name, SQL("TRUE")
                    elif field.type == "many2many":
                        yield field.relation, field.column2, SQL("TRUE")

    @api.model
    def _leave(self, user):
        """Delete what only a user (sudo) who is gone could see, unless it is used.

        :return: whether there may be more
        """
        partners = self.env["res.partner"].sudo().with_context(active_test=False)
        seen = partners.search(
            [("gmail_is_private", "=", True), ("gmail_owner_ids", "=", user.id)],
            limit=AT_A_TIME,
        )
        own = seen.filtered(lambda partner: partner.gmail_owner_ids == user)
        self._execute(
            """
            DELETE FROM gmail_contact_owner_rel r
             USING unnest(%s::int[], %s::int[]) AS x(partner, owner)
             WHERE r.partner_id = x.partner AND r.user_id = x.owner
            """,
            [(partner.id, user.id) for partner in seen - own],
        )
        origins = self.env["gmail.contact.origin"].sudo()
        made = {
            origin.partner_id: origin
            for origin in origins.search([("partner_id", "in", own.ids)])
        }
        # Companies come after who works there.
        people = own.filtered(lambda partner: partner in made)
        people = people.sorted(lambda p: (p.is_company, p.id))
        self.env["gmail.contact.values"].sudo()._drop(people, made)
        self._open(own.exists())
        return len(seen) == AT_A_TIME

    @api.model
    def _left(self, limit):
        """Return users (sudo) who left before a moment, whose mailboxes are gone, and
        who alone see contacts."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT DISTINCT u.id
              FROM gmail_contact_owner_rel r
              JOIN res_users u ON u.id = r.user_id
             WHERE (NOT u.active OR u.share) AND u.write_date <= %s
               AND NOT EXISTS (SELECT FROM gmail_mailbox m WHERE m.user_id = u.id)
            """,
            [limit],
        )
        ids = [row_id for (row_id,) in self.env.cr.fetchall()]
        return self.env["res.users"].sudo().browse(ids)
