"""Mail made to look like other mail: nothing attaches, nothing is hinted at."""

from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services.gmail_store import send_ref

from .common import ANNA, BEN, mail
from .test_linking import CARLA, PASS, LinkingCase

EVE = "eve@evil-example.test"
EVIL = (
    "mx.google.com; dkim=pass header.i=@evil-example.test; spf=pass"
    f" smtp.mailfrom={EVE}; dmarc=pass (p=REJECT) header.from=evil-example.test"
)
FAIL = "mx.google.com; dmarc=fail (p=NONE) header.from=customer-example.test"


@tagged("standard", "post_install", "-at_install")
class TestSpoofing(LinkingCase):
    def setUp(self):
        super().setUp()
        self.document = self.env["res.partner"].create({"name": "BC42"})
        self.document.message_subscribe(self.carla.ids)
        self.question = self.document.message_post(
            body="Blue or red?",
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=self.carla.ids,
        )
        rule = {
            "name": "BC{digits}",
            "model_id": self.env["ir.model"]._get_id("res.partner"),
        }
        self.env["gmail.link.rule"].create(rule)

    def nothing(self, box, *hints):
        """Nothing stands anywhere, and at most the hints are there to choose."""
        self.assertFalse(self.posts(self.document) | self.posts(self.carla))
        self.assertFalse(self.env["gmail.entry"].search_count([]))
        links = self.thread(box).link_ids
        self.assertLessEqual(set(links.mapped("res_id")), {h.id for h in hints})
        self.assertLessEqual(set(links.mapped("state")), {"suggested"})
        state = self.thread(box).with_user(self.anna).panel_documents()
        self.assertFalse(state["links"])
        for suggestion in state["suggestions"]:
            self.assertIn(suggestion["res_id"], [h.id for h in hints])

    def attack(self, *hints, **values):
        """Let a mail come to Anna, who shares everything."""
        values.setdefault("Message_ID", "<attack@evil-example.test>")
        self.receive(**values)
        box = self.box(level="everything")
        self.settle(box)
        self.nothing(box, *hints)
        return box

    def test_a_name_that_looks_like_an_address(self):
        self.attack(sender=f'"{CARLA}" <{EVE}>', Authentication_Results=EVIL)

    def test_two_senders(self):
        self.attack(sender=f"{CARLA}, {EVE}", Authentication_Results=EVIL)

    def test_a_second_proof_below_that_of_gmail(self):
        raw = mail(Authentication_Results=FAIL, Message_ID="<attack@evil.test>")
        below = f"\nAuthentication-Results: {PASS}\nMIME-Version".encode()
        raw = raw.replace(b"\nMIME-Version", below, 1)
        self.assertEqual(raw.count(b"Authentication-Results"), 2)
        self.google.add_message(ANNA, raw)
        box = self.box(level="everything")
        self.settle(box)
        self.nothing(box)

    def test_the_proof_of_another_server(self):
        self.attack(
            Authentication_Results=PASS.replace("mx.google.com", "mx.evil-example.test")
        )

    def test_references_of_a_stranger(self):
        self.attack(
            self.document,
            sender=f"Eve <{EVE}>",
            References=self.question.message_id,
            Authentication_Results=EVIL,
        )

    def test_references_to_a_note(self):
        note = self.document.message_post(
            body="Internal", message_type="comment", subtype_xmlid="mail.mt_note"
        )
        box = self.box(level="everything")
        self.receive(References=note.message_id, subject="About that thing")
        self.settle(box)
        documents = self.thread(box).link_ids.mapped("res_id")
        self.assertEqual(documents, self.carla.ids)
        self.assertFalse(self.posts(self.document))

    def test_references_to_a_document_of_another_company(self):
        self.document.company_id = self.env["res.company"].create({"name": "Other"})
        self.attack(
            sender=f"Eve <{EVE}>",
            References=self.question.message_id,
            Authentication_Results=EVIL,
        )

    def test_the_subject_names_a_document_of_another_company(self):
        self.document.company_id = self.env["res.company"].create({"name": "Other"})
        self.attack(
            sender=f"Eve <{EVE}>", subject="BC42, BC43", Authentication_Results=EVIL
        )
        # Nor for one who takes part in it.
        self.receive(subject="On BC42, please", Message_ID="<two@x.test>")
        box = self.env["gmail.mailbox"].search([("user_id", "=", self.anna.id)])
        self.settle(box)
        documents = self.thread(box).link_ids.mapped("res_id")
        self.assertEqual(documents, self.carla.ids)

    def test_the_subject_names_a_document_of_others(self):
        self.attack(
            self.document,
            sender=f"Eve <{EVE}>",
            subject="On BC42, please",
            Authentication_Results=EVIL,
        )

    def test_the_header_of_what_odoo_sends(self):
        # Whoever has got a mail from Odoo knows both.
        ref = send_ref(self.question.message_id)
        box = self.attack(
            self.document,
            sender=f"Eve <{EVE}>",
            References=self.question.message_id,
            X_Odoo_Gmail_Send=ref,
            Authentication_Results=EVIL,
        )
        message = self.thread(box).message_ids
        self.assertFalse(message.send_ref or message.sent_message_id)

    def test_the_same_id_with_another_text(self):
        self.receive(ANNA)
        anna = self.box(level="everything")
        self.settle(anna)
        post = self.posts(self.carla)
        body = post.body
        for proof, sender in ((FAIL, CARLA), (EVIL, f"Eve <{EVE}>")):
            self.receive(
                BEN,
                to=BEN,
                sender=sender,
                body="Pay to another account",
                Authentication_Results=proof,
            )
        ben = self.box(self.ben, BEN, level="everything")
        self.settle(ben)
        self.assertEqual(self.posts(self.carla), post)
        self.assertEqual(post.body, body)
        self.assertFalse(self.thread(ben).link_ids)
        self.assertEqual(self.env["gmail.entry"].search_count([]), 1)

    def test_a_copy_word_by_word_makes_nothing_public(self):
        self.receive(ANNA, to=f"{ANNA}, {BEN}")
        self.receive(BEN, to=f"{ANNA}, {BEN}", Authentication_Results=FAIL)
        anna = self.box()
        ben = self.box(self.ben, BEN, level="everything")
        self.settle(anna, ben)
        self.assertEqual(
            len(set(self.env["gmail.message"].search([]).mapped("mail_key"))), 1
        )
        self.assertFalse(self.posts(self.carla))
        # He may still say that his copy stays private.
        anna.sharing_steps = [[None, "everything"]]
        self.env["gmail.linking"]._enqueue_mailboxes(anna)
        self.run_cron("file")
        self.assertEqual(len(self.posts(self.carla)), 1)
        ben.with_user(self.ben).sharing_level = "nobody"
        self.run_cron("file")
        self.assertFalse(self.posts(self.carla))

    def test_an_address_of_ours(self):
        # Outside a Workspace Gmail says so; within, there is nothing to say.
        self.receive(
            sender=f"Anna Keller <{ANNA}>",
            to=f"Carla Roth <{CARLA}>",
            Authentication_Results="mx.google.com; dmarc=fail header.from=corp.test",
            References=self.question.message_id,
        )
        box = self.box(level="everything")
        self.settle(box)
        self.nothing(box, self.document)
        self.assertEqual(self.thread(box).message_ids.mapped("is_authentic"), [False])
