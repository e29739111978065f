"""The sharing choices of mailboxes for emails, kept after their copies are gone."""

from datetime import datetime

from odoo.tools import SQL

from ...lib.mime.addresses import mailbox_key
from ...lib.rules import sharing

# What outlives a mailbox, and belongs to its owner again when they reconnect it.
OUTLIVING = {
    "gmail_vote": ("mail_key",),
    "gmail_entry": ("mail_key", "digest", "res_model", "res_id"),
}


def steps_of(mailbox):
    """Return the levels of a mailbox over time, as lib/rules/sharing takes them."""
    return tuple((since, level) for since, level in mailbox.sharing_steps or ())


def former_name(mailbox):
    """Return what names a mailbox after it was deleted."""
    return f"{mailbox.user_id.id} {mailbox.email}"


def name_of(row):
    """Return what names the mailbox of a row of gmail.vote or gmail.entry, so that the
    same account of the same user is the same mailbox."""
    return former_name(row.mailbox_id) if row.mailbox_id else row.former or ""


def address_keys(addresses):
    """Return the keys of addresses: one for all spellings of a mailbox."""
    return frozenset(map(mailbox_key, addresses))


class Choices:
    """Records the choices of mailboxes for their messages.

    :param env_su: superuser environment
    """

    def __init__(self, env_su):
        self.env = env_su

    def of_email(self, key):
        """Return the lib.rules.sharing.Choice rows for an email."""
        rows = self.env["gmail.vote"].search([("mail_key", "=", key)])
        return [
            sharing.Choice(
                mailbox=name_of(row),
                level=row.level,
                is_private=row.is_veto,
                addresses=address_keys(
                    row.mailbox_id._addresses()
                    if row.mailbox_id
                    else (row.addresses or "").split()
                ),
                date=row.header_date or None,
            )
            for row in rows
        ]

    def record(self, mailbox, which):
        """Record the choices of a mailbox for messages anew.

        :param which: SQL condition on gmail_message ``m``
        """
        level = SQL("NULL")
        for since, step in steps_of(mailbox):
            level = (
                SQL("%s", step or None)
                if since is None
                else SQL(
                    "CASE WHEN m.date >= %s THEN %s ELSE %s END",
                    datetime.fromisoformat(since),
                    step or None,
                    level,
                )
            )
        self.env["gmail.thread"].flush_model(["sharing_level"])
        wanted = SQL(
            """
            SELECT m.mail_key,
                   (array_agg(x.level ORDER BY array_position(%(levels)s, x.level)))[1]
                       AS level,
                   bool_or(t.sharing_level = 'nobody') IS TRUE AS is_veto,
                   CASE WHEN count(m.header_date) = count(*)
                             AND min(m.header_date) = max(m.header_date)
                        THEN min(m.header_date) END AS header_date
              FROM gmail_message m
              JOIN gmail_thread t ON t.id = m.thread_id
        CROSS JOIN LATERAL (SELECT %(level)s::text AS level) y
        CROSS JOIN LATERAL (
                   SELECT COALESCE(t.sharing_level,
                                   CASE WHEN m.is_automated
                                             AND y.level IS DISTINCT FROM 'nobody'
                                        THEN NULL ELSE y.level END) AS level) x
             WHERE m.mailbox_id = %(mailbox)s AND m.mail_key IS NOT NULL
               AND m.is_bcc IS NOT TRUE
               AND m.mail_key IN (SELECT m.mail_key FROM gmail_message m
                                   WHERE m.mailbox_id = %(mailbox)s AND %(which)s)
             GROUP BY m.mail_key
            """,
            levels=list(sharing.LEVELS),
            level=level,
            mailbox=mailbox.id,
            which=which,
        )
        self.env.cr.execute(
            SQL(
                """
                WITH wanted AS MATERIALIZED (%(wanted)s),
                     gone AS (
                         DELETE FROM gmail_vote v USING wanted w
                          WHERE v.mailbox_id = %(mailbox)s
                            AND v.mail_key = w.mail_key AND w.level IS NULL)
                INSERT INTO gmail_vote (mail_key, mailbox_id, level, is_veto,
                            header_date)
                SELECT mail_key, %(mailbox)s, level, is_veto, header_date FROM wanted
                 WHERE level IS NOT NULL
                    ON CONFLICT (mail_key, mailbox_id)
                    DO UPDATE SET level = EXCLUDED.level, is_veto = EXCLUDED.is_veto,
                                  header_date = EXCLUDED.header_date
                        WHERE (gmail_vote.level, gmail_vote.is_veto,
                               gmail_vote.header_date)
                              IS DISTINCT FROM (EXCLUDED.level, EXCLUDED.is_veto,
                                                EXCLUDED.header_date)
                """,
                wanted=wanted,
                mailbox=mailbox.id,
            )
        )
        self.env["gmail.vote"].invalidate_model()

    def restore_private(self, which):
        """Set conversations to always private that were so before they were removed
        and imported again.

        :param which: SQL condition on gmail_message ``m``
        """
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
            UPDATE gmail_thread t SET sharing_level = 'nobody'
              FROM gmail_message m
              JOIN gmail_vote v ON v.mail_key = m.mail_key
                               AND v.mailbox_id = m.mailbox_id AND v.is_veto
             WHERE %s AND t.id = m.thread_id
               AND t.sharing_level IS NULL
               -- Not one that holds other emails: anyone can send a Message-ID again.
               AND NOT EXISTS (
                   SELECT FROM gmail_message o
                    WHERE o.thread_id = t.id AND NOT EXISTS (
                          SELECT FROM gmail_vote w
                           WHERE w.mail_key = o.mail_key
                             AND w.mailbox_id = o.mailbox_id AND w.is_veto))
                """,
                which,
            )
        )
        if self.env.cr.rowcount:
            self.env["gmail.thread"].invalidate_model(["sharing_level"])

    def record_all(self, mailbox):
        """Record all choices of a mailbox anew, also those for deleted messages: less
        may be shared of them, never more."""
        self.restore_private(SQL("m.mailbox_id = %s", mailbox.id))
        self.record(mailbox, SQL("TRUE"))
        steps = steps_of(mailbox)
        level = steps[-1][1] if steps else False
        looser = [x for x in sharing.LEVELS if sharing.rank(x) > sharing.rank(level)]
        gone = SQL(
            """
            mailbox_id = %s AND level = ANY(%s)
               AND NOT EXISTS (SELECT FROM gmail_message m
                                WHERE m.mailbox_id = v.mailbox_id
                                  AND m.mail_key = v.mail_key)
            """,
            mailbox.id,
            looser,
        )
        if level:
            statement = SQL("UPDATE gmail_vote v SET level = %s WHERE %s", level, gone)
        else:
            # Unset is no choice, so nothing consents any more.
            statement = SQL("DELETE FROM gmail_vote v WHERE %s", gone)
        self.env.cr.execute(statement)
        self.env["gmail.vote"].invalidate_model()

    def rename_earlier(self, keys):
        """Have choices and entries of an earlier version name the keys of emails that
        are imported again.

        :param keys: {same_email.earlier_key: same_email.mail_key}
        """
        for table in ("gmail_vote", "gmail_entry"):
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE %(table)s t SET mail_key = k.key
                      FROM unnest(%(former)s, %(keys)s) AS k(former, key)
                     WHERE t.mail_key = k.former
                       AND NOT EXISTS (SELECT FROM %(table)s o
                                        WHERE o.mail_key = k.key
                                          AND o.mailbox_id = t.mailbox_id)
                    """,
                    table=SQL.identifier(table),
                    former=list(keys),
                    keys=list(keys.values()),
                )
            )
        self.env["gmail.vote"].invalidate_model()
        self.env["gmail.entry"].invalidate_model()

    def keep_after(self, mailbox):
        """Keep the choices and entries of a mailbox that is about to be deleted."""
        self.env.flush_all()
        for table in OUTLIVING:
            self.env.cr.execute(
                SQL(
                    "UPDATE %s SET former = %s WHERE mailbox_id = %s",
                    SQL.identifier(table),
                    former_name(mailbox),
                    mailbox.id,
                )
            )
        self.env.cr.execute(
            "UPDATE gmail_vote SET addresses = %s WHERE mailbox_id = %s",
            [" ".join(mailbox._addresses()), mailbox.id],
        )
        # PostgreSQL checks one of the two while it empties the other.
        self.env.cr.execute(
            "UPDATE gmail_entry SET message_id = NULL, mailbox_id = NULL"
            " WHERE mailbox_id = %s",
            [mailbox.id],
        )
        self.env["gmail.vote"].invalidate_model()
        self.env["gmail.entry"].invalidate_model()

    def restore(self, mailbox):
        """Give a mailbox the choices and entries of the deleted one of the same account
        and user."""
        self.env.flush_all()
        for table, unique in OUTLIVING.items():
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE %(table)s SET mailbox_id = %(mailbox)s, former = NULL
                     WHERE id IN (SELECT max(id) FROM %(table)s
                                   WHERE former = %(former)s GROUP BY %(unique)s)
                    """,
                    table=SQL.identifier(table),
                    mailbox=mailbox.id,
                    former=former_name(mailbox),
                    unique=SQL(", ").join(map(SQL.identifier, unique)),
                )
            )
        self.env["gmail.vote"].invalidate_model()
        self.env["gmail.entry"].invalidate_model()
