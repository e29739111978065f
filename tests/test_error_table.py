"""What Google can answer, row by row of the table of errors, against the whole stack.

The number in a test's name is the row: what Google says, what the mailbox does then,
and that nothing is lost once the cause is gone. Rows 5, 24 and 25 are of watch and of
contacts.
"""

import re
from datetime import datetime, timedelta, timezone
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib.transport import Transport
from odoo.addons.gmail_oauth_mailbox.services import gmail_oauth

from .common import ANNA, BEN, mail
from .google_standin.gmail import ApiError
from .test_sending import SendingCase

PAST = "2020-01-01"
GET = "/messages/[0-9a-f]{16}$"
HISTORY = "/history$"
BATCH = "^/batch"
SEND = "/messages/send$"
QUOTA = (
    "Quota exceeded for quota metric 'Queries' and limit '{}' of service "
    "'gmail.googleapis.com' for consumer 'project_number:1'."
)


@tagged("standard", "post_install", "-at_install")
class TestErrorTable(SendingCase):
    def setUp(self):
        super().setUp()
        self.before = len(self.google.log())

    # -- what Google says ----------------------------------------------

    def google_says(self, path, code, reason="", text="", count=99, **fault):
        """Have Google refuse requests: in its JSON, as ``reason`` and ``text``."""
        body = ApiError(code, reason, text).body if reason else {}
        fault = {"path": path, "status": code, "body": body, "count": count, **fault}
        self.google.control("faults", fault)
        self.before = len(self.google.log())

    def later(self, minutes):
        """Return a moment as Google writes it."""
        moment = datetime.now(timezone.utc) + timedelta(minutes=minutes)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    # -- what happens --------------------------------------------------

    def arrive(self, count=1, account=ANNA):
        """Deliver mail; return its ids."""
        return [
            self.google.add_message(
                account, mail(to=account, subject=f"Arrived at {account} {number}")
            )
            for number in range(count)
        ]

    def other(self):
        """Connect Ben's mailbox, up to date."""
        other = self.connect(self.ben, BEN)
        self.sync(other)
        self.before = len(self.google.log())
        return other

    def left_out(self):
        """Return {Gmail id: code} of what was left out."""
        return {row.gmail_id: row.code for row in self.box.quarantine_ids}

    def post_now(self, body="Hello all"):
        """Post as Anna; return what waits of the mail, if anything does."""
        message = self.post(body=body)
        self.env.cr.postcommit.run()
        return self.env["mail.mail"].search([("mail_message_id", "=", message.id)])

    def send_now(self, waiting):
        """Send what waits, as if its time had come."""
        waiting.scheduled_date = False
        self.env.flush_all()
        waiting.send()

    def turn(self, *boxes):
        """Give each mailbox a turn of both lanes, as if it were due."""
        for box in boxes or [self.box]:
            box.next_sync = box.next_backfill = PAST
        self.run_cron("sync_1")
        self.run_cron("backfill_1")

    def asked(self, pattern="^/gmail|^/token|^/batch"):
        """Return what was asked of Google since its trouble began."""
        log = self.google.log()[self.before :]
        return [entry for entry in log if re.search(pattern, entry["path"])]

    def stored(self, box=None):
        messages = self.env["gmail.message"].search(
            [("mailbox_id", "=", (box or self.box).id)]
        )
        return messages.mapped("gmail_id")

    def notices(self):
        """Return how often the administrators were told."""
        admin = self.env.ref("base.user_admin").partner_id
        subject = "All Gmail mailboxes rest for a while"
        return self.env["mail.message"].search_count(
            [("partner_ids", "=", admin.id), ("subject", "=", subject)]
        )

    # -- what is asserted ----------------------------------------------

    def waits(self, least, most, box=None, waits_for="google"):
        """The mailbox waits so many seconds, and no worker asks before."""
        box = box or self.box
        self.assertEqual((box.state, box.waits_for), ("connected", waits_for))
        for moment in (box.waits_until, box.next_sync):
            seconds = (moment - fields.Datetime.now()).total_seconds()
            self.assertTrue(least - 5 <= seconds <= most + 1, seconds)
        self.rests()

    def rests(self):
        """No worker asks anything of Google."""
        asked = len(self.google.log())
        self.run_cron("sync_1")
        self.run_cron("backfill_1")
        self.assertEqual(len(self.google.log()), asked)

    def ends(self, sentence):
        """The mailbox needs its owner: it says so, and is left alone even when due."""
        self.assertEqual(self.box.state, "reconnect")
        self.assertIn(sentence, self.box.error_message)
        self.box.next_sync = PAST
        self.rests()

    def nothing_lost(self, *boxes):
        """With the cause gone, everything is here, and nothing is wrong any more."""
        self.google.control("faults?clear=1")
        self.env["gmail.quota"].search([]).paused_until = PAST
        for box in boxes or [self.box]:
            self.sync(box)
            held = [message["id"] for message in self.google.messages(box.email)]
            self.assertEqual(sorted(self.stored(box)), sorted(held))
            self.assertEqual(box.state, "connected")
            self.assertFalse(box.error_message or box.waits_for or box.failure_count)
            self.assertFalse(box.quarantine_ids)

    def reconnect(self):
        attempt = self.authorize(self.anna, ANNA, mailbox=self.box)
        self.assertEqual(attempt.status, "success", attempt.outcome)

    # -- 400 -----------------------------------------------------------

    def test_row_01_a_bad_item_is_left_out_and_a_bad_query_is_told(self):
        bad, good = self.arrive(2)
        self.google_says(bad, 400, "invalidArgument", "Invalid id value")
        self.turn()
        self.assertEqual(self.stored(), [good])
        self.assertEqual(self.left_out(), {bad: "invalidArgument"})
        self.turn()
        self.assertEqual(len(self.asked(bad)), 1)
        self.google.control("faults?clear=1")
        self.box.with_user(self.anna).action_retry_left_out()
        self.box._restart_backfill()
        self.google_says("/messages$", 400, "badRequest", "Invalid query")
        self.turn()
        self.assertIn("badRequest", self.box.error_message)
        self.assertEqual(len(self.asked("/messages$")), 1)
        self.rests()
        self.nothing_lost()

    def test_row_02_gmail_switched_off_ends_it(self):
        self.arrive()
        self.google.control("accounts", {"account": ANNA, "gmail": False})
        self.turn()
        self.ends("Gmail is switched off for this Google account")
        self.google.control("accounts", {"account": ANNA, "gmail": True})
        self.reconnect()
        self.nothing_lost()

    def test_row_03_another_precondition_passes(self):
        self.arrive()
        text = "Precondition check failed."
        self.google_says(HISTORY, 400, "failedPrecondition", text)
        for seconds in (30, 60, 120, 240):
            self.turn()
            self.waits(seconds, seconds)
        self.assertEqual(len(self.asked()), 4)
        self.assertIn("tries again by itself", self.box.error_message)
        self.nothing_lost()

    def test_row_04_a_batch_that_is_too_big_is_split(self):
        self.arrive(8)
        text = "Inner request count exceeds the limit"
        self.google_says(BATCH, 400, "badRequest", text, count=2)
        self.turn()
        # 8 are refused, 4 are refused, then 2, 2 and 4 are given.
        self.assertEqual(
            [e["status"] for e in self.asked(BATCH)], [400, 400] + [200] * 3
        )
        self.assertEqual(len(self.stored()), 8)
        self.nothing_lost()

    def test_row_06_a_dead_refresh_token_ends_it(self):
        self.arrive()
        self.google.control("accounts", {"account": ANNA, "action": "revoke"})
        self.turn()
        self.ends("Reconnect it")
        self.assertEqual(len(self.asked("^/token")), 1)
        self.reconnect()
        self.nothing_lost()

    # -- 401 and 403 ---------------------------------------------------

    def test_row_07_an_access_token_is_renewed_once(self):
        self.arrive()
        self.google_says(HISTORY, 401, "authError", "Invalid Credentials", count=1)
        self.turn()
        self.assertEqual(len(self.asked("^/token")), 1)
        self.assertEqual(len(self.stored()), 1)
        self.arrive()
        self.google_says(HISTORY, 401, "authError", "Invalid Credentials")
        self.turn()
        self.assertEqual(len(self.asked("^/token")), 1)
        self.assertEqual(len(self.asked(HISTORY)), 2)
        self.ends("Reconnect it")
        self.google.control("faults?clear=1")
        self.reconnect()
        self.nothing_lost()

    def test_row_08_what_was_not_granted_is_off_and_the_rest_works(self):
        self.arrive()
        text = "Request had insufficient authentication scopes."
        self.google_says(HISTORY, 403, "insufficientPermissions", text)
        self.turn()
        self.assertFalse(self.box.can_read)
        self.assertIn("leave the ticks on", self.box.error_message)
        self.turn()
        self.assertEqual(len(self.asked()), 1)
        self.post_now()
        self.assertEqual(len(self.sent()), 1)
        self.google.control("faults?clear=1")
        self.reconnect()
        self.assertTrue(self.box.can_read)
        self.nothing_lost()

    def test_row_09_a_user_limit_stops_this_mailbox_until_the_moment_named(self):
        other = self.other()
        self.arrive()
        self.arrive(account=BEN)
        text = f"User-rate limit exceeded.  Retry after {self.later(minutes=15)}"
        self.google_says(HISTORY, 403, "userRateLimitExceeded", text, account=ANNA)
        self.turn(self.box, other)
        self.waits(900, 900)
        self.assertEqual(len(self.stored(other)), 1)
        self.nothing_lost(self.box, other)

    def test_row_10_the_text_tells_whose_quota_is_spent(self):
        other = self.other()
        limits = {"Queries per minute per user": 1, "Queries per minute": 0}
        for turn, (limit, served) in enumerate(limits.items(), 1):
            with self.subTest(limit):
                self.arrive()
                self.arrive(account=BEN)
                text = QUOTA.format(limit)
                self.google_says(HISTORY, 429, "rateLimitExceeded", text, account=ANNA)
                self.turn(self.box, other)
                self.assertEqual(len(self.stored(other)), turn - 1 + served)
                self.waits(30, 60, waits_for="google" if served else "project")
                self.assertEqual(self.notices(), 1 - served)
                self.nothing_lost(self.box, other)

    def test_row_11_the_days_quota_stops_all(self):
        other = self.other()
        for told, reason in enumerate(("dailyLimitExceeded", "quotaExceeded"), 1):
            with self.subTest(reason):
                self.arrive()
                self.arrive(account=BEN)
                self.google_says(HISTORY, 403, reason, "Daily Limit Exceeded")
                self.turn(self.box)
                self.waits(3600, 3600, waits_for="project")
                self.assertEqual(len(self.asked()), 1)
                self.turn(self.box, other)
                self.assertEqual(len(self.asked()), 1)
                self.assertEqual(self.notices(), told)
                self.nothing_lost(self.box, other)
        # It may be an owner at work who meets it first.
        self.google_says(SEND, 403, "dailyLimitExceeded", "Daily Limit Exceeded")
        waiting = self.post_now()
        self.assertEqual(self.notices(), 3)
        self.turn(self.box, other)
        self.assertEqual(len(self.asked()), 1)
        self.nothing_lost(self.box, other)
        self.send_now(waiting)
        self.assertEqual(len(self.sent()), 1)

    def test_row_12_a_domain_policy_ends_it(self):
        self.arrive()
        self.google.control("accounts", {"account": ANNA, "domain_policy": True})
        self.turn()
        self.ends("Workspace administrator does not allow this application")
        self.google.control("accounts", {"account": ANNA, "domain_policy": False})
        self.reconnect()
        self.nothing_lost()

    def test_row_13_an_api_that_is_not_enabled_stops_all(self):
        other = self.other()
        self.arrive()
        self.arrive(account=BEN)
        self.google.control("settings", {"api_disabled": True})
        self.turn(self.box)
        self.assertEqual(self.box.state, "connected")
        self.assertIn("The Gmail API is not enabled", self.box.error_message)
        self.turn(self.box, other)
        self.assertEqual(len(self.asked()), 1)
        self.assertEqual(self.notices(), 1)
        self.google.control("settings", {"api_disabled": False})
        self.nothing_lost(self.box, other)

    # -- 404 -----------------------------------------------------------

    def test_row_14_an_old_cursor_means_a_census_and_no_second_download(self):
        kept, deleted = self.arrive(2)
        self.sync(self.box)
        self.google.control(
            f"messages/{deleted}", {"account": ANNA, "action": "delete"}
        )
        self.google.control(
            f"messages/{kept}",
            {"account": ANNA, "action": "modify", "remove": ["UNREAD"]},
        )
        (new,) = self.arrive()
        self.google.control("accounts", {"account": ANNA, "action": "expire_history"})
        self.before = len(self.google.log())
        self.sync(self.box)
        self.assertEqual(len(self.asked(GET)), 1)
        self.assertTrue(self.asked(new))
        message = self.env["gmail.message"].search([("gmail_id", "=", kept)])
        self.assertFalse(message.is_unread)
        self.nothing_lost()

    def test_row_15_mail_that_went_meanwhile_is_no_error(self):
        gone, good = self.arrive(2)
        self.google_says(gone, 404, "notFound", "Requested entity was not found.")
        self.turn()
        self.assertEqual(self.stored(), [good])
        self.assertFalse(self.box.error_message)
        # History has named it, so it is asked for again until history says otherwise.
        self.assertEqual(self.left_out(), {gone: "not_found"})
        self.turn()
        self.assertEqual(len(self.asked(gone)), 2)
        self.google.control(f"messages/{gone}", {"account": ANNA, "action": "delete"})
        self.nothing_lost()

    def test_row_16_an_answer_leaves_though_its_conversation_is_gone(self):
        self.post_now()
        (first,) = self.sent()
        path = f"messages/{first['id']}"
        self.google.control(path, {"account": ANNA, "action": "delete"})
        self.before = len(self.google.log())
        self.post_now(body="One more thing")
        self.assertEqual([e["status"] for e in self.asked(SEND)], [404, 200])
        (second,) = self.sent()
        self.assertIn("One more thing", second["text"])
        self.nothing_lost()

    # -- 429 -----------------------------------------------------------

    def test_row_17_too_many_at_once_makes_batches_smaller(self):
        self.arrive(40)
        self.google.control("settings", {"most_concurrent": 10})
        self.before = len(self.google.log())
        self.turn()
        self.assertFalse(self.box.error_message or self.box.waits_for)
        sizes, size = [], 0
        for entry in self.asked():
            size += bool(re.search(GET, entry["path"]))
            if entry["path"].startswith("/batch"):
                sizes.append(size)
                size = 0
        self.assertEqual(sizes[0], 25)
        self.assertEqual(max(sizes[1:]), 10)
        self.nothing_lost()

    def test_row_18_a_sending_limit_stops_no_reading(self):
        texts = (
            "User-rate limit exceeded (Mail sending)",
            f"User-rate limit exceeded.  Retry after {self.later(minutes=180)}",
            "Daily user sending limit exceeded.",
        )
        for number, text in enumerate(texts):
            with self.subTest(text):
                self.google_says(SEND, 429, "rateLimitExceeded", text)
                waiting = self.post_now()
                self.assertIn("sending limit is reached", waiting.failure_reason)
                pause = waiting.scheduled_date - fields.Datetime.now()
                self.assertGreater(pause, timedelta(minutes=59))
                self.assertEqual(len(self.asked(SEND)), 1)
                self.arrive()
                self.turn()
                self.assertEqual(len(self.stored()), 2 * number + 1)
                self.assertFalse(self.box.error_message or self.box.waits_for)
                self.google.control("faults?clear=1")
                self.send_now(waiting)
                self.assertEqual(len(self.sent()), number + 1)
                self.nothing_lost()

    # -- 5xx and the network -------------------------------------------

    def test_row_19_a_server_error_is_waited_for_longer_each_time(self):
        self.arrive()
        for status in (500, 502, 503, 504):
            with self.subTest(status):
                text = "Authentication backend unavailable"
                self.google_says(HISTORY, status, "backendError", text)
                for failures, seconds in enumerate((30, 60, 120), 1):
                    self.turn()
                    self.waits(seconds, seconds)
                    # The third is one that the owner is told of.
                    self.assertEqual(bool(self.box.error_message), failures == 3)
                self.assertEqual(len(self.asked()), 3)
                self.nothing_lost()
        # However often, it is asked again within the hour.
        self.box.failure_count = 40
        self.google_says(HISTORY, 503, "backendError", "Backend Error")
        self.turn()
        self.waits(3600, 3600)
        self.nothing_lost()

    def test_row_20_a_lost_answer_is_asked_for_again_and_mail_goes_out_once(self):
        self.arrive()
        # A connection that broke is tried a second time at once.
        self.google_says(HISTORY, 200, drop=True, count=1)
        self.turn()
        self.assertEqual([e["status"] for e in self.asked(HISTORY)], [0, 200])
        self.google_says(HISTORY, 200, drop=True, count=2)
        self.turn()
        self.waits(30, 30)
        self.nothing_lost()
        # It went out, and no answer came: it is found by its own header.
        self.google_says(SEND, 200, drop=True, **{"pass": True}, count=1)
        self.assertFalse(self.post_now())
        self.assertEqual(len(self.asked(SEND)), 1)
        self.assertEqual(len(self.sent()), 1)
        # It did not go out: it is looked for, waits, and goes out.
        self.google_says(SEND, 200, drop=True, count=1)
        waiting = self.post_now(body="Second")
        self.assertEqual(len(self.asked("/messages$")), 1)
        self.assertIn("tries again by itself", waiting.failure_reason)
        self.send_now(waiting)
        self.assertEqual(len(self.sent()), 2)
        self.nothing_lost()

    # -- batches -------------------------------------------------------

    def test_row_21_only_the_parts_that_failed_are_asked_for_again(self):
        busy, gone, bad, *good = self.arrive(6)
        self.google_says(busy, 503, "backendError", "Backend Error", count=1)
        self.google_says(gone, 404, "notFound", "Requested entity was not found.")
        self.google_says(bad, 400, "invalidArgument", "Invalid id value")
        self.turn()
        self.assertEqual(sorted(self.stored()), sorted([busy, *good]))
        self.assertEqual(self.left_out(), {bad: "invalidArgument", gone: "not_found"})
        self.assertFalse(self.box.error_message)
        counts = {gmail_id: len(self.asked(gmail_id)) for gmail_id in good}
        self.assertEqual(counts, dict.fromkeys(good, 1))
        self.assertEqual(len(self.asked(busy)), 2)
        self.assertEqual(len(self.asked(gone)), 1)
        self.box.with_user(self.anna).action_retry_left_out()
        # What was only said to be gone is asked for again too.
        self.nothing_lost()

    def test_row_22_a_refused_batch_is_no_fault_of_its_messages(self):
        answers = (
            {"code": 401, "reason": "authError", "count": 1},
            {"code": 413, "reason": "uploadTooLarge"},
            {"code": 429, "reason": "rateLimitExceeded"},
            {"code": 500, "reason": "backendError"},
            {"code": 200, "as_type": "text/html"},
        )
        for answer in answers:
            with self.subTest(answer["code"]):
                self.arrive(3)
                self.google_says(BATCH, text="x", **answer)
                self.turn()
                self.assertFalse(self.box.quarantine_ids)
                self.assertEqual(self.box.state, "connected")
                self.assertLessEqual(len(self.asked(BATCH)), 3)
                self.nothing_lost()

    # -- oddities ------------------------------------------------------

    def test_row_23_an_empty_page_with_a_next_one_is_no_end(self):
        self.arrive(3)
        faults = {"path": HISTORY, "empty_page": True, "count": 2}
        self.google.control("faults", faults)
        self.before = len(self.google.log())
        self.turn()
        self.assertEqual(len(self.asked(HISTORY)), 3)
        self.assertEqual(len(self.stored()), 3)
        self.nothing_lost()

    def test_row_26_unreadable_and_oversized_mail_is_left_out(self):
        unreadable, good = self.arrive(2)
        body = mail(subject="Far too large for this server", body="x" * 300_000)
        large = self.google.add_message(ANNA, body)
        self.google_says(unreadable, 200, as_type="application/json", body="{broken")
        cursor = self.box.history_cursor
        with patch.object(gmail_oauth, "TRANSPORT", Transport(max_bytes=100_000)):
            self.turn()
        self.assertEqual(self.stored(), [good])
        left_out = {unreadable: "unreadable", large: "too_large"}
        self.assertEqual(self.left_out(), left_out)
        self.assertFalse(self.box.error_message)
        self.assertNotEqual(self.box.history_cursor, cursor)
        self.before = len(self.google.log())
        self.turn()
        self.assertFalse(self.asked(GET))
        self.google.control("faults?clear=1")
        self.box.with_user(self.anna).action_retry_left_out()
        self.nothing_lost()

    # -- whom it concerns ----------------------------------------------

    def test_one_mailboxs_trouble_never_slows_another(self):
        other = self.other()
        # Anna's was due first, and her turn comes first.
        troubles = (
            (503, "backendError", "Backend Error"),
            (403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
            (400, "badRequest", "Bad Request"),
            (401, "authError", "Invalid Credentials"),
        )
        for number, trouble in enumerate(troubles, 1):
            with self.subTest(trouble[0]):
                self.arrive()
                (new,) = self.arrive(account=BEN)
                self.google_says(HISTORY, *trouble, account=ANNA)
                self.turn(self.box, other)
                self.assertIn(new, self.stored(other))
                self.assertFalse(other.error_message or other.waits_for)
                self.assertEqual(len(self.stored()), number - 1)
                self.google.control("faults?clear=1")
                if self.box.state == "reconnect":
                    self.reconnect()
                self.nothing_lost(self.box, other)

    def test_a_fault_of_the_project_stops_all_calls_and_passes(self):
        """Administrators are told once, tokens are kept, and it goes on by itself."""
        other = self.other()
        self.arrive()
        self.arrive(account=BEN)
        credentials = self.env["gmail.credential"].search([])
        credentials.access_token_expiry = PAST
        tokens = credentials.mapped("refresh_token")
        self.google.control("settings", {"client_secret": "another"})
        project = self.env["gmail.quota"].search([("mailbox_id", "=", False)])
        waiting = self.env["mail.mail"]
        for asked in (2, 4, 6):
            # Once for both together, once for the first of them.
            self.turn(self.box, other)
            self.assertEqual(len(self.asked()), asked)
            # Nobody asks in between, neither workers nor owners at work.
            self.turn(self.box, other)
            waiting |= self.post_now()
            self.assertEqual(len(self.asked()), asked)
            self.assertEqual(self.notices(), 1)
            project.paused_until = PAST
        self.assertEqual({self.box.state, other.state}, {"connected"})
        credentials.invalidate_recordset()
        self.assertEqual(credentials.mapped("refresh_token"), tokens)
        self.google.control("settings", {"client_secret": "standin-secret"})
        self.send_now(waiting)
        self.assertEqual(len(self.sent()), 3)
        self.nothing_lost(self.box, other)
        # The next time is a first time again.
        self.assertFalse(project.failures)
