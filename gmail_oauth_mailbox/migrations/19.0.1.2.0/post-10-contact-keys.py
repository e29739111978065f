"""Google contacts are told apart by the keys of their addresses and by their phones in
E.164 from 19.0.1.2.0. What has other keys than before is compared anew."""

import logging

from odoo import SUPERUSER_ID, api

from odoo.addons.gmail_oauth_mailbox.lib.mime.addresses import address_key
from odoo.addons.gmail_oauth_mailbox.services.gmail_contacts import keys

_logger = logging.getLogger(__name__)

# Google contacts at once.
MAX_ROWS = 1_000


def migrate(cr, version):
    """Keep the new keys, and have contacts that Google made remember theirs."""
    env = api.Environment(cr, SUPERUSER_ID, {})
    contacts, changed, last = env["gmail.contact"], [], 0
    while page := contacts.search([("id", ">", last)], order="id", limit=MAX_ROWS):
        last = page[-1].id
        before = {c: set(c.key_ids.mapped("key")) for c in page}
        # Colleagues have no keys at all.
        other = page.filtered(lambda c, b=before: b[c] and b[c] != set(keys(c)))
        env["gmail.contacts"]._keep_keys(other)
        changed += [(c.partner_id.id, min(before[c]), c.id) for c in other]
        env.invalidate_all()
    other = contacts.browse(contact for _p, _k, contact in changed)
    other.is_pending = True
    origins = env["gmail.contact.origin"].search([("created_key", "!=", False)])
    for origin in origins:
        company, bar, key = origin.created_key.partition("|")
        if new := _renamed(origin, key):
            other = origins.search([("created_key", "=", f"{company}{bar}{new}")])
            if not other:
                origin.created_key = f"{company}{bar}{new}"
    env.flush_all()
    _logger.info("Google contacts with new keys: %s.", len(changed))


def _renamed(origin, key):
    """Return the new form of the key that a contact was created for, or None."""
    if key.endswith('"') or key.startswith("id:"):
        return None
    people = origin.env["gmail.contact"].search(
        [("partner_id", "=", origin.partner_id.id), ("is_applied", "=", True)]
    )
    own = people.key_ids.mapped("key")
    if own:
        return min(own) if min(own) != key else None
    name, bar, address = key.rpartition("|")
    return f"{name}{bar}{address_key(address)}" if "@" in address else None
