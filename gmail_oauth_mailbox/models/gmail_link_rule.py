from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError

from ..lib.subject_rule import RuleError, parse_rule

# Sample subjects that are looked at.
MOST_TRIED = 20


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

    samples = fields.Text(
        "Sample Subjects", store=False, help="One on each line; they are not stored."
    )
    try_out = fields.Text("What It Finds", compute="_compute_try_out")

    @api.depends("name", "model_id", "samples")
    def _compute_try_out(self):
        for rule in self:
            subjects = [s for s in (rule.samples or "").splitlines() if s.strip()]
            try:
                pattern = parse_rule(rule.name or "") if subjects else None
            except RuleError as error:
                rule.try_out = rule._sentence(error.code)
                continue
            lines = (
                rule._try_on(pattern, subject) for subject in subjects[:MOST_TRIED]
            )
            rule.try_out = "\n".join(lines) or False

    @api.model_create_multi
    def create(self, vals_list):
        rules = super().create(vals_list)
        self.env.registry.clear_cache()
        for rule in rules:
            self.env["gmail.linking"]._note_act(f"rule:{rule.id}", rule.name)
        return rules

    def write(self, vals):
        result = super().write(vals)
        self.env.registry.clear_cache()
        if {"name", "model_id", "active"} & vals.keys():
            for rule in self:
                self.env["gmail.linking"]._note_act(f"rule:{rule.id}", rule.name)
        return result

    @api.ondelete(at_uninstall=False)
    def _forget_models(self):
        self.env.registry.clear_cache()

    @api.model
    @tools.ormcache()
    def _models(self):
        """Return the names of the models whose records active rules find."""
        return frozenset(
            self.sudo().search([("active", "=", True)]).model_id.mapped("model")
        )

    def _try_on(self, pattern, subject):
        """Return what the rule finds in a subject, with the rights of who asks."""
        names = pattern.find(subject)
        if not names:
            return self.env._("%s: does not match", subject)
        documents = self.env.get(self.sudo().model_id.model)
        found = self.env["res.partner"].browse()
        if (
            documents is not None
            and documents._rec_name
            and documents.has_access("read")
        ):
            spelled = [*names, *(name.upper() for name in names)]
            found = documents.search([(documents._rec_name, "in", spelled)], limit=5)
        if not found:
            return self.env._(
                "%(names)s: no such document that you may read", names=", ".join(names)
            )
        return self.env._("%s: found", ", ".join(found.mapped("display_name")))

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
