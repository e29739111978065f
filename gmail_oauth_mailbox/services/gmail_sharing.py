import logging
from collections import defaultdict
from datetime import datetime, timedelta

import psycopg2

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..lib import errors, sharing

_logger = logging.getLogger(__name__)

# Mails compared in one run between two looks at the clock.
PAGE = 100
CRON = "gmail_oauth_mailbox.ir_cron_gmail_file"
# What outlives a mailbox, and of what it has one each.
DECISIONS = {
    "gmail_vote": ("mail_key",),
    "gmail_filing": ("mail_key", "res_model", "res_id"),
}
# Attempts to fetch attachments, or after a fault of ours; the pauses double.
MOST_ATTEMPTS = 6
FIRST_PAUSE = timedelta(minutes=1)


class GmailSharing(models.AbstractModel):
    """How much of a mail stands in which document: counts the votes, compares what
    stands with what should, and has services/gmail_chatter.py write the difference.

    All of it is done by one scheduled action from the rows of gmail.pending, so that
    nobody waits, nothing is lost, and of two workers one comes second.
    """

    _name = "gmail.sharing"
    _description = "Gmail Sharing"

    # ------------------------------------------------------------------
    # Votes
    # ------------------------------------------------------------------

    @api.model
    def _steps(self, mailbox):
        """Return the levels of a mailbox over time, as lib/sharing.py takes them."""
        return tuple((since, level) for since, level in mailbox.sharing_steps or ())

    @api.model
    def _note_level(self, mailbox):
        """Note since when the level of a mailbox (sudo) holds, within the ceiling."""
        level = mailbox.sharing_level or False
        ceiling = self.env["gmail.setup"]._sharing_ceiling()
        if sharing.capped(level, ceiling) != level:
            raise UserError(
                self.env._("Your administrator does not allow to share that much.")
            )
        now = fields.Datetime.now().isoformat()
        steps = sharing.changed(self._steps(mailbox) or ((None, False),), level, now)
        if steps != self._steps(mailbox):
            mailbox.sharing_steps = steps
            self._enqueue_mailbox(mailbox)

    @api.model
    def _vote(self, mailbox, which):
        """Count the votes of a mailbox for messages anew.

        :param which: SQL condition on gmail_message ``m``
        """
        steps = self._steps(mailbox)
        level = SQL("NULL")
        for since, step in steps:
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
                   bool_or(m.is_authentic) IS TRUE AS is_vouched
              FROM gmail_message m
              JOIN gmail_thread t ON t.id = m.thread_id
        CROSS JOIN LATERAL (
                   SELECT COALESCE(t.sharing_level,
                                   CASE WHEN m.is_automated THEN NULL
                                        ELSE %(level)s::text END) AS level) x
             WHERE m.mailbox_id = %(mailbox)s AND m.mail_key IS NOT NULL
               AND m.is_bcc IS NOT TRUE AND %(which)s
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
                            is_vouched)
                SELECT mail_key, %(mailbox)s, level, is_veto, is_vouched FROM wanted
                 WHERE level IS NOT NULL
                    ON CONFLICT (mail_key, mailbox_id)
                    DO UPDATE SET level = EXCLUDED.level, is_veto = EXCLUDED.is_veto,
                                  is_vouched = EXCLUDED.is_vouched
                        WHERE (gmail_vote.level, gmail_vote.is_veto,
                               gmail_vote.is_vouched)
                              IS DISTINCT FROM (EXCLUDED.level, EXCLUDED.is_veto,
                                                EXCLUDED.is_vouched)
                """,
                wanted=wanted,
                mailbox=mailbox.id,
            )
        )

    @api.model
    def _remember_vetoes(self, messages):
        """A conversation that was kept private, and comes in anew, is so again."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE gmail_thread t SET sharing_level = 'nobody'
              FROM gmail_message m
              JOIN gmail_vote v ON v.mail_key = m.mail_key
                               AND v.mailbox_id = m.mailbox_id AND v.is_veto
             WHERE m.id = ANY(%s) AND t.id = m.thread_id AND t.sharing_level IS NULL
            """,
            [messages.ids],
        )
        if self.env.cr.rowcount:
            self.env["gmail.thread"].invalidate_model(["sharing_level"])

    @api.model
    def _let_go(self, mailbox):
        """A mailbox is deleted: note whose its decisions are, which outlive it."""
        for table in DECISIONS:
            self.env.cr.execute(
                SQL(
                    "UPDATE %s SET former = %s WHERE mailbox_id = %s",
                    SQL.identifier(table),
                    self._former(mailbox),
                    mailbox.id,
                )
            )

    @api.model
    def _take_back(self, mailbox):
        """The same account of the same user is connected anew: its decisions are hers
        to change again."""
        self.env.flush_all()
        for table, unique in DECISIONS.items():
            self.env.cr.execute(
                SQL(
                    """
                    UPDATE %(table)s SET mailbox_id = %(mailbox)s, former = NULL
                     WHERE id IN (SELECT max(id) FROM %(table)s
                                   WHERE former = %(former)s GROUP BY %(unique)s)
                    """,
                    table=SQL.identifier(table),
                    mailbox=mailbox.id,
                    former=self._former(mailbox),
                    unique=SQL(", ").join(map(SQL.identifier, unique)),
                )
            )

    def _former(self, mailbox):
        return f"{mailbox.user_id.id} {mailbox.email}"

    # ------------------------------------------------------------------
    # Documents that were merged
    # ------------------------------------------------------------------

    @api.model
    def _merged(self, model, sources, target, keys=None):
        """Documents were merged into another: what was filed in them, and linked to
        them, is so there.

        :param sources: ids of documents of ``model``
        :param keys: only these mails
        :raises UserError: the database is to be updated first, or links would be lost
        """
        self.env["gmail.version"]._check()
        self.env.flush_all()
        only = keys is not None
        for table, same, of_keys in (
            (
                SQL("gmail_filing"),
                SQL(
                    "o.mail_key = x.mail_key"
                    " AND o.mailbox_id IS NOT DISTINCT FROM x.mailbox_id"
                ),
                SQL("x.mail_key = ANY(%s)", list(keys or ())),
            ),
            (
                SQL("gmail_link"),
                SQL("o.thread_id = x.thread_id"),
                SQL(
                    "x.thread_id IN (SELECT thread_id FROM gmail_message"
                    " WHERE mail_key = ANY(%s))",
                    list(keys or ()),
                ),
            ),
        ):
            which = SQL(
                "x.res_model = %s AND x.res_id = ANY(%s) AND %s",
                model,
                list(sources),
                of_keys if only else SQL("TRUE"),
            )
            # The last of those that say the same moves, the others go.
            self.env.cr.execute(
                SQL(
                    """
                    DELETE FROM %(table)s x
                     WHERE %(which)s
                       AND EXISTS (SELECT FROM %(table)s o
                                    WHERE %(same)s AND o.res_model = x.res_model
                                      AND (o.res_id = %(target)s
                                           OR (o.res_id = ANY(%(sources)s)
                                               AND o.id > x.id)))
                    """,
                    table=table,
                    which=which,
                    same=same,
                    target=target,
                    sources=list(sources),
                )
            )
            self.env.cr.execute(
                SQL("UPDATE %s x SET res_id = %s WHERE %s", table, target, which)
            )
        self.env["gmail.link"].invalidate_model()
        self.env["gmail.filing"].invalidate_model()

    @api.model
    def _moved(self, messages):
        """Messages came to other documents: have what is known of them follow."""
        if self.env["gmail.version"]._is_outdated():
            # They follow when the email is next compared.
            return
        entries = self.env["gmail.entry"].sudo()
        entries = entries.search([("mail_message_id", "in", messages.ids)])
        self._enqueue(set(entries.mapped("mail_key")))

    def _follow(self, entries):
        """Have entries (gmail.entry of one mail) name the documents where they stand;
        of two in one document one goes.

        :return: the documents that are concerned
        """
        touched = set()
        for entry in entries:
            message = entry.mail_message_id
            old, new = (entry.res_model, entry.res_id), (message.model, message.res_id)
            if not all(new) or old == new:
                continue
            touched |= {old, new}
            if old[0] == new[0]:
                self._merged(old[0], [old[1]], new[1], [entry.mail_key])
            twin = entries.filtered(lambda e, at=new: (e.res_model, e.res_id) == at)
            if twin:
                spare = entry if entry.kind != "stock" else twin
                entries -= spare
                self.env["gmail.chatter"]._remove(spare)
                if spare == entry:
                    continue
            entry.write({"res_model": new[0], "res_id": new[1]})
        return touched

    @api.model
    def _vote_all(self, mailbox):
        """Count all votes of a mailbox anew, and have its mails compared."""
        self._vote(mailbox, SQL("TRUE"))
        # Of messages that are gone, less may be shared from now on, never more.
        level = self._steps(mailbox)[-1][1] if self._steps(mailbox) else False
        if level in sharing.LEVELS:
            looser = [
                x for x in sharing.LEVELS if sharing.rank(x) > sharing.rank(level)
            ]
            self.env.cr.execute(
                """
                UPDATE gmail_vote v SET level = %(level)s
                 WHERE mailbox_id = %(mailbox)s AND level = ANY(%(looser)s)
                   AND NOT EXISTS (SELECT FROM gmail_message m
                                    WHERE m.mailbox_id = v.mailbox_id
                                      AND m.mail_key = v.mail_key)
                """,
                {"level": level, "mailbox": mailbox.id, "looser": looser},
            )
        self.env.cr.execute(
            """
            INSERT INTO gmail_pending (mail_key)
            SELECT DISTINCT f.mail_key FROM gmail_filing f
             WHERE f.mailbox_id = %(mailbox)s
                OR EXISTS (SELECT FROM gmail_vote v
                            WHERE v.mail_key = f.mail_key
                              AND v.mailbox_id = %(mailbox)s)
                OR EXISTS (SELECT FROM gmail_message m
                            WHERE m.mail_key = f.mail_key
                              AND m.mailbox_id = %(mailbox)s)
            """,
            {"mailbox": mailbox.id},
        )

    # ------------------------------------------------------------------
    # What is left to do
    # ------------------------------------------------------------------

    @api.model
    def _enqueue(self, keys):
        """Have mails compared that may stand somewhere."""
        if not keys:
            return
        self.env.cr.execute(
            """
            INSERT INTO gmail_pending (mail_key)
            SELECT DISTINCT f.mail_key FROM gmail_filing f
             WHERE f.mail_key = ANY(%(keys)s)
               AND (f.kind <> 'note' OR EXISTS (SELECT FROM gmail_vote v
                                                 WHERE v.mail_key = f.mail_key))
             UNION
            SELECT mail_key FROM gmail_entry WHERE mail_key = ANY(%(keys)s)
            """,
            {"keys": list(keys)},
        )
        if self.env.cr.rowcount:
            self._trigger()

    @api.model
    def _enqueue_mailbox(self, mailboxes):
        """Have all votes of mailboxes counted anew."""
        if mailboxes:
            self.env["gmail.pending"].sudo().create(
                [{"mailbox_id": mailbox.id} for mailbox in mailboxes]
            )
            self._trigger()

    @api.model
    def _enqueue_entries(self):
        """Have all that stands anywhere compared: a setting changed."""
        self.env.cr.execute(
            "INSERT INTO gmail_pending (mail_key)"
            " SELECT DISTINCT mail_key FROM gmail_entry"
        )
        self._trigger()

    @api.model
    def _looser_than(self, ceiling):
        """Return (mailboxes, conversations) (sudo) that share more than a ceiling."""
        if self.env["gmail.version"]._is_outdated():
            return self.env["gmail.mailbox"].sudo(), self.env["gmail.thread"].sudo()
        looser = [
            level
            for level in sharing.LEVELS
            if ceiling and sharing.rank(level) > sharing.rank(ceiling)
        ]
        which = [("sharing_level", "in", looser)]
        return (
            self.env["gmail.mailbox"].sudo().search(which),
            self.env["gmail.thread"].sudo().search(which),
        )

    @api.model
    def _obey_ceiling(self):
        """The ceiling was changed: less holds for all mail at once; more is for the
        owners to choose."""
        ceiling = self.env["gmail.setup"]._sharing_ceiling()
        mailboxes, threads = self._looser_than(ceiling)
        # On a conversation, "nobody" would be its owner's veto.
        threads.sharing_level = ceiling != "nobody" and ceiling
        # Which has their votes counted anew.
        mailboxes.sharing_level = ceiling
        self._enqueue_mailbox(threads.mailbox_id - mailboxes)
        # Of mail that nobody has any more, too.
        self._enqueue_entries()

    @api.model
    def _trigger(self, at=None):
        cron = self.env.ref(CRON, raise_if_not_found=False)
        if cron:
            cron.sudo()._trigger(at)

    # ------------------------------------------------------------------
    # The scheduled action
    # ------------------------------------------------------------------

    @api.model
    def _cron_file(self):
        """File new mail in documents, and bring up to date what stands there."""
        commit_progress = self.env["ir.cron"]._commit_progress
        if self.env["gmail.setup"]._disabled():
            return
        sweep_page = self.env["gmail.exclusions"]._sweep_page
        for step in (sweep_page, self._file_page, self._vote_page, self._share_page):
            more = True
            while more:
                more = step()
                if not commit_progress(1):
                    self._trigger()
                    return
        self._trigger_retry()

    def _trigger_retry(self):
        self.env.cr.execute("SELECT min(retry_at) FROM gmail_pending")
        (later,) = self.env.cr.fetchone()
        if later:
            self._trigger(max(later, fields.Datetime.now()))

    def _take(self, env, what, limit):
        """Return rows of gmail.pending that are due, locked; others skip them."""
        env.cr.execute(
            SQL(
                """
                SELECT id, mailbox_id, message_id, is_new, mail_key, attempts
                  FROM gmail_pending
                 WHERE %s AND (retry_at IS NULL OR retry_at <= %s)
                 ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
                """,
                what,
                fields.Datetime.now(),
                limit,
            )
        )
        return env.cr.dictfetchall()

    def _done(self, env, rows):
        env.cr.execute(
            "DELETE FROM gmail_pending WHERE id = ANY(%s)", [[r["id"] for r in rows]]
        )

    def _file_page(self):
        """File a page of messages; return whether there may be more."""
        with self.env["gmail.connect"]._short_transaction() as env:
            rows = self._take(env, SQL("message_id IS NOT NULL"), PAGE)
            if not rows:
                return False
            by_mailbox = defaultdict(list)
            for row in rows:
                by_mailbox[row["mailbox_id"]].append(row)
            for mailbox_id, of_mailbox in by_mailbox.items():
                self._file_rows(
                    env, env["gmail.mailbox"].browse(mailbox_id), of_mailbox
                )
        return True

    def _file_rows(self, env, mailbox, rows):
        """File messages of a mailbox; when one cannot be, the others are."""
        try:
            with env.cr.savepoint():
                messages = env["gmail.message"].browse(r["message_id"] for r in rows)
                is_new = {r["message_id"] for r in rows if r["is_new"]}
                env["gmail.linker"]._file(mailbox, messages, is_new)
                self._done(env, rows)
        except psycopg2.OperationalError:
            raise
        except Exception as error:  # noqa: BLE001
            env.invalidate_all(flush=False)
            if len(rows) > 1:
                for row in rows:
                    self._file_rows(env, mailbox, [row])
                return
            self._note_fault(env, rows[0], error)

    def _note_fault(self, env, row, error):
        """A fault of ours: keep its place for the log, without its text, which may
        quote mail, and try again later, a few times."""
        _logger.error("Filing %s: %s", row["id"], errors.place(error))
        self._postpone(env, row)

    def _postpone(self, env, row):
        """Try again later; return False when it was tried often enough."""
        attempts = row["attempts"] or 0
        if attempts + 1 >= MOST_ATTEMPTS:
            self._done(env, [row])
            return False
        env.cr.execute(
            "UPDATE gmail_pending SET attempts = %s, retry_at = %s WHERE id = %s",
            [
                attempts + 1,
                fields.Datetime.now() + FIRST_PAUSE * 2**attempts,
                row["id"],
            ],
        )
        return True

    def _vote_page(self):
        """Count the votes of one mailbox anew; return whether there may be more."""
        with self.env["gmail.connect"]._short_transaction() as env:
            what = SQL("message_id IS NULL AND mail_key IS NULL")
            rows = self._take(env, what, 1)
            for row in rows:
                mailbox = env["gmail.mailbox"].browse(row["mailbox_id"])
                if mailbox.exists():
                    env["gmail.sharing"]._vote_all(mailbox)
            self._done(env, rows)
        return bool(rows)

    def _share_page(self):
        """Bring one mail up to date; return whether there may be more."""
        with self.env["gmail.connect"]._short_transaction() as env:
            rows = self._take(env, SQL("mail_key IS NOT NULL"), 1)
            if not rows:
                return False
            [row] = rows
            key = row["mail_key"]
            try:
                with env.cr.savepoint():
                    # Whoever else works on this mail commits first, and is seen then.
                    env.cr.execute(
                        "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key]
                    )
                    give_up = (row["attempts"] or 0) + 1 >= MOST_ATTEMPTS
                    if env["gmail.sharing"]._settle(key, give_up):
                        self._done(env, rows)
                    else:
                        self._postpone(env, row)
            except psycopg2.OperationalError:
                raise
            except Exception as error:  # noqa: BLE001
                env.invalidate_all(flush=False)
                self._note_fault(env, row, error)
        return True

    # ------------------------------------------------------------------
    # One mail
    # ------------------------------------------------------------------

    @api.model
    def _settle(self, key, give_up=False):
        """Make what stands of a mail in documents what should stand there.

        :param give_up: do without attachments that Gmail does not give
        :return: False when attachments are missing and Gmail is to be asked later
        """
        copies = (
            self.env["gmail.message"]
            .sudo()
            .search(
                [("mail_key", "=", key), ("is_bcc", "=", False)],
                # What is not beyond doubt comes last.
                order="is_authentic desc nulls last, date, id",
            )
        )
        standing = self.env["gmail.entry"].sudo().search([("mail_key", "=", key)])
        touched = self._follow(standing)
        demands = self._demands(key, copies)
        entries = {
            (entry.res_model, entry.res_id): entry for entry in standing.exists()
        }
        chatter = self.env["gmail.chatter"]
        if not self._have_files(copies, demands, entries) and not give_up:
            return False
        for document, entry in entries.items():
            if not entry.mail_message_id:
                # Deleted by hand: its row says that it does not come back.
                continue
            if document not in demands and entry.kind != "stock":
                chatter._remove(entry)
                touched.add(document)
        for document, (demand, filing) in demands.items():
            entry = entries.get(document)
            if entry and (entry.kind == "stock" or not entry.mail_message_id):
                continue
            if entry and chatter._give_way(entry, copies):
                touched.add(document)
                continue
            if entry and entry.level == demand.level:
                continue
            if entry:
                chatter._rewrite(entry, demand.level, copies)
                touched.add(document)
            elif copies:
                chatter._write(key, document, demand, filing, copies)
                touched.add(document)
        if touched:
            self.env["gmail.correspondence"]._recount(touched)
            self._announce(copies)
        return True

    def _demands(self, key, copies):
        """Return {document: (Demand, its row of gmail.filing)}."""
        filings = self.env["gmail.filing"].sudo().search([("mail_key", "=", key)])
        votes = self.env["gmail.vote"].sudo().search([("mail_key", "=", key)])
        found = sharing.demanded(
            [sharing.Vote(v.level, v.is_veto, v.is_vouched) for v in votes],
            [
                sharing.Filing((f.res_model, f.res_id), f.kind == "reply")
                for f in filings
            ],
            self.env["gmail.setup"]._sharing_ceiling(),
            any(copy.is_authentic for copy in copies),
        )
        if copies and self._is_internal(copies[0]):
            # An answer to Odoo's mail is part of its document, a colleague's too.
            found = {d: demand for d, demand in found.items() if demand.is_reply}
        rows = {}
        for filing in filings.sorted(lambda f: (f.kind == "note", f.id)):
            rows.setdefault((filing.res_model, filing.res_id), filing)
        # What was sent from a document stands there already.
        sent = {d for d, filing in rows.items() if filing.kind == "sent"}
        for document in sent:
            self.env["gmail.chatter"]._adopt_sent(key, document, copies)
        return {d: (demand, rows[d]) for d, demand in found.items() if d not in sent}

    def _is_internal(self, message):
        """Whether everybody on a message is of the company."""
        domains = self.env["gmail.linker"]._own_domains()
        # A hidden recipient changes nothing.
        others = [
            p.address
            for p in message.participant_ids
            if p.role != "bcc" and p.address.rpartition("@")[2] not in domains
        ]
        if not others:
            return True
        self.env.cr.execute(
            """
            SELECT count(DISTINCT address) FROM (
                SELECT p.email_normalized AS address
                  FROM res_partner p
                  JOIN res_users u ON u.partner_id = p.id AND u.share IS NOT TRUE
                 WHERE p.email_normalized = ANY(%(others)s)
                 UNION
                SELECT lower(email) FROM gmail_mailbox
                 WHERE lower(email) = ANY(%(others)s)) x
            """,
            {"others": list(set(others))},
        )
        return self.env.cr.fetchone()[0] == len(set(others))

    def _have_files(self, copies, demands, entries):
        """Fetch the attachments that are to stand somewhere; return whether all are
        here."""
        wanted = any(
            demand.level == "everything"
            and not (d in entries and entries[d].level == "everything")
            for d, (demand, _filing) in demands.items()
        )
        if not wanted or not copies:
            return True
        for copy in copies:
            missing = copy.attachment_ids.filtered(lambda a: not a.attachment_id)
            if not missing:
                return True
            if copy.mailbox_id.state != "connected":
                continue
            try:
                self.env["gmail.files"]._fetch(missing)
            except UserError:
                continue
            return True
        return False

    def _announce(self, copies):
        """Have the panels of those who hold the mail show it as it is now."""
        sync = self.env["gmail.sync"].sudo()
        for copy in copies:
            sync._announce(copy.mailbox_id, [copy.thread_id.id])
