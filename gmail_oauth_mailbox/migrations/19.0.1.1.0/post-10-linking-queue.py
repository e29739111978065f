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
    _note_sent(cr)
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["gmail.linking"]._compare_ways()
    # What leads to records by now is covered by the choices that owners have made.
    cr.execute(
        """
        INSERT INTO gmail_way (key, signature, since)
        SELECT 'chosen:' || id, '', clock_timestamp() AT TIME ZONE 'UTC'
          FROM gmail_mailbox
            ON CONFLICT DO NOTHING;
        UPDATE gmail_thread
           SET sharing_chosen_at = clock_timestamp() AT TIME ZONE 'UTC'
         WHERE sharing_level IS NOT NULL;
        """
    )
    _logger.info("Emails queued for linking: %s.", queued)


def _note_sent(cr):
    """Note which messages Odoo sent: their authors own the mailbox. The header that
    proved it until 19.0.1.0.0 can be computed by anyone."""
    cr.execute(
        """
        INSERT INTO gmail_sent (user_id, email, message_id, gmail_id)
        SELECT b.user_id, b.email, m.sent_message_id, min(m.gmail_id)
          FROM gmail_message m
          JOIN gmail_mailbox b ON b.id = m.mailbox_id
          JOIN res_users u ON u.id = b.user_id
          JOIN mail_message p ON p.message_id = m.sent_message_id
                             AND (p.create_uid = u.id OR p.author_id = u.partner_id)
         GROUP BY 1, 2, 3
            ON CONFLICT DO NOTHING;

        UPDATE gmail_message m SET sent_message_id = NULL
         WHERE m.sent_message_id IS NOT NULL
           AND NOT EXISTS (
               SELECT FROM gmail_sent s
                 JOIN gmail_mailbox b ON b.user_id = s.user_id AND b.email = s.email
                WHERE b.id = m.mailbox_id AND s.gmail_id = m.gmail_id
                  AND s.message_id = m.sent_message_id)
           AND EXISTS (SELECT FROM mail_message p
                        WHERE p.message_id = m.sent_message_id);
        """
    )
