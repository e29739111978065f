from odoo import api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

from ..lib.cells import as_text

# What users may change of a message that shows an email: none of it is content.
OF_READERS = frozenset({"pinned_at", "starred_partner_ids"})
# Who wrote a post and where decides what private email answers it.
FIXED = frozenset({"author_guest_id", "author_id", "message_id", "model", "res_id"})
# Whose answers to it count, and whether any do: up to whoever posted it.
OF_POSTER = frozenset(
    {
        "is_internal",
        "mail_ids",
        "notification_ids",
        "notified_partner_ids",
        "outgoing_email_to",
        "partner_ids",
        "subtype_id",
    }
)


class MailMessage(models.Model):
    """Answers to Odoo's mail are found by Message-ID, and entries show what a mailbox
    holds: users choose neither."""

    _inherit = "mail.message"
    # A list field of a record is no way around what is checked here.
    _allow_sudo_commands = False

    @api.model_create_multi
    def create(self, vals_list):
        if not self.env.su:
            hidden = self._gmail_hidden({vals.get("parent_id") for vals in vals_list})
            vals_list = [
                {
                    name: value
                    for name, value in vals.items()
                    if name != "message_id"
                    and not (name == "parent_id" and value in hidden)
                }
                for vals in vals_list
            ]
        posts = super().create(vals_list)
        self.env["gmail.linking"]._note_handed_in(posts)
        return posts

    def write(self, vals):
        if not self.env.su:
            self._gmail_check_write(vals)
        result = super().write(vals)
        if "res_id" in vals or "model" in vals:
            # Documents were merged.
            self.env["gmail.linking"].sudo()._posts_moved(self)
        return result

    def _gmail_check_write(self, vals):
        """Refuse what would make a post another email than it is, or have others take
        part in its record.

        :raises AccessError: it would
        """
        posts = self.sudo()
        if any(post._gmail_differs(vals, FIXED) for post in posts):
            raise AccessError(
                self.env._(
                    "Who wrote a message, and on which record, can't be changed."
                )
            )
        if any(
            m.message_type != vals.get("message_type", m.message_type) for m in posts
        ):
            # Answers to what Odoo's users wrote are treated as such, and only those.
            raise AccessError(self.env._("The type of a message can't be changed."))
        own = posts.filtered(lambda post: post.create_uid == self.env.user)
        if any(post._gmail_differs(vals, OF_POSTER) for post in posts - own):
            raise AccessError(
                self.env._("Only its author can change who receives a message.")
            )
        if OF_POSTER & vals.keys():
            self.env["gmail.linking"]._note_changed_by(own)
        if OF_READERS.issuperset(vals):
            return
        emails = self.env["gmail.linking"]._emails_among(posts)
        if self.env["gmail.linking"]._are_entries(
            emails.filtered(lambda m: m.message_type == "email")
        ):
            raise AccessError(
                self.env._(
                    "This message shows an email of a mailbox and can't be changed. "
                    "Change how much of it is shared instead."
                )
            )
        if emails - own:
            raise AccessError(
                self.env._("Only its author can change a message that a mailbox sends.")
            )

    def _gmail_differs(self, vals, names):
        """Whether values would change some fields of a post (sudo). People may be taken
        off, as Odoo does when a text is edited."""
        for name in names & vals.keys():
            field = self._fields[name]
            if field.type in ("one2many", "many2many"):
                if set(field.convert_to_cache(vals[name], self)) - set(self[name]._ids):
                    return True
            elif (vals[name] or False) != field.convert_to_write(self[name], self):
                return True
        return False

    # ------------------------------------------------------------------
    # Entries are for whoever may read their record
    # ------------------------------------------------------------------

    def _gmail_hidden(self, ids):
        """Return those of some ids that show or send an email of a mailbox and that the
        user may not read."""
        posts = self.browse(number for number in ids if isinstance(number, int))
        emails = self.env["gmail.linking"]._emails_among(posts) if posts.ids else posts
        if not emails:
            return set()
        return set((emails - emails.sudo(False)._filtered_access("read")).ids)

    @api.depends_context("uid")
    def _compute_display_name(self):
        """Odoo looks names up as superuser, such as that of a message's parent."""
        result = super()._compute_display_name()
        hidden = self._gmail_hidden(self.ids)
        for post in self.filtered(lambda post: post.id in hidden):
            post.display_name = f"{post._name},{post.id}"
        return result

    # ------------------------------------------------------------------
    # Entries are for internal users
    # ------------------------------------------------------------------

    def _get_forbidden_access(self, operation):
        """Odoo keeps notes from customers only when they are comments."""
        if self.env.user._is_internal():
            return super()._get_forbidden_access(operation)
        notes = self.env["gmail.linking"]._notes_among(self)
        return notes + super(MailMessage, self - notes)._get_forbidden_access(operation)

    def _search(
        self, domain, offset=0, limit=None, order=None, *, bypass_access=False, **kwargs
    ):
        """Searches through a record's ``message_ids`` bypass access, and would tell
        customers which words an entry has."""
        if not self.env.su and not self.env.user._is_internal():
            domain = Domain(domain) & self.env["gmail.linking"]._without_notes()
        return super()._search(
            domain, offset, limit, order, bypass_access=bypass_access, **kwargs
        )

    def _export_rows(self, fields, *, _is_toplevel_call=True):
        # Subjects are written by strangers.
        rows = super()._export_rows(fields, _is_toplevel_call=_is_toplevel_call)
        return [list(map(as_text, row)) for row in rows]
