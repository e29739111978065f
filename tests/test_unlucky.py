"""What a hostile and unlucky world does to the engine."""

import random
from dataclasses import replace
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.lib import quota

from .common import ANNA, mail
from .test_backfill import CARLA, OLD, BackfillCase


@tagged("standard", "post_install", "-at_install")
class TestUnlucky(BackfillCase):
    def fault(self, path, **values):
        self.google.control("faults", {"path": path, **values})

    def labels(self, **labels):
        self.google.control("accounts", {"account": ANNA, "add_labels": labels})

    def off(self, gmail_id):
        label = self.box.label_ids.filtered(lambda x: x.gmail_id == gmail_id)
        self.assertTrue(label, self.box.label_ids.mapped("gmail_id"))
        label.with_user(self.anna).is_synced = False
        return label

    def modify(self, gmail_id, **changes):
        return self.google.control(
            f"messages/{gmail_id}", {"account": ANNA, "action": "modify", **changes}
        )

    def test_a_window_of_100_years(self):
        self.google.add_message(ANNA, mail(subject="First"))
        self.box = self.connect(self.anna, ANNA)
        self.box.with_user(self.anna).history_days = 36500
        self.sync(self.box)
        self.assertEqual(self.stored(), ["First"])

    def test_a_window_to_1971(self):
        self.google.add_message(ANNA, mail(subject="First"))
        self.box = self.connect(self.anna, ANNA)
        self.box.with_user(self.anna).history_days = 20400
        self.sync(self.box)
        self.assertEqual(self.stored(), ["First"])

    def test_census_with_a_message_before_1970(self):
        self.google.add_message(
            ANNA, mail(subject="Ancient", date="Mon, 01 Jan 1968 10:00:00 +0000")
        )
        self.google.add_message(ANNA, mail(subject="First"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.assertEqual(len(self.stored()), 2)
        self.box.with_user(self.anna).history_days = 30
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Meanwhile"))
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["Ancient", "First", "Meanwhile"])

    def test_ceiling_counts_what_is_kept(self):
        self.labels(Label_1="R&D")
        for day in range(1, 9):
            self.google.add_message(
                ANNA,
                mail(subject=f"Day {day}", date=f"{day:02} Nov 2026 10:00:00 +0000"),
                ["INBOX", "Label_1"] if day > 4 else ["INBOX"],
            )
        self.box = self.connect(self.anna, ANNA)
        self.box.history_days = 7
        self.sync(self.box)
        self.off("Label_1")
        self.sync(self.box)
        self.set_param("max_messages", "3")
        self.box.history_days = 0
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["Day 2", "Day 3", "Day 4"])

    def test_labels_that_are_written_alike(self):
        self.labels(Label_1="Work-Old", Label_2="Work/Old")
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.google.add_message(ANNA, mail(subject="Wanted"), ["INBOX", "Label_1"])
        self.google.add_message(ANNA, mail(subject="Unwanted"), ["INBOX", "Label_2"])
        self.off("Label_2")
        self.box._restart_backfill()
        self.box.history_cursor = False
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Wanted"])

    def test_labels_written_alike_in_a_census(self):
        self.labels(Label_1="Work-Old", Label_2="Work/Old")
        self.google.add_message(ANNA, mail(subject="Wanted"), ["INBOX", "Label_1"])
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.off("Label_2")
        self.sync(self.box)
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Wanted"])

    def test_labels_swap_their_names(self):
        self.labels(Label_1="News", Label_2="Projects")
        self.google.add_message(
            ANNA, mail(subject="Wanted", date=OLD), ["INBOX", "Label_2"]
        )
        self.box = self.connect(self.anna, ANNA)
        self.box.history_days = 30
        self.sync(self.box)
        self.off("Label_1")
        self.sync(self.box)
        self.labels(Label_1="Projects", Label_2="News")
        self.box.with_user(self.anna).history_days = 0
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Wanted"])

    def test_a_label_that_was_off_is_deleted_in_gmail(self):
        self.labels(Label_1="News")
        kept = self.google.add_message(ANNA, mail(subject="News"), ["INBOX", "Label_1"])
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.off("Label_1")
        self.sync(self.box)
        self.assertFalse(self.stored())
        # Gmail: the label goes, without a record for each message.
        self.box.labels_taken = "2020-01-01"
        names = [
            {"id": x.gmail_id, "name": x.name, "type": x.kind}
            for x in self.box.label_ids
            if x.gmail_id != "Label_1"
        ]
        self.fault("/labels$", status=200, body={"labels": names}, count=99)
        self.modify(kept, remove=["Label_1"])
        self.expire_history()
        self.sync(self.box)
        self.assertEqual(self.stored(), ["News"])

    def test_a_label_that_was_off_is_deleted_no_history(self):
        self.labels(Label_1="News")
        self.google.add_message(ANNA, mail(subject="News"), ["INBOX"])
        self.google.add_message(ANNA, mail(subject="Old", date=OLD), ["INBOX"])
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        label = self.off("Label_1")
        self.env["gmail.store"]._forget(
            self.box, self.env["gmail.message"].search([]).mapped("gmail_id")
        )
        self.sync(self.box)
        self.assertFalse(self.stored())
        self.box.labels_taken = "2020-01-01"
        names = [
            {"id": x.gmail_id, "name": x.name, "type": x.kind}
            for x in self.box.label_ids
            if x.gmail_id != "Label_1"
        ]
        self.fault("/labels$", status=200, body={"labels": names}, count=99)
        self.sync(self.box)
        self.assertFalse(label.exists())
        self.sync(self.box)
        self.assertEqual(sorted(self.stored()), ["News", "Old"])

    def test_google_lists_no_labels_at_all(self):
        self.labels(Label_1="News")
        self.google.add_message(ANNA, mail(subject="Hello"), ["INBOX", "STARRED"])
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.off("Label_1")
        self.sync(self.box)
        self.box.labels_taken = "2020-01-01"
        self.fault("/labels$", status=200, body={}, count=1)
        self.sync(self.box)
        self.box.labels_taken = "2020-01-01"
        self.sync(self.box)
        label = self.box.label_ids.filtered(lambda x: x.gmail_id == "Label_1")
        self.assertFalse(label.is_synced)
        message = self.env["gmail.message"].search([])
        self.assertIn("INBOX", message.label_ids.mapped("gmail_id"))

    def test_a_message_google_never_gives(self):
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        bad = self.google.add_message(ANNA, mail(subject="Bad"))
        self.fault(f"/messages/{bad}$", status=500, count=10**6)
        for number in range(3):
            self.google.add_message(ANNA, mail(subject=f"Good {number}"))
        for _turn in range(12):
            self.google.control("clock", {"forward": 10})
            self.env.cr.execute(
                "UPDATE gmail_quota SET paused_until=NULL; UPDATE gmail_mailbox SET"
                " next_sync='2020-01-01'"
            )
            self.env.invalidate_all()
            self.run_cron("sync_1")
        self.google.add_message(ANNA, mail(subject="Later"))
        self.env.cr.execute(
            "UPDATE gmail_quota SET paused_until=NULL; UPDATE gmail_mailbox SET"
            " next_sync='2020-01-01'"
        )
        self.env.invalidate_all()
        self.run_cron("sync_1")
        self.assertIn("Later", self.stored(), self.box.error_message)

    def test_retry_of_many_makes_progress(self):
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        ids = [self.google.add_message(ANNA, mail(subject="Left")) for _n in range(60)]
        for gmail_id in ids:
            self.env["gmail.store"]._quarantine(self.box, gmail_id, "x")
        self.sync(self.box)
        self.box.with_user(self.anna).action_retry_left_out()
        # Every slice gets 30 of them, then the quota is spent.
        for _turn in range(6):
            self.google.control("faults?clear=1")
            rows = self.box.quarantine_ids.mapped("gmail_id")
            if not rows:
                break
            self.env.cr.execute(
                "UPDATE gmail_quota SET paused_until=NULL, quota_window=NULL;"
                "UPDATE gmail_mailbox SET next_sync='2020-01-01'"
            )
            self.env.invalidate_all()
            with patch.dict(
                "odoo.addons.gmail_oauth_mailbox.lib.quota.PROFILES",
                new=self.small_profile(700),
            ):
                self.run_cron("sync_1")
        self.assertEqual(len(self.stored()), 60)
        self.assertFalse(self.box.quarantine_ids)

    def small_profile(self, units):
        return replace(quota.PROFILES["new"], user_per_minute=units)

    def hot(self, lane):
        now = fields.Datetime.now()
        crons = self.env["gmail.scheduler"]._crons([lane])
        return self.env["ir.cron.trigger"].search_count(
            [("cron_id", "in", crons.ids), ("call_at", "<=", now)]
        )

    def test_backfill_does_not_spin_before_the_first_sync(self):
        self.box = self.connect(self.anna, ANNA)
        self.fault("/profile$", status=503, count=999)
        self.env["gmail.scheduler"]._wake(self.box)
        self.run_cron("sync_1")
        self.assertFalse(self.box.history_cursor)
        self.env["ir.cron.trigger"].search([]).unlink()
        self.run_cron("backfill_1")
        self.assertFalse(self.hot("backfill"))

    def test_new_mail_does_not_spin_for_who_is_no_user(self):
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.box.next_sync = "2020-01-01"
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_users SET share=true WHERE id=%s", [self.anna.id]
        )
        self.env.invalidate_all()
        self.env["ir.cron.trigger"].search([]).unlink()
        self.run_cron("sync_1")
        self.assertFalse(self.hot("new"))

    def contacts_only(self):
        self.box = self.connect(self.anna, ANNA)
        self.box.with_user(self.anna).import_scope = "contacts"

    def test_contact_moves_to_my_company(self):
        other = self.env["res.company"].create({"name": "Other company"})
        hidden = self.env["res.partner"].create(
            {"name": "Hidden", "email": "hid@else.test", "company_id": other.id}
        )
        self.google.add_message(ANNA, mail(sender="hid@else.test", subject="Hidden"))
        self.contacts_only()
        self.sync(self.box)
        self.assertFalse(self.stored())
        hidden.company_id = self.anna.company_id
        self.run_cron("addresses")
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Hidden"])

    def test_endless_address(self):
        chance = random.Random(1)
        long = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=9000))
        self.env["res.partner"].create({"name": "L", "email": f"{long}@else.test"})
        self.env.flush_all()
        self.google.add_message(ANNA, mail(subject="Mine"))
        self.contacts_only()
        self.sync(self.box)
        self.assertEqual(self.stored(), ["Mine"])

    def test_odd_addresses(self):
        odd = [
            "UPPER@Else.Test",
            "plus+tag@else.test",
            "o'hara@else.test",
            "-minus@else.test",
            "ünï@else.test",
            '"quoted one"@else.test',
            "a@else.test, b@else.test",
            "x" * 290 + "@else.test",
            "or@else.test",
            "{x}@else.test",
            "a*b@else.test",
            "in:spam@else.test",
            "%@else.test",
        ]
        for number, email in enumerate(odd):
            self.env["res.partner"].create({"name": f"P{number}", "email": email})
        senders = {
            "upper": "upper@else.test",
            "plus": "plus+tag@else.test",
            "ohara": "o'hara@else.test",
            "minus": "-minus@else.test",
            "first": "a@else.test",
            "or": "or@else.test",
            "long": "x" * 290 + "@else.test",
            "pct": "%@else.test",
        }
        for subject, sender in senders.items():
            self.google.add_message(ANNA, mail(sender=sender, subject=subject))
        self.contacts_only()
        self.sync(self.box)
        self.assertFalse(self.box.error_message)
        self.assertEqual(sorted(self.stored()), sorted(senders))

    def test_5000_contacts(self):
        self.env["res.partner"].create(
            [{"name": f"C{n}", "email": f"contact{n}@c.test"} for n in range(5000)]
        )
        for n in (0, 2500, 4999):
            self.google.add_message(
                ANNA, mail(sender=f"contact{n}@c.test", subject="F")
            )
        self.contacts_only()
        self.env["ir.config_parameter"].set_param(
            "gmail_oauth_mailbox.quota_profile", "unmetered"
        )
        self.sync(self.box)
        self.assertEqual(self.stored(), ["F"] * 3)

    def test_mode_to_and_fro(self):
        for n in range(70):
            self.google.add_message(
                ANNA, mail(subject=f"Mail {n}", sender="x@e.test" if n % 2 else CARLA)
            )
        self.box = self.connect(self.anna, ANNA)
        self.box.next_sync = "2020-01-01"
        self.run_cron("sync_1")
        for mode in ("contacts", "all", "contacts", "all"):
            self.box.with_user(self.anna).import_scope = mode
            self.box.next_sync = "2020-01-01"
            self.run_cron("sync_1")
        self.sync(self.box)
        self.assertEqual(len(self.stored()), 70)
        self.assertEqual(len(set(self.stored())), 70)

    def answer(self, gmail_id, **changes):
        body = {
            "id": gmail_id,
            "threadId": gmail_id,
            "labelIds": ["INBOX"],
            "snippet": "s",
            "sizeEstimate": 10,
            "historyId": "5",
            "internalDate": "1795514400000",
            "payload": {
                "mimeType": "text/plain",
                "partId": "",
                "filename": "",
                "headers": [
                    {"name": "From", "value": "c@e.test"},
                    {"name": "Subject", "value": gmail_id},
                ],
                "body": {"size": 2, "data": "aGk="},
            },
        }
        body.update(changes)
        body = {k: v for k, v in body.items() if v is not None}
        self.fault(f"/messages/{gmail_id}$", status=200, body=body, count=50)

    def test_odd_answers(self):
        odd = [
            {"threadId": None},
            {"threadId": ""},
            {"threadId": "x'\"%{}"},
            {"internalDate": None},
            {"internalDate": "-62135596800000"},
            {"internalDate": "253402300799000"},
            {"internalDate": "999999999999999999"},
            {"internalDate": "abc"},
            {"internalDate": -1},
            {"sizeEstimate": -5},
            {"sizeEstimate": 10**15},
            {"labelIds": None},
            {"labelIds": ["INBOX", "INBOX", "x'"]},
            {"snippet": None},
            {"payload": None},
            {"payload": {}},
            {"historyId": None},
            {"labelIds": "INBOX"},
            {"payload": []},
            {"threadId": "t" * 5000},
            {"threadId": 5},
            {"labelIds": [5, None]},
            {"snippet": 5},
            {"sizeEstimate": "x"},
        ]
        ids = []
        for number, change in enumerate(odd):
            gmail_id = self.google.add_message(ANNA, mail(subject=f"Odd {number}"))
            self.answer(gmail_id, **change)
            ids.append(gmail_id)
        self.google.add_message(ANNA, mail(subject="Good"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.assertFalse(self.box.error_message)
        self.assertIn("Good", self.stored())
        have = self.env["gmail.message"].search([])
        left_out = self.box.quarantine_ids.mapped("gmail_id")
        for number, gmail_id in enumerate(ids):
            places = (have.mapped("gmail_id"), left_out)
            found = sum(place.count(gmail_id) for place in places)
            self.assertEqual(found, 1, odd[number])
