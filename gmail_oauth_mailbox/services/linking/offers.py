"""Asks owners before an act of somebody else shares more of their email."""

from collections import defaultdict
from datetime import datetime

from markupsafe import Markup

from odoo import SUPERUSER_ID
from odoo.tools import SQL

from ...lib.exclusion import PatternError, stored_pattern
from ...lib.mime.addresses import address_key, domain_of
from ...lib.rules import consent, sharing
from ..partner_keys import key_sql, matching, with_domain
from .sharing import NAMED, own_level

# What res_partner says of the addresses of contacts, and of the domains of companies.
# ``moment`` is when the snapshot was last compared as a whole. Odoo itself (``root``)
# writes into contacts that users write, and is no actor.
ADDRESSES = """
    SELECT 'address:' || k.key AS key,
           string_agg(DISTINCT concat_ws('/', p.id, COALESCE(p.company_id, 0),
                                         COALESCE(p.commercial_partner_id, 0),
                                         p.gmail_is_private IS TRUE), ',')
               AS signature,
           CASE WHEN count(DISTINCT u.uid) = 1 THEN min(u.uid) END AS actor
      FROM res_partner p
CROSS JOIN LATERAL (SELECT %(key)s AS key) k
 LEFT JOIN LATERAL (
           SELECT p.write_uid AS uid WHERE p.write_date >= %(moment)s
            UNION ALL
           SELECT p.create_uid WHERE p.create_date >= %(moment)s) u
        ON u.uid <> %(root)s
     WHERE p.active AND p.partner_share AND p.email_normalized <> ''
       AND length(p.email_normalized) <= 320 AND k.key <> '' AND %(addresses)s
     GROUP BY k.key
"""
DOMAINS = """
    SELECT 'domain:' || split_part(k.key, '@', 2) AS key,
           string_agg(DISTINCT concat_ws('/', c.id, COALESCE(c.company_id, 0)), ',')
               AS signature,
           CASE WHEN count(DISTINCT u.uid) = 1 THEN min(u.uid) END AS actor
      FROM res_partner p
      JOIN res_partner c ON c.id = p.commercial_partner_id
                        AND c.is_company AND c.active
CROSS JOIN LATERAL (SELECT %(key)s AS key) k
 LEFT JOIN LATERAL (
           SELECT p.write_uid AS uid WHERE p.write_date >= %(moment)s
            UNION ALL
           SELECT p.create_uid WHERE p.create_date >= %(moment)s
            UNION ALL
           SELECT c.write_uid WHERE c.write_date >= %(moment)s
            UNION ALL
           SELECT c.create_uid WHERE c.create_date >= %(moment)s) u
        ON u.uid <> %(root)s
     WHERE p.active AND p.email_normalized <> '' AND k.key <> '' AND %(domains)s
     GROUP BY split_part(k.key, '@', 2)
"""
COMPARED = "compared"
# Of the moment itself, not of when the transaction began.
CLOCK = "clock_timestamp() AT TIME ZONE 'UTC'"


class Offers:
    """Keeps the snapshot of ways, and the offers to owners.

    :param env_su: superuser environment
    """

    def __init__(self, env_su):
        self.env = env_su

    # ------------------------------------------------------------------
    # The snapshot
    # ------------------------------------------------------------------

    def compare(self, addresses=None, actor=None):
        """Bring the snapshot of contacts, companies and own domains up to date.

        :param addresses: only these and their domains, or None for all
        :param actor: user whose act is compared, or None when contacts are to tell
        """
        self.env.flush_all()
        self.env.cr.execute("SELECT since FROM gmail_way WHERE key = %s", [COMPARED])
        row = self.env.cr.fetchone()
        moment = (row and row[0]) or datetime(1970, 1, 1)
        of_addresses = of_domains = SQL("TRUE")
        if addresses is not None:
            addresses = {address_key(address) for address in addresses} - {""}
            of_addresses = SQL(
                "%s AND k.key = ANY(%s)", matching(addresses), sorted(addresses)
            )
            of_domains = with_domain({a.rpartition("@")[2] for a in addresses})
        key = key_sql(self.env)
        self._compare_with(
            SQL(
                ADDRESSES,
                key=key,
                moment=moment,
                addresses=of_addresses,
                root=SUPERUSER_ID,
            ),
            [f"address:{a}" for a in addresses] if addresses is not None else None,
            "address:",
            actor,
        )
        self._compare_with(
            SQL(DOMAINS, key=key, moment=moment, domains=of_domains, root=SUPERUSER_ID),
            None
            if addresses is None
            else sorted({f"domain:{a.rpartition('@')[2]}" for a in addresses}),
            "domain:",
            actor,
        )
        if addresses is None:
            self._compare_own_domains(actor)
            # Rows of transactions that began later are newer.
            self._note(COMPARED, "", SQL("now() AT TIME ZONE 'UTC'"), None)
        self.env["gmail.way"].invalidate_model()

    def _compare_with(self, current, keys, prefix, actor):
        scope = (
            SQL("w.key = ANY(%s)", keys)
            if keys is not None
            else SQL("starts_with(w.key, %s)", prefix)
        )
        self.env.cr.execute(
            SQL(
                """
                WITH current AS MATERIALIZED (%(current)s),
                     gone AS (
                         DELETE FROM gmail_way w
                          WHERE %(scope)s AND NOT EXISTS (
                                SELECT FROM current c WHERE c.key = w.key))
                INSERT INTO gmail_way (key, signature, since, actor_id)
                SELECT key, signature, clock_timestamp() AT TIME ZONE 'UTC',
                       COALESCE(%(actor)s, actor)
                  FROM current
                 -- All workers lock rows in one order.
                 ORDER BY key
                    ON CONFLICT (key)
                    DO UPDATE SET signature = EXCLUDED.signature,
                                  since = EXCLUDED.since,
                                  actor_id = EXCLUDED.actor_id
                        WHERE gmail_way.signature <> EXCLUDED.signature
                """,
                current=current,
                scope=scope,
                actor=actor and actor.id,
            )
        )

    def _compare_own_domains(self, actor):
        """Note which domains are no longer the company's own: email with them isn't
        internal any more."""
        own = sorted(f"own:{d}" for d in self.env["gmail.linker"]._own_domains())
        self.env.cr.execute(
            SQL(
                """
                UPDATE gmail_way SET signature = 'released', since = %s, actor_id = %s
                 WHERE starts_with(key, 'own:') AND signature = 'own'
                   AND key <> ALL(%s)
                """,
                SQL(CLOCK),
                actor and actor.id,
                own,
            )
        )
        self.env.cr.execute(
            """
            INSERT INTO gmail_way (key, signature) SELECT x, 'own' FROM unnest(%s) AS x
                ON CONFLICT (key) DO UPDATE
                       SET signature = 'own', since = NULL, actor_id = NULL
                     WHERE gmail_way.signature <> 'own'
            """,
            [own],
        )

    def note_act(self, key, signature, actor):
        """Note that a user's act just made a way lead somewhere."""
        self._note(key, signature, SQL(CLOCK), actor)
        self.env["gmail.way"].invalidate_model()

    def forget(self, key):
        """Forget a way that leads nowhere any more."""
        self.env.cr.execute("DELETE FROM gmail_way WHERE key = %s", [key])
        self.env["gmail.way"].invalidate_model()

    def _note(self, key, signature, since, actor):
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO gmail_way (key, signature, since, actor_id)
                VALUES (%s, %s, %s, %s)
                    ON CONFLICT (key)
                    DO UPDATE SET signature = EXCLUDED.signature,
                                  since = EXCLUDED.since, actor_id = EXCLUDED.actor_id
                """,
                key,
                signature,
                since,
                actor and actor.id,
            )
        )

    def _compare_records(self, documents):
        """Note the companies of records that emails are linked to by hand or by an
        answer; return {(model, id): key}."""
        found = {}
        for model, res_id in documents:
            record = self.env[model].browse(res_id)
            if "company_id" not in record._fields or not record.exists():
                continue
            key = found[model, res_id] = f"record:{model},{res_id}"
            self.env.cr.execute(
                """
                INSERT INTO gmail_way (key, signature) VALUES (%(key)s, %(company)s)
                    ON CONFLICT (key)
                    DO UPDATE SET signature = EXCLUDED.signature,
                                  since = clock_timestamp() AT TIME ZONE 'UTC',
                                  actor_id = %(actor)s
                        WHERE gmail_way.signature <> EXCLUDED.signature
                """,
                {
                    "key": key,
                    "company": str(record.company_id.id or 0),
                    "actor": record.write_uid.id or None,
                },
            )
        return found

    # ------------------------------------------------------------------
    # Asking
    # ------------------------------------------------------------------

    def check(self, mailbox, links):
        """Return the offers that keep links of messages from being shared.

        :param links: {(message id, record): values of gmail.filing}
        :return: {(message id, record): id of gmail.offer}, of those that are kept
        """
        wanted = self._shared(mailbox, links)
        if not wanted:
            return {}
        messages = self.env["gmail.message"].browse({number for number, _r in wanted})
        records = self._compare_records(
            {record for (_n, record), link in wanted.items() if not link["way"]}
        )
        general = self._general_ways()
        keys = {
            place: [
                key
                for key in (
                    link["way"] or records.get(place[1]),
                    *self._general_keys(messages.browse(place[0]), general),
                )
                if key
            ]
            for place, link in wanted.items()
        }
        ways = self._ways({key for of_place in keys.values() for key in of_place})
        offers = self._offers(mailbox, ways)
        mailbox_chosen = self._chosen_at(mailbox)
        found, asked = {}, defaultdict(list)
        for place, of_place in keys.items():
            message = messages.browse(place[0])
            chosen = [mailbox_chosen, message.thread_id.sharing_chosen_at]
            chosen_at = max(filter(None, chosen), default=None)
            for key in of_place:
                offer = offers.get(key)
                answer = offer and consent.Answer(offer.state, offer.answered_at)
                decision = consent.decide(
                    ways.get(key), mailbox.user_id.id, chosen_at, answer
                )
                if decision == consent.ASK:
                    asked[key].append(place)
                elif decision == consent.CLOSED:
                    found.setdefault(place, offer.id)
        for key, places in asked.items():
            offer = self._ask(mailbox, key, ways[key], offers.get(key))
            for place in places:
                found.setdefault(place, offer.id)
        return found

    def note_choice(self, mailbox):
        """Note that a mailbox's owner has chosen how much to share. It isn't a column
        of the mailbox, whose row the sync writes."""
        self.note_act(f"chosen:{mailbox.id}", "", mailbox.user_id)

    def _chosen_at(self, mailbox):
        ways = self.env["gmail.way"]
        return ways.search([("key", "=", f"chosen:{mailbox.id}")]).since

    def _shared(self, mailbox, links):
        """Return the links that would share something of their message."""
        limit = self.env["gmail.setup"]._sharing_ceiling()
        levels, found = {}, {}
        for place, link in links.items():
            if link["kind"] != "note" or link["is_wanted"]:
                continue
            message = self.env["gmail.message"].browse(place[0])
            if place[0] not in levels:
                levels[place[0]] = sharing.capped(own_level(message), limit)
            if sharing.rank(levels[place[0]]) > sharing.rank(False):
                found[place] = link
        return found

    def _general_ways(self):
        """Return (released own domains, {withdrawn exclusion: (pattern, user id)})."""
        self.env.cr.execute(
            """
            SELECT key, signature FROM gmail_way
             WHERE split_part(key, ':', 1) IN ('own', 'exclusion')
               AND (signature = 'released' OR starts_with(key, 'exclusion:'))
            """
        )
        domains, exclusions = set(), {}
        for key, signature in self.env.cr.fetchall():
            kind, _colon, value = key.partition(":")
            if kind == "own":
                domains.add(value)
                continue
            try:
                exclusions[key] = (stored_pattern(value), int(signature or 0))
            except PatternError:
                continue
        return domains, exclusions

    def _general_keys(self, message, general):
        """Return the keys of what was lifted that had kept a message from sharing."""
        domains, exclusions = general
        if not domains and not exclusions:
            return []
        people = message.participant_ids
        named = people.filtered(lambda p: p.role in NAMED).mapped("address")
        found = []
        own = self.env["gmail.linker"]._own_domains() if domains else set()
        released = set(map(domain_of, named)) - own
        if released and released <= domains:
            found += [f"own:{domain}" for domain in sorted(released)]
        owner = message.mailbox_id.user_id.id
        for key, (pattern, user) in exclusions.items():
            if user in (0, owner) and any(
                map(pattern.matches, people.mapped("address"))
            ):
                found.append(key)
        return found

    def _ways(self, keys):
        rows = self.env["gmail.way"].search([("key", "in", list(keys))])
        return {
            row.key: consent.Way(row.since or None, row.actor_id.id or None)
            for row in rows
        }

    def _offers(self, mailbox, keys):
        rows = self.env["gmail.offer"].search(
            [("mailbox_id", "=", mailbox.id), ("way", "in", list(keys))]
        )
        return {row.way: row for row in rows}

    def _ask(self, mailbox, key, way, offer=None):
        """Offer a way to the owner of a mailbox; return the gmail.offer."""
        kind, _colon, value = key.partition(":")
        is_repeated = bool(offer and offer.state == "accepted")
        values = {"actor_id": way.actor, "state": "asked", "is_repeated": is_repeated}
        if offer:
            offer.write(values)
        else:
            offer = self.env["gmail.offer"].create(
                {
                    **values,
                    "mailbox_id": mailbox.id,
                    "way": key,
                    "kind": kind,
                    "name": self._name(kind, value),
                }
            )
        self._stamp(offer)
        self._remind(offer)
        return offer

    def _stamp(self, offer):
        """Note that an offer was made or answered now."""
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                "UPDATE gmail_offer SET answered_at = %s WHERE id = %s",
                SQL(CLOCK),
                offer.id,
            )
        )
        offer.invalidate_recordset(["answered_at"])

    def _name(self, kind, value):
        if kind == "rule":
            rule = self.env["gmail.link.rule"].browse(int(value)).exists()
            return rule.name or value
        return value

    def offer_limit(self, mailbox, level, actor):
        """Offer an owner the level that they had before a limit lowered it."""
        key = f"limit:{level}"
        offer = self._offers(mailbox, [key]).get(key)
        way = consent.Way(actor=actor.id)
        return self._ask(mailbox, key, way, offer)

    def _remind(self, offer):
        """Give the owner an activity for an offer."""
        if offer.activity_id:
            return
        owner = offer.mailbox_id.user_id
        words = offer.with_context(lang=owner.lang)
        # The owner finds it in Odoo; an email about it would name the address.
        activities = self.env["mail.activity"].with_context(
            mail_activity_quick_update=True
        )
        offer.activity_id = activities.create(
            {
                "user_id": owner.id,
                "activity_type_id": self.env.ref("mail.mail_activity_data_todo").id,
                "automated": True,
                "res_model_id": self.env["ir.model"]._get_id(offer._name),
                "res_id": offer.id,
                "summary": self.summary(words),
                "note": Markup("<p>{}</p>").format(self.reason(words)),
            }
        )

    # ------------------------------------------------------------------
    # Answering
    # ------------------------------------------------------------------

    def answer(self, offers, state):
        """Note what owners answer, and have the emails that waited linked again."""
        for offer in offers:
            offer.activity_id.unlink()
            offer.write({"state": state})
            self._stamp(offer)
            if offer.kind == "limit":
                mailbox = offer.mailbox_id
                if state == "accepted":
                    limit = self.env["gmail.setup"]._sharing_ceiling()
                    level = offer.way.partition(":")[2]
                    mailbox.sharing_level = sharing.capped(level, limit)
                mailbox.sharing_before_limit = False
                continue
            self.env.flush_all()
            self.env.cr.execute(
                """
                INSERT INTO gmail_pending (mailbox_id, message_id, is_new)
                SELECT DISTINCT f.mailbox_id, f.message_id, false
                  FROM gmail_filing f WHERE f.offer_id = %s
                """,
                [offer.id],
            )

    # ------------------------------------------------------------------
    # Texts
    # ------------------------------------------------------------------

    def summary(self, offer):
        """Return the question of an offer."""
        if offer.kind == "limit":
            return offer.env._("Let colleagues read more of your emails?")
        if offer.kind == "record":
            return offer.env._(
                "Let colleagues read your emails on a record that was moved?"
            )
        if offer.kind == "rule":
            return offer.env._(
                'Let colleagues read your emails with "%s" in the subject?', offer.name
            )
        return offer.env._("Let colleagues read your emails with %s?", offer.name)

    def answered(self, offer):
        """Return the sentence that confirms an answer."""
        name = offer.name or ""
        if offer.state == "accepted":
            if offer.kind in ("limit", "record"):
                return offer.env._("Colleagues can read these emails now.")
            return offer.env._("Colleagues can read your emails with %s now.", name)
        if offer.kind in ("limit", "record"):
            return offer.env._("These emails stay private.")
        return offer.env._("Your emails with %s stay private.", name)

    def reason(self, offer):
        """Return what happened, and what no answer means."""
        who = offer.sudo().actor_id.name or offer.env._("Another user")
        name = offer.name or ""
        happened = {
            "address": offer.env._(
                "%(who)s added or changed a contact with %(name)s.", who=who, name=name
            ),
            "domain": offer.env._(
                "%(who)s changed the company of the domain %(name)s.",
                who=who,
                name=name,
            ),
            "rule": offer.env._(
                '%(who)s changed the subject rule "%(name)s".', who=who, name=name
            ),
            "own": offer.env._(
                "%s no longer counts as a domain of your company.", name
            ),
            "exclusion": offer.env._("%s is no longer excluded.", name),
            "record": offer.env._("%s moved a record to another company.", who),
            "limit": offer.env._("%s raised the maximum sharing.", who),
        }[offer.kind]
        sentences = [happened]
        if offer.is_repeated:
            sentences.append(
                offer.env._(
                    "You agreed before, but the emails would reach more people."
                )
            )
        if offer.kind != "limit" and (level := self._level_name(offer)):
            sentences.append(
                offer.env._(
                    "If you agree, everyone with access to the record sees: %s.", level
                )
            )
        sentences.append(offer.env._("Nothing more is shared unless you agree."))
        return " ".join(sentences)

    def _level_name(self, offer):
        """Return the name of the level at which an offer's emails would be shared."""
        mailbox = offer.sudo().mailbox_id
        names = dict(offer.env["gmail.setup"]._sharing_choices())
        return names.get(mailbox.sharing_level)
