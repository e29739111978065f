from collections import Counter, defaultdict
from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL, groupby

from ..lib.domains import is_role, is_shared
from ..lib.mime.addresses import (
    GMAIL_DOMAINS,
    address_key,
    ascii_domain,
    domain_of,
    spellings,
)
from ..lib.rules import answers
from ..lib.subject_rule import parse_rule
from ..parsers import email_normalize_all
from .partner_keys import OUTSIDE, with_domain

# Messages of one mailbox that are filed in one transaction.
PAGE = 250
# References looked at, the newest, as Odoo does.
REFERENCES = 32
# What filing reads of a message; the texts stay in the database.
READ = (
    "mail_key",
    "thread_id",
    "message_id",
    "sent_message_id",
    "references",
    "in_reply_to",
    "subject",
    "date",
    "direction",
    "is_authentic",
    "is_bcc",
    "is_automated",
    "failed_recipients",
)
# Followers learn of an answer that is no older.
FRESH = timedelta(days=2)
# Where Gmail's own reports come from.
GOOGLE_DAEMONS = ("googlemail.com", "google.com")
# What Odoo sends to people outside.
SENT_TYPES = ("comment", "email_outgoing", "auto_comment")


class GmailLinker(models.AbstractModel):
    """Which documents a mail belongs to. Acts with the rights and the companies of the
    mailbox's owner: what she cannot read is neither linked nor hinted at.

    Knows nothing of Gmail, and of who may read the mail.
    """

    _name = "gmail.linker"
    _description = "Gmail Linker"

    # ------------------------------------------------------------------
    # Whose documents
    # ------------------------------------------------------------------

    @api.model
    def _as_owner(self, mailbox):
        """Return the environment of a mailbox's owner, in all her companies."""
        owner = mailbox.user_id
        return (
            self.env["res.users"]
            .with_user(owner)
            .with_context(allowed_company_ids=owner.company_ids.ids)
            .env
        )

    @api.model
    def _readable(self, env, documents):
        """Return those of (model, id) pairs that exist, have a chatter, and that the
        user of ``env`` may read."""
        found = set()
        for model, pairs in groupby(set(documents), lambda pair: pair[0]):
            if model not in env.registry:
                continue
            records = env[model]
            if (
                records._abstract
                or records._transient
                or not isinstance(records, env.registry["mail.thread"])
                or not records.has_access("read")
            ):
                continue
            records = records.browse(res_id for _m, res_id in pairs if res_id).exists()
            found |= {(model, r.id) for r in records._filtered_access("read")}
        return found

    @api.model
    def _internal(self, messages):
        """Return the ids of messages (sudo) on which all people are colleagues. Bcc
        changes nothing.

        Colleagues have an address of the company's domains, a mailbox, or their login:
        the email address of a user is what they write there.
        """
        domains = self._own_domains()
        others = {
            message.id: {
                address_key(p.address)
                for p in message.participant_ids
                if p.role != "bcc" and domain_of(p.address) not in domains
            }
            for message in messages
        }
        addresses = set().union(*others.values())
        colleagues = self._colleagues(addresses) if addresses else set()
        return {number for number, some in others.items() if some <= colleagues}

    @api.model
    def _colleagues(self, addresses=None):
        """Return the keys of mailboxes here and of logins of internal users.

        :param addresses: keys, to ask about these only, or None for all
        """
        keys = None if addresses is None else set(addresses)
        self.env.cr.execute(
            """
            SELECT lower(login) FROM res_users
             WHERE share IS NOT TRUE AND strpos(login, '@') > 0
               AND (%(some)s::text[] IS NULL OR lower(login) = ANY(%(some)s)
                    OR split_part(lower(login), '@', 2) = ANY(%(gmail)s)
                       AND replace(split_part(lower(login), '@', 1), '.', '')
                           = ANY(%(dotless)s))
             UNION
            SELECT lower(email) FROM gmail_mailbox
             WHERE %(some)s::text[] IS NULL OR lower(email) = ANY(%(some)s)
                OR split_part(lower(email), '@', 2) = ANY(%(gmail)s)
                   AND replace(split_part(lower(email), '@', 1), '.', '')
                       = ANY(%(dotless)s)
            """,
            {
                "some": None
                if keys is None
                else [spelled for key in keys for spelled in spellings(key)],
                "gmail": sorted(GMAIL_DOMAINS),
                "dotless": [
                    key.partition("@")[0]
                    for key in keys or ()
                    if domain_of(key) in GMAIL_DOMAINS
                ],
            },
        )
        found = {address_key(address) for (address,) in self.env.cr.fetchall()}
        return found if keys is None else found & keys

    @api.model
    def _keys_of_partners(self, partners):
        """Return {partner id: keys of the addresses that they write from}. Internal
        users write their own email address: they count by login and mailboxes.

        :param partners: ids of res.partner
        """
        self.env["res.partner"].flush_model(["email_normalized"])
        self.env["res.users"].flush_model(["login", "partner_id", "share"])
        self.env.cr.execute(
            """
            WITH colleagues AS (
                SELECT id, partner_id, login FROM res_users
                 WHERE partner_id = ANY(%(ids)s) AND share IS NOT TRUE)
            SELECT p.id, p.email_normalized FROM res_partner p
             WHERE p.id = ANY(%(ids)s) AND p.email_normalized IS NOT NULL
               AND p.id NOT IN (SELECT partner_id FROM colleagues)
             UNION
            SELECT partner_id, login FROM colleagues WHERE strpos(login, '@') > 0
             UNION
            SELECT c.partner_id, concat_ws(' ', b.email, b.alias_addresses)
              FROM colleagues c JOIN gmail_mailbox b ON b.user_id = c.id
            """,
            {"ids": list(partners)},
        )
        found = defaultdict(set)
        for partner, addresses in self.env.cr.fetchall():
            found[partner] |= set(map(address_key, addresses.lower().split())) - {""}
        return found

    @api.model
    def _note_internal(self, messages):
        """Note on the filings of messages (sudo) which are among colleagues. It stays
        noted: what was internal isn't shared because a colleague or a domain goes."""
        self.env.cr.execute(
            """
            UPDATE gmail_filing SET is_internal = true
             WHERE message_id = ANY(%s) AND is_internal IS NOT TRUE
            """,
            [list(self._internal(messages))],
        )
        if self.env.cr.rowcount:
            self.env["gmail.filing"].invalidate_model(["is_internal"])

    @api.model
    def _people_of_document(self, document, with_posts=True):
        """Return the keys of the addresses of those who take part in a document:
        followers, the customer, and who wrote or was written to in its chatter.

        :param with_posts: also those who take part by the chatter alone
        """
        model, res_id = document
        record = self.env[model].sudo().browse(res_id)
        partners = record.message_partner_ids
        if hasattr(record, "_mail_get_partners"):
            partners |= record._mail_get_partners()[record.id]
        if model == "res.partner":
            partners |= record
        people = set(partners.ids)
        if with_posts:
            self.env.cr.execute(
                """
                SELECT m.author_id
                  FROM mail_message m
                 WHERE m.model = %(model)s AND m.res_id = %(id)s
                   AND m.message_type IN ('comment', 'email')
                   AND m.is_internal IS NOT TRUE AND m.author_id IS NOT NULL
                 UNION
                SELECT n.res_partner_id
                  FROM mail_message m
                  JOIN mail_notification n ON n.mail_message_id = m.id
                 WHERE m.model = %(model)s AND m.res_id = %(id)s
                   AND m.is_internal IS NOT TRUE AND n.res_partner_id IS NOT NULL
                """,
                {"model": model, "id": res_id},
            )
            people.update(partner for (partner,) in self.env.cr.fetchall())
        found = set().union(*self._keys_of_partners(people).values())
        return found | self._primary_keys(record, partners)

    def _primary_keys(self, record, partners):
        """Return the keys of a record's own email address, unless it follows what an
        internal user writes as theirs.

        :param partners: the record's followers and contacts
        """
        primary = getattr(record, "_primary_email", None)
        if record._name == "res.partner" or primary not in record._fields:
            return set()
        colleagues = partners.with_context(active_test=False).filtered(
            lambda p: p.user_ids.filtered(lambda user: not user.share)
        )
        written = set(colleagues.mapped("email_normalized"))
        addresses = set(email_normalize_all(record[primary] or "")) - written
        return set(map(address_key, addresses))

    @api.model
    def _own_domains(self):
        """Return the domains that are the company's own, in ASCII."""
        domains = set(self.env["gmail.setup"]._own_domains())
        # One user's account at a customer's makes no domain the company's.
        self.env.cr.execute(
            """
            SELECT domain
              FROM (SELECT lower(split_part(b.email, '@', 2)) AS domain,
                           count(DISTINCT b.user_id) > 1
                           OR bool_or(lower(split_part(u.login, '@', 2))
                                      = lower(split_part(b.email, '@', 2)))
                               AS is_sure
                      FROM gmail_mailbox b JOIN res_users u ON u.id = b.user_id
                     GROUP BY 1) d
             WHERE is_sure
                OR NOT EXISTS (
                   SELECT FROM res_partner p
                    WHERE split_part(p.email_normalized, '@', 2) = d.domain
                      AND p.partner_share AND p.active
                      AND NOT EXISTS (SELECT FROM res_company c
                                       WHERE c.partner_id = p.id))
            """
        )
        domains.update(d for (d,) in self.env.cr.fetchall() if not is_shared(d))
        self.env.cr.execute("SELECT lower(name) FROM mail_alias_domain")
        domains.update(domain for (domain,) in self.env.cr.fetchall())
        return set(map(ascii_domain, domains)) - {""}

    @api.model
    def _is_company_domain(self, address, own_domains):
        domain = domain_of(address)
        return not (is_shared(domain) or domain in own_domains or is_role(address))

    @api.model
    def _companies(self, env, domains):
        """Return {domain: company} where exactly one company that the user may read
        has contacts of that domain."""
        if not domains:
            return {}
        self.env.cr.execute(
            SQL(
                """
                SELECT DISTINCT split_part(p.email_normalized, '@', 2),
                       p.commercial_partner_id
                  FROM res_partner p
                  JOIN res_partner c ON c.id = p.commercial_partner_id
                                    AND c.is_company AND c.active
                 WHERE %s AND p.active AND %s
                """,
                with_domain(domains),
                OUTSIDE,
            )
        )
        found = defaultdict(list)
        rows = {(ascii_domain(d), c) for d, c in self.env.cr.fetchall()}
        readable = self._readable(env, [("res.partner", c) for _d, c in rows])
        for domain, company in rows:
            if ("res.partner", company) in readable:
                found[domain].append(company)
        return {
            domain: companies[0]
            for domain, companies in found.items()
            if len(companies) == 1
        }

    # ------------------------------------------------------------------
    # Filing
    # ------------------------------------------------------------------

    @api.model
    def _file(self, mailbox, messages, is_new):
        """File messages of one mailbox, and say which mails are to be shared anew.

        :param messages: gmail.message (sudo)
        :param is_new: ids of those that came as new mail
        """
        messages.fetch(READ)
        messages = messages.filtered("mail_key").sorted(lambda m: (m.date, m.id))
        page = _Page(self, mailbox, messages)
        for message in messages:
            if message.failed_recipients:
                page.bounce(message)
            elif message.id not in page.echoes:
                page.link(message, message.id in is_new)
        linking = self.env["gmail.linking"]
        for place, offer in linking._check_offers(mailbox, page.filings).items():
            page.filings[place]["offer_id"] = offer
        page.reached(messages.filtered(lambda m: m.id in is_new))
        self._store_links(mailbox, page.links.values())
        self._store_filings(mailbox, page.filings.values())
        linking._restore_private(messages)
        linking._record_messages(mailbox, SQL("m.id = ANY(%s)", messages.ids))
        linking._enqueue(set(messages.mapped("mail_key")), mailbox)

    @api.model
    def _relink(self, message, document, entry):
        """Link a copy that was imported again to the document that still shows it.

        :param message: gmail.message (sudo)
        :param entry: gmail.entry (sudo) that an earlier copy left
        """
        place = {
            "thread_id": message.thread_id.id,
            "res_model": document[0],
            "res_id": document[1],
        }
        self._store_links(
            message.mailbox_id,
            [
                {
                    **place,
                    "state": "linked",
                    "origin": "hand",
                    "reason": None,
                    "way": None,
                }
            ],
        )
        filing = {
            **place,
            "message_id": message.id,
            "kind": entry.kind,
            "is_wanted": entry.is_wanted,
            "notify": False,
            "parent_id": entry.mail_message_id.parent_id.id or None,
            "offer_id": None,
        }
        self._store_filings(message.mailbox_id, [filing])

    @api.model
    def _store_links(self, mailbox, links):
        """Insert links; what its owner decided stays.

        :param links: dicts with thread_id, res_model, res_id, state, origin, reason
        """
        for link in links:
            self.env.cr.execute(
                """
                INSERT INTO gmail_link (mailbox_id, thread_id, res_model, res_id, state,
                            origin, reason, way, create_uid, write_uid, create_date,
                            write_date)
                VALUES (%(mailbox)s, %(thread_id)s, %(res_model)s, %(res_id)s,
                        %(state)s, %(origin)s, %(reason)s, %(way)s, %(uid)s, %(uid)s,
                        now() AT TIME ZONE 'UTC', now() AT TIME ZONE 'UTC')
                    ON CONFLICT (thread_id, res_model, res_id)
                    DO UPDATE SET state = EXCLUDED.state, origin = EXCLUDED.origin,
                                  reason = EXCLUDED.reason, way = EXCLUDED.way
                        WHERE gmail_link.state = 'suggested'
                          AND EXCLUDED.state = 'linked'
                """,
                {**link, "mailbox": mailbox.id, "uid": self.env.uid},
            )
        self.env["gmail.link"].invalidate_model()

    @api.model
    def _store_filings(self, mailbox, filings):
        """Insert filings; of two for one message and document, the one that says more
        stays.

        :param filings: dicts with message_id, res_model, res_id, kind, is_wanted,
            notify, parent_id, offer_id
        """
        for filing in filings:
            self.env.cr.execute(
                """
                INSERT INTO gmail_filing (message_id, mailbox_id, res_model, res_id,
                            kind, is_wanted, notify, parent_id, offer_id)
                VALUES (%(message_id)s, %(mailbox)s, %(res_model)s, %(res_id)s,
                        %(kind)s, %(is_wanted)s, %(notify)s, %(parent_id)s,
                        %(offer_id)s)
                    ON CONFLICT (message_id, res_model, res_id)
                    DO UPDATE SET kind = EXCLUDED.kind,
                                  is_wanted = EXCLUDED.is_wanted,
                                  notify = EXCLUDED.notify,
                                  parent_id = EXCLUDED.parent_id,
                                  offer_id = EXCLUDED.offer_id
                        WHERE gmail_filing.kind = 'note'
                          AND (EXCLUDED.kind <> 'note'
                               OR gmail_filing.offer_id IS NOT NULL)
                """,
                {**filing, "mailbox": mailbox.id},
            )
        self.env["gmail.filing"].invalidate_model()
        ids = {filing["message_id"] for filing in filings}
        self._note_internal(self.env["gmail.message"].sudo().browse(ids))


def _answered_id(message):
    return answers.answered_id(message.in_reply_to, message.references)


class _Page:
    """One run over messages of a mailbox: what is asked of the database at once, and
    what is to be written at the end.

    :ivar echoes: ids of Odoo's own notifications that came back
    :ivar links: {(thread id, document): values of gmail.link}
    :ivar filings: {(message id, document): values of gmail.filing}
    """

    def __init__(self, linker, mailbox, messages):
        self.linker, self.env = linker, linker.env
        self.owner = linker._as_owner(mailbox)
        self.mailbox = mailbox
        self.links, self.filings = {}, {}
        self._own, self._are_outside = None, {}
        self.people = defaultdict(lambda: defaultdict(list))
        for participant in messages.participant_ids:
            key = participant.address_key or participant.address
            row = (key, participant.partner_id.id)
            self.people[participant.message_id.id][participant.role].append(row)
        self._read_odoo_mail(messages)
        self._compare_ways()
        self._read_partners(messages)
        self._read_threads(messages)
        self._rules = [
            (f"rule:{rule.id}", parse_rule(rule.name), rule.model_id.model)
            for rule in self.env["gmail.link.rule"].sudo().search([])
            if rule.model_id.model in self.env.registry
        ]
        self._of_documents, self._emails = {}, {}

    # -- what is asked at once ------------------------------------------

    def _read_odoo_mail(self, messages):
        """Look up which ids are Odoo's own mails, also under Gmail's ids."""
        named = {}
        for message in messages:
            ids = (message.references or "").split()[-REFERENCES:]
            ids.append(message.in_reply_to or "")
            named[message.id] = [i for i in dict.fromkeys(reversed(ids)) if i]
        wanted = {i for ids in named.values() for i in ids}
        wanted.update(filter(None, messages.mapped("message_id")))
        self.env.cr.execute(
            """
            SELECT message_id, sent_message_id FROM gmail_message
             WHERE message_id = ANY(%s) AND sent_message_id IS NOT NULL
            """,
            [list(wanted)],
        )
        real = dict(self.env.cr.fetchall())
        self.held = self._read_held(wanted)
        wanted.update(real.values())
        wanted.update(filter(None, messages.mapped("sent_message_id")))
        wanted.update(filter(None, self.held.mapped("sent_message_id")))
        mails = self.env["mail.message"].sudo()
        mails = mails.search([("message_id", "in", list(wanted))], order="id")
        if mails:
            handed_in = self.env["gmail.handed.in"].sudo()
            # Nobody wrote these who is said to have.
            mails -= handed_in.search(
                [("mail_message_id", "in", mails.ids)]
            ).mail_message_id
        by_id = {}
        for mail in mails:
            # The first one has it from Odoo.
            by_id.setdefault(mail.message_id, mail)
        self.sent = {m.id: by_id.get(m.sent_message_id) for m in messages}
        self.echoes = {
            m.id
            for m in messages
            if not self.sent[m.id]
            and (mail := by_id.get(real.get(m.message_id)) or by_id.get(m.message_id))
            and mail.message_type != "email"
            and self._is_of_ours(m)
        }
        parents = {parent for of in self._filed.values() for _k, parent in of.values()}
        of_answers = mails.browse(parents - {None}).exists()
        self.by_number = {mail.id: mail for mail in mails | of_answers}
        for held in self.held:
            if sent := by_id.get(held.sent_message_id):
                self._name_sent(held.id, sent.id)
        self.by_message_id = {
            i: mail
            for i in wanted
            if (mail := by_id.get(real.get(i)) or by_id.get(i)) and self._was_sent(mail)
        }
        self.answered = {
            message_id: [
                mail for i in ids if (mail := self.by_message_id.get(i)) is not None
            ]
            for message_id, ids in named.items()
        }
        documents = {
            (mail.model, mail.res_id)
            for mail in mails | of_answers
            if mail.model and mail.res_id and mail.model != "discuss.channel"
        }
        self.readable = self.linker._readable(self.owner, documents)

    def _read_held(self, ids):
        """Return the mailbox's emails (gmail.message, sudo) with some Message-IDs, and
        look up where they are linked."""
        held = self.env["gmail.message"].sudo()
        held = held.search_fetch(
            [("mailbox_id", "=", self.mailbox.id), ("message_id", "in", list(ids))],
            READ,
        )
        self._held_at, self._filed = defaultdict(list), defaultdict(dict)
        for message in held:
            self._held_at[message.message_id].append(message)
        filings = self.env["gmail.filing"].sudo()
        for filing in filings.search([("message_id", "in", held.ids)]):
            place = filing.kind, filing.parent_id or None
            self._filed[filing.message_id.id][filing.res_model, filing.res_id] = place
        return held

    def _name_sent(self, number, sent):
        """Note which of Odoo's emails it is that a mailbox sent.

        :param number: id of the gmail.message
        :param sent: id of the mail.message
        """
        for document, (kind, _parent) in self._filed[number].items():
            if kind == "sent":
                self._filed[number][document] = kind, sent

    def _was_sent(self, mail):
        """Whether a mail.message is an email that people outside can answer."""
        return (
            mail.model
            and mail.res_id
            and mail.message_type in SENT_TYPES
            and not mail.is_internal
            and not mail.subtype_id.internal
        )

    def _compare_ways(self):
        addresses = {
            address
            for people in self.people.values()
            for rows in people.values()
            for address, _partner in rows
        }
        self.env["gmail.linking"]._compare_ways(addresses)

    def _read_partners(self, messages):
        partners = {
            partner
            for people in self.people.values()
            for rows in people.values()
            for _address, partner in rows
            if partner
        }
        contacts = self.env["res.partner"].sudo().browse(partners)
        self.contacts = set(contacts.filtered("partner_share").ids)
        documents = [("res.partner", partner) for partner in self.contacts]
        self.readable |= self.linker._readable(self.owner, documents)
        own = self.linker._own_domains()
        unknown = {
            address
            for message in messages
            for address, partner in self._outside(message)
            if not partner and self.linker._is_company_domain(address, own)
        }
        domains = {address.rpartition("@")[2] for address in unknown}
        companies = self.linker._companies(self.owner, domains)
        self.companies = {
            address: companies.get(address.rpartition("@")[2]) for address in unknown
        }

    def _read_threads(self, messages):
        links = (
            self.env["gmail.link"]
            .sudo()
            .search([("thread_id", "in", messages.thread_id.ids)])
        )
        self.known, self.ways = {}, {}
        for link in links:
            place = (link.thread_id.id, (link.res_model, link.res_id))
            self.known[place] = link.state
            self.ways[place] = link.way or None
        documents = [(link.res_model, link.res_id) for link in links]
        self.readable |= self.linker._readable(self.owner, documents)
        self._talking = {}

    # -- one message -----------------------------------------------------

    def _is_of_ours(self, message):
        """Whether Odoo can have sent a message: a user can give a post of theirs the
        Message-ID of anyone's email, but not its sender."""
        own = self.linker._own_domains()
        if any(domain_of(address) in own for address in self._senders(message)):
            return True
        users = self.env["res.users"].sudo().with_context(active_test=False)
        return bool(
            users.search_count(
                [
                    # Users can change their own email address, not their login.
                    ("login", "in", self._written(message)),
                    ("share", "=", False),
                ],
                limit=1,
            )
        )

    def _outside(self, message):
        """Return (address, partner id) of those whom a message proves: who sent it,
        or whom the owner wrote to."""
        people = self.people[message.id]
        if not message.is_authentic:
            return []
        if message.direction == "out":
            return people["to"] + people["cc"]
        return people["from"]

    def link(self, message, is_new):
        """Find the documents of one message."""
        sent = self.sent[message.id]
        is_own = message.direction == "out" and message.is_authentic
        if sent and is_own and (sent.model, sent.res_id) in self.readable:
            self._add(message, (sent.model, sent.res_id), "sent", kind="sent")
        if not message.is_bcc:
            self._by_reference(message, is_new)
        for address, partner in self._outside(message):
            document = ("res.partner", partner)
            if partner in self.contacts and document in self.readable:
                self._add(message, document, "contact", way=f"address:{address}")
            elif company := self.companies.get(address):
                domain = address.rpartition("@")[2]
                document = ("res.partner", company)
                self._add(message, document, "company", way=f"domain:{domain}")
        self._by_rule(message)
        self._by_conversation(message)

    def bounce(self, message):
        """A report that a mail did not arrive belongs nowhere else: it stands in the
        conversation of that mail."""
        messages = self.env["gmail.message"].sudo()
        failed = self._failed(message)
        for mail in self.answered[message.id][:1] if failed else ():
            # What others sent is not for this mailbox to say.
            if messages.search_count(
                [
                    ("mailbox_id", "=", self.mailbox.id),
                    ("sent_message_id", "=", mail.message_id),
                ],
                limit=1,
            ):
                self.env["gmail.bounces"]._note(mail, failed)

    def _failed(self, message):
        """Return the addresses that a report may speak of: Google's of all, another
        server's of its own domain. Whoever got the mail knows its id."""
        # As it is written: Google's own reports aren't from gmail.com.
        domains = {domain_of(person.address) for person in self._from(message)}
        if not message.is_authentic:
            return []
        return [
            address
            for address in message.failed_recipients.split()
            if domains & {*GOOGLE_DAEMONS, domain_of(address)}
        ]

    def reached(self, messages):
        """Who writes themselves can be reached again. Only email that a record shows
        says so: others may read it there."""
        level_of = self.env["gmail.linking"]._level_of
        shown = {
            number
            for (number, _document), filing in self.filings.items()
            if not filing["offer_id"]
        }
        senders = {
            address
            for message in messages
            if message.is_authentic and not message.is_automated
            if message.id in shown and level_of(message) not in (False, "nobody")
            for address in self._written(message)
        }
        if senders:
            self.env["gmail.bounces"]._forget(senders)

    def _by_reference(self, message, is_new):
        """Link an email to the record whose email it answers. One that only names such
        an email is suggested there."""
        named = [
            mail
            for mail in self.answered[message.id]
            if (mail.model, mail.res_id) in self.readable
        ]
        found = self._find_answered(message)
        if found and found.record not in self.readable:
            found = None
        documents = [found.record] if found else []
        documents += [(mail.model, mail.res_id) for mail in named]
        if not documents:
            return
        [document, *_others] = documents
        if not message.is_authentic:
            self._suggest(message, document, "reply", "unverified")
        elif not found:
            self._suggest(message, document, "reply", "named")
        elif message.direction == "out":
            # The owner goes on in Gmail with what Odoo began.
            outside = self._outsiders(self._written_to(message))
            if answers.goes_on(found, outside, self._people(document)):
                self._add(message, document, "reply")
            else:
                self._suggest(message, document, "reply", "stranger")
        elif answers.is_answer(found, self._senders(message)):
            self._add_answer(message, found, is_new)
        else:
            self._suggest(message, document, "reply", "stranger")

    def _add_answer(self, message, email, is_new):
        mail = self.env["mail.message"].sudo().browse(email.id)
        fresh = message.date and message.date >= fields.Datetime.now() - FRESH
        self._add(
            message,
            email.record,
            "reply",
            kind="reply",
            is_wanted=mail.create_uid == self.mailbox.user_id,
            notify=bool(is_new and fresh and not message.is_automated),
            parent_id=mail.id,
        )

    # -- answers -----------------------------------------------------------

    def _find_answered(self, message):
        """Return the answers.Email that a message answers, or None."""
        answered = _answered_id(message)
        if not answered or not (self.by_message_id or self._held_at):
            return None
        ids = {answered, *(message.references or "").split()[-REFERENCES:]}
        if not any(i in self.by_message_id or self._leads_to_odoo(i) for i in ids):
            return None
        stored = {
            i: tuple(map(self._stored, self._held_at[i]))
            for i in ids
            if i in self._held_at
        }
        by_message_id = {
            i: self._email(self.by_message_id[i])
            for i in ids
            if i in self.by_message_id
        }
        return answers.find(answered, stored, by_message_id, self._emails)

    def _leads_to_odoo(self, message_id):
        """Whether an email of the mailbox answers one of Odoo's, or is one."""
        return any(
            kind in ("sent", "reply")
            for message in self._held_at.get(message_id, ())
            for kind, _parent in self._filed.get(message.id, {}).values()
        )

    def _stored(self, message):
        """Return an email of the mailbox as answers.Stored."""
        people = self._from(message).mapped("address")
        senders = frozenset(map(address_key, people))
        return answers.Stored(
            is_own=message.direction == "out" and bool(message.is_authentic),
            senders=senders,
            is_outside=bool(message.is_authentic)
            and self._outsiders(senders) == senders,
            answers=_answered_id(message),
            steps=tuple(self._steps(message)),
        )

    def _steps(self, message):
        """Yield where an email of the mailbox is linked, as answers.Step."""
        for document, (kind, number) in self._filed.get(message.id, {}).items():
            mail = self.by_number.get(number)
            email = self._email(mail) if mail and self._was_sent(mail) else None
            yield answers.Step(document, kind, email and email.id)

    def _email(self, mail):
        """Return an email of Odoo's (mail.message, sudo) as answers.Email."""
        if mail.id not in self._emails:
            self._emails[mail.id] = answers.Email(
                mail.id, (mail.model, mail.res_id), frozenset(self._recipients(mail))
            )
        return self._emails[mail.id]

    def _written_to(self, message):
        """Return the keys of the addresses in To and Cc."""
        people = self.people[message.id]
        return {key for role in ("to", "cc") for key, _partner in people[role]}

    def _outsiders(self, keys):
        """Return those of some keys that are no colleague's."""
        unknown = set(keys) - self._are_outside.keys()
        if unknown:
            if self._own is None:
                self._own = self.linker._own_domains()
            outside = {key for key in unknown if domain_of(key) not in self._own}
            outside -= self.linker._colleagues(outside) if outside else set()
            self._are_outside.update((key, key in outside) for key in unknown)
        return {key for key in keys if self._are_outside[key]}

    def _by_rule(self, message):
        for way, rule, model in self._rules:
            names = rule.find(message.subject or "")
            records = self.owner[model]
            if not names or not records.has_access("read") or not records._rec_name:
                continue
            spelled = [*names, *(name.upper() for name in names)]
            wanted = [(records._rec_name, "in", spelled)]
            # Also those that the owner can't read: a name must say one record.
            same = Counter(
                str(name).upper()
                for name in records.sudo().search(wanted).mapped(records._rec_name)
            )
            for record in records.search(wanted, limit=5):
                document = (model, record.id)
                if document not in self.linker._readable(self.owner, [document]):
                    continue
                if same[str(record[records._rec_name]).upper()] > 1:
                    self._suggest(message, document, "rule", "several")
                elif not message.is_authentic:
                    self._suggest(message, document, "rule", "unverified")
                elif message.direction == "out" or self._senders(
                    message
                ) & self._people(document):
                    self._add(message, document, "rule", way=way)
                else:
                    self._suggest(message, document, "rule", "stranger")

    def _by_conversation(self, message):
        """A message belongs where its conversation does, if its sender is known there:
        references alone can be forged."""
        thread = message.thread_id.id
        documents = [
            document
            for (of, document), state in self.known.items()
            if of == thread and state == "linked" and document in self.readable
        ]
        if not documents or not message.is_authentic:
            return
        for document in documents:
            if (
                message.direction == "out"
                or self._senders(message) & self._earlier(message, document)
                or self._senders(message) & self._people(document)
            ):
                way = self.ways.get((thread, document))
                self._add(message, document, None, way=way)

    # -- who ---------------------------------------------------------------

    def _earlier(self, message, document):
        """Return the addresses on earlier messages of the conversation, of those whose
        sender is beyond doubt: what the owner wrote, and what the document shows.
        Writing into the conversation alone makes no sender known."""
        thread = message.thread_id.id
        if thread not in self._talking:
            self.env.cr.execute(
                """
                SELECT m.id, m.date, m.direction = 'out', array_agg(p.address_key),
                       (SELECT array_agg(f.res_model || ',' || f.res_id)
                          FROM gmail_filing f WHERE f.message_id = m.id)
                  FROM gmail_message m
                  JOIN gmail_participant p ON p.message_id = m.id
                 WHERE m.thread_id = %s AND m.is_authentic AND m.date IS NOT NULL
                 GROUP BY m.id
                """,
                [thread],
            )
            self._talking[thread] = self.env.cr.fetchall()
        name = f"{document[0]},{document[1]}"
        return {
            address
            for number, date, is_out, addresses, shown_on in self._talking[thread]
            if message.date
            and date < message.date
            and (
                is_out or name in (shown_on or ()) or (number, document) in self.filings
            )
            for address in addresses
        }

    def _senders(self, message):
        """Return the keys of the addresses in From."""
        return {key for key, _partner in self.people[message.id]["from"]}

    def _written(self, message):
        """Return the addresses in From, in all spellings: for tables without keys."""
        people = self._from(message)
        return list({one for p in people for one in (p.address, *spellings(p.address))})

    def _from(self, message):
        return message.participant_ids.filtered(lambda p: p.role == "from")

    def _recipients(self, mail):
        """Return the keys of the addresses that Odoo sent a mail to."""
        sent = mail.notification_ids.filtered(
            lambda n: (
                n.notification_type == "email" and n.notification_status != "canceled"
            )
        )
        addresses = set(filter(None, sent.mapped("mail_email_address")))
        addresses.update(email_normalize_all(mail.outgoing_email_to or ""))
        found = set(map(address_key, addresses))
        partners = self.linker._keys_of_partners(sent.res_partner_id.ids)
        return found.union(*partners.values())

    def _people(self, document):
        if document not in self._of_documents:
            found = self.linker._people_of_document(document)
            self._of_documents[document] = found
        return self._of_documents[document]

    # -- what is found -----------------------------------------------------

    def _suggest(self, message, document, origin, reason):
        place = (message.thread_id.id, document)
        if place not in self.known and place not in self.links:
            self.links[place] = self._link(place, "suggested", origin, reason)

    def _add(
        self,
        message,
        document,
        origin,
        kind="note",
        is_wanted=False,
        notify=False,
        parent_id=None,
        way=None,
    ):
        """Link the conversation, and file the message."""
        place = (message.thread_id.id, document)
        if self.known.get(place) == "removed":
            return
        if origin:
            known = self.known.get(place) == "linked"
            way = way if not known else way and self.ways.get(place)
            self.links[place] = self._link(place, "linked", origin, None, way)
            self.known[place] = "linked"
            self.ways[place] = way
        if message.is_bcc:
            # Bcc copy: never show it on a record.
            return
        filing = (message.id, document)
        if kind != "note" or filing not in self.filings:
            self.filings[filing] = {
                "message_id": message.id,
                "res_model": document[0],
                "res_id": document[1],
                "kind": kind,
                "is_wanted": is_wanted,
                "notify": notify,
                "parent_id": parent_id,
                "way": way,
                "offer_id": None,
            }
            sent = kind == "sent" and self.sent[message.id].id
            self._filed[message.id][document] = kind, sent or parent_id
        elif not way:
            # What the owner linked themselves is shared whatever else leads there.
            self.filings[filing]["way"] = None

    def _link(self, place, state, origin, reason, way=None):
        thread, (model, res_id) = place
        return {
            "thread_id": thread,
            "res_model": model,
            "res_id": res_id,
            "state": state,
            "origin": origin,
            "reason": reason,
            "way": way,
        }
