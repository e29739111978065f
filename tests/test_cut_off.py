"""Sends that are cut off at random moments: each mail is delivered exactly once.

``GMAIL_OAUTH_MAILBOX_CUT_OFFS=1000`` has that many of them.
"""

import os
import random
from collections import Counter

from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ANNA, BEN
from .test_sending import SendingCase, Undone

MAILS = int(os.environ.get("GMAIL_OAUTH_MAILBOX_CUT_OFFS", 250))
SEED = 61
# A round in which nothing goes wrong comes at last.
MOST_ROUNDS = 40
SEND = "/messages/send"
# How a send is cut off: before Gmail has it, after, within its answer.
CUTS = (
    {"path": SEND, "drop": True},
    {"path": SEND, "pass": True, "drop": True},
    {"path": SEND, "pass": True, "drop": True},
    {"path": SEND, "truncate": True},
    {"path": SEND, "pass": True, "status": 502, "body": {}},
    {"path": SEND, "status": 503, "body": {}},
)
# What goes wrong while Odoo looks for what may have gone out, and reads it back.
BESIDE = (
    {"path": "/messages", "method": "GET", "drop": True},
    {"path": "/history", "drop": True},
    {"path": "/messages", "method": "GET", "status": 503, "body": {}},
)


@tagged("standard", "post_install", "-at_install")
class TestCutOff(SendingCase):
    @mute_logger(
        "odoo.addons.mail.models.mail_mail",
        "odoo.addons.base.models.ir_mail_server",
    )
    def test_each_is_delivered_exactly_once(self):
        # More in a minute than Odoo lets a person send, and Google's quota.
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.quota_profile", "unmetered")
        set_param("mail.server.personal.limit.minutes", "100000")
        chance = random.Random(SEED)  # noqa: S311
        cuts = Counter()
        for number in range(MAILS):
            subject = f"Cut off {number:04}"
            draft = self.draft(to=BEN, subject=subject)
            draft.panel_send()
            for _round in range(MOST_ROUNDS):
                cuts.update(self.trouble(chance))
                if self.attempt(draft, dies=chance.random() < 0.2):
                    break
            else:
                self.fail(f"{subject} does not go out")
            self.google.control("faults?clear=1")
            if chance.random() < 0.05:
                self.sync(self.box)
        self.sync(self.box)
        wanted = {f"Cut off {number:04}": 1 for number in range(MAILS)}
        for account in (ANNA, BEN):
            self.assertEqual(self.subjects(account), wanted, account)
        mirrored = self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])
        self.assertEqual(Counter(mirrored.mapped("subject")), wanted)
        self.assertFalse(self.env["gmail.draft"].search_count([]))
        self.assertGreater(sum(cuts.values()), MAILS)
        self.assertEqual(set(cuts), {str(fault) for fault in (*CUTS, *BESIDE)})

    def trouble(self, chance):
        """Have something go wrong in the next attempt, mostly; return what."""
        self.google.control("faults?clear=1")
        chosen = [chance.choice(CUTS)] if chance.random() < 0.6 else []
        chosen += [chance.choice(BESIDE)] if chance.random() < 0.3 else []
        for fault in chosen:
            self.google.control("faults", {**fault, "count": chance.randint(1, 3)})
        return [str(fault) for fault in chosen]

    def attempt(self, draft, dies):
        """Have a mail leave; return whether it has, as far as Odoo knows."""
        try:
            with self.env.cr.savepoint():
                draft.panel_flush()
                if dies:
                    raise Undone
        except Undone:
            self.env.invalidate_all()
            return False
        if draft.exists() and draft.state == "draft":
            # Google's refusal, or a doubt that only a person can settle.
            draft.panel_send()
        return not draft.exists()

    def subjects(self, account):
        found = Counter()
        for message in self.google.messages(account):
            subject = self.header(message, "Subject") or ""
            if subject.startswith("Cut off"):
                found[subject] += 1
        return found
