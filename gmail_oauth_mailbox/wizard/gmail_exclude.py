from odoo import api, fields, models
from odoo.exceptions import UserError


class GmailExclude(models.TransientModel):
    """The dialog before an address is excluded: how much mail that is about."""

    _name = "gmail.exclude"
    _description = "Exclude an Address"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    pattern = fields.Char("Address or domain", required=True)
    is_for_all = fields.Boolean("For everybody")
    may_choose = fields.Boolean(compute="_compute_may_choose")
    sentence = fields.Char(compute="_compute_sentence")
    problem = fields.Char(compute="_compute_sentence")

    def _compute_may_choose(self):
        self.may_choose = self.env["gmail.setup"]._is_admin()

    def _whose(self):
        """Return whose mail it is about; nobody stands for everybody."""
        nobody = self.env["res.users"]
        return nobody if self.is_for_all else self.env.user

    @api.depends("pattern", "is_for_all")
    def _compute_sentence(self):
        service = self.env["gmail.exclusions"]
        for dialog in self:
            dialog.sentence = dialog.problem = False
            if not dialog.pattern:
                continue
            try:
                pattern = service._pattern(dialog.pattern)
            except UserError as error:
                dialog.problem = str(error)
                continue
            if dialog.is_for_all and not dialog.may_choose:
                continue
            messages, mailboxes = service._count_excluded(pattern, dialog._whose())
            dialog.sentence = (
                self.env._(
                    "Messages that leave Odoo: %(messages)s, in mailboxes: "
                    "%(mailboxes)s.",
                    messages=messages,
                    mailboxes=mailboxes,
                )
                if messages
                else self.env._("No stored message is about it.")
            )

    def action_exclude(self):
        """Exclude the address; what is stored leaves by itself."""
        self.ensure_one()
        service = self.env["gmail.exclusions"]
        service._exclude(service._pattern(self.pattern), self._whose())
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "success",
                "message": self.env._("Mail with this address stays out of Odoo now."),
                "next": {"type": "ir.actions.act_window_close"},
            },
        }
