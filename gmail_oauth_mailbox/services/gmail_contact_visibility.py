from odoo import api, models

# Contacts that are looked up at once.
AT_ONCE = 5000
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

    @api.model
    def _in_documents(self, records, names):
        """Let everybody see the contacts that stand in fields of documents."""
        for name in names:
            field = records._fields.get(name)
            if field and field.comodel_name == "res.partner":
                self.sudo()._open(records.sudo()[name])

    @api.model
    def _cron_open(self):
        """Let everybody see the contacts that anything refers to by now."""
        partners = self.env["res.partner"].sudo().with_context(active_test=False)
        last = 0
        while private := partners.search(
            [("gmail_is_private", "=", True), ("id", ">", last)],
            order="id",
            limit=AT_ONCE,
        ):
            last = private[-1].id
            self._open(self.env["gmail.contact.values"].sudo()._referred(private))
            if not self.env["ir.cron"]._commit_progress(len(private)):
                return

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
