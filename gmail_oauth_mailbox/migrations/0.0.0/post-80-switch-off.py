"""Switch off what users made of emails, for instance automation rules. At each update,
since a later version may find more."""

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    api.Environment(cr, SUPERUSER_ID, {})["gmail.guard"]._switch_off()
