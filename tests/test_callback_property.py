"""Random histories of starts, callbacks, replays, users and sessions never connect the
wrong account to the wrong user."""

from collections import Counter
from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import ANNA, BEN, PRIVATE, ConnectingCase, Session
from .google_standin import process

ACCOUNTS = (ANNA, PRIVATE, BEN)
READ = "https://www.googleapis.com/auth/gmail.readonly"
SEND = "https://www.googleapis.com/auth/gmail.send"
STEPS = (
    *("begin", "begin", "begin"),
    *("consent", "consent", "consent"),
    *("callback", "callback", "callback", "callback"),
    *("choose", "choose", "choose", "expire", "disconnect"),
)
# What a step does, and numbers that it takes its choices from.
STEP = st.tuples(st.sampled_from(STEPS), *[st.integers(0, 11)] * 4)


class History:
    """Two users with two browsers each, and three accounts.

    What may be connected is noted by hand, from what the users said at Odoo and at
    Google; what is connected is read from the database.
    """

    def __init__(self, case, reached):
        self.case = case
        self.reached = reached
        case.google.control("settings", {"reset": True})
        self.sub = {a["email"]: a["sub"] for a in case.google.control("accounts")}
        self.users = (case.anna, case.ben)
        self.sessions = {}
        for who, user in enumerate(self.users):
            for browser in range(2):
                session = Session()
                session.uid = user.id
                self.sessions[who, browser] = session
        # {(user, account)} that a user has said yes to: typed, or chosen afterwards.
        self.meant = set()
        # {attempt id: (user, browser, typed)}
        self.facts = {}
        self.started, self.answers, self.choices = [], [], []

    def service(self, who):
        return self.case.env["gmail.connect"].with_user(self.users[who])

    def begin(self, a, b, c, d):
        """Type an address and go to Google, in one's own name or in another's."""
        who, browser, typed, foreign = a % 2, b % 2, ACCOUNTS[c % 3], d % 4 == 0
        try:
            action = self.service(who)._begin(typed)
        except UserError:
            self.reached["connected already"] += 1
            return
        number = int(action["url"].rpartition("/")[2])
        starter = 1 - who if foreign else who
        session = self.sessions[starter, browser]
        try:
            url = self.service(starter)._start(number, session, "/odoo")
        except UserError:
            assert foreign
            return
        assert not foreign, "somebody else started the attempt"
        self.case.env.flush_all()
        self.facts[number] = (who, browser, typed)
        self.started.append((number, url))

    def consent(self, a, b, c, _d):
        """Whoever sits at Google picks the account that was typed, or any other."""
        if not self.started:
            return
        number, url = self.started[a % len(self.started)]
        account = ACCOUNTS[b % 3] if b >= 5 else self.facts[number][2]
        scopes = [None, None, None, [], [READ], [SEND]][c % 6]
        answer = process.authorize(url, account, scopes)
        params = dict(parse_qsl(urlsplit(answer).query))
        self.answers.append((number, account, params))

    def callback(self, a, b, c, d):
        """Any browser brings any answer, as often as it likes, also with the code of
        another."""
        if not self.answers:
            return
        number, account, params = self.answers[-1 - a % len(self.answers)]
        if b % 4 == 0:
            other = self.answers[c % len(self.answers)]
            params = {**params, "code": other[2]["code"]}
            account = other[1] if other[0] == number else None
        owner, own_browser, typed = self.facts[number]
        who = 1 - owner if d in (0, 1) else owner
        browser = 1 - own_browser if d in (1, 2) else own_browser
        attempt, ending = (
            self.service(who).sudo()._finish(params, self.sessions[who, browser])
        )
        self.case.env.invalidate_all()
        self.reached[ending or attempt.status] += 1
        if d <= 2:
            assert ending, "another browser ended the attempt"
        elif attempt and attempt.status == "choice":
            self.choices.append((number, who))
        elif account == typed:
            self.meant.add((who, account))

    def choose(self, a, b, c, _d):
        """Say which account was meant, as whose attempt it is or as somebody else."""
        if not self.choices:
            return
        number, owner = self.choices[a % len(self.choices)]
        foreign, yes = b % 4 == 0, c % 2
        who = 1 - owner if foreign else owner
        env = self.case.env
        model = env["gmail.mailbox"].with_user(self.users[who])
        attempt = env["gmail.authorization"].browse(number)
        picked, waits = attempt.picked_email, attempt.status == "choice"
        env.flush_all()
        if yes:
            result = model.action_connect_picked(number)
            if foreign or not waits:
                assert result["type"] == "danger"
            else:
                self.meant.add((who, picked))
        else:
            model.action_discard_picked(number)
        env.invalidate_all()
        if waits and not foreign:
            self.reached["chosen" if yes else "let go"] += 1

    def expire(self, a, _b, _c, _d):
        if self.started:
            number = self.started[a % len(self.started)][0]
            past = fields.Datetime.now() - timedelta(minutes=1)
            self.case.env["gmail.authorization"].browse(number).expires_at = past
            self.case.env.flush_all()

    def disconnect(self, a, _b, _c, _d):
        user = self.users[a % 2]
        mailbox = self.case.env["gmail.mailbox"].search(
            [("user_id", "=", user.id), ("state", "=", "connected")], limit=1
        )
        if mailbox:
            mailbox.with_user(user).action_disconnect()
            self.case.env.flush_all()

    def check(self):
        env = self.case.env
        env.invalidate_all()
        ids = [user.id for user in self.users]
        holders = []
        for mailbox in env["gmail.mailbox"].search([("user_id", "in", ids)]):
            who = ids.index(mailbox.user_id.id)
            assert (who, mailbox.email) in self.meant, "nobody meant this account"
            sub = env["gmail.oauth"]._sub(mailbox)
            assert sub == self.sub[mailbox.email], "another account's tokens"
            if mailbox.state == "connected":
                holders.append(sub)
        assert len(holders) == len(set(holders)), "one account, two mailboxes"


@tagged("standard", "post_install", "-at_install")
class TestCallbackProperty(ConnectingCase):
    def test_random_histories(self):
        reached = Counter()

        @settings(
            max_examples=150,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(STEP, min_size=20, max_size=40))
        def run(steps):
            savepoint = self.env.cr.savepoint()
            try:
                history = History(self, reached)
                for step, *numbers in steps:
                    getattr(history, step)(*numbers)
                    history.check()
            finally:
                self.env.clear()
                savepoint.rollback()
                savepoint.close(rollback=True)
                self.registry.clear_cache()

        run()
        print(dict(reached))
        # The histories went everywhere.
        for end in (
            *("success", "warning", "choice", "danger", "session", "unexpected"),
            *("connected already", "chosen", "let go"),
        ):
            self.assertGreater(reached[end], 3, end)
