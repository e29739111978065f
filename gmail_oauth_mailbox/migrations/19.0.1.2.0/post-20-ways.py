"""Have what is asked about before others share more be complete: whose exclusion was
withdrawn, the companies of records and of owners, and which emails were internal."""

from odoo import SUPERUSER_ID, api
from odoo.tools.sql import column_exists

PAGE = 1000


def migrate(cr, version):
    """Rename keys, and note what links made until now didn't."""
    _rename_exclusions(cr)
    env = api.Environment(cr, SUPERUSER_ID, {})
    env["gmail.linking"]._compare_ways()
    _note_choices(cr)
    _note_records(cr, env)
    _note_internal(cr, env)


def _rename_exclusions(cr):
    """Have a key say whose exclusion was withdrawn: 0 for all users."""
    cr.execute(
        r"""
        CREATE TEMPORARY TABLE gmail_renamed_way ON COMMIT DROP AS
        SELECT id, key AS former,
               'exclusion:' || COALESCE(NULLIF(signature, ''), '0') || ':'
                   || substr(key, length('exclusion:') + 1) AS key
          FROM gmail_way
         WHERE starts_with(key, 'exclusion:') AND key !~ '^exclusion:\d+:';
        UPDATE gmail_way w SET key = r.key, signature = ''
          FROM gmail_renamed_way r WHERE r.id = w.id;
        UPDATE gmail_offer o SET way = r.key
          FROM gmail_renamed_way r WHERE r.former = o.way;
        """
    )


def _note_choices(cr):
    """Note choices that waited for the scheduled action, which noted them before."""
    if column_exists(cr, "gmail_pending", "is_choice"):
        cr.execute(
            """
            INSERT INTO gmail_way (key, signature, since)
            SELECT DISTINCT 'chosen:' || mailbox_id, '',
                   clock_timestamp() AT TIME ZONE 'UTC'
              FROM gmail_pending WHERE is_choice
                ON CONFLICT (key) DO UPDATE SET since = EXCLUDED.since
            """
        )


def _note_records(cr, env):
    """Note the companies of records that emails are linked to by hand or by an answer,
    so that moving one is noticed."""
    cr.execute(
        "SELECT DISTINCT res_model, res_id FROM gmail_link"
        " WHERE state = 'linked' AND way IS NULL"
    )
    env["gmail.linking"]._note_records(set(cr.fetchall()))


def _note_internal(cr, env):
    """Note which linked emails are among colleagues."""
    cr.execute("SELECT DISTINCT message_id FROM gmail_filing ORDER BY message_id")
    ids = [row_id for (row_id,) in cr.fetchall()]
    messages = env["gmail.message"]
    for start in range(0, len(ids), PAGE):
        page = messages.browse(ids[start : start + PAGE])
        env["gmail.linker"]._note_internal(page)
        env.invalidate_all()
