from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from ..lib.cells import as_text
from .gmail_owned import SHARING_LEVELS

# What the owner may change on her mailbox; everything else is written by the
# services under sudo.
OWNER_FIELDS = frozenset(
    {
        "name",
        "history_days",
        "history_window",
        "import_scope",
        "sync_interval",
        "sharing_level",
        "signature",
        "label_ids",
        "shown_label_ids",
        "contact_policy",
        "contact_group_id",
        "contact_notes",
        "contact_birthdays",
    }
)
# What decides on Google's contacts.
CONTACT_FIELDS = frozenset(
    {"contact_policy", "contact_group_id", "contact_notes", "contact_birthdays"}
)
# Never mirrored, or marks rather than places.
NO_CHOICE = ["TRASH", "SPAM", "DRAFT", "CHAT", "UNREAD", "STARRED", "IMPORTANT"]
# An import of contacts can be taken back for so long.
UNDO_DAYS = timedelta(days=30)
CONTACT_POLICIES = [
    ("never", "Never"),
    ("written_to", "Only people I wrote to"),
    ("all", "All"),
]
HISTORY_WINDOWS = [
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "1 year"),
    ("0", "All mail"),
]


class GmailMailbox(models.Model):
    """A connected Google account of one owner."""

    _name = "gmail.mailbox"
    _description = "Gmail Mailbox"
    _order = "is_default desc, id"
    _allow_sudo_commands = False

    name = fields.Char(required=True)
    email = fields.Char(
        "Email Address", required=True, readonly=True, index="btree_not_null"
    )
    user_id = fields.Many2one(
        "res.users",
        "Owner",
        required=True,
        readonly=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one("res.company", readonly=True)
    is_default = fields.Boolean(
        "Default",
        readonly=True,
        help="What you post in Odoo is sent from your default mailbox.",
    )
    state = fields.Selection(
        [
            ("draft", "Not connected"),
            ("connected", "Connected"),
            ("reconnect", "Needs reconnecting"),
            ("paused", "Paused"),
        ],
        default="draft",
        required=True,
        readonly=True,
        copy=False,
    )
    can_read = fields.Boolean("Reading Allowed", readonly=True)
    can_send = fields.Boolean("Sending Allowed", readonly=True)
    can_contacts = fields.Boolean("Contacts Allowed", readonly=True)

    history_days = fields.Integer(
        "History Window (days)",
        default=30,
        help="Mail older than this many days is not brought in; 0 means all mail.",
    )
    history_window = fields.Selection(
        HISTORY_WINDOWS,
        "History",
        compute="_compute_history_window",
        inverse="_inverse_history_window",
        help="How far back mail is brought into Odoo.",
    )
    history_start = fields.Datetime(
        "Mail Since",
        readonly=True,
        copy=False,
        help="Mail from this moment on is brought into Odoo; empty means all mail.",
    )
    import_scope = fields.Selection(
        [("all", "All mail"), ("contacts", "Mail with my contacts")],
        "Bring in",
        default="all",
        required=True,
        help="Mail with contacts is what was sent by or to the address of a contact "
        "in Odoo that is no colleague. Mail that is in Odoo already stays.",
    )
    sync_interval = fields.Integer(
        "Synchronise Every (minutes)",
        default=5,
        help="How often Odoo asks Gmail for new mail.",
    )
    contact_state = fields.Selection(
        [
            ("reading", "Being read"),
            ("preview", "To review"),
            ("active", "Imported"),
            ("undone", "Import undone"),
        ],
        "Google Contacts",
        readonly=True,
        copy=False,
        help="Nothing is written to contacts in Odoo before you have reviewed it.",
    )
    contact_policy = fields.Selection(
        CONTACT_POLICIES,
        "Create Contacts",
        default="never",
        required=True,
        help="Contacts of Google that Odoo does not have. Those that it has are "
        "completed where they are empty.",
    )
    contact_group_id = fields.Many2one(
        "gmail.contact.group",
        "With the Label",
        copy=False,
        ondelete="set null",
        domain="[('mailbox_id', '=', id)]",
        help="Empty: all contacts",
    )
    contact_notes = fields.Boolean("Notes", help="Take over the notes of contacts.")
    contact_birthdays = fields.Boolean(
        "Birthdays", help="Write birthdays into the notes of contacts."
    )
    contact_imported_at = fields.Datetime(readonly=True, copy=False)
    contact_problem = fields.Char(readonly=True, copy=False)
    contact_failures = fields.Integer(
        readonly=True, copy=False, groups="base.group_system"
    )
    contact_cursor = fields.Char(readonly=True, copy=False, groups="base.group_system")
    contact_page = fields.Char(readonly=True, copy=False, groups="base.group_system")
    contact_round = fields.Integer(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="The number of its full synchronisations of contacts",
    )
    contact_full_at = fields.Datetime(
        readonly=True, copy=False, groups="base.group_system"
    )
    contact_doubted = fields.Boolean(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="The last full synchronization lacked nearly all contacts: it's repeated.",
    )
    contact_rules_at = fields.Char(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="The rules that its contacts were last looked at by",
    )
    next_contacts = fields.Datetime(
        readonly=True, copy=False, groups="base.group_system"
    )
    contact_ids = fields.One2many("gmail.contact", "mailbox_id", "Google's Contacts")
    contact_summary = fields.Char(compute="_compute_contact_summary")
    contact_undo_until = fields.Datetime(compute="_compute_contact_undo_until")
    signature = fields.Html(
        help="Added to everything sent through this mailbox. "
        "Leave empty to use the signature of your preferences.",
    )
    sharing_level = fields.Selection(
        SHARING_LEVELS,
        "Share With Colleagues",
        copy=False,
        help="What the readers of a contact, lead or other document see of your mail "
        "with it. Less applies to all mail at once, more to mail from now on. Empty is "
        "private.",
    )
    sharing_steps = fields.Json(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="Since when mail is shared at which level",
    )
    sharing_before_limit = fields.Char(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="What the owner shared before the administrator's maximum lowered it",
    )
    offer_ids = fields.One2many("gmail.offer", "mailbox_id", "Sharing Requests")
    offer_count = fields.Integer(compute="_compute_offer_count")
    left_at = fields.Datetime(
        "Owner Left",
        readonly=True,
        copy=False,
        help="Since when the owner is no internal user any more. Her private mail is "
        "deleted after the days that the Gmail settings say.",
    )
    alias_addresses = fields.Char(
        readonly=True, copy=False, help="Other addresses of the account"
    )
    label_ids = fields.One2many("gmail.label", "mailbox_id", "All Labels")
    shown_label_ids = fields.One2many(
        "gmail.label",
        "mailbox_id",
        "Labels",
        domain=[("gmail_id", "not in", NO_CHOICE)],
        help="Those that the owner can switch on and off",
    )

    history_cursor = fields.Char(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="Gmail's historyId up to which the mirror is complete. "
        "It can exceed 64 bits, hence text.",
    )
    census = fields.Json(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="How far comparing all ids is, after Gmail forgot the cursor",
    )
    compare_at = fields.Datetime(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="When all ids are compared once more, since Gmail's lists contradicted "
        "its other answers",
    )
    search_room = fields.Integer(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="How long a search Gmail takes, in characters of an address, once it has "
        "refused one; 0 is the default",
    )
    list_doubts = fields.Integer(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="How often Gmail's list of older email was empty though it counts more",
    )
    backfill_done = fields.Boolean(readonly=True, copy=False)
    backfill_page = fields.Char(readonly=True, copy=False, groups="base.group_system")
    progress_done = fields.Integer("Messages Checked", readonly=True, copy=False)
    progress_total = fields.Integer("Messages Expected", readonly=True, copy=False)
    progress_since = fields.Datetime(
        readonly=True, copy=False, groups="base.group_system"
    )
    address_cursor = fields.Integer(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="The last gmail.address whose mail was looked for",
    )
    stopped_by = fields.Selection(
        [("messages", "Number of messages"), ("size", "Size")],
        readonly=True,
        copy=False,
        help="The administrator's ceiling that keeps older mail in Gmail",
    )
    stopped_at = fields.Datetime(readonly=True, copy=False)
    stopped_note = fields.Char(compute="_compute_stopped_note")
    quota_share = fields.Float("Gmail's Quota in Use", compute="_compute_quota_share")
    progress = fields.Float("Progress (%)", compute="_compute_progress")
    last_sync = fields.Datetime("Last Synchronisation", readonly=True, copy=False)
    next_sync = fields.Datetime(
        "Next Synchronisation", readonly=True, copy=False, index="btree_not_null"
    )
    next_backfill = fields.Datetime(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="When the next page of older mail may be asked for",
    )
    labels_taken = fields.Datetime(
        readonly=True, copy=False, groups="base.group_system"
    )
    waits_until = fields.Datetime(
        readonly=True,
        copy=False,
        help="Nothing is asked of Gmail before; see the reason.",
    )
    waits_for = fields.Selection(
        [("quota", "Gmail's quota"), ("google", "Google"), ("project", "the project")],
        readonly=True,
        copy=False,
    )
    lease_until = fields.Datetime(readonly=True, copy=False, groups="base.group_system")
    lease_token = fields.Integer(readonly=True, copy=False, groups="base.group_system")
    at_work = fields.Json(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="What the worker that has the lease is about to read",
    )
    suspects = fields.Json(
        readonly=True,
        copy=False,
        groups="base.group_system",
        help="What workers that died were about to read",
    )
    error_message = fields.Char("Problem", readonly=True, copy=False)
    access_ends = fields.Datetime(
        readonly=True,
        copy=False,
        help="When Google ends the access by itself; empty means never. "
        "An application in Testing gets seven days.",
    )
    ending_announced = fields.Boolean(
        readonly=True, copy=False, groups="base.group_system"
    )
    ending_warning = fields.Char(compute="_compute_ending_warning")
    failure_count = fields.Integer(
        readonly=True, copy=False, groups="base.group_system"
    )
    quarantine_ids = fields.One2many("gmail.quarantine", "mailbox_id", "Left Out")
    quarantine_count = fields.Integer(
        "Messages Left Out", compute="_compute_quarantine_count"
    )
    message_count = fields.Integer("Messages Stored", compute="_compute_message_count")

    incoming_server_id = fields.Many2one(
        "fetchmail.server",
        "Incoming Mail Server",
        readonly=True,
        copy=False,
        ondelete="set null",
        groups="base.group_system",
    )
    outgoing_server_id = fields.Many2one(
        "ir.mail_server",
        "Outgoing Mail Server",
        readonly=True,
        copy=False,
        ondelete="set null",
        groups="base.group_system",
    )
    send_minute = fields.Datetime(readonly=True, copy=False, groups="base.group_system")
    send_count = fields.Integer(readonly=True, copy=False, groups="base.group_system")
    test_mode = fields.Boolean(compute="_compute_test_mode")
    is_mine = fields.Boolean(compute="_compute_is_mine")

    _user_email_idx = models.Index("(user_id, email)")
    _due_idx = models.Index("(next_sync, id) WHERE state = 'connected'")
    _backfill_idx = models.Index(
        "(next_backfill, id) WHERE state = 'connected' AND backfill_done IS NOT TRUE"
    )

    _contacts_idx = models.Index(
        "(next_contacts, id) WHERE state = 'connected' AND can_contacts"
    )

    @api.depends("user_id")
    @api.depends_context("uid")
    def _compute_display_name(self):
        result = super()._compute_display_name()
        # Odoo looks names up as superuser in places; see gmail.owned.
        user = self.env.user
        if not user.has_group("base.group_system"):
            for mailbox in self.filtered(lambda m: m.sudo().user_id != user):
                mailbox.display_name = f"{self._name},{mailbox.id}"
        return result

    def _export_rows(self, fields, *, _is_toplevel_call=True):
        # As gmail.owned does; what Google says of a problem is in here.
        rows = super()._export_rows(fields, _is_toplevel_call=_is_toplevel_call)
        return [list(map(as_text, row)) for row in rows]

    @api.depends("history_days")
    def _compute_history_window(self):
        known = dict(HISTORY_WINDOWS)
        for mailbox in self:
            days = str(mailbox.history_days)
            mailbox.history_window = days if days in known else False

    def _inverse_history_window(self):
        for mailbox in self:
            mailbox.history_days = int(mailbox.history_window or 30)

    @api.depends("progress_done", "progress_total", "backfill_done")
    def _compute_progress(self):
        for mailbox in self:
            if mailbox.backfill_done:
                mailbox.progress = 100
            else:
                total = max(mailbox.progress_total, 1)
                mailbox.progress = min(100 * mailbox.progress_done / total, 99)

    def _compute_message_count(self):
        counts = self._count("gmail.message")
        for mailbox in self:
            mailbox.message_count = counts.get(mailbox.id, 0)

    def _count(self, model):
        """Return {mailbox id: how many rows of a model}, of whoever they are."""
        groups = (
            self.env[model]
            .sudo()
            ._read_group([("mailbox_id", "in", self.ids)], ["mailbox_id"], ["__count"])
        )
        return {mailbox.id: count for mailbox, count in groups}

    @api.depends("offer_ids.state")
    def _compute_offer_count(self):
        for mailbox in self:
            asked = mailbox.offer_ids.filtered(lambda offer: offer.state == "asked")
            mailbox.offer_count = len(asked)

    @api.depends("quarantine_ids")
    def _compute_quarantine_count(self):
        # Administrators see how many, not which. Reading quarantine_ids under sudo
        # would leave it in the cache, for whoever reads it next.
        counts = self._count("gmail.quarantine")
        for mailbox in self:
            mailbox.quarantine_count = counts.get(mailbox.id, 0)

    @api.depends("stopped_by", "stopped_at")
    def _compute_stopped_note(self):
        for mailbox in self:
            mailbox.stopped_note = self.env["gmail.wording"]._of_ceiling(mailbox)

    def _compute_quota_share(self):
        for mailbox in self:
            mailbox.quota_share = self.env["gmail.meter"]._share(mailbox)

    @api.depends("access_ends", "state")
    def _compute_ending_warning(self):
        for mailbox in self:
            mailbox.ending_warning = self.env["gmail.panel"]._ending(mailbox)

    @api.depends_context("uid")
    def _compute_is_mine(self):
        for mailbox in self:
            mailbox.is_mine = mailbox.user_id == self.env.user

    def _compute_test_mode(self):
        self.test_mode = self.env["gmail.setup"]._test_mode()

    @api.constrains("sync_interval", "history_days")
    def _check_settings(self):
        for mailbox in self:
            if not 1 <= mailbox.sync_interval <= 1440:
                raise ValidationError(
                    self.env._("Synchronise every 1 to 1440 minutes, please.")
                )
            if not 0 <= mailbox.history_days <= 36500:
                raise ValidationError(
                    self.env._("The history window must be 0 (all mail) or more days.")
                )
            most = self.env["gmail.setup"]._ceilings()["history_days"]
            if most and not 1 <= mailbox.history_days <= most:
                raise ValidationError(
                    self.env._(
                        "Your administrator allows mail of the last %s days in Odoo.",
                        most,
                    )
                )

    def write(self, vals):
        if not self.env.su and not OWNER_FIELDS.issuperset(vals):
            raise AccessError(
                self.env._("This part of a mailbox is kept by Odoo, not by hand.")
            )
        before = {m.id: (m.history_days, m.import_scope) for m in self}
        result = super().write(vals)
        if "sharing_level" in vals:
            for mailbox in self.sudo():
                self.env["gmail.linking"].sudo()._note_level(mailbox)
        if CONTACT_FIELDS & vals.keys():
            for mailbox in self.sudo().filtered("contact_state"):
                self.env["gmail.contacts"]._settle_later(mailbox)
        if {"history_days", "import_scope"} & vals.keys():
            for mailbox in self.sudo():
                mailbox._look_again(*before[mailbox.id])
        return result

    def _look_again(self, days, scope):
        """Bring in what the settings let in now.

        :param days: history_days before
        :param scope: import_scope before
        """
        if self.history_days != days:
            self.history_start = self.env["gmail.sync"]._window_start(self)
        widened = days and (not self.history_days or self.history_days > days)
        if widened or self.import_scope != scope:
            self._restart_backfill()

    def _restart_backfill(self):
        """Look through the whole window again; what is stored is not fetched again."""
        self.write(self.env["gmail.sync"]._from_the_start())
        self.env["gmail.scheduler"]._wake(self)

    # ------------------------------------------------------------------
    # Buttons and the panel's API: the only public methods. Each checks that
    # the mailbox is the caller's own before it hands over to a service.
    # ------------------------------------------------------------------

    def _addresses(self):
        """Return the addresses of the account, its own first, normalised."""
        self.ensure_one()
        return [self.email, *(self.alias_addresses or "").split()]

    def _own(self):
        """Return the mailbox under sudo, after checking that it is the caller's."""
        self.ensure_one()
        self.check_access("read")
        if self.user_id != self.env.user:
            raise AccessError(self.env._("Only its owner can use a mailbox."))
        return self.sudo()

    def _check_access(self, operation):
        refusal = self.env["gmail.version"]._refusal(self)
        return refusal or super()._check_access(operation)

    def action_sync_now(self):
        """Ask the workers to synchronise at once."""
        mailbox = self._own()
        if mailbox.state != "connected":
            raise UserError(
                self.env._("Connect this mailbox first, then it can synchronise.")
            )
        self.env["gmail.scheduler"]._wake(mailbox)
        return self._done(self.env._("Odoo is asking Gmail for new mail."), "info")

    def action_test(self):
        """Ask Gmail for the profile and say whether the connection works."""
        self.env["gmail.oauth"]._test_connection(self._own())
        return self._done(self.env._("Gmail answers: the connection works."))

    def action_take_signature(self):
        """Copy the signature that the account has in Gmail."""
        self.env["gmail.sender"]._take_signature(self._own())
        return self._done(self.env._("The signature was taken from Gmail."))

    def action_reconnect(self):
        """Send the owner to Google again, for the same account."""
        mailbox = self._own()
        return self.env["gmail.connect"]._begin(
            mailbox.email, contacts=mailbox.can_contacts, mailbox=mailbox
        )

    def action_allow_contacts(self):
        """Send the owner to Google again, this time asking for contacts too."""
        mailbox = self._own()
        return self.env["gmail.connect"]._begin(
            mailbox.email, contacts=True, mailbox=mailbox
        )

    def action_retry_left_out(self):
        """Look for the messages that could not be taken in once more."""
        mailbox = self._own()
        mailbox.quarantine_ids.is_retried = True
        return self.action_sync_now()

    def action_pause(self):
        """Read and send nothing until the owner resumes."""
        mailbox = self._own()
        if mailbox.state != "connected":
            raise UserError(self.env._("Only a connected mailbox can be paused."))
        mailbox.write({"state": "paused"})
        return self._done(self.env._("%s is paused.", mailbox.email))

    def action_resume(self):
        mailbox = self._own()
        if mailbox.state == "paused":
            if not self.env["gmail.oauth"]._has_credential(mailbox):
                mailbox.state = "reconnect"
                return self.action_reconnect()
            mailbox.write({"state": "connected", "error_message": False})
            self.env["gmail.scheduler"]._wake(mailbox)
        return self._done(self.env._("%s goes on.", mailbox.email))

    def action_set_default(self):
        """Send what the owner posts from this mailbox."""
        mailbox = self._own()
        mailbox.search([("user_id", "=", mailbox.user_id.id)]).is_default = False
        mailbox.is_default = True
        return self._done(
            self.env._("What you post is sent from %s now.", mailbox.email)
        )

    def action_export_mail(self):
        """Download the mail that Odoo stores of this mailbox, as an mbox file."""
        mailbox = self._own()
        return {
            "type": "ir.actions.act_url",
            "url": f"/gmail_oauth_mailbox/export/{mailbox.id}",
            # It is a download: the page stays.
            "target": "self",
        }

    def action_ask_disconnect(self):
        """Open the dialog that says what stops, and asks about the stored mail."""
        mailbox = self._own()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Disconnect %s", mailbox.email),
            "res_model": "gmail.mailbox.disconnect",
            "views": [[False, "form"]],
            "target": "new",
            "context": {"default_mailbox_id": mailbox.id},
        }

    def action_disconnect(self):
        """Withdraw Odoo's access at Google; mail that is stored stays."""
        mailbox = self._own()
        self.env["gmail.oauth"]._disconnect(mailbox)
        return self._done(self.env._("%s is disconnected.", mailbox.email))

    def _next_default(self):
        """Return the mailbox (sudo) that would be the default without this one."""
        return self.sudo().search(
            [
                ("user_id", "=", self.user_id.id),
                ("id", "!=", self.id),
                ("state", "!=", "draft"),
                ("can_send", "=", True),
            ],
            limit=1,
        )

    @api.model
    def action_connect_picked(self, authorization_id):
        """Connect the account that the caller picked instead of the one she typed."""
        kind, message, mailbox_id = self.env["gmail.connect"]._connect_picked(
            int(authorization_id)
        )
        return {"type": kind, "message": message, "mailbox_id": mailbox_id}

    @api.model
    def action_discard_picked(self, authorization_id):
        """Withdraw the access of the account that was picked by mistake.

        :return: the action of the dialog, with what had been typed
        """
        email = self.env["gmail.connect"]._discard_picked(int(authorization_id))
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "gmail_oauth_mailbox.gmail_mailbox_connect_action"
        )
        action["context"] = {"default_email": email} if email else {}
        return action

    @api.model
    def action_open_settings(self):
        """Open the settings of Gmail mailboxes; for administrators."""
        return self.env["ir.actions.act_window"]._for_xml_id(
            "gmail_oauth_mailbox.res_config_settings_action"
        )

    def action_delete(self):
        """Withdraw Odoo's access at Google and delete the mail stored in Odoo."""
        mailbox = self._own()
        email = mailbox.email
        self.env["gmail.oauth"]._disconnect(mailbox)
        mailbox._delete()
        return self._done(self.env._("%s is deleted.", email), tag="deleted")

    @api.model
    def _done(self, message, kind="success", tag="done"):
        """Return the action that says what a button did (static/src)."""
        return {
            "type": "ir.actions.client",
            "tag": f"gmail_oauth_mailbox.{tag}",
            "params": {"type": kind, "message": message},
        }

    def _delete(self):
        """Delete the mailbox, its mail, its attachments and its server records."""
        for mailbox in self:
            attachments = self.env["gmail.attachment"].search(
                [("mailbox_id", "=", mailbox.id), ("attachment_id", "!=", False)]
            )
            attachments.attachment_id.unlink()
            self.env["gmail.linking"]._mailbox_deleted(mailbox)
            self.env["gmail.draft"].search([("mailbox_id", "=", mailbox.id)]).unlink()
            servers = mailbox.outgoing_server_id
            self.env["mail.mail"].search(
                [("gmail_mailbox_id", "=", mailbox.id), ("state", "=", "outgoing")]
            )._gmail_give_up()
            incoming = mailbox.incoming_server_id
            was_default, heir = mailbox.is_default, mailbox._next_default()
            mailbox.unlink()
            servers.unlink()
            incoming.unlink()
            if was_default:
                heir.is_default = True

    def action_open_form(self):
        """Open the settings of the mailbox."""
        self.check_access("read")
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Email account"),
            "res_model": self._name,
            "res_id": self.id,
            "views": [[False, "form"]],
            "target": "current",
        }

    @api.depends("contact_state")
    def _compute_contact_summary(self):
        for mailbox in self:
            is_own = mailbox.user_id == self.env.user
            mailbox.contact_summary = is_own and self.env[
                "gmail.wording"
            ]._of_contact_counts(mailbox)

    @api.depends("contact_state", "contact_imported_at")
    def _compute_contact_undo_until(self):
        for mailbox in self:
            imported = mailbox.contact_imported_at
            is_active = mailbox.contact_state == "active" and imported
            mailbox.contact_undo_until = is_active and imported + UNDO_DAYS

    @api.constrains("contact_group_id")
    def _check_contact_group(self):
        for mailbox in self:
            if mailbox.contact_group_id.mailbox_id not in (self.browse(), mailbox):
                raise ValidationError(
                    self.env._("Choose a label of this mailbox's own contacts.")
                )

    def action_review_contacts(self):
        """Open the list of Google's contacts, and what becomes of each."""
        self.env["gmail.contacts"]._preview_again(self._own())
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "gmail_oauth_mailbox.gmail_contact_action"
        )
        action["domain"] = [("mailbox_id", "=", self.id)]
        action["context"] = {"search_default_group_outcome": 1, "active_id": self.id}
        return action

    def action_import_contacts(self):
        """Write into Odoo what the review of Google's contacts shows."""
        self.env["gmail.contacts"]._import(self._own())
        return True

    def action_undo_contacts(self):
        """Take back what the import of Google's contacts wrote, but for what was
        changed or used since."""
        self.env["gmail.contacts"]._undo_import(self._own())
        return True

    @api.model
    def action_open_preferences(self):
        """Open the caller's preferences, where the email accounts are listed."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "base.action_res_users_my"
        )
        action["res_id"] = self.env.uid
        return action

    @api.model
    def panel_state(self):
        """Return what the panel shows around the mail (see gmail.panel)."""
        return self.env["gmail.panel"]._state()

    @api.model
    def panel_threads(
        self,
        mailbox_id=False,
        search="",
        before=False,
        limit=30,
        only=False,
        label_id=False,
    ):
        """Return one page of the caller's conversations, newest first."""
        return self.env["gmail.panel"]._threads(
            mailbox_id, search, before, limit, only, label_id
        )

    @api.model
    def panel_search_gmail(self, search, mailbox_id=False):
        """Return mail of the caller that Gmail finds and Odoo does not have.

        :param search: in Gmail's own language
        :param mailbox_id: one of the caller's mailboxes, or False for all
        :return: see gmail.search's ``_find``
        """
        return self.env["gmail.search"]._find(self._connected(mailbox_id), search)

    @api.model
    def panel_bring(self, mailbox_id, gmail_id):
        """Take in a conversation that ``panel_search_gmail`` found; return its id."""
        mailbox = self._connected(int(mailbox_id))
        if not mailbox:
            raise UserError(self.env._("Connect this mailbox first."))
        return self.env["gmail.search"]._bring(mailbox, gmail_id)

    @api.model
    def _connected(self, mailbox_id=False):
        """Return the caller's mailboxes (sudo) that can be read now."""
        own = self.search(
            [
                ("user_id", "=", self.env.uid),
                ("state", "=", "connected"),
                ("can_read", "=", True),
            ]
        )
        return own.filtered(lambda box: not mailbox_id or box.id == mailbox_id).sudo()

    @api.model
    def panel_outcome(self, authorization_id):
        """Return how an attempt of the caller to connect ended."""
        return self.env["gmail.panel"]._outcome(authorization_id)
