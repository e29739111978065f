"""The 22 points of OAuth security, one named test each, and what goes beyond them.

docs/security.rst lists them with their sources; tests/break_points.py breaks each
point in the code, and sees its test fail.
"""

import io
import re
from datetime import timedelta
from urllib.parse import parse_qs, parse_qsl, urlsplit

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib import oauth

from . import log_watch
from .common import ANNA, BEN, PRIVATE, ConnectingCase, Session
from .google_standin import process

PROOF = "proof of who you are does not hold"
READ = "https://www.googleapis.com/auth/gmail.readonly"
SEND = "https://www.googleapis.com/auth/gmail.send"
CONTACTS = "https://www.googleapis.com/auth/contacts.readonly"


@tagged("standard", "post_install", "-at_install")
class TestOauthPoints(ConnectingCase):
    def started(self, user=None, email=ANNA, session=None, mailbox=None):
        """Begin and start an attempt; return (session, attempt, Google's address)."""
        user = user or self.anna
        service = self.env["gmail.connect"].with_user(user)
        if session is None:
            session = Session()
            session.uid = user.id
        action = service._begin(email, mailbox=mailbox)
        attempt = int(action["url"].rpartition("/")[2])
        url = service._start(attempt, session, "/odoo")
        self.env.flush_all()
        return session, self.env["gmail.authorization"].browse(attempt), url

    def finish(self, answer, session, user=None, **changes):
        """Bring Google's answer back; return (attempt or None, ending or None)."""
        params = {**dict(parse_qsl(urlsplit(answer).query)), **changes}
        service = self.env["gmail.connect"].with_user(user or self.anna)
        found = service.sudo()._finish(params, session)
        self.env.invalidate_all()
        return found

    def query(self, url):
        return {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}

    def exchanges(self):
        return [entry["path"] for entry in self.google.log()].count("/token")

    def dump(self):
        """Return all rows of all tables as text, as a dump of the database has them."""
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT quote_ident(table_name) FROM information_schema.tables"
            " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        )
        text = io.StringIO()
        for (table,) in self.env.cr.fetchall():
            self.env.cr._obj.copy_expert(f"COPY {table} TO STDOUT", text)
        return text.getvalue()

    def test_01_state_cannot_be_guessed(self):
        states = set()
        attempt = None
        for _time in range(5):
            session, attempt, url = self.started()
            states.add(self.query(url)["state"])
            # The same attempt, started again, has another one.
            attempt.status = "new"
            service = self.env["gmail.connect"].with_user(self.anna)
            states.add(
                self.query(service._start(attempt.id, session, "/odoo"))["state"]
            )
        self.assertEqual(len(states), 10)
        self.assertTrue(all(len(state) >= 43 for state in states))
        # The database holds its hash only.
        dump = self.dump()
        self.assertFalse([state for state in states if state in dump])

    def test_02_state_is_used_once(self):
        self.authenticate("gmail_anna", "gmail_anna")
        answer = process.authorize(self.at_google(self.begin()), ANNA)
        first = self.callback(answer)
        asked = self.exchanges()
        # Who presses twice is led to the outcome of the first time; Google is not
        # asked again.
        second = self.callback(answer)
        self.assertEqual(first.headers["Location"], second.headers["Location"])
        self.assertEqual(self.exchanges(), asked)
        self.assertEqual(len(self.mailbox()), 1)
        # A fresh code does not bring a used state back to life.
        _session, _attempt, url = self.started(email=PRIVATE)
        fresh = self.query(process.authorize(url, PRIVATE))["code"]
        state = self.query(answer)["state"]
        self.callback(f"/gmail_oauth_mailbox/callback?state={state}&code={fresh}")
        self.assertEqual(self.exchanges(), asked)
        self.assertEqual(self.mailbox().email, ANNA)
        # Anybody else learns nothing.
        self.authenticate("gmail_ben", "gmail_ben")
        other = self.callback(answer)
        self.assertIn("not expected any more", self.follow(other).text)

    def test_03_state_is_bound_to_session_and_user(self):
        # Another user's session.
        self.authenticate("gmail_anna", "gmail_anna")
        answer = process.authorize(self.at_google(self.begin()), ANNA)
        self.authenticate("gmail_ben", "gmail_ben")
        other = self.follow(self.callback(answer))
        self.assertIn("belongs to another session", other.text)
        # Another session of the same user.
        self.authenticate("gmail_anna", "gmail_anna")
        answer = process.authorize(self.at_google(self.begin()), ANNA)
        self.authenticate("gmail_anna", "gmail_anna")
        # It has begun an attempt of its own.
        self.at_google(self.begin(email=PRIVATE))
        response = self.callback(answer)
        self.assertIn("ended/session", response.headers["Location"])
        # The same browser session after another user logged in.
        session, _attempt, url = self.started()
        answer = process.authorize(url, ANNA)
        session.uid = self.ben.id
        self.assertEqual(self.finish(answer, session, self.ben), (None, "session"))
        session.uid = self.anna.id
        attempt, _ending = self.finish(answer, session)
        self.assertEqual(attempt.status, "danger")
        self.assertFalse(self.mailbox() | self.mailbox(self.ben))

    def test_04_state_ends_after_ten_minutes(self):
        self.authenticate("gmail_anna", "gmail_anna")
        answer = process.authorize(self.at_google(self.begin()), ANNA)
        late = self.begin()
        attempts = self.env["gmail.authorization"].search([])
        for attempt in attempts:
            limit = fields.Datetime.now() + timedelta(minutes=10, seconds=1)
            self.assertLessEqual(attempt.expires_at, limit)
        attempts.expires_at = fields.Datetime.now() - timedelta(seconds=1)
        self.env.flush_all()
        self.assertIn("ended/unexpected", self.callback(answer).headers["Location"])
        response = self.url_open(late, allow_redirects=False)
        self.assertIn("ended/start", response.headers["Location"])
        self.assertFalse(self.mailbox())

    def test_05_pkce_ties_the_code_to_its_attempt(self):
        session, first, url = self.started()
        _session, second, other_url = self.started(session=session)
        query = self.query(url)
        self.assertEqual(query["code_challenge_method"], "S256")
        self.assertEqual(query["code_challenge"], oauth.challenge(first.verifier))
        self.assertNotEqual(first.verifier, second.verifier)
        self.assertGreaterEqual(len(first.verifier), 43)
        self.assertNotIn(first.verifier, url)
        answer = process.authorize(url, ANNA)
        stolen = self.query(process.authorize(other_url, ANNA))["code"]
        attempt, _ending = self.finish(answer, session, code=stolen)
        self.assertEqual(attempt.status, "danger")
        self.assertIn("was used or too old", attempt.outcome)
        self.assertFalse(self.mailbox() or attempt.verifier)

    def test_06_redirect_uri_is_exact_and_from_a_fixed_base(self):
        base = self.env["ir.config_parameter"].get_param("web.base.url")
        uri = f"{base}/gmail_oauth_mailbox/callback"
        self.google.control("settings", {"redirect_uris": [uri]})
        self.authenticate("gmail_anna", "gmail_anna")
        response = self.url_open(
            self.begin(),
            allow_redirects=False,
            headers={"X-Forwarded-Host": "evil.test", "X-Forwarded-Proto": "https"},
        )
        url = response.headers["Location"]
        self.assertEqual(self.query(url)["redirect_uri"], uri)
        answer = process.authorize(url, ANNA)
        # What it was at the start is what the exchange names.
        set_param = self.env["ir.config_parameter"].set_param
        set_param("web.base.url", "https://elsewhere.test")
        self.env.flush_all()
        self.callback(answer)
        self.assertEqual(self.mailbox().state, "connected")

    def test_07_issuer_of_the_answer(self):
        """RFC 9207: the answer says who gave it."""
        callback = {"iss": "https://x.test"}
        self.refused("did not come from Google", callback=callback)
        # One that says nothing is Google's too: it does not always.
        self.google.control("settings", {"lies": {"callback": {"iss": ""}}})
        self.assertEqual(self.authorize(self.anna, ANNA).status, "success")

    def test_08_identity_is_proved(self):
        for lies in (
            {"claims": {"nonce": "other"}},
            {"claims": {"nonce": ""}},
            {"claims": {"aud": "other"}},
            {"claims": {"iss": "https://x.test"}},
            {"claims": {"iat": 1, "exp": 2}},
            {"claims": {"sub": ""}},
            {"foreign_key": True},
            {"withheld": ["id_token"]},
        ):
            with self.subTest(**lies):
                self.refused(PROOF, **lies)
        self.google.control("settings", {"lies": {}})
        mailbox = self.connect(self.anna, ANNA)
        # Google's sub is what the mailbox is known by.
        account = next(a for a in self.google.control("accounts") if a["email"] == ANNA)
        self.assertEqual(self.env["gmail.oauth"]._sub(mailbox), account["sub"])

    def test_09_account_is_the_one_that_was_meant(self):
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        for user in (self.anna, admin):
            attempt = self.authorize(user, ANNA, picks=PRIVATE)
            self.assertEqual(attempt.status, "choice")
            self.assertFalse(self.mailbox(user))
        mailbox = self.connect(self.anna, ANNA)
        self.google.control("accounts", {"account": ANNA, "sub": "9" * 21})
        attempt = self.authorize(self.anna, ANNA, mailbox=mailbox)
        self.assertEqual(attempt.status, "danger")
        self.assertIn("another Google account now", attempt.outcome)
        self.google.control("accounts", {"account": PRIVATE, "email_verified": False})
        attempt = self.authorize(self.anna, PRIVATE)
        self.assertIn("has not verified", attempt.outcome)
        self.assertEqual(self.mailbox(), mailbox)

    def test_10_granted_scopes_are_what_counts(self):
        for scopes, can_read, can_send in (
            ([READ], True, False),
            ([SEND], False, True),
        ):
            attempt = self.authorize(self.anna, ANNA, scopes=scopes)
            self.assertEqual(attempt.status, "warning")
            mailbox = attempt.mailbox_id
            self.assertEqual((mailbox.can_read, mailbox.can_send), (can_read, can_send))
            self.assertFalse(mailbox.can_contacts)
        attempt = self.authorize(self.ben, BEN, scopes=[])
        self.assertIn("neither reading nor sending", attempt.outcome)
        self.assertFalse(self.mailbox(self.ben))

    def test_11_missing_refresh_token(self):
        self.refused("no lasting permission", withheld=["refresh_token"])
        # A renewal without one keeps the one that is stored.
        self.google.control("settings", {"lies": {}})
        mailbox = self.connect(self.anna, ANNA)
        self.env["gmail.oauth"]._access_token(mailbox, force=True)
        self.env.invalidate_all()
        self.assertTrue(self.env["gmail.oauth"]._has_credential(mailbox))

    def test_12_an_error_in_the_answer_breaks_and_leaks_nothing(self):
        self.authenticate("gmail_anna", "gmail_anna")
        before = self.exchanges()
        for word in ("access_denied", "<script>alert(1)</script>", "x" * 5000):
            url = self.at_google(self.begin())
            state = self.query(url)["state"]
            response = self.url_open(
                "/gmail_oauth_mailbox/callback",
                params={"error": word, "state": state, "error_description": "secret"},
                allow_redirects=False,
            )
            self.assertEqual(response.status_code, 303)
            location = response.headers["Location"]
            self.assertNotRegex(location, "error|secret|script|state")
            page = self.env["gmail.authorization"].browse(
                int(self.query(location)["gmail_oauth_mailbox"])
            )
            page.invalidate_recordset()
            self.assertNotRegex(page.outcome, "script|secret|xxx")
        self.assertEqual(self.exchanges(), before)
        for query in ("", "?state=", "?state=a&state=b", f"?state={'y' * 9000}"):
            response = self.url_open(
                f"/gmail_oauth_mailbox/callback{query}", allow_redirects=False
            )
            self.assertIn("ended/unexpected", response.headers["Location"])
        self.assertFalse(self.mailbox())

    def test_13_least_privilege(self):
        _session, _attempt, url = self.started()
        query = self.query(url)
        self.assertEqual(
            set(query["scope"].split()), {"openid", "email", READ, SEND, CONTACTS}
        )
        self.assertNotIn("include_granted_scopes", query)
        self.assertEqual(query["access_type"], "offline")

    def test_14_tokens_are_encrypted_at_rest(self):
        mailbox = self.connect(self.anna, ANNA)
        self.authorize(self.anna, PRIVATE, picks="support@corp-example.test")
        self.authorize(self.ben, BEN).mailbox_id.with_user(self.ben).action_disconnect()
        dump = self.dump()
        self.assertFalse(re.search(r"ya29\.|1//[\w-]{10}", dump))
        with open(self.env["gmail.keys"]._key_file()) as file:
            key = file.read().strip()
        self.assertGreater(len(key), 40)
        self.assertNotIn(key, dump)
        # The ciphertext works in its own row alone.
        second = self.connect(self.anna, PRIVATE)
        self.env.cr.execute(
            "UPDATE gmail_credential c SET refresh_token = o.refresh_token,"
            " access_token = o.access_token FROM gmail_credential o"
            " WHERE c.mailbox_id = %s AND o.mailbox_id = %s",
            [second.id, mailbox.id],
        )
        self.env.invalidate_all()
        with self.assertRaisesRegex(UserError, "no usable access"):
            second.with_user(self.anna).action_test()

    def test_15_client_secret_can_stay_out_of_the_database(self):
        set_param = self.env["ir.config_parameter"].set_param
        set_param("google_gmail_client_secret", False)
        with self.server_secret("standin-secret"):
            self.connect(self.anna, ANNA)
            self.assertNotIn("standin-secret", self.dump())

    def test_16_no_token_in_any_address(self):
        mailbox = self.connect(self.anna, ANNA)
        self.env["gmail.oauth"]._access_token(mailbox, force=True)
        self.sync(mailbox)
        mailbox.with_user(self.anna).action_disconnect()
        self.run_cron("revoke")
        log = self.google.log()
        self.assertIn("/revoke", [entry["path"] for entry in log])
        for entry in log:
            self.assertNotRegex(
                f"{entry['path']}?{entry['query']}",
                r"ya29|1//|access_token|refresh_token|id_token|client_secret",
            )

    def test_17_nothing_secret_in_the_log(self):
        before = log_watch.seen["records"], len(log_watch.found)
        self.authenticate("gmail_anna", "gmail_anna")
        for lies in ({}, {"claims": {"aud": "x"}}, {"callback": {"error": "x"}}):
            self.google.control("settings", {"lies": lies})
            self.callback(process.authorize(self.at_google(self.begin()), ANNA))
            self.env["gmail.mailbox"].search([]).state = "draft"
        self.callback("/gmail_oauth_mailbox/callback?state=unknown&code=4/0Axyz")
        self.assertGreater(log_watch.seen["records"], before[0])
        self.assertEqual(log_watch.found[before[1] :], [])

    def test_18_revoked_at_google_when_it_ends(self):
        for leave in (
            lambda mailbox: mailbox.with_user(mailbox.user_id).action_disconnect(),
            lambda mailbox: mailbox.with_user(mailbox.user_id).action_delete(),
            lambda mailbox: mailbox.user_id.write({"active": False}),
            lambda mailbox: mailbox.user_id.unlink(),
        ):
            user = self._user(f"gmail_{id(leave)}", "Leaver", "leaver@x.test")
            mailbox = self.connect(user, ANNA)
            self.assertTrue(self.connected_at_google())
            leave(self.env["gmail.mailbox"].browse(mailbox.id))
            self.assertFalse(self.env["gmail.oauth"]._has_credential(mailbox))
            self.run_cron("revoke")
            self.assertFalse(self.connected_at_google())

    def test_19_a_dead_grant_and_a_busy_google_are_told_apart(self):
        mailbox = self.connect(self.anna, ANNA)
        credential = self.env["gmail.credential"].search([])
        for dead in (False, True):
            credential.access_token_expiry = "2020-01-01"
            if dead:
                self.google.control("accounts", {"account": ANNA, "action": "revoke"})
            else:
                self.google.control("faults", {"path": "^/token$", "status": 503})
            mailbox.next_sync = "2020-01-01"
            self.run_cron("sync_1")
            self.assertEqual(mailbox.state == "reconnect", dead)
        asked = len(self.google.log())
        self.run_cron("sync_1")
        self.assertEqual(len(self.google.log()), asked)

    # Point 20, one renewal at a time, needs two real transactions:
    # test_real_transactions.test_point_20_renewals_are_one_at_a_time.

    def test_21_only_the_owner(self):
        mailbox = self.connect(self.anna, ANNA)
        admin = self._user("gmail_boss", "Boss", "boss@x.test", "base.group_system")
        for user in (self.ben, admin):
            for method in ("action_reconnect", "action_allow_contacts"):
                with self.assertRaises(AccessError):
                    getattr(mailbox.with_user(user), method)()
        # An attempt of somebody else is not started, nor ended.
        path = self.begin(email=PRIVATE)
        self.authenticate("gmail_ben", "gmail_ben")
        self.assertIn("This attempt has ended", self.url_open(path).text)
        # Who owns the mailbox is checked again when the answer comes.
        session, attempt, url = self.started(mailbox=mailbox)
        answer = process.authorize(url, ANNA)
        self.env.cr.execute(
            "UPDATE gmail_mailbox SET user_id = %s WHERE id = %s",
            [self.ben.id, mailbox.id],
        )
        self.env.invalidate_all()
        attempt, _ending = self.finish(answer, session)
        self.assertEqual(attempt.status, "danger")
        self.assertIn("Only its owner", attempt.outcome)

    # Point 22, time-outs, TLS and no redirects, is a matter of lib/transport.py:
    # test_lib_wire.test_point_22_….

    # -- beyond the 22 -------------------------------------------------

    def test_code_of_another_client(self):
        session, _attempt, url = self.started()
        answer = process.authorize(url, ANNA)
        attempt, _ending = self.finish(answer, session, code="4/0Aanother-clients")
        self.assertIn("was used or too old", attempt.outcome)
        self.assertFalse(self.mailbox())

    def test_pages_of_the_road_give_no_referrer(self):
        self.authenticate("gmail_anna", "gmail_anna")
        answer = process.authorize(self.at_google(self.begin()), ANNA)
        for response in (
            self.callback(answer),
            self.callback(answer),
            self.callback("/gmail_oauth_mailbox/callback?state=x"),
            self.url_open("/gmail_oauth_mailbox/ended/session"),
        ):
            self.assertEqual(response.headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(response.headers["Cache-Control"], "no-store")

    def test_secrets_of_the_tables_are_for_no_group(self):
        """Where the access line fails, the fields hold."""
        for model, names in (
            (
                "gmail.credential",
                "sub refresh_token access_token access_token_expiry scopes"
                " key_fingerprint",
            ),
            (
                "gmail.authorization",
                "state_hash session_hash verifier nonce sub refresh_token"
                " access_token scopes",
            ),
            ("gmail.revocation", "token sub"),
        ):
            for name in names.split():
                groups = self.env[model]._fields[name].groups
                self.assertEqual(groups, fields.NO_ACCESS, f"{model}.{name}")
