"""Have messages tried again that Odoo itself failed to import: each version may read
what an earlier one couldn't. Odoo runs the scripts of 0.0.0 at each change of version.
"""

import logging

_logger = logging.getLogger(__name__)


def migrate(cr, version):
    """Mark failed messages, but for those that Gmail didn't give."""
    cr.execute(
        """
        UPDATE gmail_quarantine SET is_retried = TRUE
         WHERE code IN ('poison', 'not_linked') OR code ~ '^[A-Z]'
        """
    )
    _logger.info("Failed messages to try again: %s.", cr.rowcount)
    # Contacts that stopped workers are among what is noted here.
    cr.execute("UPDATE gmail_mailbox SET suspects = NULL WHERE suspects IS NOT NULL")
