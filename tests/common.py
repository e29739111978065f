"""What the tests on Odoo share: a stand-in Google, users, and the way to connect."""

import json
import os
from email.message import EmailMessage
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from odoo.tests import HttpCase, new_test_user

from . import log_watch
from .google_standin import process

URL_VARIABLE = "GMAIL_OAUTH_MAILBOX_GOOGLE_URL"
NOW = "2026-11-24T12:00:00+00:00"
ANNA = "anna.keller@corp-example.test"
PRIVATE = "anna.private@gmail.com"
BEN = "ben.schulz@corp-example.test"
CUSTOMER = "Carla Roth <carla.roth@customer-example.test>"


class Session(dict):
    """What services/gmail_connect.py reads of Odoo's session."""

    uid = None


def mail(
    sender=CUSTOMER,
    to=ANNA,
    subject="Offer for blue chairs",
    body="Hello Anna",
    **headers,
):
    """Return the bytes of a plain message."""
    message = EmailMessage()
    message["From"] = sender
    message["To"] = to
    message["Subject"] = subject
    if len(subject) > 11:
        log_watch.subjects.add(subject)
    message["Date"] = headers.pop("date", "Mon, 23 Nov 2026 10:00:00 +0000")
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content(body)
    return message.as_bytes()


def connect_for_good(env, owner, email):
    """Connect in an ``odoo shell``, with commits; return the mailbox (sudo), or how the
    attempt ended."""
    service = env["gmail.connect"].with_user(owner)
    session = Session()
    session.uid = owner.id
    attempt = service._begin(email)["url"].rpartition("/")[2]
    url = service._start(int(attempt), session, "/odoo")
    env.cr.commit()
    # A worker with cold caches has asked the database before it sees the answer.
    env.cr.execute("SELECT 1")
    answer = process.authorize(url, email)
    params = dict(parse_qsl(urlsplit(answer).query))
    attempt, ending = service.sudo()._finish(params, session)
    env.cr.commit()
    return ending or attempt.mailbox_id


class GmailCase(HttpCase):
    """An internal user with the lowest rights, and Google beside her."""

    # Mail is dated around this moment, whenever the tests run.
    standin_options = {"no_default_seed": True, "now": NOW}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        running = process.running(**cls.standin_options)
        cls.google = running.__enter__()
        cls.addClassCleanup(running.__exit__, None, None, None)
        environment = patch.dict(os.environ, {URL_VARIABLE: cls.google.url})
        environment.start()
        cls.addClassCleanup(environment.stop)
        set_param = cls.env["ir.config_parameter"].set_param
        set_param("google_gmail_client_id", "standin-client.apps.googleusercontent.com")
        set_param("google_gmail_client_secret", "standin-secret")
        cls.anna = cls._user("gmail_anna", "Anna Keller", ANNA)
        cls.ben = cls._user("gmail_ben", "Ben Schulz", BEN)

    @classmethod
    def _outsiders(cls):
        """Return a portal user and an administrator, to whom no mail is addressed."""
        return (
            cls._user(
                "gmail_portal",
                "Portal",
                "portal@customer-example.test",
                "base.group_portal",
            ),
            cls._user(
                "gmail_admin",
                "Administrator",
                "admin@corp-example.test",
                "base.group_user,base.group_system,base.group_erp_manager",
            ),
        )

    def ask_rpc(self, model, method, arguments, keywords):
        """Return the response to a call over RPC, as whoever has logged in."""
        return self.url_open(
            f"/web/dataset/call_kw/{model}/{method}",
            data=json.dumps(
                {
                    "jsonrpc": "2.0",
                    "params": {
                        "model": model,
                        "method": method,
                        "args": arguments,
                        "kwargs": keywords,
                    },
                }
            ),
            headers={"Content-Type": "application/json"},
        )

    @classmethod
    def _user(cls, login, name, email, groups="base.group_user"):
        return new_test_user(
            cls.env,
            login=login,
            password=login,
            name=name,
            email=email,
            groups=groups,
            signature=False,
        )

    def setUp(self):
        super().setUp()
        self.google.control("settings", {"reset": True})
        server = type(self.env["ir.mail_server"])
        sending = patch.object(server, "_disable_send", lambda self: False)
        sending.start()
        self.addCleanup(sending.stop)

    def authorize(
        self, user, email, scopes=None, contacts=True, mailbox=None, picks=None
    ):
        """Walk the OAuth road as ``user``; return the attempt.

        :param picks: the account picked at Google, when not the one typed
        """
        service = self.env["gmail.connect"].with_user(user)
        action = service._begin(email, contacts=contacts, mailbox=mailbox)
        session = Session()
        session.uid = user.id
        google = service._start(int(action["url"].rpartition("/")[2]), session, "/odoo")
        self.env.flush_all()
        answer = process.authorize(google, picks or email, scopes)
        params = dict(parse_qsl(urlsplit(answer).query))
        attempt, problem = service.sudo()._finish(params, session)
        self.assertFalse(problem)
        # It was settled in another transaction.
        self.env.invalidate_all()
        return attempt

    def connect(self, user, email, scopes=None):
        """Connect a mailbox of ``user``; return it under sudo."""
        attempt = self.authorize(user, email, scopes)
        self.assertIn(attempt.status, ("success", "warning"), attempt.outcome)
        # Its mail has fixed dates, which no window reaches for ever.
        attempt.mailbox_id.history_days = 0
        return attempt.mailbox_id

    def sync(self, mailbox):
        """Run the scheduled action until the mailbox is up to date."""
        for _round in range(20):
            mailbox.next_sync = mailbox.next_backfill = "2020-01-01"
            self.run_cron("sync_1")
            self.run_cron("backfill_1")
            if mailbox.backfill_done or mailbox.state != "connected":
                return
        self.fail(f"not up to date: {mailbox.error_message}")

    def expire_history(self, email=ANNA):
        """Have Google forget what happened so far in an account."""
        self.google.control("accounts", {"account": email, "action": "expire_history"})

    def draft(
        self, message=None, html="<p>Hello</p>", mode="reply", user=None, **values
    ):
        """Write in the panel, as the owner; return the gmail.draft under her rights.

        :param message: gmail.message that it answers; a new mail without one
        """
        drafts = self.env["gmail.draft"].with_user(user or self.anna)
        found = drafts.panel_begin(mode if message else "new", message and message.id)
        draft = drafts.browse(found["id"])
        draft.panel_save({"body": html + found["body"], **values})
        return draft

    def answer(self, message, html="<p>Hello</p>", mode="reply", **values):
        """Answer in the panel, and do not take it back; return what it says."""
        draft = self.draft(message, html, mode, **values)
        draft.panel_send()
        return draft.panel_flush()

    def run_cron(self, name):
        """Run one of our scheduled actions once, such as ``revoke``."""
        self.env.flush_all()
        cron = self.env.ref(f"gmail_oauth_mailbox.ir_cron_gmail_{name}")
        cron.method_direct_trigger()
        self.env.invalidate_all()


class ConnectingCase(GmailCase):
    """Walks the OAuth road through Odoo's own HTTP stack, step by step."""

    def begin(self, user=None, email=ANNA):
        """Click Continue in the dialog; return the path of the first redirect."""
        dialog = (
            self.env["gmail.mailbox.connect"]
            .with_user(user or self.anna)
            .create({"email": email})
        )
        return dialog.action_continue()["url"]

    def at_google(self, path):
        response = self.url_open(path, allow_redirects=False)
        self.assertEqual(response.status_code, 303)
        self.assertEqual(response.headers["Referrer-Policy"], "no-referrer")
        return response.headers["Location"]

    def callback(self, url):
        parts = urlsplit(url)
        return self.url_open(f"{parts.path}?{parts.query}", allow_redirects=False)

    def follow(self, response):
        """Open the page that a callback led to: its address holds nothing."""
        location = urlsplit(response.headers["Location"])
        self.assertFalse(location.query)
        return self.url_open(location.path)

    def mailbox(self, user=None):
        return self.env["gmail.mailbox"].search(
            [("user_id", "=", (user or self.anna).id)]
        )

    def refused(self, sentence, **lies):
        """Connect while Google says ``lies``: nothing is connected, and nothing that
        Google gave stays valid there."""
        self.google.control("settings", {"lies": lies})
        attempt = self.authorize(self.anna, ANNA)
        self.assertEqual(attempt.status, "danger")
        self.assertIn(sentence, attempt.outcome)
        self.assertFalse(self.mailbox() | self.mailbox(self.ben))
        self.assertFalse(self.env["gmail.credential"].search_count([]))
        return attempt

    def server_secret(self, secret):
        """Have the server's environment set the client secret."""
        name = "GMAIL_OAUTH_MAILBOX_CLIENT_SECRET"
        return patch.dict(os.environ, {name: secret})

    def connected_at_google(self, email=ANNA):
        accounts = self.google.control("accounts")
        return next(a["connected"] for a in accounts if a["email"] == email)
