from lxml import etree

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError
from odoo.fields import Domain
from odoo.tools import SQL, formataddr

from .. import plain
from ..parsers import email_normalize, is_html_empty

DATES = {
    "gmail_last_received": "last_received",
    "gmail_last_sent": "last_sent",
    "gmail_awaiting_since": "awaiting_since",
}
POSTS = ("mail.message", "mail.notification")
# Whose lists show who waits for an answer.
LISTED = ("res.partner", "crm.lead")


class MailThread(models.AbstractModel):
    """What is posted leaves by the author's mailbox; what comes by a mailbox shows.

    When mail with a document last came and went is of shared mail alone, which whoever
    reads the document sees there. It lives in gmail.correspondence, so that new mail
    writes no document.
    """

    _inherit = "mail.thread"

    gmail_email_count = fields.Integer(
        "Emails",
        compute="_compute_gmail_email_count",
        exportable=False,
        groups="base.group_user",
    )
    gmail_last_received = fields.Datetime(
        "Last Email Received",
        compute="_compute_gmail_dates",
        search=lambda self, operator, value: self._gmail_search(
            "gmail_last_received", operator, value
        ),
        groups="base.group_user",
    )
    gmail_last_sent = fields.Datetime(
        "Last Email Sent",
        compute="_compute_gmail_dates",
        search=lambda self, operator, value: self._gmail_search(
            "gmail_last_sent", operator, value
        ),
        groups="base.group_user",
    )
    gmail_awaiting_since = fields.Datetime(
        "Awaiting Our Answer Since",
        compute="_compute_gmail_dates",
        search=lambda self, operator, value: self._gmail_search(
            "gmail_awaiting_since", operator, value
        ),
        groups="base.group_user",
        help="The first email from outside that nobody has answered yet",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Contacts on a document are everybody's."""
        names = {name for vals in vals_list for name in vals}
        self._gmail_check_commands(names)
        records = super().create(vals_list)
        self.env["gmail.contact.visibility"]._in_documents(records, names)
        if self._gmail_is_ruled():
            self.env["gmail.linking"]._note_changed(records)
        return records

    def write(self, vals):
        self._gmail_check_commands(vals)
        is_move = "company_id" in vals and "company_id" in self._fields
        before = {r.id: r.company_id.id for r in self.sudo()} if is_move else {}
        twins = self._gmail_twins(vals)
        result = super().write(vals)
        self.env["gmail.contact.visibility"]._in_documents(self, vals)
        if before:
            moved = self.filtered(lambda r: r.sudo().company_id.id != before[r.id])
            self.env["gmail.linking"]._note_moved(moved)
        if self._gmail_is_ruled() and any(map(self._gmail_is_found_by, vals)):
            self.env["gmail.linking"]._note_changed(self | twins)
        return result

    def unlink(self):
        """A name that two records had is one record's from now on."""
        twins = self._gmail_twins((self._rec_name,)) - self
        result = super().unlink()
        self.env["gmail.linking"]._note_changed(twins)
        return result

    def _gmail_twins(self, names):
        """Return the records whose name others have too, when fields are written that
        may make it the name of one: subject rules find that one then.

        :param names: of the fields
        """
        is_named = self._rec_name and {self._rec_name, "active"} & set(names)
        if not is_named or not self._gmail_is_ruled():
            return self.browse()
        records = self.sudo().with_context(active_test=False)
        written = [str(name) for name in records.mapped(self._rec_name) if name]
        spelled = {s for name in written for s in (name, name.upper(), name.lower())}
        found = records.search([(self._rec_name, "in", sorted(spelled))])
        return self.browse(found.ids)

    def _gmail_check_commands(self, names):
        """Refuse list fields of messages where Odoo would act on them as somebody else:
        it takes the transaction's first user, who may be the superuser.

        :param names: of the fields to be written
        :raises AccessError: one of them is such a field
        """
        uid = self.env.uid
        is_own = not self.env.su and uid == self.env.transaction.default_env.uid
        if is_own or uid == SUPERUSER_ID:
            return
        for name in names:
            field = self._fields.get(name)
            if field is not None and field.comodel_name in POSTS:
                if field.type in ("one2many", "many2many"):
                    raise AccessError(
                        self.env._("Messages can't be changed through their record.")
                    )

    def _gmail_is_ruled(self):
        """Whether subject rules find records of this model."""
        if self.env["gmail.version"]._is_outdated():
            return False
        return self._name in self.env["gmail.link.rule"]._models()

    def _gmail_is_found_by(self, name):
        """Whether a field decides which emails a subject rule links to a record."""
        field = self._fields.get(name)
        emails = getattr(self, "_primary_email", None)
        return (
            name in (self._rec_name, emails, "active")
            or getattr(field, "comodel_name", None) == "res.partner"
        )

    def message_subscribe(self, partner_ids=None, subtype_ids=None):
        """Nobody is made a follower by those who do not see her."""
        partners = self.env["res.partner"].sudo().browse(partner_ids or ()).exists()
        self.env["gmail.contact.visibility"]._check(self.env, partners)
        return super().message_subscribe(partner_ids, subtype_ids)

    def message_post(
        self,
        *,
        message_type="notification",
        author_id=None,
        email_from=None,
        gmail_from=None,
        **kwargs,
    ):
        """What a user posts herself is From her default mailbox.

        :param gmail_from: another of her addresses, which the chatter offers
        :raises UserError: it is not hers
        """
        if not self.env.su:
            # Answers are found by it, so only Odoo chooses it.
            kwargs.pop("message_id", None)
        sender = self.env["gmail.sender"]
        if (
            not author_id
            and not email_from
            and sender._is_for_mail(
                self._name, message_type, self._gmail_subtype(kwargs)
            )
        ):
            address = sender._default_mailbox(self.env.user).email
            if gmail_from:
                address = self.env["gmail.compose"]._chatter_sender(gmail_from)
            if address:
                partner = self.env.user.partner_id
                author_id = partner.id
                email_from = formataddr((partner.name or "", address))
        return super().message_post(
            message_type=message_type,
            author_id=author_id,
            email_from=email_from,
            **kwargs,
        )

    @api.model
    def _get_allowed_message_params(self):
        return super()._get_allowed_message_params() | {"gmail_from"}

    def _message_update_content(self, message, /, *, gmail_from=None, **kwargs):
        # What was posted keeps its sender.
        return super()._message_update_content(message, **kwargs)

    def _message_get_suggested_recipients_batch(self, *args, **kwargs):
        """Whoever wrote from her mailbox is a recipient as herself, or not at all."""
        suggested = super()._message_get_suggested_recipients_batch(*args, **kwargs)
        unknown = [
            row["email"]
            for rows in suggested.values()
            for row in rows
            if not row["partner_id"]
        ]
        own = self.env["gmail.compose"]._unknown_own(unknown)
        return {
            res_id: [row for row in rows if row["email"] not in own]
            for res_id, rows in suggested.items()
        }

    def _partner_find_from_emails(
        self, records_emails, avoid_alias=True, ban_emails=None, **kwargs
    ):
        """No contact is made of the mailbox of a user."""
        emails = {
            email_normalize(email)
            for emails in records_emails.values()
            for email in emails
        }
        own = self.env["gmail.compose"]._unknown_own(emails)
        return super()._partner_find_from_emails(
            records_emails, avoid_alias, [*(ban_emails or ()), *own], **kwargs
        )

    @api.model
    def _message_route_process(self, message, message_dict, routes):
        """An answer that a mailbox brought first is not posted twice."""
        linking = self.env["gmail.linking"]
        copies = linking._at_gateway(message_dict)
        if copies:
            routes = linking._routes_left(copies, routes)
        routes = [
            (model, thread_id, linking._for_record(model, values), *others)
            for model, thread_id, values, *others in routes or ()
        ]
        thread_id = super(MailThread, linking._take_in(self))._message_route_process(
            message, message_dict, routes
        )
        if copies:
            linking.sudo()._enqueue(set(copies.mapped("mail_key")))
        return thread_id

    def _gmail_subtype(self, values):
        """Return the subtype that a post will have; Odoo's default is a note."""
        if xmlid := values.get("subtype_xmlid"):
            return self.env.ref(xmlid, raise_if_not_found=False)
        return self.env["mail.message.subtype"].browse(values.get("subtype_id") or ())

    def _notify_thread_by_email(
        self, message, recipients_data, *, msg_vals=False, **kwargs
    ):
        """Write one personal mail to all recipients when it leaves by a mailbox.

        Odoo splits recipients into groups, each with its own layout and its own
        links; the sender's Gmail would hold as many copies. A mail from one's own
        address looks like one: the text, the signature, nothing else.
        """
        sender = self.env["gmail.sender"]
        mailbox = sender._mailbox_of_message(message)
        by_email = [r for r in recipients_data if r["notif"] == "email"]
        if not mailbox or not by_email:
            return super()._notify_thread_by_email(
                message, recipients_data, msg_vals=msg_vals, **kwargs
            )
        values = self._notify_by_email_get_base_mail_values(
            message,
            by_email,
            additional_values={
                "auto_delete": kwargs.get("mail_auto_delete", True),
                **(
                    {"headers": kwargs["mail_headers"]}
                    if kwargs.get("mail_headers")
                    else {}
                ),
            },
        )
        partner_ids = [r["id"] for r in by_email if r["id"]]
        others = [
            formataddr((r.get("name") or "", r["email_normalized"]))
            for r in by_email
            if not r["id"] and r.get("email_normalized")
        ]
        body = message.body
        if message.email_add_signature:
            signature = sender._signature(mailbox)
            if not is_html_empty(signature):
                body += signature
        mail = plain.create(
            self.env["mail.mail"].sudo(),
            [
                {
                    **self._notify_by_email_get_final_mail_values(partner_ids, values),
                    "body_html": body,
                    "email_to": ",".join(others),
                    "is_notification": True,
                    "is_gmail": True,
                    "gmail_mailbox_id": mailbox.id,
                    "mail_server_id": mailbox.outgoing_server_id.id,
                }
            ],
        )
        notification = self._notify_by_email_get_base_notification_values(message)
        plain.create(
            self.env["mail.notification"].sudo(),
            [
                {**notification, "mail_mail_id": mail.id, **recipient}
                for recipient in [
                    *({"res_partner_id": partner} for partner in partner_ids),
                    *({"mail_email_address": address} for address in others),
                ]
            ],
        )
        if kwargs.get("force_send", True):
            if kwargs.get("send_after_commit", True):
                mail.send_after_commit()
            else:
                mail.send()
        return True

    # ------------------------------------------------------------------
    # Emails of a document
    # ------------------------------------------------------------------

    def _compute_gmail_email_count(self):
        counts = self.env["gmail.emails"]._counts(self)
        for record in self:
            record.gmail_email_count = counts.get(record._origin.id, 0)

    def _compute_gmail_dates(self):
        rows = self.env["gmail.correspondence"].sudo()
        if not self.env["gmail.version"]._is_outdated():
            rows = rows.search_fetch(
                [("res_model", "=", self._name), ("res_id", "in", self._origin.ids)],
                ["res_id", *DATES.values()],
            )
        by_id = {row.res_id: row for row in rows}
        for record in self:
            row = by_id.get(record._origin.id)
            for name, source in DATES.items():
                record[name] = row[source] if row else False

    @api.model
    def _gmail_search(self, name, operator, value):
        return Domain.custom(
            to_sql=lambda model, alias, query: model._fields[name].condition_to_sql(
                name, operator, value, model, alias, query
            )
        )

    def _field_to_sql(self, alias, field_expr, query=None):
        """Let the dates be searched, sorted and grouped by as if they were stored."""
        field = self._fields.get(field_expr)
        if field_expr not in DATES or query is None or field.related:
            return super()._field_to_sql(alias, field_expr, query)
        self._check_field_access(field, "read")
        if self.env["gmail.version"]._is_outdated():
            return SQL("NULL::timestamp")
        joined = query.make_alias(alias, "gmail_correspondence")
        query.add_join(
            "LEFT JOIN",
            joined,
            "gmail_correspondence",
            SQL(
                "%s = %s AND %s = %s",
                SQL.identifier(joined, "res_model"),
                self._name,
                SQL.identifier(joined, "res_id"),
                SQL.identifier(alias, "id"),
            ),
        )
        return SQL.identifier(joined, DATES[field_expr])

    def action_gmail_emails(self):
        """Open the list of the emails of a document."""
        self.ensure_one()
        return {
            "type": "ir.actions.client",
            "tag": "gmail_oauth_mailbox.emails",
            "name": self.env._("Emails"),
            "params": {
                "res_model": self._name,
                "res_id": self.id,
                "name": self.display_name,
            },
        }

    @api.model
    def _get_view(self, view_id=None, view_type="form", **options):
        arch, view = super()._get_view(view_id, view_type, **options)
        if view_type == "form":
            self._gmail_add_button(arch)
        elif self._name in LISTED and view_type == "search":
            self._gmail_add_filters(arch)
        elif self._name in LISTED and view_type == "list":
            for name in DATES:
                if not arch.xpath(f"./field[@name='{name}']"):
                    arch.append(etree.Element("field", name=name, optional="hide"))
        return arch, view

    def _gmail_add_button(self, arch):
        """Put the Emails button into the box of a form, which may be still missing."""
        sheets = arch.xpath("//sheet")
        boxes = arch.xpath("//div[@name='button_box']")
        if not (sheets or boxes) or self._transient:
            return
        if boxes:
            box = boxes[0]
        else:
            box = etree.Element("div", {"name": "button_box", "class": "oe_button_box"})
            sheets[0].insert(0, box)
        button = etree.SubElement(
            box,
            "button",
            {
                "name": "action_gmail_emails",
                "type": "object",
                "class": "oe_stat_button o_gmail_emails_button",
                "icon": "fa-envelope-o",
                "invisible": "not gmail_email_count",
                "groups": "base.group_user",
            },
        )
        etree.SubElement(
            button,
            "field",
            {
                "name": "gmail_email_count",
                "widget": "statinfo",
                "string": self.env._("Emails"),
            },
        )

    def _gmail_add_filters(self, arch):
        filters = arch.xpath("./filter[not(contains(@context, 'group_by'))]")
        found = etree.Element(
            "filter",
            {
                "name": "gmail_awaiting",
                "string": self.env._("Awaiting our answer"),
                "domain": "[('gmail_awaiting_since', '!=', False)]",
            },
        )
        separator = etree.Element("separator")
        if filters:
            filters[-1].addnext(found)
            filters[-1].addnext(separator)
        else:
            arch.append(found)
        groups = arch.xpath("//filter[contains(@context, 'group_by')]")
        for name, string in (
            ("gmail_awaiting_since", self.env._("Awaiting our answer since")),
            ("gmail_last_received", self.env._("Last email received")),
            ("gmail_last_sent", self.env._("Last email sent")),
        ):
            group = etree.Element(
                "filter",
                {
                    "name": f"group_{name}",
                    "string": string,
                    "context": f"{{'group_by': '{name}:week'}}",
                },
            )
            if groups:
                groups[-1].addnext(group)
            else:
                arch.append(group)
