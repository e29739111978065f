from odoo import fields, models


class GmailLabelSwitch(models.TransientModel):
    """The dialog before a label is switched on or off: how much mail that is about."""

    _name = "gmail.label.switch"
    _description = "Switch Gmail Label"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    label_id = fields.Many2one("gmail.label", required=True, ondelete="cascade")
    is_synced = fields.Boolean(related="label_id.is_synced", related_sudo=False)
    sentence = fields.Char(readonly=True)

    def action_confirm(self):
        """Switch the label; its mail comes in or leaves by itself."""
        self.ensure_one()
        label = self.label_id
        mailbox = label.mailbox_id._own()
        label.is_synced = not label.is_synced
        message = (
            self.env._("Mail with the label %s is on its way.", label.title)
            if label.is_synced
            else self.env._("Mail with the label %s leaves Odoo.", label.title)
        )
        return mailbox._done(message, "info", "closed")
