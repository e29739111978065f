from odoo import fields, models


class GmailMailboxConnect(models.TransientModel):
    """The dialog of "Add new mailbox": the only question that is asked."""

    _name = "gmail.mailbox.connect"
    _description = "Add New Mailbox"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    def _default_email(self):
        """Suggest the user's own address, unless that mailbox is there already."""
        email = self.env.user.email_normalized
        taken = self.env["gmail.mailbox"].search_count(
            [("user_id", "=", self.env.uid), ("email", "=", email)], limit=1
        )
        return False if taken else email

    email = fields.Char(
        "Email address", required=True, default=lambda self: self._default_email()
    )
    contacts = fields.Boolean(
        "Google contacts too",
        default=True,
        help="Allows Odoo to read your Google contacts, never to change them.",
    )
    test_mode = fields.Boolean(compute="_compute_setup")
    setup_problem = fields.Char(compute="_compute_setup")

    def _compute_setup(self):
        oauth = self.env["gmail.oauth"]
        self.test_mode = oauth._test_mode()
        self.setup_problem = oauth._setup_problem()

    def action_continue(self):
        """Send the user to Google, where she picks the account and allows access."""
        self.ensure_one()
        return self.env["gmail.oauth"]._begin(self.email, contacts=self.contacts)
