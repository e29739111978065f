from odoo import models


class ResPartner(models.Model):
    """Contacts are looked up by the domain of their address and by name, too."""

    _inherit = "res.partner"

    _gmail_domain_idx = models.Index("(split_part(email_normalized, '@', 2))")
    _gmail_name_idx = models.Index("(lower(name))")
