"""Asks owners before an act of somebody else shares more of their email."""

from collections import defaultdict
from datetime import datetime

from markupsafe import Markup

from odoo import SUPERUSER_ID
from odoo.tools import SQL, groupby

from ... import plain
from ...lib.exclusion import PatternError, stored_pattern
from ...lib.mime.addresses import address_key, domain_of
from ...lib.rules import consent, sharing
from ..partner_keys import OUTSIDE, key_sql, matching, with_domain
from .sharing import NAMED, own_level

# What res_partner says of the addresses of contacts, and of the domains of companies,
# and whose act that is: of those who changed the contact, or a company above it, and of
# those who created it, when that was one user. ``moment`` is when the snapshot was last
# compared as a whole; a transaction that began before may have ended later. Odoo itself
# (``root``) creates contacts for users.
ACTS = """
    WITH RECURSIVE acts AS (
        SELECT res_id AS id, COALESCE(user_id, 0) AS uid FROM gmail_act
         WHERE res_model = 'res.partner' AND is_compared IS NOT TRUE
         UNION
        SELECT p.id, a.uid FROM res_partner p JOIN acts a ON p.parent_id = a.id)
"""
MADE = """
    CASE WHEN %(row)s.create_date >= %(moment)s - interval '1 hour'
              AND %(row)s.create_uid <> %(root)s
         THEN %(row)s.create_uid END
"""
ACTOR = """
    CASE WHEN min(LEAST(a.uid, %(made)s)) = max(GREATEST(a.uid, %(made)s))
         THEN NULLIF(min(LEAST(a.uid, %(made)s)), 0) END
"""
ADDRESSES = """
    %(acts)s
    SELECT 'address:' || k.key AS key,
           string_agg(DISTINCT concat_ws('/', p.id, COALESCE(p.company_id, 0),
                                         COALESCE(p.commercial_partner_id, 0),
                                         p.gmail_is_private IS TRUE), ',')
               AS signature,
           %(actor)s AS actor
      FROM res_partner p
CROSS JOIN LATERAL (SELECT %(key)s AS key) k
 LEFT JOIN acts a ON a.id = p.id
     WHERE p.active AND p.partner_share AND p.email_normalized <> ''
       AND length(p.email_normalized) <= 320 AND k.key <> '' AND %(addresses)s
     GROUP BY k.key
"""
DOMAINS = """
    %(acts)s
    SELECT 'domain:' || split_part(k.key, '@', 2) AS key,
           string_agg(DISTINCT concat_ws('/', c.id, COALESCE(c.company_id, 0)), ',')
               AS signature,
           %(actor)s AS actor
      FROM res_partner p
      JOIN res_partner c ON c.id = p.commercial_partner_id
                        AND c.is_company AND c.active
CROSS JOIN LATERAL (SELECT %(key)s AS key) k
 LEFT JOIN acts a ON a.id = p.id
     WHERE p.active AND p.email_normalized <> '' AND %(outside)s
       AND length(p.email_normalized) <= 320 AND k.key <> '' AND %(domains)s
     GROUP BY split_part(k.key, '@', 2)
"""
COMPARED = "compared"
# Of the moment itself, not of when the transaction began.
CLOCK = "clock_timestamp() AT TIME ZONE 'UTC'"

# Kinds of offers whose emails no name stands for.
UNNAMED = ("company", "record")


def _is_ruled(link):
    """Whether a subject rule made a link (values of gmail.filing)."""
    return (link["way"] or "").startswith("rule:")


def _senders(message):
    """Return the addresses in From of a gmail.message."""
    people = message.participant_ids.filtered(lambda p: p.role == "from")
    return set(map(address_key, people.mapped("address")))


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
        # The statements below see at least these acts.
        seen = self._fresh_acts() if addresses is None else []
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
        person, company = (
            SQL(MADE, row=SQL(row), moment=moment, root=SUPERUSER_ID) for row in "pc"
        )
        self._compare_with(
            SQL(
                ADDRESSES,
                key=key,
                acts=SQL(ACTS),
                actor=SQL(ACTOR, made=person),
                addresses=of_addresses,
            ),
            [f"address:{a}" for a in addresses] if addresses is not None else None,
            "address:",
            actor,
        )
        self._compare_with(
            SQL(
                DOMAINS,
                key=key,
                acts=SQL(ACTS),
                actor=SQL(ACTOR, made=SQL("%s, %s", person, company)),
                domains=of_domains,
                outside=OUTSIDE,
            ),
            None
            if addresses is None
            else sorted({f"domain:{a.rpartition('@')[2]}" for a in addresses}),
            "domain:",
            actor,
        )
        self.compare_own()
        if addresses is None:
            self.compare_companies()
            self._note_compared(seen)
            # Rows of transactions that began later are newer.
            self._note(COMPARED, "", SQL("now() AT TIME ZONE 'UTC'"), None)
        self.env["gmail.way"].invalidate_model()

    def _fresh_acts(self):
        """Return (id, moment) of the acts on contacts that were not compared."""
        self.env.cr.execute(
            "SELECT id, at FROM gmail_act"
            " WHERE res_model = 'res.partner' AND is_compared IS NOT TRUE"
        )
        return self.env.cr.fetchall()

    def _note_compared(self, acts):
        """Note that acts are in the snapshot, unless their user acted again."""
        if acts:
            self.env.cr.execute(
                """
                UPDATE gmail_act a SET is_compared = true
                  FROM unnest(%s::int[], %s::timestamp[]) AS x(id, at)
                 WHERE a.id = x.id AND a.at = x.at
                """,
                [list(column) for column in zip(*acts, strict=True)],
            )

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
                     -- It stays a way to ask about; ending it was no wider act.
                     gone AS (
                         UPDATE gmail_way w SET signature = ''
                          WHERE %(scope)s AND w.signature <> '' AND NOT EXISTS (
                                SELECT FROM current c WHERE c.key = w.key)
                      RETURNING w.key),
                     noted AS (
                         INSERT INTO gmail_way (key, signature, since, actor_id)
                         SELECT key, signature, clock_timestamp() AT TIME ZONE 'UTC',
                                COALESCE(%(actor)s, actor)
                           FROM current c
                          -- A row that stays as it is would be locked, too.
                          WHERE NOT EXISTS (SELECT FROM gmail_way w
                                             WHERE w.key = c.key
                                               AND w.signature = c.signature)
                          -- All workers lock rows in one order.
                          ORDER BY key
                             ON CONFLICT (key)
                             DO UPDATE SET signature = EXCLUDED.signature,
                                           since = EXCLUDED.since,
                                           actor_id = EXCLUDED.actor_id
                                 WHERE gmail_way.signature <> EXCLUDED.signature)
                SELECT key FROM gone
                """,
                current=current,
                scope=scope,
                actor=actor and actor.id,
            )
        )
        ended = {key.partition(":")[2] for (key,) in self.env.cr.fetchall()}
        if prefix == "address:":
            self._forget_ended(self.env["gmail.exclusions"]._erased(ended))

    def compare_own(self, actor=None):
        """Note which domains of the company's, and which addresses of colleagues, are
        so no longer: email with them isn't internal any more.

        :param actor: user whose act that is, or None
        """
        own = sorted(f"own:{x}" for x in self._own())
        self.env.cr.execute(
            SQL(
                """
                UPDATE gmail_way SET signature = 'released', since = %s, actor_id = %s
                 WHERE split_part(key, ':', 1) = 'own' AND signature = 'own'
                   AND key <> ALL(%s)
                """,
                SQL(CLOCK),
                actor and actor.id,
                own,
            )
        )
        self.env.cr.execute(
            """
            INSERT INTO gmail_way (key, signature)
            SELECT x, 'own' FROM unnest(%s::text[]) AS x
             WHERE NOT EXISTS (SELECT FROM gmail_way w
                                WHERE w.key = x AND w.signature = 'own')
                ON CONFLICT (key) DO UPDATE
                       SET signature = 'own', since = NULL, actor_id = NULL
                     WHERE gmail_way.signature <> 'own'
            """,
            [own],
        )
        self.env["gmail.way"].invalidate_model()

    def _own(self):
        """Return the company's own domains, and the colleagues' addresses outside."""
        linker = self.env["gmail.linker"]
        domains = linker._own_domains()
        return domains | {
            address
            for address in linker._colleagues()
            if address.rpartition("@")[2] not in domains
        }

    def compare_companies(self, users=None, actor=None):
        """Note which companies the owners of mailboxes have access to: the records of a
        company that they get later are reached by another user's act.

        :param users: only these, or None for all owners
        :param actor: user whose act that is, or None
        """
        self.env.flush_all()
        scope = SQL("TRUE") if users is None else SQL("u.id = ANY(%s)", users.ids)
        self.env.cr.execute(
            SQL(
                """
                WITH owners AS MATERIALIZED (
                         SELECT u.id, EXISTS (SELECT FROM gmail_way w
                                               WHERE w.key = 'companies:' || u.id)
                                      AS is_known
                           FROM res_users u
                          WHERE %(scope)s AND EXISTS (
                                SELECT FROM gmail_mailbox b WHERE b.user_id = u.id)),
                     gone AS (
                         UPDATE gmail_way w SET signature = ''
                           FROM owners o CROSS JOIN res_company c
                          WHERE w.key = concat_ws(':', 'company', o.id, c.id)
                            AND w.signature <> ''
                            AND NOT EXISTS (SELECT FROM res_company_users_rel r
                                             WHERE r.user_id = o.id AND r.cid = c.id)),
                     known AS (
                         INSERT INTO gmail_way (key, signature)
                         SELECT 'companies:' || id, '' FROM owners
                          WHERE NOT is_known ORDER BY id
                             ON CONFLICT (key) DO NOTHING)
                INSERT INTO gmail_way (key, signature, since, actor_id)
                SELECT concat_ws(':', 'company', o.id, r.cid), 'access',
                       CASE WHEN o.is_known THEN %(clock)s END, %(actor)s
                  FROM owners o JOIN res_company_users_rel r ON r.user_id = o.id
                 WHERE NOT EXISTS (SELECT FROM gmail_way w
                                    WHERE w.key = concat_ws(':', 'company', o.id, r.cid)
                                      AND w.signature = 'access')
                 ORDER BY 1
                    ON CONFLICT (key)
                    DO UPDATE SET signature = EXCLUDED.signature, since = %(clock)s,
                                  actor_id = EXCLUDED.actor_id
                        WHERE gmail_way.signature = ''
                """,
                scope=scope,
                clock=SQL(CLOCK),
                actor=actor and actor.id,
            )
        )
        self.env["gmail.way"].invalidate_model()

    def note_changed(self, records, user):
        """Note that a user changed where records lead emails.

        :param user: None when unknown
        """
        ids = list(set(records.ids))
        if user:
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO gmail_act (res_model, res_id, user_id, at, is_compared)
                    SELECT %s, x, %s, %s, false FROM unnest(%s) AS x ORDER BY x
                        ON CONFLICT (res_model, res_id, user_id)
                        DO UPDATE SET at = EXCLUDED.at, is_compared = false
                    """,
                    records._name,
                    user.id,
                    SQL(CLOCK),
                    ids,
                )
            )
        else:
            # Several may be unknown, of users who were deleted.
            self.env.cr.execute(
                SQL(
                    """
                    WITH again AS (
                        UPDATE gmail_act SET at = %(clock)s, is_compared = false
                         WHERE res_model = %(model)s AND res_id = ANY(%(ids)s)
                           AND user_id IS NULL
                     RETURNING res_id)
                    INSERT INTO gmail_act (res_model, res_id, at, is_compared)
                    SELECT %(model)s, x, %(clock)s, false
                      FROM unnest(%(ids)s::int[]) AS x
                     WHERE x NOT IN (SELECT res_id FROM again)
                     ORDER BY x
                    """,
                    clock=SQL(CLOCK),
                    model=records._name,
                    ids=ids,
                )
            )
        self.env["gmail.act"].invalidate_model()

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

    def forget_erased(self, address):
        """Forget that an address led somewhere once, and what its name stands in: it
        was erased. What still leads somewhere is asked about anew."""
        key = address_key(address)
        self._forget_ended({key})
        offers = self.env["gmail.offer"].search(
            [
                "|",
                ("way", "=", f"address:{key}"),
                "&",
                ("kind", "=", "exclusion"),
                ("name", "in", (address, key)),
            ]
        )
        # What later email of theirs waits for stays.
        offers -= (
            self.env["gmail.filing"].search([("offer_id", "in", offers.ids)]).offer_id
        )
        offers.activity_id.unlink()
        offers.unlink()

    def _forget_ended(self, keys):
        if keys:
            self.env.cr.execute(
                "DELETE FROM gmail_way WHERE key = ANY(%s) AND signature = ''",
                [[f"address:{key}" for key in sorted(keys)]],
            )
            self.env["gmail.way"].invalidate_model()

    # ------------------------------------------------------------------
    # Records and their companies
    # ------------------------------------------------------------------

    def _companies(self, documents):
        """Return {(model, id): company id or 0} of records that have a company."""
        found = {}
        for model, res_id in documents:
            if model in self.env and "company_id" in self.env[model]._fields:
                record = self.env[model].browse(res_id).exists()
                if record:
                    found[model, res_id] = record.company_id.id or 0
        return found

    def note_records(self, documents):
        """Note the companies of records that emails are linked to by hand or by an
        answer. One that differs from what was noted was moved, by an unknown user.

        :return: {(model, id): key}
        """
        companies = self._companies(documents)
        keys = {record: "record:{},{}".format(*record) for record in companies}
        if keys:
            self.env.flush_all()
            self.env.cr.execute(
                SQL(
                    """
                    INSERT INTO gmail_way (key, signature)
                    SELECT key, company FROM unnest(%s, %s) AS x(key, company)
                     ORDER BY key
                        ON CONFLICT (key)
                        DO UPDATE SET signature = EXCLUDED.signature, since = %s,
                                      actor_id = NULL
                            WHERE gmail_way.signature <> EXCLUDED.signature
                    """,
                    list(keys.values()),
                    [str(companies[record]) for record in keys],
                    SQL(CLOCK),
                )
            )
            self.env["gmail.way"].invalidate_model()
        return keys

    def note_moved(self, records, actor):
        """Note that a user moved records to another company, as far as emails are
        linked to them."""
        self.env.flush_all()
        companies = self._companies({(records._name, i) for i in records.ids})
        self.env.cr.execute(
            SQL(
                """
                UPDATE gmail_way w SET signature = x.company, since = %s, actor_id = %s
                  FROM unnest(%s, %s) AS x(key, company)
                 WHERE w.key = x.key AND w.signature <> x.company
                """,
                SQL(CLOCK),
                actor and actor.id,
                ["record:{},{}".format(*record) for record in companies],
                [str(company) for company in companies.values()],
            )
        )
        self.env["gmail.way"].invalidate_model()

    def note_merged(self, sources, target, actor=None):
        """Note that emails which were linked by hand or by an answer follow to a record
        of another company.

        :param sources: (model, ids)
        :param target: (model, id)
        :param actor: user whose act that is; None when unknown, and when it may have
            been noted already
        """
        company = self._companies({target}).get(target)
        records = {(sources[0], res_id) for res_id in sources[1]} - {target}
        if company is None or not records:
            return
        self.env.flush_all()
        self.env.cr.execute(
            """
            SELECT EXISTS (SELECT FROM gmail_link WHERE res_model = %s
                              AND res_id = ANY(%s) AND way IS NULL
                              AND state = 'linked')
            """,
            [sources[0], list(sources[1])],
        )
        if not self.env.cr.fetchone()[0]:
            return
        noted = {
            record: self._signature("record:{},{}".format(*record))
            for record in {*records, target}
        }
        if actor is None and noted[target] == str(company):
            return
        if {noted[record] for record in records} != {str(company)}:
            self._note("record:{},{}".format(*target), str(company), SQL(CLOCK), actor)
            self.env["gmail.way"].invalidate_model()

    def _signature(self, key):
        self.env.cr.execute("SELECT signature FROM gmail_way WHERE key = %s", [key])
        row = self.env.cr.fetchone()
        return row and row[0]

    # ------------------------------------------------------------------
    # Asking
    # ------------------------------------------------------------------

    def check(self, mailbox, links):
        """Return the offers that keep links of messages from being shared.

        :param links: {(message id, record): values of gmail.filing}
        :return: {(message id, record): id of gmail.offer}, of those that are kept
        """
        records = self.note_records(
            {record for (_n, record), link in links.items() if not link["way"]}
        )
        wanted = self._shared(mailbox, links)
        if not wanted:
            return {}
        self.compare_companies(mailbox.user_id)
        messages = self.env["gmail.message"].browse({number for number, _r in wanted})
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
        further = self._further_keys(mailbox, wanted)
        ways = self._ways(
            {key for some in (keys, further) for x in some.values() for key in x}
        )
        for place, of_place in further.items():
            keys[place] += [key for key in of_place if key in ways]
        acts = self._acts(
            {place[1] for place, link in wanted.items() if _is_ruled(link)}
        )
        offers = self._offers(mailbox)
        mailbox_chosen = self._chosen_at(mailbox)
        found, asked, unknown = {}, defaultdict(list), {}
        for place, of_place in keys.items():
            message, link = messages.browse(place[0]), wanted[place]
            chosen = [mailbox_chosen, message.thread_id.sharing_chosen_at]
            chosen_at = max(filter(None, chosen), default=None)
            led = {key: ways.get(key) for key in of_place}
            if _is_ruled(link):
                made = acts.get(place[1], ())
                posted = self._posts(message, place[1])
                led |= self._by_others(link["way"], made, posted, chosen_at, offers)
            for key, way in led.items():
                offer = offers.get(key)
                answer = offer and consent.Answer(offer.state, offer.answered_at)
                decision = consent.decide(way, mailbox.user_id.id, chosen_at, answer)
                if decision == consent.ASK:
                    asked[key].append(place)
                    unknown[key] = way
                elif decision == consent.CLOSED:
                    found.setdefault(place, offer.id)
        for key, places in asked.items():
            offer = self._ask(mailbox, key, unknown[key], offers.get(key))
            for place in places:
                found.setdefault(place, offer.id)
        return found

    def _further_keys(self, mailbox, links):
        """Return {place: keys that count if they are noted}: the owner's access to the
        company of a record that was not linked by hand, and where the senders lead whom
        a subject rule finds among the people of a record."""
        found = {}
        automatic = {place: link for place, link in links.items() if link["way"]}
        companies = self._companies({record for _n, record in automatic})
        for (number, record), link in automatic.items():
            keys = found[number, record] = []
            if company := companies.get(record):
                keys.append(f"company:{mailbox.user_id.id}:{company}")
            message = self.env["gmail.message"].browse(number)
            if _is_ruled(link) and message.direction != "out":
                keys += [f"address:{address}" for address in _senders(message)]
        return found

    # ------------------------------------------------------------------
    # Records that a subject rule finds
    # ------------------------------------------------------------------

    def _acts(self, records):
        """Return {(model, id): [(user id, moment)]}: who made or changed what decides
        which emails a subject rule links to a record."""
        found = defaultdict(list)
        for model, ids in groupby(records, lambda record: record[0]):
            self.env.cr.execute(
                "SELECT res_id, user_id, at FROM gmail_act"
                " WHERE res_model = %s AND res_id = ANY(%s)",
                [model, [res_id for _model, res_id in ids]],
            )
            for res_id, user, moment in self.env.cr.fetchall():
                found[model, res_id].append((user, moment))
        return found

    def _posts(self, message, record):
        """Return [(user id, moment)] of the posts by which the sender of a message
        takes part in a record; the first one first. None count when they take part
        anyway."""
        if message.direction == "out":
            return []
        senders = _senders(message)
        linker = self.env["gmail.linker"]
        if senders & linker._people_of_document(record, with_posts=False):
            return []
        rows = self.env.execute_query(
            SQL(
                """
                SELECT CASE WHEN NOT EXISTS (SELECT FROM gmail_handed_in h
                                              WHERE h.mail_message_id = m.id)
                            THEN m.create_uid END,
                       m.create_date, p.id
                  FROM mail_message m
                  JOIN res_partner p
                    ON p.id = m.author_id
                    OR p.id IN (SELECT n.res_partner_id FROM mail_notification n
                                 WHERE n.mail_message_id = m.id)
                 WHERE m.model = %s AND m.res_id = %s
                   AND (%s OR NOT %s)
                 ORDER BY m.create_date, m.id
                """,
                *record,
                matching(senders),
                OUTSIDE,
            )
        )
        keys = linker._keys_of_partners({partner for _user, _moment, partner in rows})
        return [
            (user, moment)
            for user, moment, partner in rows
            if senders & keys.get(partner, set())
        ]

    def _by_others(self, rule, acts, posts, chosen_at, offers):
        """Return {key: Way} of what users did with a record that a subject rule finds
        since the owner chose, or agreed to the rule. A user is asked about once for a
        rule: an answer for each record would be one for each ticket of a help desk.

        :param rule: key of the rule
        :param acts: (user id, moment) of changes of the record
        :param posts: the same of posts that name the sender, the first one first
        """
        offer = offers.get(rule)
        agreed = offer.answered_at if offer and offer.state == "accepted" else None
        covered = max(filter(None, (chosen_at, agreed)), default=datetime.min)
        if posts and posts[0][1] <= covered:
            posts = ()
        return {
            f"{rule}:{user or 0}": consent.Way(moment, user, is_standing=True)
            for user, moment in (*acts, *posts)
            if moment > covered
        }

    def note_choice(self, mailbox):
        """Note that a mailbox's owner has just chosen how much to share. It isn't a
        column of the mailbox, whose row the sync writes."""
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
        """Return (released own domains and addresses of colleagues, {withdrawn
        exclusion: (pattern, user id)})."""
        self.env.cr.execute(
            """
            SELECT key FROM gmail_way
             WHERE split_part(key, ':', 1) IN ('own', 'exclusion')
               AND (signature = 'released' OR starts_with(key, 'exclusion:'))
            """
        )
        domains, exclusions = set(), {}
        for (key,) in self.env.cr.fetchall():
            kind, _colon, value = key.partition(":")
            if kind == "own":
                domains.add(value)
                continue
            user, _colon, pattern = value.partition(":")
            try:
                exclusions[key] = (stored_pattern(pattern), int(user))
            except (PatternError, ValueError):
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
        found += self._released(set(named), domains)
        owner = message.mailbox_id.user_id.id
        for key, (pattern, user) in exclusions.items():
            if user in (0, owner) and any(
                map(pattern.matches, people.mapped("address"))
            ):
                found.append(key)
        return found

    def _released(self, addresses, released):
        """Return the keys of what ended that had made all addresses colleagues'."""
        if not released:
            return []
        linker = self.env["gmail.linker"]
        own = linker._own_domains()
        others = {address_key(a) for a in addresses if domain_of(a) not in own}
        others -= linker._colleagues(others)
        ended = {key: {key, domain_of(key)} & released for key in others}
        if not all(ended.values()):
            return []
        return sorted({f"own:{x}" for some in ended.values() for x in some})

    def _ways(self, keys):
        rows = self.env["gmail.way"].search([("key", "in", list(keys))])
        return {
            row.key: consent.Way(row.since or None, row.actor_id.id or None)
            for row in rows
        }

    def _offers(self, mailbox):
        """Return {key: the gmail.offer of a mailbox}."""
        rows = self.env["gmail.offer"].search([("mailbox_id", "=", mailbox.id)])
        return {row.way: row for row in rows}

    def _ask(self, mailbox, key, way, offer=None):
        """Offer a way to the owner of a mailbox; return the gmail.offer."""
        kind, _colon, value = key.partition(":")
        is_repeated = bool(offer and offer.state == "accepted")
        actor = way.actor if way else None
        values = {
            "actor_id": actor,
            "state": "asked",
            "is_repeated": is_repeated,
            "name": self._name(mailbox, kind, value),
        }
        if offer:
            offer.write(values)
        else:
            offer = plain.create(
                self.env["gmail.offer"],
                [
                    {
                        **values,
                        "mailbox_id": mailbox.id,
                        "way": key,
                        "kind": kind,
                    }
                ],
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

    def _name(self, mailbox, kind, value):
        """Return what the owner knows a way by."""
        if kind == "address":
            self.env.cr.execute(
                """
                SELECT address FROM gmail_participant
                 WHERE address_key = %s AND mailbox_id = %s
                 ORDER BY id DESC LIMIT 1
                """,
                [value, mailbox.id],
            )
            # A key has no dots where Gmail ignores them.
            (value,) = self.env.cr.fetchone() or (value,)
        if kind == "rule":
            number = int(value.partition(":")[0])
            rule = self.env["gmail.link.rule"].browse(number).exists()
            return rule.name or value
        if kind == "limit":
            limit = self.env["gmail.setup"]._sharing_ceiling()
            return self._level_name(mailbox, sharing.capped(value, limit))
        if kind == "exclusion":
            return value.partition(":")[2]
        if kind == "company":
            company = self.env["res.company"].browse(int(value.partition(":")[2]))
            return company.exists().name or value
        return value

    def offer_limit(self, mailbox, level, actor):
        """Offer an owner the level that they had before a limit lowered it."""
        key = f"limit:{level}"
        offer = self._offers(mailbox).get(key)
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
        offer.activity_id = plain.create(
            activities,
            [
                {
                    "user_id": owner.id,
                    "activity_type_id": self.env.ref("mail.mail_activity_data_todo").id,
                    "automated": True,
                    "res_model_id": self.env["ir.model"]._get_id(offer._name),
                    "res_id": offer.id,
                    "summary": self.summary(words),
                    "note": Markup("<p>{}</p>").format(self.reason(words)),
                }
            ],
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
            return offer.env._('Go back to sharing "%s"?', offer.name)
        if offer.kind == "record":
            return offer.env._(
                "Let colleagues read your emails on a record that was moved?"
            )
        if offer.kind == "company":
            return offer.env._(
                "Let colleagues read your emails on records of %s?", offer.name
            )
        if offer.kind == "rule":
            return offer.env._(
                'Let colleagues read your emails with "%s" in the subject?', offer.name
            )
        return offer.env._("Let colleagues read your emails with %s?", offer.name)

    def answered(self, offer):
        """Return the sentence that confirms an answer."""
        name = offer.name or ""
        if offer.kind == "limit":
            if offer.state == "accepted":
                mailbox = offer.sudo().mailbox_id
                level = self._level_name(mailbox, mailbox.sharing_level)
                return offer.env._('Your mailbox shares "%s" again.', level)
            return offer.env._("Your mailbox goes on sharing as it does now.")
        if offer.state == "accepted":
            if offer.kind in UNNAMED:
                return offer.env._("Colleagues can read these emails now.")
            return offer.env._("Colleagues can read your emails with %s now.", name)
        if offer.kind in UNNAMED:
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
            "rule by a user": offer.env._(
                "%(who)s created or changed a record that the subject rule "
                '"%(name)s" finds. Your answer covers all such records of this user.',
                who=who,
                name=name,
            ),
            "own": offer.env._(
                "%s no longer counts as a domain of your company.", name
            ),
            "colleague": offer.env._("%s no longer belongs to a colleague.", name),
            "company": offer.env._(
                "%(who)s gave you access to %(name)s.", who=who, name=name
            ),
            "exclusion": offer.env._("%s is no longer excluded.", name),
            "record": offer.env._("%s moved a record to another company.", who),
            "limit": offer.env._(
                "%(who)s raised the most that may be shared. Before it was lowered, "
                'your mailbox shared "%(name)s".',
                who=who,
                name=name,
            ),
        }[self._reason_kind(offer)]
        sentences = [happened]
        if offer.is_repeated:
            sentences.append(
                offer.env._(
                    "You agreed before, but the emails would reach more people."
                )
            )
        mailbox = offer.sudo().mailbox_id
        level = self._level_name(mailbox, mailbox.sharing_level)
        if offer.kind != "limit" and level:
            sentences.append(
                offer.env._(
                    "If you agree, everyone with access to the record sees: %s.", level
                )
            )
        sentences.append(offer.env._("Nothing more is shared unless you agree."))
        return " ".join(sentences)

    def _reason_kind(self, offer):
        """Return which of the reasons an offer has."""
        if offer.kind == "rule" and offer.way.count(":") > 1:
            return "rule by a user"
        if offer.kind == "own" and "@" in offer.way:
            return "colleague"
        return offer.kind

    def _level_name(self, mailbox, level):
        """Return the name of a level, as a mailbox's owner reads it."""
        env = mailbox.with_context(lang=mailbox.user_id.lang).env
        levels = env["gmail.thread"]._fields["sharing_level"]
        return dict(levels._description_selection(env)).get(level)
