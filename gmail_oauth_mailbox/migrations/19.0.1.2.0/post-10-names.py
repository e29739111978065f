"""Clean the names of files, and close the marks of direction in names and subjects,
as they are cleaned since this version when an email arrives."""

from odoo.tools import SQL

from odoo.addons.gmail_oauth_mailbox.lib.headers import balanced
from odoo.addons.gmail_oauth_mailbox.lib.mime.filenames import file_name

# Marks of direction, signs without a width, and folders.
SUSPECTS = "[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff/\\\\]"
PAGE = 1000


def migrate(cr, version):
    """Rewrite what differs."""
    changed = _rewrite(cr, "gmail_attachment", "name", file_name)
    if changed:
        # What is compared and what was downloaded have the names, too.
        cr.execute(
            """
            UPDATE ir_attachment f SET name = a.name
              FROM gmail_attachment a
             WHERE a.id = ANY(%(ids)s) AND f.id = a.attachment_id;
            UPDATE gmail_message m SET content_digest = NULL
              FROM gmail_attachment a
             WHERE a.id = ANY(%(ids)s) AND m.id = a.message_id;
            """,
            {"ids": changed},
        )
    for table, column in (
        ("gmail_message", "subject"),
        ("gmail_message", "from_name"),
        ("gmail_participant", "name"),
        ("gmail_thread", "subject"),
        ("gmail_thread", "participants"),
    ):
        _rewrite(cr, table, column, balanced)


def _rewrite(cr, table, column, function):
    """Apply a function to the values of a column; return the ids that changed."""
    changed, last = [], 0
    while True:
        cr.execute(
            SQL(
                "SELECT id, %(column)s FROM %(table)s"
                " WHERE id > %(last)s AND %(column)s ~ %(suspects)s"
                " ORDER BY id LIMIT %(page)s",
                column=SQL.identifier(column),
                table=SQL.identifier(table),
                last=last,
                suspects=SUSPECTS,
                page=PAGE,
            )
        )
        rows = cr.fetchall()
        if not rows:
            return changed
        last = rows[-1][0]
        for row_id, written in rows:
            clean = function(written)
            if clean != written:
                cr.execute(
                    SQL(
                        "UPDATE %s SET %s = %s WHERE id = %s",
                        SQL.identifier(table),
                        SQL.identifier(column),
                        clean,
                        row_id,
                    )
                )
                changed.append(row_id)
