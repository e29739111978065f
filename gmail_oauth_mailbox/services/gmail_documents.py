from collections import Counter

from odoo import api, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL, format_list

from ..lib.mime.addresses import address_key
from ..lib.rules import sharing
from ..parsers import html2plaintext, is_html_empty

MOST_FOUND = 8
MOST_SUGGESTED = 6
# Where documents are looked for first; then whatever else has a chatter.
FIRST = ("res.partner", "crm.lead", "sale.order", "project.task", "helpdesk.ticket")
# What can be made of a conversation, and how its fields are called.
MADE = {
    "res.partner": {"name": "person", "email": "email"},
    "crm.lead": {
        "name": "subject",
        "email_from": "email",
        "contact_name": "person",
        "partner_id": "partner",
        "description": "text",
    },
    "project.task": {"name": "subject", "partner_id": "partner", "description": "text"},
    "helpdesk.ticket": {
        "name": "subject",
        "partner_id": "partner",
        "partner_email": "email",
        "partner_name": "person",
        "description": "text",
    },
}
MOST_TEXT = 20_000


class GmailDocuments(models.AbstractModel):
    """The documents of a conversation, for the panel: see, link, make, share.

    Everything is looked at with the rights and the companies of the caller, who is the
    owner of the conversation.
    """

    _name = "gmail.documents"
    _description = "Documents of Gmail Conversations"

    # ------------------------------------------------------------------
    # What is
    # ------------------------------------------------------------------

    @api.model
    def _state(self, thread):
        """Return what the panel shows of a conversation's documents and sharing.

        :param thread: gmail.thread of the caller
        """
        env = self._env(thread)
        links, entries = thread.sudo().link_ids, self._entries(thread)
        readable = self.env["gmail.linker"]._readable(
            env,
            [(x.res_model, x.res_id) for records in (links, entries) for x in records],
        )
        links = links.filtered(lambda x: (x.res_model, x.res_id) in readable)
        stands = Counter((entry.res_model, entry.res_id) for entry in entries)
        linked = [
            {
                **self._document(env, link.res_model, link.res_id),
                "id": link.id,
                "origin": self._origin(link),
                "entries": stands[link.res_model, link.res_id],
            }
            for link in links
            if link.state == "linked"
        ]
        return {
            "links": linked,
            "suggestions": self._suggestions(thread, env, links),
            "creatable": self._creatable(thread, env),
            "is_shared": bool(entries),
            "is_working": self._is_working(thread),
            "statement": " ".join(self._who_knows(thread, env, entries, readable))
            or self._why_private(thread, bool(linked)),
            **self._levels(thread),
        }

    def _env(self, thread):
        return self.env["gmail.linker"]._as_owner(thread.sudo().mailbox_id)

    def _document(self, env, model, res_id):
        return {
            "model": model,
            "res_id": res_id,
            "name": env[model].browse(res_id).display_name or "",
            "model_name": env["ir.model"]._get(model).sudo().name,
        }

    def _origin(self, link):
        return {
            "sent": self.env._("A message was sent from it"),
            "reply": self.env._("It answers a mail of this document"),
            "contact": self.env._("Found by the address"),
            "company": self.env._("Found by the domain of the address"),
            "rule": self.env._("Named in the subject"),
            "hand": self.env._("Linked by hand"),
            "made": self.env._("Made from this conversation"),
        }[link.origin]

    def _reason(self, link):
        if link.reason == "private":
            return self.env._(
                "Reply to an email on this record. Your sharing setting keeps it "
                "private until you link it."
            )
        if link.reason == "named":
            return self.env._(
                "It mentions an email on this record, but answers another one"
            )
        where = (
            self.env._("Named in the subject")
            if link.origin == "rule"
            else self.env._("It seems to answer a mail of this document")
        )
        why = {
            "unverified": self.env._("the sender could not be verified"),
            "several": self.env._("several records have this name"),
        }.get(link.reason) or self.env._("the sender takes no part in it")
        return f"{where}; {why}"

    def _keys(self, thread):
        return [key for key in thread.sudo().message_ids.mapped("mail_key") if key]

    def _entries(self, thread):
        """Return what records show of a conversation's emails (gmail.entry, sudo), also
        when a colleague's copy of the same email is what they show."""
        messages = thread.sudo().message_ids
        own = {(m.mail_key, m.content_digest) for m in messages if m.content_digest}
        entries = (
            self.env["gmail.entry"]
            .sudo()
            .search(
                [
                    ("mail_key", "in", self._keys(thread)),
                    ("mail_message_id", "!=", False),
                ]
            )
        )
        return entries.filtered(
            lambda e: (e.mail_key, sharing.base(e.digest or "")) in own
        )

    def _suggestions(self, thread, env, links):
        """Return documents that it might belong to: what was not trusted enough, then
        the newest documents of its people."""
        known = {(link.res_model, link.res_id) for link in thread.sudo().link_ids}
        found = [
            {
                **self._document(env, link.res_model, link.res_id),
                "reason": self._reason(link),
            }
            for link in links
            if link.state == "suggested"
        ]
        partners = (
            thread.sudo()
            .message_ids.participant_ids.partner_id.filtered("partner_share")
            .with_env(env)
            ._filtered_access("read")
        )
        for partner in partners[:3] if partners else ():
            for model, name in self._partner_fields(env):
                family = partner.commercial_partner_id.id
                for record in env[model].search(
                    [(name, "child_of", family)], limit=2, order="write_date desc"
                ):
                    if (model, record.id) not in known:
                        known.add((model, record.id))
                        found.append(
                            {
                                **self._document(env, model, record.id),
                                "reason": self.env._("Of %s", partner.display_name),
                            }
                        )
        return found[:MOST_SUGGESTED]

    def _partner_fields(self, env):
        """Yield (model, field) of the documents of a contact."""
        for model in FIRST[1:]:
            if model in env.registry and env[model].has_access("read"):
                yield model, "partner_id"

    # ------------------------------------------------------------------
    # Sharing
    # ------------------------------------------------------------------

    def _levels(self, thread):
        """Return the level of a conversation, and those to choose from."""
        mailbox = thread.sudo().mailbox_id
        return {
            "level": thread.sharing_level or False,
            "mailbox_level": mailbox.sharing_level or False,
            "levels": self._level_choices(),
        }

    @api.model
    def _level_choices(self):
        """Return the levels that a conversation can be shared at."""
        return [
            {"value": value, "name": name}
            for value, name in self.env["gmail.setup"]._sharing_choices()
            if value != "nobody"
        ]

    def _is_working(self, thread):
        """Whether something of the conversation is still to be filed or shared."""
        self.env.cr.execute(
            """
            SELECT EXISTS (
                SELECT FROM gmail_pending
                 WHERE message_id = ANY(%(ids)s)
                    OR (mail_key = ANY(%(keys)s)
                        AND (asked_by_id = %(mailbox)s OR asked_by_id IS NULL))
                    OR (mailbox_id = %(mailbox)s AND message_id IS NULL
                        AND mail_key IS NULL))
            """,
            {
                "ids": thread.message_ids.ids,
                "keys": self._keys(thread),
                "mailbox": thread.mailbox_id.id,
            },
        )
        return self.env.cr.fetchone()[0]

    def _who_knows(self, thread, env, entries, readable):
        """Return the sentences on all who can read something of a conversation: in its
        entries, where Odoo received it, too, and in records that were made of it.

        :param readable: as in ``_who_reads``
        """
        found = [self._who_reads(thread, env, entries, readable)] if entries else []
        if followers := self._followers_outside(entries):
            found.append(
                self.env._("1 follower from outside received it by email.")
                if followers == 1
                else self.env._(
                    "%s followers from outside received it by email.", followers
                )
            )
        stock = entries.filtered(lambda e: e.kind == "stock")
        received = self.env["gmail.linking"]._records_by_gateway(
            thread.sudo().message_ids
        ) - {(entry.res_model, entry.res_id) for entry in stock}
        for places, text in (
            (
                received,
                self.env._(
                    "%(who)s can read this email: Odoo received it at one of its own "
                    "addresses."
                ),
            ),
            (
                self._made_with(thread, "text"),
                self.env._("%(who)s can read this email: its text was copied there."),
            ),
            (
                self._made_with(thread, "subject") - self._made_with(thread, "text"),
                self.env._("%(who)s can see its subject, which was copied there."),
            ),
        ):
            if places:
                seen = self.env["gmail.linker"]._readable(env, places)
                found.append(text % {"who": self._who_has_access(env, places, seen)})
        return found

    def _followers_outside(self, entries):
        """Return how many followers from outside received the answers that entries
        show."""
        replies = entries.sudo().filtered(lambda entry: entry.kind == "reply")
        notifications = self.env["mail.notification"].sudo()
        sent = notifications.search(
            [
                ("mail_message_id", "in", replies.mail_message_id.ids),
                ("res_partner_id.partner_share", "=", True),
            ]
        )
        return len(sent.res_partner_id)

    def _made_with(self, thread, fact):
        """Return the (model, id) of the records that were made of a conversation and
        hold its text, or its subject.

        :param fact: "text" or "subject"
        """
        found = set()
        for link in thread.sudo().link_ids.filtered(lambda x: x.origin == "made"):
            if link.res_model not in self.env.registry:
                continue
            record = self.env[link.res_model].sudo().browse(link.res_id).exists()
            for name, of_field in MADE.get(link.res_model, {}).items():
                if of_field != fact or name not in record._fields or not record:
                    continue
                value = record[name] or ""
                if fact == "text":
                    # It may have been changed since, in part.
                    holds = not is_html_empty(value)
                else:
                    holds = bool(value) and value == thread.sudo().subject
                if holds:
                    found.add((link.res_model, link.res_id))
        return found

    def _why_private(self, thread, is_linked):
        """Return the sentence for a conversation that stands nowhere."""
        thread = thread.sudo()
        level = thread.sharing_level or thread.mailbox_id.sharing_level
        if level in ("nobody", False):
            return self.env._("Only you can read it in Odoo.")
        if not is_linked:
            return self.env._(
                "Only you can read it in Odoo: it belongs to no document yet."
            )
        if waits := self._why_it_waits(thread):
            return waits
        if all(message.is_bcc for message in thread.message_ids):
            return self.env._(
                "Only you can read it in Odoo: it came to you as a hidden copy."
            )
        if all(
            self.env["gmail.linking"]._is_internal(message)
            for message in thread.message_ids
        ):
            return self.env._(
                "Only you can read it in Odoo: mail among colleagues is not shared."
            )
        if not thread.sharing_level and all(
            message.is_automated for message in thread.message_ids
        ):
            return self.env._(
                "Only you can read it in Odoo: mail of machines and lists is shared "
                "when you choose so here."
            )
        return self.env._(
            "Only you can read it in Odoo: your administrator, or somebody else who "
            "has it, keeps it private."
        )

    def _why_it_waits(self, thread):
        """Return the sentence for a conversation that its owner keeps back, or "".

        :param thread: gmail.thread under sudo
        """
        filings = thread.env["gmail.filing"].search(
            [("message_id", "in", thread.message_ids.ids)]
        )
        states = set(filings.offer_id.mapped("state"))
        if "asked" in states:
            return self.env._(
                "Only you can read it in Odoo until you answer the sharing request."
            )
        if "declined" in states:
            return self.env._(
                "Only you can read it in Odoo: you declined to share these emails."
            )
        if not any(map(self.env["gmail.linking"]._level_of, thread.message_ids)):
            return self.env._(
                "Only you can read it in Odoo: it came before you chose to share."
            )
        return ""

    def _who_reads(self, thread, env, entries, readable):
        """Return the sentence on who can read what of a conversation.

        :param readable: (model, id) of the records that its owner may read; the others
            are counted, not named
        """
        places = {(entry.res_model, entry.res_id) for entry in entries}
        who = self._who_has_access(env, places, readable)
        texts = {
            "everything": self.env._("%(who)s can read this email."),
            "subject": self.env._(
                "%(who)s can see the subject and participants of this email, but not "
                "its text."
            ),
            "metadata": self.env._(
                "%(who)s can see the participants and date of this email."
            ),
        }
        most = max(entries.mapped("level"), key=sharing.rank)
        sentence = texts[most] % {"who": who}
        shared = len({(entry.mail_key, entry.digest) for entry in entries})
        all_ = len({(m.mail_key, m.content_digest) for m in thread.sudo().message_ids})
        if shared >= all_:
            return sentence
        how_many = self.env._(
            "Messages: %(shared)s of %(all)s.", shared=shared, all=all_
        )
        return f"{sentence} {how_many}"

    def _who_has_access(self, env, places, readable):
        """Return who can read records: those of ``readable`` are named."""
        named = sorted(
            env[model].browse(i).display_name or "" for model, i in places & readable
        )
        return self._people_with_access(named, len(places - readable))

    def _people_with_access(self, names, others):
        """Return who can read records: those with these names, and so many others."""
        if not others:
            return self.env._("Anyone with access to %s", self._listed(names))
        if not names:
            if others == 1:
                return self.env._("Anyone with access to 1 record that you can't see")
            return self.env._(
                "Anyone with access to %s records that you can't see", others
            )
        if others == 1:
            return self.env._(
                "Anyone with access to %s, and people with access to 1 other record,",
                self._listed(names),
            )
        return self.env._(
            "Anyone with access to %(names)s, and people with access to %(count)s "
            "other records,",
            names=self._listed(names),
            count=others,
        )

    def _listed(self, names):
        """Return names as a reader writes them: "A", "B", or "C"."""
        quoted = [f'"{name}"' for name in names]
        return format_list(self.env, quoted, style="or")

    @api.model
    def _share(self, threads, level):
        """Set how much of conversations is shared, for what is there and what comes.

        :param level: one of lib.rules.sharing's LEVELS; False for the mailbox's
        :raises UserError: more than the administrator allows
        """
        linking = self.env["gmail.linking"].sudo()
        level = linking._check_level(level)
        threads = threads.sudo()
        threads.sharing_level = level
        linking._note_choice(threads)
        for mailbox, own in threads.grouped("mailbox_id").items():
            linking._record_messages(mailbox, SQL("m.thread_id = ANY(%s)", own.ids))
            linking._enqueue(self._keys(own), mailbox)

    # ------------------------------------------------------------------
    # Linking
    # ------------------------------------------------------------------

    @api.model
    def _find(self, thread, text):
        """Return documents whose name has the words, of all models with a chatter."""
        env, text = self._env(thread), (text or "").strip()[:100]
        if not text:
            return []
        names = [name for name in FIRST if name in env.registry]
        names += [
            model.model
            for model in env["ir.model"]
            .sudo()
            .search([("is_mail_thread", "=", True), ("transient", "=", False)])
            if model.model not in FIRST and model.model in env.registry
        ]
        found = []
        for name in names:
            records = env[name]
            if records._abstract or not records.has_access("read"):
                continue
            if name.startswith(("mail.", "discuss.", "res.users")):
                continue
            for res_id, label in records.name_search(text, limit=3):
                found.append(
                    {
                        "model": name,
                        "res_id": res_id,
                        "name": label,
                        "model_name": env["ir.model"]._get(name).sudo().name,
                    }
                )
            if len(found) >= MOST_FOUND:
                break
        return found[:MOST_FOUND]

    @api.model
    def _link(self, thread, model, res_id, origin="hand"):
        """Link a conversation to a document, by hand: all that is in it now belongs
        there.

        :raises AccessError: the caller may not read the document
        """
        env = self._env(thread)
        document = (str(model), int(res_id))
        linker = self.env["gmail.linker"].sudo()
        if document not in linker._readable(env, [document]):
            raise AccessError(
                self.env._("There is no such document, or it is not yours to see.")
            )
        thread = thread.sudo()
        self._set_state(thread, document, "linked", origin)
        # Their own act agrees to what the linker only offered.
        self.env.cr.execute(
            """
            UPDATE gmail_filing SET is_wanted = true, offer_id = NULL
             WHERE message_id = ANY(%s) AND res_model = %s AND res_id = %s
            """,
            [thread.message_ids.ids, *document],
        )
        filings = [
            {
                "message_id": message.id,
                "res_model": document[0],
                "res_id": document[1],
                "kind": "note",
                "is_wanted": True,
                "notify": False,
                "parent_id": None,
                "offer_id": None,
            }
            for message in thread.message_ids
            if not message.is_bcc
        ]
        linker._store_filings(thread.mailbox_id, filings)
        self.env["gmail.linking"]._note_records({document})
        self.env["gmail.linking"].sudo()._enqueue(self._keys(thread), thread.mailbox_id)

    def _set_state(self, thread, document, state, origin):
        links = self.env["gmail.link"].sudo()
        values = {"state": state, "origin": origin, "reason": False, "way": False}
        link = links.search(
            [
                ("thread_id", "=", thread.id),
                ("res_model", "=", document[0]),
                ("res_id", "=", document[1]),
            ]
        )
        if link:
            if link.origin == "made":
                # It still holds what it was made with.
                values["origin"] = "made"
            link.write(values)
        else:
            links.create(
                {
                    "mailbox_id": thread.mailbox_id.id,
                    "thread_id": thread.id,
                    "res_model": document[0],
                    "res_id": document[1],
                    **values,
                }
            )

    @api.model
    def _unlink(self, thread, model, res_id):
        """Take a conversation out of a document, or refuse a suggestion; it does not
        come back by itself."""
        thread, document = thread.sudo(), (str(model), int(res_id))
        self._set_state(thread, document, "removed", "hand")
        self.env.cr.execute(
            """
            DELETE FROM gmail_filing
             WHERE message_id = ANY(%s) AND res_model = %s AND res_id = %s
            """,
            [thread.message_ids.ids, *document],
        )
        self.env["gmail.filing"].invalidate_model()
        self.env["gmail.linking"].sudo()._enqueue(self._keys(thread), thread.mailbox_id)

    # ------------------------------------------------------------------
    # Making documents
    # ------------------------------------------------------------------

    def _creatable(self, thread, env):
        """Return what can be made of a conversation: [{model, name}]."""
        known = self._contact(self._beginning(thread)[1], env)
        return [
            {"model": model, "name": env["ir.model"]._get(model).sudo().name}
            for model in MADE
            if self._may_make(env, model) and not (known and model == "res.partner")
        ]

    def _may_make(self, env, model):
        return model in env.registry and env[model].has_access("create")

    @api.model
    def _make(self, thread, model):
        """Create a document from a conversation, linked to it; return its id.

        :raises UserError: it cannot be made of this conversation
        """
        env = self._env(thread)
        if model not in MADE or not self._may_make(env, model):
            raise UserError(self.env._("You cannot create this kind of document."))
        facts = self._facts(thread, env)
        if model == "res.partner" and facts["partner"]:
            raise UserError(
                self.env._("%s is a contact already.", facts["email"] or "")
            )
        fields = env[model]._fields
        values = {
            name: facts[fact]
            for name, fact in MADE[model].items()
            if name in fields and facts[fact]
        }
        record = env[model].create(values)
        if model == "res.partner":
            self._recognise(thread, record)
        self._link(thread, model, record.id, origin="made")
        return record.id

    def _facts(self, thread, env):
        """Return what a new document says: subject, person, email, partner, text.

        The owner asks for it: what nobody has decided on may be in it. What she,
        somebody else who has the mail, or the administrator keeps back is not.
        """
        message, other = self._beginning(thread)
        person = other.name or other.address or self.env._("Unknown")
        most = self.env["gmail.linking"]._limit_of(message)
        subject = (
            thread.subject if sharing.rank(most) >= sharing.rank("subject") else ""
        )
        text = html2plaintext(message.body or "") if most == "everything" else ""
        return {
            "subject": subject or self.env._("Mail with %s", person),
            "person": person,
            "email": other.address or "",
            "partner": self._contact(other, env).id or False,
            "text": text[:MOST_TEXT],
        }

    def _beginning(self, thread):
        """Return the mail (sudo) that a document is made of, and the person outside."""
        mailbox = thread.sudo().mailbox_id
        messages = thread.sudo().message_ids.sorted(lambda m: (m.date, m.id))
        message = messages.filtered(lambda m: m.direction == "in")[:1] or messages[:1]
        roles = ("from",) if message.direction == "in" else ("to", "cc")
        own = address_key(mailbox.email)
        others = message.participant_ids.filtered(
            lambda p: p.role in roles and address_key(p.address) != own
        )
        return message, others[:1]

    def _contact(self, participant, env):
        return participant.partner_id.with_env(env)._filtered_access("read")

    def _recognise(self, thread, partner):
        """Have the owner's mail with the address show the new contact."""
        self.env.flush_all()
        self.env.cr.execute(
            """
            UPDATE gmail_participant SET partner_id = %s
             WHERE partner_id IS NULL AND address_key = %s AND mailbox_id IN (
                   SELECT id FROM gmail_mailbox WHERE user_id = %s)
            """,
            [
                partner.id,
                address_key(partner.email_normalized),
                thread.sudo().mailbox_id.user_id.id,
            ],
        )
        self.env["gmail.participant"].invalidate_model()
