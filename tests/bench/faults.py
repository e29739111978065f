"""The campaign: faults, kills and changing mail; at the end the mirror is the mailbox.

Three workers synchronise a few mailboxes against the stand-in while mail arrives,
changes and goes, Google fails in every way of its list, and workers are killed with
SIGKILL at random moments. Then all is left to settle, and each mailbox is compared
with its mirror, message by message and label by label.
"""

import base64
import contextlib
import itertools
import json
import os
import pathlib
import random
import signal
import subprocess
import time
from email.message import EmailMessage
from email.utils import formatdate

from cmd_run import VARIABLE
from console import Problem, say
from places import REPOSITORY, cache

from .bench import Bench, row

WORKERS = 3
MAILBOXES = 5
LEASE_SECONDS = 8
# Differences that are told one by one.
MAX_DETAILS = 20
# Messages whose reader dies, over all mailboxes.
POISON = 4
# One of the mailboxes imports the emails of these contacts only.
CONTACTS = frozenset(f"customer{number}@customer.test" for number in range(20))
# Seconds after which the workers give an answer up.
PATIENCE = 2
HOLDER = pathlib.Path(__file__).with_name("in_odoo.py")
NEVER = {"SPAM", "TRASH", "DRAFT", "CHAT"}
LABELS = ("STARRED", "IMPORTANT", "UNREAD", "INBOX")
API = "/gmail/v1/users"
OVERLOADED = {
    "error": {
        "code": 503,
        "message": "The service is currently unavailable.",
        "errors": [{"reason": "backendError", "message": "Backend Error"}],
        "status": "UNAVAILABLE",
    }
}


def google_error(code, reason, text, status=""):
    """Return Google's JSON of an error."""
    return {
        "error": {
            "code": code,
            "message": text,
            "errors": [{"message": text, "domain": "global", "reason": reason}],
            "status": status,
        }
    }


CONCURRENT = google_error(
    429, "rateLimitExceeded", "Too many concurrent requests for user"
)
USER_RATE = google_error(403, "userRateLimitExceeded", "User-rate limit exceeded.")
RATE = google_error(
    429,
    "rateLimitExceeded",
    "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'",
)
AUTH = google_error(401, "authError", "Invalid Credentials", "UNAUTHENTICATED")
NOT_FOUND = google_error(
    404, "notFound", "Requested entity was not found.", "NOT_FOUND"
)
PRECONDITION = google_error(
    400, "failedPrecondition", "Precondition check failed.", "FAILED_PRECONDITION"
)
# By the rows of the list of errors: what the stand-in does instead of answering.
FAULTS = (
    (
        "3 precondition",
        {"path": f"{API}/me/(history|messages)", "status": 400},
        PRECONDITION,
    ),
    ("7 token rejected", {"path": API, "status": 401}, AUTH),
    ("9 user rate", {"path": API, "status": 403}, USER_RATE),
    ("10 rate", {"path": API, "status": 429}, RATE),
    (
        "17 concurrency",
        {"path": f"{API}/me/messages/[0-9a-f]+$", "status": 429},
        CONCURRENT,
    ),
    ("19 backend 500", {"path": API, "status": 500}, OVERLOADED),
    ("19 backend 503", {"path": API, "status": 503}, OVERLOADED),
    ("19 token 503", {"path": "^/token$", "status": 503}, {}),
    ("20 dropped", {"path": API, "drop": True}, None),
    ("20 dropped after", {"path": API, "drop": True, "pass": True}, None),
    ("20 batch dropped", {"path": "^/batch", "drop": True, "pass": True}, None),
    ("20 slow", {"path": "^/batch", "delay": 0.5, "pass": True}, None),
    (
        "20 time-out",
        {"path": "^/batch", "delay": PATIENCE + 0.5, "pass": True},
        None,
    ),
    ("21 parts lost", {"path": "^/batch", "pass": True, "lose_parts": 3}, None),
    ("21 parts shuffled", {"path": "^/batch", "pass": True, "shuffle": True}, None),
    ("21 foreign part", {"path": "^/batch", "pass": True, "unmatched": True}, None),
    ("22 batch truncated", {"path": "^/batch", "pass": True, "truncate": 0.6}, None),
    ("22 no batch", {"path": "^/batch", "pass": True, "as_type": "text/html"}, None),
    ("22 batch 503", {"path": "^/batch", "status": 503}, OVERLOADED),
    ("22 batch 413", {"path": "^/batch", "status": 413}, {}),
    (
        "15 404 at first",
        {"path": f"{API}/me/messages/[0-9a-f]+$", "status": 404},
        NOT_FOUND,
    ),
    ("15 newest missing", {"path": f"{API}/me/threads/", "lack_newest": True}, None),
    (
        "15 empty list",
        {"path": f"{API}/me/messages$", "empty_list": True, "chance": 0.05},
        None,
    ),
    ("1 too long", {"path": f"{API}/me/messages$", "status": 414}, {}),
    (
        "history out of order",
        {"path": f"{API}/me/history", "pass": True, "reorder_history": True},
        None,
    ),
    (
        "history twice",
        {"path": f"{API}/me/history", "pass": True, "repeat_history": True},
        None,
    ),
)


class Google:
    """The stand-in's mailboxes, changed at random, and its faults."""

    def __init__(self, origin, emails, seed):
        self.origin = origin
        self.emails = emails
        self.random = random.Random(seed)
        self.faults = {}
        self.changes = 0
        self.poison = set()
        self._number = 0
        self._senders = {}

    def control(self, path, payload=None):
        return Bench.control(self.origin, path, payload)

    def deliver(self, email, poison=False, answers=None):
        """Have a message arrive; return its id.

        :param poison: it kills the worker that reads it
        :param answers: the number of a message that it answers, else perhaps any
        """
        self._number += 1
        message = EmailMessage()
        sender = f"customer{self.random.randrange(40)}@customer.test"
        message["From"], message["To"] = sender, email
        message["Subject"] = f"Campaign {self._number}"
        message["Date"] = formatdate()
        message["Message-ID"] = f"<{self._number}@customer.test>"
        other = answers
        if not other and self._number > 20 and self.random.random() < 0.5:
            other = self.random.randrange(max(1, self._number - 20), self._number)
        if other:
            message.replace_header("Subject", f"Re: Campaign {other}")
            message["References"] = f"<{other}@customer.test>"
        if poison:
            message["X-Poison"] = "1"
        message.set_content("word " * self.random.randrange(1, 2000))
        labels = ["INBOX"] + (["UNREAD"] if self.random.random() < 0.7 else [])
        raw = base64.b64encode(message.as_bytes()).decode()
        given = {"account": email, "raw": raw, "labels": labels}
        gmail_id = self.control("messages", given)["id"]
        self._senders[gmail_id] = sender
        if poison:
            self.poison.add(gmail_id)
        return gmail_id

    def change(self):
        """Let one thing happen in one mailbox."""
        email = self.random.choice(self.emails)
        kind = self.random.choices(
            (
                "arrive",
                "label",
                "trash",
                "untrash",
                "delete",
                "vanish",
                "join",
                "burst",
            ),
            (3, 5, 1, 1, 1, 1, 1, 0.3),
        )[0]
        self.changes += 1
        if kind == "arrive":
            self.deliver(email)
            return
        if kind == "burst":
            # So many of one conversation are asked for as a whole.
            self.deliver(email)
            first = self._number
            for _answer in range(3):
                self.deliver(email, answers=first)
            return
        if kind == "vanish":
            # It is listed, and gone before it is read.
            gmail_id = self.deliver(email)
            time.sleep(self.random.random() * 0.3)
            self._do(email, gmail_id, {"action": "delete"})
            return
        messages = self.control(f"messages?account={email}&brief=1")
        if kind == "untrash":
            messages = [m for m in messages if "TRASH" in m["labelIds"]]
        if not messages:
            return
        message = self.random.choice(messages)
        if kind == "join":
            # Conversations are joined; the next record names the new one.
            thread = self.random.choice(messages)["threadId"]
            self._do(email, message["id"], {"action": "move", "thread": thread})
            is_on = "STARRED" in message["labelIds"]
            change = {"remove" if is_on else "add": ["STARRED"]}
            self._do(email, message["id"], {"action": "modify", **change})
            return
        given = {
            "label": {
                "action": "modify",
                self.random.choice(("add", "remove")): [self.random.choice(LABELS)],
            },
            "trash": {"action": "modify", "add": ["TRASH"], "remove": ["INBOX"]},
            "untrash": {"action": "modify", "add": ["INBOX"], "remove": ["TRASH"]},
            "delete": {"action": "delete"},
        }[kind]
        self._do(email, message["id"], given)

    def _do(self, email, gmail_id, given):
        self.control(f"messages/{gmail_id}", {"account": email, **given})

    def inject(self):
        """Let a few of the faults strike at random until the next call."""
        self.control("faults?clear=1")
        for name, fault, body in self.random.sample(FAULTS, 3):
            given = {
                "count": 10**9,
                "chance": self.random.choice((0.05, 0.2, 0.5)),
                "seed": self.random.randrange(10**9),
                "name": name,
                **fault,
            }
            if body is not None:
                given["body"] = body
            self.control("faults", given)
        if self.random.random() < 0.1:
            email = self.random.choice(self.emails)
            self.control("accounts", {"account": email, "action": "expire_history"})
            self._count("14 cursor expired")
        if self.random.random() < 0.05:
            self.control("clock", {"forward": 3700})
            self._count("clock jump")

    def struck(self):
        """Return {name of a fault: how often it struck}."""
        found = dict(self.faults)
        for hit in self.control("faults/hits"):
            name = hit["fault"]["name"]
            found[name] = found.get(name, 0) + 1
        return found

    def _count(self, name, times=1):
        self.faults[name] = self.faults.get(name, 0) + times

    def wanted(self, email):
        """Return {gmail id: [conversation, label, …]} of the mail that belongs into the
        mirror."""
        all_mail = email != self.emails[-1]
        return {
            message["id"]: [message["threadId"], *sorted(message["labelIds"])]
            for message in self.control(f"messages?account={email}&brief=1")
            if NEVER.isdisjoint(message["labelIds"])
            and message["id"] not in self.poison
            and (all_mail or self._senders[message["id"]] in CONTACTS)
        }


class Workers:
    """Processes that synchronise, killed now and then and started again."""

    def __init__(self, bench, database, origin, stack):
        self.bench = bench
        self.kills = 0
        self._log = cache() / "log" / "bench-faults-worker.log"
        configuration = stack.enter_context(bench.odoo.configured(database))
        self._environment = bench.odoo.environment(
            ODOO_RC=str(configuration),
            REPOSITORY=str(REPOSITORY),
            BENCH_ACT="work",
            BENCH_VALUES=json.dumps({"lease": LEASE_SECONDS, "patience": PATIENCE}),
            **{VARIABLE: origin},
        )
        self._output = stack.enter_context(open(self._log, "w"))
        self._running = []
        stack.callback(self.stop)

    def start(self):
        while len(self._running) < WORKERS:
            child = subprocess.Popen(
                self.bench.odoo.command("shell", "--no-http"),
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                env=self._environment,
                cwd=self.bench.odoo.root,
                start_new_session=True,
            )
            child.stdin.write(HOLDER.read_bytes())
            child.stdin.close()
            self._running.append(child)

    def revive(self):
        """Start workers anew that died by themselves; return how many."""
        dead = [child for child in self._running if child.poll() is not None]
        for child in dead:
            self._running.remove(child)
        self.start()
        return len(dead)

    def kill(self, number):
        child = self._running.pop(number)
        if child.poll() is None:
            self.kills += 1
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        self.start()

    def stop(self):
        for child in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        self._running = []


def compare(google, mirror):
    """Return (messages compared, lost, duplicated, differing, failed) over all
    mailboxes; failed are those that nothing was wrong with."""
    compared = lost = duplicated = differing = failed = 0
    for email in google.emails:
        wanted, held = google.wanted(email), mirror[email]
        compared += len(wanted)
        lost += len(wanted.keys() - held["messages"].keys())
        differing += len(held["messages"].keys() - wanted.keys())
        differing += sum(
            labels != wanted[gmail_id]
            for gmail_id, labels in held["messages"].items()
            if gmail_id in wanted
        )
        duplicated += held["duplicated"]
        differing += held["broken"]
        failed += len(set(held["state"][2]) - google.poison)
    return compared, lost, duplicated, differing, failed


def details(google, mirror):
    """Yield a line for each difference: what Gmail has, and what Odoo has."""
    for email in google.emails:
        wanted, held = google.wanted(email), mirror[email]
        if wanted != held["messages"] or held["broken"]:
            yield f"{email}: {held['broken']} broken, state {held['state']}"
        for gmail_id in sorted(wanted.keys() | held["messages"].keys()):
            pair = wanted.get(gmail_id), held["messages"].get(gmail_id)
            if pair[0] != pair[1]:
                yield f"{email} {gmail_id}: {pair[0]} in Gmail, {pair[1]} in Odoo"


def measure(bench):
    """Run the campaign; return its row."""
    options = bench.options
    seed = options.seed
    chance = random.Random(seed)
    emails = [f"campaign{number}@corp-example.test" for number in range(MAILBOXES)]
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(bench.database())
        origin = stack.enter_context(bench.google())
        google = Google(origin, emails, seed)
        for email in emails:
            google.control("accounts", {"action": "add", "email": email, "name": email})
            for _message in range(60):
                google.deliver(email)
        bench.in_odoo(
            database, "connect_many", origin, emails=emails, contacts=sorted(CONTACTS)
        )
        workers = Workers(bench, database, origin, stack)
        workers.start()
        ends = time.monotonic() + options.minutes * 60
        next_fault = next_kill = next_push = faults = 0
        reconnected = died = 0
        poison = [options.faults * n // (POISON + 1) for n in range(1, POISON + 1)]
        while True:
            now = time.monotonic()
            google.change()
            died += workers.revive()
            if poison and faults >= poison[0]:
                poison.pop(0)
                google.deliver(google.random.choice(emails[:-1]), poison=True)
            if now >= next_fault:
                google.inject()
                faults = sum(google.struck().values())
                next_fault = now + 2
            if now >= next_kill:
                workers.kill(chance.randrange(WORKERS))
                next_kill = now + chance.uniform(1.5, 4)
            if now >= next_push:
                # "Sync now", and Reconnect where two rejected tokens asked for it.
                reconnected += push(bench, database)
                next_push = now + 1
            if faults >= options.faults and workers.kills >= options.kills:
                break
            if now >= ends:
                say(f"bench: time is over after {faults} faults, {workers.kills} kills")
                break
            time.sleep(0.03)
        google.control("faults?clear=1")
        settle = time.monotonic() + 240
        while True:
            died += workers.revive()
            push(bench, database)
            time.sleep(3)
            mirror = bench.in_odoo(database, "mirror", origin)
            compared, lost, duplicated, differing, failed = compare(google, mirror)
            is_bad = lost or duplicated or differing or failed
            if not is_bad or time.monotonic() > settle:
                break
        found = list(itertools.islice(details(google, mirror), MAX_DETAILS))
        injected = sum(len(held["state"][2]) for held in mirror.values()) - failed
        struck = google.struck()
        for name, times in sorted(struck.items()):
            bench.notes.append(f"  {name:<24} {times:>6}")
    bench.notes.append(
        f"faults {sum(struck.values())}, kills {workers.kills}, changes "
        f"{google.changes}, messages compared {compared}, reconnected {reconnected}, "
        f"lost {lost}, duplicated {duplicated}, differing {differing}, failed {failed} "
        f"and {injected} of {POISON - len(poison)} that kill, which killed {died} "
        f"workers, seed {seed}"
    )
    if is_bad:
        raise Problem("\n".join((bench.notes[-1], *found)))
    bad = lost + duplicated + differing + failed
    return [row("faults", "lost, duplicated, or failed", [bad])]


def push(bench, database):
    """Have every mailbox synchronised now; return how many had to be reconnected."""
    query = bench.odoo.server.query
    dead = query(
        "WITH dead AS (UPDATE gmail_mailbox SET state = 'connected', can_read = true"
        " WHERE state = 'reconnect' OR NOT can_read RETURNING id)"
        " SELECT count(*) FROM dead",
        database,
    )
    query(
        "UPDATE gmail_mailbox SET next_sync = now() AT TIME ZONE 'UTC',"
        " next_backfill = now() AT TIME ZONE 'UTC'"
        " WHERE next_sync > now() AT TIME ZONE 'UTC' AND lease_until IS NULL",
        database,
    )
    # Nor does a comparison wait for a day that Google's lists did not allow.
    query(
        "UPDATE gmail_mailbox SET compare_at = now() AT TIME ZONE 'UTC'"
        " WHERE compare_at > now() AT TIME ZONE 'UTC' AND lease_until IS NULL",
        database,
    )
    # What Google didn't return is asked for again without the pauses of days.
    query(
        "UPDATE gmail_quarantine SET retry_at = now() AT TIME ZONE 'UTC'"
        " WHERE id IN (SELECT id FROM gmail_quarantine WHERE code = 'not_found'"
        " FOR UPDATE SKIP LOCKED)",
        database,
    )
    query("UPDATE gmail_quota SET paused_until = NULL", database)
    return int(dead[0])
