"""Have emails linked that were stored before Odoo linked emails to records: nothing put
them into the linking queue."""

import logging

from odoo import SUPERUSER_ID, api

_logger = logging.getLogger(__name__)


def migrate(cr, version):
    """Queue what no link, filing, or queue row names."""
    cr.execute(
        """
        INSERT INTO gmail_pending (mailbox_id, message_id, is_new)
        SELECT m.mailbox_id, m.id, FALSE
          FROM gmail_message m
         WHERE NOT EXISTS (SELECT FROM gmail_link l WHERE l.thread_id = m.thread_id)
           AND NOT EXISTS (SELECT FROM gmail_filing f WHERE f.message_id = m.id)
           AND NOT EXISTS (SELECT FROM gmail_pending p WHERE p.message_id = m.id)
         ORDER BY m.id
        """
    )
    queued = cr.rowcount
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["gmail.linking"]._compare_ways()
    # What leads to records by now is covered by the choices that owners have made.
    cr.execute(
        """
        UPDATE gmail_mailbox
           SET sharing_chosen_at = clock_timestamp() AT TIME ZONE 'UTC';
        UPDATE gmail_thread
           SET sharing_chosen_at = clock_timestamp() AT TIME ZONE 'UTC'
         WHERE sharing_level IS NOT NULL;
        """
    )
    _logger.info("Emails queued for linking: %s.", queued)
