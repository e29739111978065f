"""Have emails linked that were stored before Odoo linked emails to records.

They have no key of their own, and nothing put them into the linking queue.
"""

import logging
from datetime import timezone
from email.utils import format_datetime

from lxml import etree, html

from odoo.tools import SQL, email_normalize

from odoo.addons.gmail_oauth_mailbox.lib.sharing import mail_key

_logger = logging.getLogger(__name__)

BATCH = 1000


def migrate(cr, version):
    """Compute missing keys, then queue what no link, filing, or queue row names."""
    keys = compute_keys(cr)
    queued = queue(cr)
    _logger.info("Keys computed: %s. Emails queued for linking: %s.", keys, queued)


def compute_keys(cr):
    """Give emails with a Message-ID the key that they lack; return how many.

    The key equals that of a colleague's copy when the text is plain. Otherwise Odoo no
    longer has the text that Gmail sent, and the copy gets a key of its own: it is
    linked, but Odoo can't tell that a colleague has the same email.
    """
    last = done = 0
    while True:
        cr.execute(
            """
            SELECT id, message_id, from_email, date, body
              FROM gmail_message
             WHERE id > %s AND mail_key IS NULL AND message_id > ''
             ORDER BY id
             LIMIT %s
            """,
            [last, BATCH],
        )
        rows = cr.fetchall()
        if not rows:
            return done
        last = rows[-1][0]
        done += len(rows)
        ids, keys = zip(*((row[0], key_of(*row[1:])) for row in rows), strict=True)
        cr.execute(
            SQL(
                """
                UPDATE gmail_message m SET mail_key = x.mail_key
                  FROM unnest(%s, %s) AS x(id, mail_key)
                 WHERE m.id = x.id
                """,
                list(ids),
                list(keys),
            )
        )


def key_of(message_id, sender, date, body):
    """Return the key of an email, from the columns that are stored of it."""
    header = format_datetime(date.replace(tzinfo=timezone.utc)) if date else ""
    return mail_key(message_id, email_normalize(sender or "") or "", header, text(body))


def text(body):
    """Return the words of a stored text (HTML)."""
    try:
        return html.fromstring(body or "").text_content()
    except (etree.ParserError, ValueError):
        return ""


def queue(cr):
    """Put emails into the linking queue that were never linked; return how many."""
    cr.execute(
        """
        INSERT INTO gmail_pending (mailbox_id, message_id, is_new)
        SELECT m.mailbox_id, m.id, FALSE
          FROM gmail_message m
         WHERE m.mail_key IS NOT NULL
           AND NOT EXISTS (SELECT FROM gmail_link l WHERE l.thread_id = m.thread_id)
           AND NOT EXISTS (SELECT FROM gmail_filing f
                            WHERE f.mail_key = m.mail_key
                              AND f.mailbox_id = m.mailbox_id)
           AND NOT EXISTS (SELECT FROM gmail_pending p WHERE p.message_id = m.id)
         ORDER BY m.id
        """
    )
    return cr.rowcount
