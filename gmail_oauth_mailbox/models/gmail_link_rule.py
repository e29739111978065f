from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..lib.subject_rule import RuleError, parse_rule


class GmailLinkRule(models.Model):
    """The administrator's pattern by which a subject names a document."""

    _name = "gmail.link.rule"
    _description = "Gmail Subject Rule"
    _order = "sequence, id"
    _allow_sudo_commands = False

    sequence = fields.Integer(default=10)
    active = fields.Boolean(default=True)
    name = fields.Char(
        "Pattern",
        required=True,
        help="What a subject says, with {digits} and {letters} for what varies: "
        "S{digits} finds S00042. With square brackets, what stands within them is the "
        "name: Ticket #[{digits}] finds 42.",
    )
    model_id = fields.Many2one(
        "ir.model",
        "Document",
        required=True,
        ondelete="cascade",
        domain=[("is_mail_thread", "=", True), ("transient", "=", False)],
        help="The kind of document whose name the pattern finds",
    )

    @api.constrains("name")
    def _check_name(self):
        for rule in self:
            try:
                parse_rule(rule.name or "")
            except RuleError as error:
                raise ValidationError(rule._sentence(error.code)) from error

    def _sentence(self, code):
        """Return what is wrong with a pattern, and what to do."""
        return {
            "empty": self.env._("Write what the subject says, such as S{digits}."),
            "long": self.env._("Use at most 100 signs."),
            "brace": self.env._(
                "A curly bracket has no partner. Write a backslash before it for the "
                "sign itself."
            ),
            "placeholder": self.env._(
                "Only {digits} and {letters} can stand in curly brackets."
            ),
            "bare": self.env._(
                "Add what stands before or after the number, or every number would "
                "match."
            ),
            "group": self.env._(
                "Use square brackets once, around the name. Write a backslash before "
                "them for the signs themselves."
            ),
            "nameless": self.env._("Put the name between the square brackets."),
        }[code]
