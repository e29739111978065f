"""Fed to ``odoo shell``: the parts of the benchmarks that run inside Odoo.

BENCH_ACT names the function, BENCH_VALUES holds its arguments as JSON; what it returns
is printed as a line ``RESULT json``.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import signal
import sys
import threading
import time
from datetime import timedelta

import psycopg2

sys.path.insert(0, os.environ["REPOSITORY"])

from odoo import fields, sql_db  # noqa: E402

from odoo.addons.gmail_oauth_mailbox.lib import gmail_api  # noqa: E402
from odoo.addons.gmail_oauth_mailbox.lib.transport import Transport  # noqa: E402
from odoo.addons.gmail_oauth_mailbox.lib.types import Tokens  # noqa: E402
from odoo.addons.gmail_oauth_mailbox.services import (  # noqa: E402
    gmail_oauth,
    gmail_scheduler,
)

from tests.bench import stored  # noqa: E402
from tests.common import ANNA, connect_for_good  # noqa: E402
from tests.google_standin import process  # noqa: E402

GROUPS = ("base.group_user", "base.group_partner_manager")
# A round that takes nothing in is repeated this often before it counts as stuck.
MOST_IDLE = 20
PENDING = [("is_pending", "=", True)]


class Meter:
    """Seconds, seconds of CPU (of this process), and SQL statements (of all cursors) of
    a block."""

    def __enter__(self):
        self.statements = sql_db.sql_counter
        self.cpu = time.process_time()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *_error):
        self.seconds = time.perf_counter() - self.started
        self.cpu = time.process_time() - self.cpu
        self.statements = sql_db.sql_counter - self.statements


def memory(what):
    """Kilobytes of this process: VmRSS (now) or VmHWM (its peak)."""
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(f"{what}:"):
                return int(line.split()[1])
    return 0


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def group_ids():
    return [(6, 0, [env.ref(group).id for group in GROUPS])]


def set_up():
    """Use the stand-in's client, and hold nothing back for a quota."""
    set_param = env["ir.config_parameter"].set_param
    set_param("google_gmail_client_id", "standin-client.apps.googleusercontent.com")
    set_param("google_gmail_client_secret", "standin-secret")
    set_param("gmail_oauth_mailbox.quota_profile", "unmetered")


def connected(contacts=()):
    """Return a mailbox (sudo) that is connected and wants all mail, or, when some are
    given, mail with those contacts."""
    set_up()
    anna = env["res.users"].create(
        {
            "login": "bench_anna",
            "name": "Anna Keller",
            "email": ANNA,
            "group_ids": group_ids(),
        }
    )
    env["res.partner"].create([{"name": a, "email": a} for a in contacts])
    env.cr.commit()
    mailbox = connect_for_good(env, anna, ANNA)
    if mailbox._name != "gmail.mailbox":
        raise SystemExit(f"not connected: {mailbox}")
    mailbox.history_days = 0
    mailbox.import_scope = "contacts" if contacts else "all"
    env.cr.commit()
    return mailbox


def fill(mailbox):
    """Run the scheduled action until all mail is here."""
    idle = 0
    while not mailbox.backfill_done:
        before = mailbox.progress_done
        env["gmail.scheduler"]._cron_sync()
        env["gmail.scheduler"]._cron_backfill()
        env.invalidate_all()
        if mailbox.progress_done == before:
            idle += 1
            time.sleep(0.2)
        if idle > MOST_IDLE or mailbox.state != "connected":
            raise SystemExit(f"stuck: {mailbox.state} {mailbox.error_message}")


def idle(count, latency, origin):
    """Poll mailboxes that have nothing new, three times.

    They are connected by tokens that the stand-in hands out: ten thousand walks over
    Google's pages would take an hour.
    """
    google = process.Standin(origin)
    emails = [f"user{number}@fleet.test" for number in range(1, count + 1)]
    tokens = google.control(
        "accounts",
        {
            "action": "grant_many",
            "accounts": emails,
            "scopes": ["openid", "https://www.googleapis.com/auth/gmail.readonly"],
        },
    )
    cursors = {a["email"]: a["history_id"] for a in google.control("accounts")}
    set_up()
    owner = env["res.users"].create(
        {"login": "fleet", "name": "Fleet", "group_ids": group_ids()}
    )
    mailboxes = env["gmail.mailbox"].create(
        [
            {
                "name": email,
                "email": email,
                "user_id": owner.id,
                "state": "connected",
                "can_read": True,
                "backfill_done": True,
                "labels_taken": fields.Datetime.now(),
                "history_cursor": cursors[email],
            }
            for email in emails
        ]
    )
    for mailbox in mailboxes:
        given = tokens[mailbox.email]
        env["gmail.oauth"]._store_tokens(
            mailbox,
            given["sub"],
            Tokens(
                given["access_token"],
                fields.Datetime.now() + timedelta(seconds=given["expires_in"]),
                given["refresh_token"],
                frozenset(["https://www.googleapis.com/auth/gmail.readonly"]),
            ),
        )
    env.cr.commit()
    seconds, statements, requests = [], 0, 0
    # The first round warms up.
    for turn in range(4):
        env.cr.execute("UPDATE gmail_mailbox SET next_sync = '2020-01-01'")
        env.cr.commit()
        if turn == 1:
            google.control("settings", {"latency": latency})
        before = len(google.log())
        with Meter() as meter:
            while True:
                env["gmail.scheduler"]._cron_sync()
                env.cr.commit()
                env.cr.execute(
                    "SELECT count(*) FROM gmail_mailbox WHERE next_sync < now()"
                )
                if not env.cr.fetchone()[0]:
                    break
        if turn:
            seconds.append(meter.seconds)
            statements = meter.statements
            requests = sum(not e["batch"] for e in google.log()[before:])
    return {"seconds": seconds, "statements": statements, "requests": requests}


def metered(seconds):
    """Take mail in as the quota allows, for so many seconds."""
    mailbox = connected()
    set_param = env["ir.config_parameter"].set_param
    set_param("gmail_oauth_mailbox.quota_profile", "new")
    env.cr.commit()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and not mailbox.backfill_done:
        env["gmail.scheduler"]._cron_sync()
        env["gmail.scheduler"]._cron_backfill()
        env.cr.commit()
        env.invalidate_all()
        time.sleep(0.2)
    return {"messages": count("gmail_message")}


def count(table):
    env.cr.execute(f"SELECT count(*) FROM {table}")
    return env.cr.fetchone()[0]


def take_in(contacts=()):
    """Take all mail in; return how long it took."""
    mailbox = connected(contacts)
    with Meter() as meter:
        fill(mailbox)
    env.cr.execute(
        "SELECT count(DISTINCT message_id) FROM gmail_participant"
        " WHERE role = 'from' AND partner_id IS NOT NULL"
    )
    (useful,) = env.cr.fetchone()
    return {
        "seconds": meter.seconds,
        "cpu": meter.cpu,
        "statements": meter.statements,
        "messages": count("gmail_message"),
        "useful": useful,
    }


HANDED_IN = """From: Carla Roth <carla@customer-example.test>
To: sales@corp-example.test
Subject: Chairs
Message-ID: <{number}@customer-example.test>

Blue, please
"""


def hooks():
    """Do what users do in Odoo itself; return the SQL statements of each act, by the
    second time that it is done."""
    user = env["res.users"].create(
        {
            "login": "bench_ben",
            "name": "Ben",
            "email": "ben@corp-example.test",
            "group_ids": group_ids(),
        }
    )
    env.cr.commit()
    mine = env(user=user.id)
    partners, files = mine["res.partner"], mine["ir.attachment"]
    people = partners.create(
        [{"name": f"Person {n}", "email": f"p{n}@x.test"} for n in range(100)]
    )
    document = people[99]
    document.message_subscribe(people[:3].ids + user.partner_id.ids)
    env.cr.commit()
    values = {"res_model": "res.partner", "res_id": document.id, "raw": b"a"}
    acts = {
        "create a contact": lambda n: partners.create({"name": f"New {n}"}),
        "create 100 contacts": lambda n: partners.create(
            [{"name": f"N{n} {i}", "email": f"n{n}.{i}@x.test"} for i in range(100)]
        ),
        "write a contact's phone": lambda n: document.write({"phone": f"12{n}"}),
        "write a contact's email": lambda n: document.write({"email": f"a{n}@x.test"}),
        "write 50 contacts": lambda n: people[:50].write({"comment": f"Text {n}"}),
        "delete a contact": lambda n: people[60 + n].unlink(),
        "read 80 contacts": lambda n: partners.search_read(
            [("name", "like", "Person")], ["name", "email", "phone"], limit=80
        ),
        "find a contact by name": lambda n: partners.name_search("Person"),
        "log a note": lambda n: document.message_post(body=f"Note {n}"),
        "send a message": lambda n: document.message_post(
            body=f"Hello {n}", subtype_xmlid="mail.mt_comment"
        ),
        "read a chatter": lambda n: mine["mail.message"].search_read(
            [("model", "=", "res.partner"), ("res_id", "=", document.id)],
            ["body", "author_id", "attachment_ids"],
        ),
        "follow a record": lambda n: document.message_subscribe(people[10 + n].ids),
        "attach a file": lambda n: files.create({"name": f"a{n}.txt", **values}),
        "find the files of a record": lambda n: files.search_read(
            [("res_model", "=", "res.partner"), ("res_id", "=", document.id)], ["name"]
        ),
        "set a parameter": lambda n: env["ir.config_parameter"].set_param("bench.a", n),
        "read a parameter": lambda n: env["ir.config_parameter"].get_param("bench.a"),
        "an email at the gateway": lambda n: env["mail.thread"].message_process(
            "res.partner", HANDED_IN.format(number=n), thread_id=document.id
        ),
    }
    found = {}
    for name, act in acts.items():
        for number in (1, 2):
            env.invalidate_all()
            with Meter() as meter:
                act(number)
                env.flush_all()
            env.cr.commit()
        found[name] = meter.statements
    return found


def fetchmail(port, messages):
    """Let stock fetchmail take in all mail as leads, as its scheduled action does."""
    server = env["fetchmail.server"].create(
        {
            "name": "Bench",
            "server_type": "imap",
            "server": "127.0.0.1",
            "port": port,
            "user": ANNA,
            "password": "bench",
            "object_id": env["ir.model"]._get("crm.lead").id,
        }
    )
    server.button_confirm_login()
    env.cr.commit()
    cron = env.ref("mail.ir_cron_mail_gateway_action")
    servers = env["fetchmail.server"].with_context(cron_id=cron.id)
    before = count("mail_message WHERE message_type = 'email'")
    # It takes 50 messages at a time.
    rounds = messages // 50 + 1
    with Meter() as meter:
        for _round in range(rounds):
            servers._fetch_mails()
            env.cr.commit()
    env.invalidate_all()
    return {
        "seconds": meter.seconds,
        "cpu": meter.cpu,
        "statements": meter.statements,
        "messages": count("mail_message WHERE message_type = 'email'") - before,
        "leads": count("crm_lead"),
        "error": server.error_message or "",
    }


class Sampler(threading.Thread):
    """Notes the memory of this process each time `step` more messages are in."""

    def __init__(self, mailbox_id, step):
        super().__init__(daemon=True)
        self.mailbox_id = mailbox_id
        self.step = step
        self.samples = []
        self.over = threading.Event()

    def run(self):
        due = self.step
        while not self.over.wait(0.1):
            with env.registry.cursor() as cr:
                cr.execute(
                    "SELECT progress_done FROM gmail_mailbox WHERE id = %s",
                    [self.mailbox_id],
                )
                done = cr.fetchone()[0] or 0
            if done >= due:
                self.samples.append([done, memory("VmRSS")])
                due = done - done % self.step + self.step


def growth(step):
    """Take all mail in; return [messages, kilobytes] on the way."""
    mailbox = connected()
    sampler = Sampler(mailbox.id, step)
    start = memory("VmRSS")
    sampler.start()
    with Meter() as meter:
        fill(mailbox)
    sampler.over.set()
    sampler.join()
    return {
        "start": start,
        "samples": sampler.samples,
        "messages": count("gmail_message"),
        "seconds": meter.seconds,
    }


def large():
    """Take one large message in and fetch its attachment; return kilobytes."""
    mailbox = connected()
    start = memory("VmRSS")
    forget_peak()
    fill(mailbox)
    taken = memory("VmHWM")
    attachment = env["gmail.attachment"].search([])
    forget_peak()
    fetched = env["gmail.files"]._fetch(attachment)
    env.cr.commit()
    peak = memory("VmHWM")
    return {
        "start": start,
        "taken": taken,
        "fetched": peak,
        "size": len(fetched.attachment_id.raw),
        "messages": count("gmail_message"),
    }


def read_contacts(mailbox):
    """Run the scheduled action of contacts until there is nothing more to read, of
    photos neither."""
    photos = env["gmail.contact.photos"]
    for _round in range(500):
        env.cr.execute("UPDATE gmail_mailbox SET next_contacts = '2020-01-01'")
        env.cr.commit()
        env["gmail.scheduler"]._cron_contacts()
        env.cr.commit()
        env.invalidate_all()
        if mailbox.contact_problem:
            raise SystemExit(mailbox.contact_problem)
        waiting = env["gmail.contact"].search_count(PENDING)
        if not (mailbox.contact_page or waiting or photos._wanted(mailbox)):
            return
    raise SystemExit("contacts are never all read")


def contacts(changes, origin):
    """Read many contacts, review them, import them, read some changes and all again;
    return [seconds, statements, megabytes at most] of each."""
    google = process.Standin(origin)
    mailbox = connected()
    mailbox.contact_policy = "all"
    steps = {}

    def measured(name, work):
        forget_peak()
        with Meter() as meter:
            work()
            env.cr.commit()
        env.invalidate_all()
        steps[name] = [meter.seconds, meter.statements, memory("VmHWM") / 1024]

    measured("read", lambda: read_contacts(mailbox))

    def import_all():
        mailbox.with_user(mailbox.user_id).action_import_contacts()
        read_contacts(mailbox)

    measured("import", import_all)
    names = [person["resourceName"] for person in google.contacts(ANNA)][:changes]
    titles = {"organizations": [{"title": "Promoted"}]}
    google.contacts(ANNA, change=dict.fromkeys(names, titles))
    measured("changes", lambda: read_contacts(mailbox))
    people = google.contacts(ANNA)
    merges = []
    for one, other in zip(people[changes::2], people[changes + 1 :: 2], strict=False):
        if len(merges) == changes:
            break
        was = [one["resourceName"], other["resourceName"]]
        values = {"names": one.get("names"), "phoneNumbers": one.get("phoneNumbers")}
        values["emailAddresses"] = [
            {"value": email["value"]}
            for person in (one, other)
            for email in person.get("emailAddresses", ())
        ]
        merge = {name: value for name, value in values.items() if value}
        merges.append({**merge, "metadata": {"previousResourceNames": was}})
    gone = [
        name for merge in merges for name in merge["metadata"]["previousResourceNames"]
    ]
    gone += [person["resourceName"] for person in people[-changes:]]
    google.contacts(ANNA, delete=gone, add=merges)
    measured("gone", lambda: read_contacts(mailbox))
    google.contacts(ANNA, expire_sync=True)
    measured("again", lambda: read_contacts(mailbox))
    calls = [e for e in google.log() if "/connections" in e["path"]]
    outcomes = env["gmail.contact"]._read_group([], ["outcome"], ["__count"])
    return {
        "steps": steps,
        "contacts": count("gmail_contact"),
        "calls": len(calls),
        "photos": env["gmail.contact"].search_count([("photo_taken", "!=", False)]),
        "outcomes": dict(outcomes),
    }


def profile(file):
    """Take all mail in under cProfile; write its statistics to a file."""
    import cProfile

    mailbox = connected()
    profiler = cProfile.Profile()
    with Meter() as meter:
        profiler.runcall(fill, mailbox)
    profiler.dump_stats(file)
    return {"seconds": meter.seconds, "messages": count("gmail_message")}


def connect_many(emails, contacts):
    """Connect a mailbox for each address, each with an owner of its own; the last one
    brings in mail with contacts only."""
    set_up()
    env["res.partner"].create([{"name": a, "email": a} for a in contacts])
    for email in emails:
        owner = env["res.users"].create(
            {"login": email, "name": email, "email": email, "group_ids": group_ids()}
        )
        env.cr.commit()
        mailbox = connect_for_good(env, owner, email)
        mailbox.history_days = 0
        mailbox.import_scope = "contacts" if email == emails[-1] else "all"
        env.cr.commit()
    return len(emails)


def work(lease, patience):
    """Be a worker until killed.

    :param lease: seconds, short enough for dead workers' mailboxes not to rest long
    :param patience: seconds after which an answer is given up
    """
    gmail_scheduler.LEASE = timedelta(seconds=lease)
    gmail_oauth.TRANSPORT = Transport(read_timeout=patience, total_timeout=2 * patience)
    real = gmail_api.parse_message

    def parse_message(item, *options):
        headers = (item.get("payload") or {}).get("headers") or ()
        if any(header["name"] == "X-Poison" for header in headers):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(item, *options)

    gmail_api.parse_message = parse_message
    while True:
        for lane in ("new", "backfill"):
            try:
                env["gmail.scheduler"]._work(lane)
                env.cr.commit()
            except psycopg2.Error as error:
                env.cr.rollback()
                print(f"WORKER {lane}: {type(error).__name__}", flush=True)
            env.invalidate_all()
        time.sleep(0.05)


def mirror():
    """Return what is stored of each mailbox: conversation and labels by Gmail id, and
    what is wrong."""
    found = {}
    for mailbox in env["gmail.mailbox"].search([]):
        env.cr.execute(
            """
            SELECT m.gmail_id,
                   array_remove(array_agg(l.gmail_id ORDER BY l.gmail_id), NULL),
                   t.gmail_id
              FROM gmail_message m
              JOIN gmail_thread t ON t.id = m.thread_id
              LEFT JOIN gmail_label_gmail_message_rel r ON r.gmail_message_id = m.id
              LEFT JOIN gmail_label l ON l.id = r.gmail_label_id
             WHERE m.mailbox_id = %s
             GROUP BY m.id, t.id
            """,
            [mailbox.id],
        )
        rows = env.cr.fetchall()
        env.cr.execute(
            """
            SELECT (SELECT count(*) FROM gmail_message m WHERE m.mailbox_id = %(id)s
                       AND (SELECT count(*) FROM gmail_participant p
                             WHERE p.message_id = m.id) <> 2)
                 + (SELECT count(*)
                      FROM gmail_thread t
                      JOIN LATERAL (
                           SELECT count(*) AS messages,
                                  count(*) FILTER (WHERE is_unread) AS unread
                             FROM gmail_message m WHERE m.thread_id = t.id) x ON true
                     WHERE t.mailbox_id = %(id)s
                       AND (t.message_count, t.unread_count)
                           IS DISTINCT FROM (x.messages, x.unread))
            """,
            {"id": mailbox.id},
        )
        (broken,) = env.cr.fetchone()
        found[mailbox.email] = {
            "messages": {
                gmail_id: [thread, *sorted(labels)] for gmail_id, labels, thread in rows
            },
            "duplicated": len(rows) - len({row[0] for row in rows}),
            "broken": broken,
            "state": [
                mailbox.state,
                mailbox.error_message,
                mailbox.quarantine_ids.mapped("gmail_id"),
                mailbox.backfill_done,
            ],
        }
    return found


def panel_1m(messages, contacts, turns):
    """Store very much mail of five owners, and time what the first of them asks for.

    :param turns: how often each is asked, each time of other people or for other words
    """
    owners = env["res.users"].create(
        [
            {"login": f"bench_{n}", "name": f"Bench {n}", "group_ids": group_ids()}
            for n in range(5)
        ]
    )
    mailboxes = env["gmail.mailbox"].create(
        [
            {
                "name": owner.login,
                "email": f"{owner.login}@corp-example.test",
                "user_id": owner.id,
                "state": "paused",
            }
            for owner in owners
        ]
    )
    env.flush_all()
    note = env.ref("mail.mt_note").id
    with Meter() as filling:
        stored.fill(env.cr, mailboxes.ids, messages, contacts, note)
    env.cr.commit()
    # As autovacuum would have done it.
    env.cr._cnx.autocommit = True
    env.cr.execute("VACUUM ANALYZE")
    env.cr._cnx.autocommit = False
    anna = owners[0].id
    persons = _ids("SELECT id FROM res_partner WHERE name LIKE 'Person %' ORDER BY id")
    companies = _ids(
        "SELECT id FROM res_partner WHERE name LIKE 'Customer %' ORDER BY id"
    )
    env.cr.execute(
        """
        SELECT array_agg(word) FROM (
            SELECT word FROM ts_stat($$
                SELECT to_tsvector('simple', subject) FROM gmail_thread LIMIT 5000$$)
             ORDER BY nentry DESC LIMIT 200) x
        """
    )
    words = env.cr.fetchone()[0]
    before = f"2026-01-01 00:00:00|{2**30}"

    def threads(search="", before=False):
        return lambda e: e["gmail.mailbox"].panel_threads(False, search, before)

    def count(partner):
        return lambda e: e["res.partner"].browse(partner).read(["gmail_email_count"])

    def emails(partner):
        return lambda e: e["gmail.thread"].panel_emails("res.partner", partner)

    # From who writes most to who writes seldom.
    asked = {
        "list": [threads(before=before if n % 2 else False) for n in range(turns)],
        "sender": [threads(f"person{n**2}") for n in range(turns)],
        "subject": [threads(words[10 * n % 200]) for n in range(turns)],
        "words": [
            threads(f"{words[n % 200]} {words[(7 * n + 3) % 200]}")
            for n in range(turns)
        ],
        "contact_count": [count(persons[n**2]) for n in range(turns)],
        "contact": [emails(persons[n**2]) for n in range(turns)],
        "company_count": [count(companies[n]) for n in range(turns)],
        "company": [emails(companies[n]) for n in range(turns)],
    }
    found = {}
    for name, calls in asked.items():
        times, statements, rows = [], 0, 0
        for call in calls:
            with env.registry.cursor() as cr:
                mine = env(cr=cr, user=anna)
                # What every request has done before.
                mine.user.has_group("base.group_user")
                with Meter() as meter:
                    answer = call(mine)
            times.append(1000 * meter.seconds)
            statements = max(statements, meter.statements)
            if isinstance(answer, list):
                rows += answer[0]["gmail_email_count"]
            else:
                rows += len(answer.get("threads") or answer.get("emails") or ())
        found[name] = {"ms": times, "statements": statements, "rows": rows}
    return {"filling": filling.seconds, "asked": found}


def _ids(query):
    env.cr.execute(query)
    return [row[0] for row in env.cr.fetchall()]


print(
    "RESULT",
    json.dumps(
        globals()[os.environ["BENCH_ACT"]](**json.loads(os.environ["BENCH_VALUES"]))
    ),
)
