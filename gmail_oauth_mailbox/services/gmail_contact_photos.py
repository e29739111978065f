import base64
import logging

from odoo import api, models
from odoo.tools.mimetypes import guess_mimetype

from ..lib import errors
from .gmail_contact_values import PHOTO
from .gmail_files import RASTER

_logger = logging.getLogger(__name__)

# Photos that are looked at between two commits.
AT_ONCE = 20


class GmailContactPhotos(models.AbstractModel):
    """Photos of Google contacts, for contacts in Odoo that have none."""

    _name = "gmail.contact.photos"
    _description = "Photos of Google Contacts"

    @api.model
    def _take(self, mailbox, client, lease):
        """Look at photos that are new, for one slice.

        :return: False when the slice ended first
        """
        while contacts := self._wanted(mailbox):
            for contact in contacts:
                key = f"photo:{contact.id}"
                is_suspect = lease.suspicion.is_suspect(lease.lane, key)
                try:
                    if lease.suspicion.is_fatal(key):
                        _logger.error("Photo of %s stopped workers", contact.id)
                    else:
                        if is_suspect:
                            lease.commit([key], "read")
                        self._take_one(contact, client)
                except errors.RetryLater:
                    # Contacts are read without them; the next time brings them.
                    return True
                lease.suspicion.clear(key)
                contact.photo_taken = contact.photo_url
            lease.commit()
            if lease.is_over:
                return False
        return True

    def _wanted(self, mailbox):
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT id FROM gmail_contact
             WHERE mailbox_id = %s AND is_applied AND photo_url IS NOT NULL
               AND partner_id IS NOT NULL
               AND photo_taken IS DISTINCT FROM photo_url
             ORDER BY id LIMIT %s
            """,
            [mailbox.id, AT_ONCE],
        )
        ids = [row_id for (row_id,) in self.env.cr.fetchall()]
        return self.env["gmail.contact"].browse(ids)

    def _take_one(self, contact, client):
        partner = contact.partner_id
        origin = self.env["gmail.contact.origin"].search(
            [("partner_id", "=", partner.id)]
        )
        written = dict(origin.written or {})
        current = self._checksum(partner)
        if current and written.get(PHOTO) != current:
            # It is Odoo's.
            return
        if contact != self._first(partner):
            return
        owner = self.env["gmail.linker"]._as_owner(contact.mailbox_id)
        own = owner["res.partner"].browse(partner.id)
        photo = client.photo(contact.photo_url)
        if not photo or guess_mimetype(photo) not in RASTER:
            return
        values = self.env["gmail.contact.values"]
        is_ours = values._is_ours(partner, origin)

        def write():
            own.image_1920 = base64.b64encode(photo)
            own.flush_recordset()

        if not values._tried(partner, write):
            # No picture that Odoo can read.
            return
        written[PHOTO] = self._checksum(partner)
        noted = {"written": written, "touched": is_ours and partner.write_date}
        if origin:
            origin.write(noted)
        else:
            origin.create({**noted, "partner_id": partner.id})

    def _first(self, partner):
        """Return the Google contact whose photo counts, whichever is read first."""
        found = self.env["gmail.contact"].search(
            [
                ("partner_id", "=", partner.id),
                ("is_applied", "=", True),
                ("photo_url", "!=", False),
            ],
        )
        return self.env["gmail.contact.values"]._writable(found)[:1]

    @api.model
    def _checksum(self, partner):
        """Return the checksum of a contact's picture, or False."""
        self.env.flush_all()
        return (
            self.env["ir.attachment"]
            .sudo()
            .search(
                [
                    ("res_model", "=", "res.partner"),
                    ("res_field", "=", PHOTO),
                    ("res_id", "=", partner.id),
                ],
                limit=1,
            )
            .checksum
        )
