"""The panel's list: what it narrows to, in order, page by page, frequent words too."""

from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.gmail_oauth_mailbox.services import gmail_panel

WORDS = ("oak", "oaks", "table", "walnut")


@tagged("standard", "post_install", "-at_install")
class TestPanelList(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.users = [
            new_test_user(cls.env, f"gmail_list_{n}", signature=False) for n in range(2)
        ]
        cls.boxes = cls.env["gmail.mailbox"].create(
            [
                {
                    "name": f"b{n}",
                    "email": f"b{n}@corp-example.test",
                    "user_id": cls.users[n // 2].id,
                    "state": "draft",
                }
                for n in range(3)
            ]
        )
        cls.labels = cls.env["gmail.label"].create(
            [
                {
                    "mailbox_id": box.id,
                    "gmail_id": "L",
                    "name": "L",
                    "kind": "user",
                }
                for box in cls.boxes
            ]
        )
        cls.rows = []
        for number in range(60):
            place = number % 3
            box = cls.boxes[place]
            text = f"{WORDS[number % 4]} {WORDS[number * 7 % 4]}"
            thread = cls.env["gmail.thread"].create(
                {
                    "mailbox_id": box.id,
                    "gmail_id": f"t{number}",
                    "subject": text,
                    # Some have the same date.
                    "last_date": f"2026-11-23 10:{number // 2:02}:00",
                    "message_count": 0 if number % 10 == 9 else 1,
                    "unread_count": number % 2,
                    "is_starred": number % 5 == 0,
                    "has_attachments": number % 7 == 0,
                }
            )
            labelled = number % 4 == 0
            cls.env["gmail.message"].create(
                {
                    "mailbox_id": box.id,
                    "thread_id": thread.id,
                    "gmail_id": f"m{number}",
                    "direction": "in",
                    "date": thread.last_date,
                    "search_text": text,
                    "label_ids": [(6, 0, cls.labels[place].ids if labelled else [])],
                }
            )
            cls.rows.append((thread, place, text.split(), labelled))

    def expected(self, place, search, only, label):
        """Return the ids of conversations as plain Python finds them."""
        found = []
        for thread, where, words, labelled in self.rows:
            shown = where == place if place is not None else where < 2
            shown &= bool(thread.message_count)
            if search:
                begins = search.split()
                shown &= all(any(w.startswith(b) for w in words) for b in begins)
            shown &= {
                "unread": thread.unread_count > 0,
                "starred": thread.is_starred,
                "attachments": thread.has_attachments,
            }.get(only, True)
            if label is not None:
                shown &= labelled and where == label
            if shown:
                found.append(thread)
        found.sort(key=lambda t: (t.last_date, t.id), reverse=True)
        return [thread.id for thread in found]

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(
        st.sampled_from((None, 0, 1)),
        st.sampled_from(("", "oak", "oaks", "oa ta", "walnut table", "zebra")),
        st.sampled_from((False, "unread", "starred", "attachments")),
        st.sampled_from((None, 0, 1, 2)),
        st.integers(1, 12),
        st.integers(1, 20),
    )
    def test_any_list(self, place, search, only, label, limit, newest):
        box = self.boxes[place].id if place is not None else False
        label_id = self.labels[label].id if label is not None else False
        found, before = [], False
        mine = self.env["gmail.mailbox"].with_user(self.users[0])
        # Few are looked through, so that both ways are taken.
        with patch.object(gmail_panel, "NEWEST", newest):
            for _page in range(100):
                page = mine.panel_threads(box, search, before, limit, only, label_id)
                self.assertLessEqual(len(page["threads"]), limit)
                found += [row["id"] for row in page["threads"]]
                before = page["before"]
                if not before:
                    break
        self.assertEqual(found, self.expected(place, search, only, label))

    def test_others_see_nothing(self):
        theirs = self.env["gmail.mailbox"].with_user(self.users[1])
        page = theirs.panel_threads(self.boxes[0].id, label_id=self.labels[0].id)
        self.assertFalse(page["threads"])
        page = theirs.panel_threads(label_id=self.labels[0].id)
        self.assertFalse(page["threads"])
