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

    # Required by the view: where nothing is set up yet, there is nothing to type.
    email = fields.Char("Email address", default=lambda self: self._default_email())
    contacts = fields.Boolean(
        "Google contacts too",
        default=lambda self: self.env["gmail.setup"]._defaults()["contacts"],
        help="Allows Odoo to read your Google contacts, never to change them.",
    )
    sharing_level = fields.Selection(
        lambda self: self.env["gmail.setup"]._sharing_choices(),
        "Sharing",
        default=lambda self: self.env["gmail.setup"]._sharing_default(),
        help="What the readers of a contact, lead or other document see of your mail "
        "with it.",
    )
    test_mode = fields.Boolean(compute="_compute_setup")
    setup_problem = fields.Char(compute="_compute_setup")
    privacy_url = fields.Char(compute="_compute_setup")
    what_is_read = fields.Char(compute="_compute_setup")
    redirect_uri = fields.Char(
        "Redirect URI", compute="_compute_setup", help="For administrators"
    )

    def _compute_setup(self):
        setup = self.env["gmail.setup"]
        self.test_mode = setup._test_mode()
        self.setup_problem = setup._problem()
        self.what_is_read = self._what_is_read(setup._defaults()["history_days"])
        self.privacy_url = setup._privacy_url()
        admin = bool(self.setup_problem) and setup._is_admin()
        self.redirect_uri = admin and setup._redirect_uri()

    def _what_is_read(self, days):
        if not days:
            return self.env._("all your mail")
        return self.env._("your mail of the last %s days and new mail", days)

    def action_open_settings(self):
        """Open the settings of Gmail mailboxes (administrators)."""
        return self.env["gmail.mailbox"].action_open_settings()

    def action_continue(self):
        """Send the user to Google, where she picks the account and allows access."""
        self.ensure_one()
        return self.env["gmail.connect"]._begin(
            self.email, contacts=self.contacts, sharing_level=self.sharing_level
        )
