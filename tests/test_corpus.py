"""156 real and malformed messages: all arrive, none twice, none breaks the page.

The tests are generated from the folder's listing; without the folder there are none
(conftest.py says so in one line).
"""

from pathlib import Path

from odoo.tests import tagged

from .common import ANNA, GmailCase

CORPUS = Path(__file__).resolve().parents[2] / "shared" / "corpus"
FILES = sorted(CORPUS.rglob("*.eml")) if CORPUS.is_dir() else []

if FILES:

    @tagged("standard", "post_install", "-at_install")
    class TestCorpus(GmailCase):
        standin_options = {**GmailCase.standin_options, "seed": CORPUS}

        def setUp(self):
            super().setUp()
            # More at once than Google's quota of a minute would allow.
            self.env["ir.config_parameter"].set_param(
                "gmail_oauth_mailbox.quota_profile", "unmetered"
            )
            self.box = self.connect(self.anna, ANNA)
            self.box.history_days = 0
            self.sync(self.box)
            self.at_google = {
                m["id"]
                for m in self.google.messages(ANNA)
                if not {"SPAM", "TRASH", "DRAFT"} & set(m["labelIds"])
            }
            self.stored = self.env["gmail.message"].search(
                [("mailbox_id", "=", self.box.id)]
            )

        def test_all_arrive_once(self):
            self.assertEqual(len(self.at_google), len(FILES))
            self.assertEqual(set(self.stored.mapped("gmail_id")), self.at_google)
            self.assertEqual(len(self.stored), len(FILES))
            self.assertFalse(self.box.quarantine_ids)
            self.assertFalse(self.box.error_message)

        def test_reports_name_whom_a_mail_did_not_reach(self):
            named = " ".join(filter(None, self.stored.mapped("failed_recipients")))
            self.assertIn("edwin@zzzzzzz.com", named)
            self.assertIn("u@ci.com", named)
            # That one was only late.
            self.assertNotIn("fraser@oooooooo.com.au", named)

        def test_every_conversation_can_be_read(self):
            for thread in self.stored.thread_id.with_user(self.anna):
                read = thread.panel_read()
                self.assertEqual(len(read["messages"]), thread.message_count)
                for message in read["messages"]:
                    lowered = message["srcdoc"].lower()
                    self.assertNotIn("<script", lowered)
                    self.assertNotIn("<iframe", lowered)

        def test_every_attachment_can_be_fetched(self):
            attachments = self.stored.attachment_ids
            self.assertTrue(attachments)
            for attachment in attachments.with_user(self.anna):
                attachment.panel_open()
                self.assertTrue(attachment.sudo().attachment_id)
