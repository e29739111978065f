"""Compare stored copies anew: since this version a digest tells more of a text, such as
which of its words are struck out. Entries keep their places."""

from odoo import SUPERUSER_ID, api

PAGE = 500


def migrate(cr, version):
    """Recompute the digests of the copies that entries are made from; those of others
    are computed when they are compared next."""
    cr.execute(
        "UPDATE gmail_message SET content_digest = NULL"
        " WHERE content_digest IS NOT NULL"
    )
    env = api.Environment(cr, SUPERUSER_ID, {})
    last = 0
    while True:
        entries = env["gmail.entry"].search(
            [("message_id", "!=", False), ("digest", "!=", False), ("id", ">", last)],
            order="id",
            limit=PAGE,
        )
        if not entries:
            return
        last = entries[-1].id
        env["gmail.linking"]._compare_copies(entries.message_id)
        env.flush_all()
        cr.execute(
            """
            UPDATE gmail_entry e SET digest = m.content_digest
              FROM gmail_message m
             WHERE e.id = ANY(%s) AND m.id = e.message_id
               AND NOT EXISTS (
                   SELECT FROM gmail_entry o
                    WHERE o.mail_key = e.mail_key AND o.digest = m.content_digest
                      AND o.res_model = e.res_model AND o.res_id = e.res_id)
            """,
            [entries.ids],
        )
        env.invalidate_all()
