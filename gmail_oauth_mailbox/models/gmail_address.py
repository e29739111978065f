from odoo import fields, models


class GmailAddress(models.Model):
    """An address of a contact of this database, for mailboxes that want mail with
    contacts only. Kept by services/gmail_addresses.py.

    Each mailbox remembers the last id that it has searched for, so whatever is newer
    has still to be searched for. An address that went and comes back is a new row.
    """

    _name = "gmail.address"
    _description = "Address of a Contact"
    _rec_name = "address"
    _log_access = False
    _allow_sudo_commands = False

    address = fields.Char(required=True, help="Its key: lib.mime.addresses")
    companies = fields.Char(help="Ids of the companies of its contacts; 0 is none")

    _address_unique = models.Constraint("UNIQUE(address)", "An address is kept once.")
