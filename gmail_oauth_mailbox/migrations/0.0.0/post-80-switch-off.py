"""Switch off what users made of emails, such as automation rules: each time, since a
later version may know more of it."""

from odoo import SUPERUSER_ID, api


def migrate(cr, version):
    api.Environment(cr, SUPERUSER_ID, {})["gmail.guard"]._switch_off()
