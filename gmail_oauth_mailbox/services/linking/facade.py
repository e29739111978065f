from odoo import SUPERUSER_ID, api, models
from odoo.exceptions import UserError
from odoo.fields import Datetime, Domain
from odoo.tools import SQL

from ...lib.rules import sharing
from . import gateway
from .chatter import Chatter
from .choices import Choices, steps_of
from .moves import Moves
from .offers import Offers
from .queue import Queue
from .sharing import Sharing, own_level


class GmailLinking(models.AbstractModel):
    """Which records an email belongs to, and what they show of it.

    All of it is done by one scheduled action from the rows of gmail.pending, so that no
    user waits, nothing is lost, and two workers take turns on an email.
    """

    _name = "gmail.linking"
    _description = "Gmail Linking"

    # ------------------------------------------------------------------
    # The parts
    # ------------------------------------------------------------------

    def _make_chatter(self, env_su):
        return Chatter(env_su)

    def _make_choices(self, env_su):
        return Choices(env_su)

    def _make_moves(self, env_su):
        return Moves(env_su, self._make_chatter(env_su), self._make_offers(env_su))

    def _make_offers(self, env_su):
        return Offers(env_su)

    def _make_queue(self, env_su):
        return Queue(env_su)

    def _make_sharing(self, env_su):
        return Sharing(
            env_su,
            self._make_chatter(env_su),
            self._make_choices(env_su),
            self._make_moves(env_su),
        )

    # ------------------------------------------------------------------
    # Work
    # ------------------------------------------------------------------

    @api.model
    def _cron_link(self):
        """Link new email to records, and bring up to date what they show."""
        if not self.env["gmail.setup"]._disabled():
            self._make_queue(self.env(su=True)).run()

    @api.model
    def _enqueue(self, keys, mailbox=None):
        """Have emails settled that a record may show.

        :param mailbox: whose act it is, or None
        """
        self._make_queue(self.env(su=True)).add_emails(keys, mailbox)

    @api.model
    def _enqueue_mailboxes(self, mailboxes):
        """Have the choices of mailboxes recorded anew, and their emails settled."""
        self._make_queue(self.env(su=True)).add_mailboxes(mailboxes)

    @api.model
    def _enqueue_entries(self):
        """Have all emails settled that a record shows: a setting changed."""
        self._make_queue(self.env(su=True)).add_all_entries()

    @api.model
    def _wake(self, at=None):
        """Have the scheduled action run."""
        self._make_queue(self.env(su=True)).wake(at)

    @api.model
    def _settle(self, key, give_up=False):
        """Bring what records show of an email in line; see Sharing.settle."""
        return self._make_sharing(self.env(su=True)).settle(key, give_up)

    # ------------------------------------------------------------------
    # Choices
    # ------------------------------------------------------------------

    @api.model
    def _check_level(self, level):
        """Return a sharing level that a user chose.

        :raises UserError: it is none, or more than the administrator allows
        """
        level = level or False
        if level and level not in sharing.LEVELS:
            raise UserError(self.env._("Choose how much to share."))
        limit = self.env["gmail.setup"]._sharing_ceiling()
        if sharing.capped(level, limit) != level:
            names = dict(self.env["gmail.setup"]._sharing_choices())
            raise UserError(
                self.env._(
                    'Your administrator limits sharing to "%s". Choose that level or '
                    "a lower one.",
                    names.get(limit, limit),
                )
            )
        return level

    @api.model
    def _note_level(self, mailbox):
        """Note since when the level of a mailbox (sudo) applies."""
        level = self._check_level(mailbox.sharing_level)
        now = Datetime.now().isoformat()
        before = steps_of(mailbox)
        steps = sharing.changed(before or ((None, False),), level, now)
        if steps != before:
            mailbox.sharing_steps = steps
        is_choice = self.env.uid == mailbox.user_id.id
        if is_choice:
            mailbox.sharing_before_limit = False
            self._note_chosen(mailbox)
        if is_choice or steps != before:
            self._enqueue_mailboxes(mailbox)

    @api.model
    def _record_messages(self, mailbox, which):
        """Record the choices of a mailbox for messages.

        :param which: SQL condition on gmail_message ``m``
        """
        self._make_choices(self.env(su=True)).record(mailbox, which)

    @api.model
    def _note_chosen(self, mailbox):
        """Note that the owner of a mailbox (sudo) has just chosen how much to share:
        that covers what leads to records now, and nothing that comes to do so until
        the choice is applied."""
        self._compare_ways()
        self._make_offers(self.env(su=True)).note_choice(mailbox)

    @api.model
    def _record_choices(self, mailbox):
        """Record all choices of a mailbox anew, and have its emails settled."""
        self._make_choices(self.env(su=True)).record_all(mailbox)
        self._make_queue(self.env(su=True)).add_emails_of(mailbox)

    @api.model
    def _note_choice(self, threads):
        """Note that owners chose how much of conversations to share."""
        people = threads.sudo().message_ids.participant_ids
        self._compare_ways(set(people.mapped("address")))
        offers = self._make_offers(self.env(su=True))
        offers.compare_companies(threads.sudo().mailbox_id.user_id)
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE gmail_thread"
            "   SET sharing_chosen_at = clock_timestamp() AT TIME ZONE 'UTC'"
            " WHERE id = ANY(%s)",
            [threads.ids],
        )
        threads.invalidate_recordset(["sharing_chosen_at"])

    @api.model
    def _restore_private(self, messages):
        """Keep conversations private that were so before; see Choices."""
        choices = self._make_choices(self.env(su=True))
        choices.restore_private(SQL("m.id = ANY(%s)", messages.ids))

    @api.model
    def _rename_earlier(self, keys):
        """Have what an earlier version left name the keys of emails; see Choices."""
        self._make_choices(self.env(su=True)).rename_earlier(keys)

    @api.model
    def _mailbox_deleted(self, mailbox):
        """Keep the choices and entries of a mailbox that is about to be deleted."""
        # Its requests go, and what reminds of them.
        mailbox.sudo().offer_ids.activity_id.unlink()
        # Its address counts as a colleague's no more.
        self._make_offers(self.env(su=True)).compare_own()
        self._make_choices(self.env(su=True)).keep_after(mailbox)
        self._forget_way(f"chosen:{mailbox.id}")

    @api.model
    def _mailbox_connected(self, mailbox):
        """Give a mailbox what the deleted one of the same account left."""
        self._make_choices(self.env(su=True)).restore(mailbox)

    @api.model
    def _looser_than(self, limit):
        """Return (mailboxes, conversations) (sudo) that share more than a limit."""
        if self.env["gmail.version"]._is_outdated():
            return self.env["gmail.mailbox"].sudo(), self.env["gmail.thread"].sudo()
        looser = [
            level
            for level in sharing.LEVELS
            if limit and sharing.rank(level) > sharing.rank(limit)
        ]
        which = [("sharing_level", "in", looser)]
        return (
            self.env["gmail.mailbox"].sudo().search(which),
            self.env["gmail.thread"].sudo().search(which),
        )

    @api.model
    def _obey_limit(self):
        """Apply a changed limit: less applies to all email immediately, more is for the
        owners to choose."""
        limit = self.env["gmail.setup"]._sharing_ceiling()
        mailboxes, threads = self._looser_than(limit)
        # "nobody" would be a choice of the owner's, which the limit isn't.
        level = limit != "nobody" and limit
        for mailbox in mailboxes.filtered(lambda m: not m.sharing_before_limit):
            mailbox.sharing_before_limit = mailbox.sharing_level
        self._offer_raised_limit(limit)
        threads.sharing_level = level
        # Which has their choices recorded anew.
        mailboxes.sharing_level = level
        self._enqueue_mailboxes(threads.mailbox_id - mailboxes)
        # Entries whose copies are gone, too.
        self._enqueue_entries()

    # ------------------------------------------------------------------
    # Asking owners before others share more of their email
    # ------------------------------------------------------------------

    def _offer_raised_limit(self, limit):
        """Offer owners what they shared before a limit that is higher now."""
        offers = self._make_offers(self.env(su=True))
        lowered = self.env["gmail.mailbox"].sudo()
        for mailbox in lowered.search([("sharing_before_limit", "!=", False)]):
            level = sharing.capped(mailbox.sharing_before_limit, limit)
            is_more = sharing.rank(level) > sharing.rank(mailbox.sharing_level)
            if is_more and mailbox.user_id != self.env.user:
                offers.offer_limit(mailbox, level, self.env.user)

    @api.model
    def _compare_ways(self, addresses=None, actor=None):
        """Bring the snapshot of what leads to records up to date; see Offers."""
        self._make_offers(self.env(su=True)).compare(addresses, actor)

    @api.model
    def _actor(self):
        """Return the user whose act it is what the current user does, or None when
        unknown: at Odoo's mail gateway, whoever handed the email in."""
        taken_in = gateway.handed_in(self.env)
        if taken_in is None:
            return self.env.user
        return self.env["res.users"].browse(taken_in.actor) if taken_in.actor else None

    @api.model
    def _note_act(self, key, signature=""):
        """Note that the current user made a way lead to records."""
        offers = self._make_offers(self.env(su=True))
        offers.note_act(key, signature, self._actor())

    @api.model
    def _own_domains_changed(self):
        """Note that the current user changed the company's own domains."""
        self._make_offers(self.env(su=True)).compare_own(self._actor())
        self._enqueue_entries()

    @api.model
    def _companies_changed(self, users):
        """Note that the current user changed the companies of users."""
        offers = self._make_offers(self.env(su=True))
        offers.compare_companies(users.sudo(), self._actor())

    @api.model
    def _note_changed(self, records):
        """Note that the current user changed where contacts, or records that a subject
        rule finds, lead emails."""
        if records and not self.env["gmail.version"]._is_outdated():
            self._make_offers(self.env(su=True)).note_changed(records, self._actor())

    @api.model
    def _note_changed_by(self, posts):
        """Note that the current user changed where the records of mail.message records
        (sudo) lead emails."""
        for model, of_model in posts.filtered("res_id").grouped("model").items():
            if model in self.env and hasattr(self.env[model], "_gmail_is_ruled"):
                records = self.env[model].browse(set(of_model.mapped("res_id")))
                if records._gmail_is_ruled():
                    self._note_changed(records)

    @api.model
    def _ruled_records_of(self, partners):
        """Return the records (sudo), one recordset for a model, that subject rules find
        and whose contacts or followers are among some contacts."""
        if self.env["gmail.version"]._is_outdated():
            return []
        found = []
        for name in sorted(self.env["gmail.link.rule"]._models()):
            if name not in self.env.registry:
                continue
            records = self.env[name].sudo().with_context(active_test=False)
            fields = [
                field.name
                for field in records._fields.values()
                if field.comodel_name == "res.partner"
                and field.store
                and field.type in ("many2one", "many2many")
            ]
            found.append(
                records.search(
                    Domain.OR(
                        Domain(name, "in", partners.ids)
                        for name in (*fields, "message_partner_ids")
                    )
                )
            )
        return found

    @api.model
    def _note_moved(self, records):
        """Note that the current user moved records to another company."""
        if records and not self.env["gmail.version"]._is_outdated():
            self._make_offers(self.env(su=True)).note_moved(records, self._actor())

    @api.model
    def _note_records(self, documents):
        """Note the companies of records that emails are linked to: {(model, id)}."""
        self._make_offers(self.env(su=True)).note_records(documents)

    @api.model
    def _forget_way(self, key):
        """Note that a way leads nowhere any more."""
        self._make_offers(self.env(su=True)).forget(key)

    @api.model
    def _forget_erased(self, address):
        """Forget that an address led to records that it doesn't lead to any more."""
        self._make_offers(self.env(su=True)).forget_erased(address)

    @api.model
    def _check_offers(self, mailbox, links):
        """Return the offers that keep links from being shared; see Offers.check."""
        return self._make_offers(self.env(su=True)).check(mailbox, links)

    @api.model
    def _answer(self, offers, state):
        """Note what the owner of offers (sudo) answers: "accepted" or "declined".

        :return: the sentences that confirm it
        """
        made = self._make_offers(self.env(su=True))
        made.answer(offers, state)
        self._wake()
        return [made.answered(offer) for offer in offers]

    @api.model
    def _offer_texts(self, offer):
        """Return the question of an offer, and what happened."""
        made = self._make_offers(self.env)
        return made.summary(offer), made.reason(offer)

    # ------------------------------------------------------------------
    # Questions
    # ------------------------------------------------------------------

    @api.model
    def _limit_of(self, message):
        """Return how much of a message (sudo) its owner may put on a record by hand."""
        return self._make_sharing(self.env(su=True)).limit_of(message.sudo())

    @api.model
    def _compare_copies(self, messages):
        """Compute the digests of messages (sudo) that were not compared yet."""
        self._make_sharing(self.env(su=True))._compute_digests(messages)

    @api.model
    def _records_by_gateway(self, messages):
        """Return the (model, id) of the records where Odoo's gateway posted the same
        emails as messages (sudo)."""
        return self._make_chatter(self.env(su=True)).records_by_gateway(messages)

    @api.model
    def _level_of(self, message):
        """Return the level that a mailbox's own choice gives a message (sudo)."""
        return own_level(message)

    @api.model
    def _is_internal(self, message):
        """Whether all people on a message are colleagues."""
        return self._make_sharing(self.env(su=True)).is_internal(message.sudo())

    # ------------------------------------------------------------------
    # Records
    # ------------------------------------------------------------------

    @api.model
    def _records_merged(self, model, sources, target):
        """Move links to the record that remains.

        :param sources: ids of records of ``model``
        :raises UserError: the database is to be updated first, or links would be lost
        """
        self.env["gmail.version"]._check()
        moves = self._make_moves(self.env(su=True))
        moves.merge(model, sources, target, actor=self._actor())

    @api.model
    def _posts_moved(self, posts):
        """Have links follow mail.message records that moved to other records."""
        if self.env["gmail.version"]._is_outdated():
            # They follow when the email is next settled.
            return
        # Who wrote or was written to there takes part in the other record from now on.
        self._note_changed_by(posts.sudo())
        entries = self.env["gmail.entry"].sudo()
        entries = entries.search([("mail_message_id", "in", posts.ids)])
        offers = self._make_offers(self.env(su=True))
        for entry in entries:
            post = entry.mail_message_id
            offers.note_merged(
                (entry.res_model, [entry.res_id]),
                (post.model, post.res_id),
                self._actor(),
            )
        self._enqueue(set(entries.mapped("mail_key")))

    @api.model
    def _are_entries(self, posts):
        """Whether some of mail.message records (type ``email``) show an email that a
        mailbox holds."""
        if not posts or self.env["gmail.version"]._is_outdated():
            return False
        return bool(
            self.env["gmail.entry"]
            .sudo()
            .search_count([("mail_message_id", "in", posts.ids)], limit=1)
        )

    @api.model
    def _notes_among(self, posts):
        """Return those of mail.message records that show an email as a note."""
        if self.env["gmail.version"]._is_outdated():
            return posts.browse()
        self.env["gmail.entry"].flush_model(["kind", "mail_message_id"])
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT mail_message_id FROM gmail_entry"
                " WHERE kind = 'note' AND mail_message_id = ANY(%s)",
                posts.ids,
            )
        )
        return posts.browse(number for (number,) in rows)

    @api.model
    def _emails_among(self, posts):
        """Return those of mail.message records that show an email of a mailbox, or that
        a mailbox sends."""
        if not posts.ids or self.env["gmail.version"]._is_outdated():
            return posts.browse()
        self.env["gmail.entry"].flush_model(["mail_message_id"])
        self.env["mail.mail"].flush_model(["is_gmail", "mail_message_id"])
        rows = self.env.execute_query(
            SQL(
                """
                SELECT mail_message_id FROM gmail_entry
                 WHERE mail_message_id = ANY(%(ids)s)
                 UNION SELECT mail_message_id FROM mail_mail
                 WHERE mail_message_id = ANY(%(ids)s) AND is_gmail
                """,
                ids=posts.ids,
            )
        )
        return posts.browse(number for (number,) in rows)

    def _emails_with(self, files):
        """Return the mail.message records (sudo) as ``_emails_among`` does that have
        some of ir.attachment records."""
        posts = self.env["mail.message"].sudo()
        found = (
            posts.search([("attachment_ids", "in", files.ids)]) if files.ids else posts
        )
        return self._emails_among(found)

    @api.model
    def _files_with_email(self, files):
        """Return those of ir.attachment records that are files of emails, stored, shown
        on a record, or being sent."""
        stored = (
            files.sudo()
            .exists()
            .filtered(lambda file: (file.res_model or "").startswith("gmail."))
        )
        return files & (stored | self._emails_with(files).attachment_ids)

    @api.model
    def _files_of_others(self, files):
        """Return those of ir.attachment records that belong to an email which a record
        shows or a mailbox sends, and which the user did not write."""
        theirs = self._emails_with(files).filtered(
            lambda post: (
                post.message_type == "email" or post.create_uid.id != self.env.uid
            )
        )
        return files & theirs.attachment_ids

    @api.model
    def _without_notes(self):
        """Return the domain of the mail.message records that don't show an email as a
        note."""
        if self.env["gmail.version"]._is_outdated():
            return Domain.TRUE
        self.env["gmail.entry"].flush_model(["kind", "mail_message_id"])
        return Domain.custom(
            to_sql=lambda _model, alias, _query: SQL(
                "NOT EXISTS (SELECT FROM gmail_entry e"
                " WHERE e.mail_message_id = %s AND e.kind = 'note')",
                SQL.identifier(alias, "id"),
            )
        )

    @api.model
    def _are_of_entries(self, files):
        """Whether some of ir.attachment records are files of entries."""
        if self.env["gmail.version"]._is_outdated():
            return False
        self.env["gmail.entry"].flush_model(["mail_message_id"])
        [(found,)] = self.env.execute_query(
            SQL(
                """
                SELECT EXISTS (
                       SELECT FROM message_attachment_rel r
                         JOIN gmail_entry e ON e.mail_message_id = r.message_id
                        WHERE r.attachment_id = ANY(%s))
                """,
                list(files.ids),
            )
        )
        return found

    @api.model
    def _remove_entries(self, entries):
        """Remove entries (gmail.entry) from the chatter."""
        chatter = self._make_chatter(self.env(su=True))
        for entry in entries.sudo():
            chatter.remove(entry)

    # ------------------------------------------------------------------
    # Odoo's gateway
    # ------------------------------------------------------------------

    @api.model
    def _at_gateway(self, message_dict):
        """Return the copies (gmail.message) of an email at Odoo's gateway; none of what
        a user hands in."""
        if self.env["gmail.version"]._is_outdated() or not self._is_gateway():
            return self.env["gmail.message"]
        return self._make_chatter(self.env(su=True)).at_gateway(message_dict)

    @api.model
    def _is_gateway(self):
        """Whether the mail server's job or an administrator's script is at work."""
        return self.env.su or self.env.user._is_system()

    @api.model
    def _take_in(self, records):
        """Return records with which the gateway takes in what the user brings."""
        actor = None if self._is_gateway() else self.env.uid
        return records.with_context(**{gateway.HANDED_IN: gateway.HandedIn(actor)})

    @api.model
    def _is_taking_in(self):
        """Whether the gateway is taking an email in."""
        return gateway.handed_in(self.env) is not None

    @api.model
    def _for_record(self, model, values):
        """Return the values that a caller of the gateway, or an alias, has for a new
        record, without those for a chatter."""
        if not isinstance(values, dict) or model not in self.env:
            return values
        return gateway.without_chatter(self.env, model, values)

    @api.model
    def _note_handed_in(self, posts):
        """Note new mail.message records that are no acts of who is said to have made
        them: all that a user hands in, and what the gateway posts as a user."""
        taken_in = gateway.handed_in(self.env)
        if taken_in is None or self.env["gmail.version"]._is_outdated():
            return
        if taken_in.actor or self.env.uid != SUPERUSER_ID:
            self.env["gmail.handed.in"].sudo().create(
                [{"mail_message_id": post.id} for post in posts]
            )

    @api.model
    def _routes_left(self, copies, routes):
        """Return the gateway's routes where no mailbox has posted these copies."""
        return self._make_chatter(self.env(su=True)).routes_left(copies, routes)
