from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..lib import errors


class GmailSetupCheck(models.TransientModel):
    """The result of "Check set-up": one line for each point, with its remedy."""

    _name = "gmail.setup.check"
    _description = "Gmail Set-up Check"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    line_ids = fields.One2many("gmail.setup.check.line", "check_id", readonly=True)
    verdict = fields.Selection(
        [("ok", "Ready"), ("warning", "Ready, with remarks"), ("wrong", "Not ready")],
        readonly=True,
    )
    is_copy = fields.Boolean(readonly=True)
    lacks_key = fields.Boolean(readonly=True)

    @api.model
    def _check_admin(self):
        if not self.env["gmail.setup"]._is_admin():
            raise AccessError(self.env._("Only administrators check the set-up."))

    def action_check(self):
        """Test each point; return the action that shows the results."""
        self._check_admin()
        points = self.env["gmail.check"]._points()
        statuses = {status for status, _name, _sentence in points}
        check = self.create(
            {
                "verdict": next(
                    (s for s in ("wrong", "warning") if s in statuses), "ok"
                ),
                "is_copy": self.env["gmail.keys"]._is_copy(),
                "lacks_key": self.env["gmail.keys"]._is_lost(),
                "line_ids": [
                    fields.Command.create(
                        {"status": status, "name": name, "sentence": sentence}
                    )
                    for status, name, sentence in points
                ],
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Check set-up"),
            "res_model": self._name,
            "res_id": check.id,
            "views": [[False, "form"]],
            "target": "new",
        }

    def action_take_over(self):
        """Say that this database, and no other, uses the mailboxes from now on."""
        self._check_admin()
        if self.env["gmail.keys"]._is_copy():
            self.env["gmail.keys"]._take_over()
        return self.action_check()

    def action_forget_key(self):
        """Say that the key is lost: all mailboxes have to be reconnected."""
        self._check_admin()
        if self.env["gmail.keys"]._is_lost():
            try:
                self.env["gmail.keys"]._forget_key()
            except errors.KeyMissing as error:
                raise UserError(self.env["gmail.wording"]._of(error)) from error
        # Not checked at once: a key is noted in a transaction of its own, which does
        # not see what this one forgot.
        return self.env["gmail.mailbox"]._done(
            self.env._("What the key held is forgotten. Check the set-up again."),
            tag="closed",
        )


class GmailSetupCheckLine(models.TransientModel):
    """One point of a check."""

    _name = "gmail.setup.check.line"
    _description = "Gmail Set-up Check: One Point"
    _order = "id"
    _transient_max_hours = 1
    _allow_sudo_commands = False

    check_id = fields.Many2one("gmail.setup.check", required=True, ondelete="cascade")
    name = fields.Char(readonly=True)
    sentence = fields.Char(readonly=True)
    status = fields.Selection(
        [("ok", "OK"), ("warning", "Remark"), ("wrong", "To do")], readonly=True
    )
