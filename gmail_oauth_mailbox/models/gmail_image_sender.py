from odoo import fields, models


class GmailImageSender(models.Model):
    """A sender whose remote images a user wants to see; each image that loads tells
    its server that the mail was read."""

    _name = "gmail.image.sender"
    _description = "Sender Whose Remote Images Are Shown"
    _allow_sudo_commands = False

    user_id = fields.Many2one("res.users", required=True, ondelete="cascade")
    address = fields.Char(required=True, help="Its key: lib.mime.addresses")

    _once = models.Constraint("UNIQUE(user_id, address)", "A sender is named once.")
