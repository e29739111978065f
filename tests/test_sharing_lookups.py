"""What Odoo looks up as superuser for a user with the lowest rights, over RPC: names of
what stands behind a relation, and searches through it. And acts that change what an old
record or post means."""

from email import message_from_bytes, policy

from odoo import Command
from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import ANNA, BEN, mail
from .test_linking import PASS
from .test_sharing_handed_in import HandedInCase
from .test_sharing_hostile import MESSAGE_ID, SECRET
from .test_sharing_offers import DORA, OffersCase

FILE = "dismissal-of-ben.txt"


class LookupCase(HandedInCase):
    def file(self):
        """Return the file of Anna's private email, which Ben's attachment names."""
        message = message_from_bytes(
            mail(body=SECRET, Message_ID=MESSAGE_ID, Authentication_Results=PASS),
            policy=policy.default,
        )
        message.add_attachment("Ben will be dismissed in May", filename=FILE)
        self.google.add_message(ANNA, message.as_bytes())
        box = self.box(level="nobody")
        self.settle(box)
        files = self.thread(box).message_ids.attachment_ids
        self.env["gmail.files"].sudo()._fetch(files)
        return files.attachment_id

    def bens(self, file):
        """Return the id of an attachment of Ben's that says it was made from a file."""
        values = {"name": "x", "raw": "", "original_id": file.id}
        answer = self.rpc("gmail_ben", "ir.attachment", "create", [values])
        # They can't say so any more, but may have before.
        self.assertNotIn("result", answer)
        files = self.env["ir.attachment"].with_user(self.ben).sudo()
        return files.create(values).id


@tagged("standard", "post_install", "-at_install")
class TestLookups(LookupCase):
    def test_a_search_of_files_looks_behind_no_relation(self):
        file = self.file()
        mine = self.bens(file)
        self.assertIn("dismissed", file.index_content)
        mailboxes = "create_uid.company_id.user_ids.gmail_mailbox_ids"
        for path, value in (
            ("original_id.index_content", "dismissed in May"),
            ("original_id.name", FILE),
            ("original_id.checksum", file.checksum),
            ("original_id", FILE),
            (f"{mailboxes}.email", "anna"),
            (f"{mailboxes}.label_ids.name", "inbox"),
            (f"{mailboxes}.sharing_level", "nobody"),
        ):
            with self.subTest(path=path):
                domain = [["id", "=", mine], [path, "ilike", value]]
                answer = self.rpc("gmail_ben", "ir.attachment", "search", domain)
                self.assertFalse(answer.get("result"))
        nested = [["original_id", "any", [["name", "ilike", FILE]]]]
        answer = self.rpc("gmail_ben", "ir.attachment", "search", nested)
        self.assertFalse(answer.get("result"))

    def test_a_search_of_files_finds_what_the_user_may_read(self):
        files = self.env["ir.attachment"].with_user(self.ben)
        origin = files.create({"name": "origin", "raw": b"x"})
        copy = files.create({"name": "copy", "raw": b"x", "original_id": origin.id})
        for domain in (
            [("original_id.name", "=", "origin")],
            [("original_id", "any", [("name", "=", "origin")])],
            [("original_id", "ilike", "origin")],
            [("original_id", "=", origin.id)],
            [("create_uid.login", "=", "gmail_ben"), ("name", "=", "copy")],
        ):
            self.assertEqual(files.search(domain), copy, domain)

    def test_the_name_of_a_private_file_is_its_owners(self):
        file = self.file()
        mine = self.bens(file)
        answer = self.rpc("gmail_ben", "ir.attachment", "read", [mine], ["original_id"])
        self.assertNotIn("dismissal", str(answer))
        self.assertEqual(file.with_user(self.anna).display_name, FILE)

    def test_the_subject_of_an_entry_is_its_readers(self):
        post = self.hidden()
        self.assertEqual(post.with_user(self.anna).display_name, post.subject)
        self.assertNotIn("chairs", post.with_user(self.ben).display_name)
        event = self.event()
        child = self.rpc(
            "gmail_ben",
            "mail.message",
            "create",
            [
                {
                    "model": event._name,
                    "res_id": event.id,
                    "body": "y",
                    "parent_id": post.id,
                }
            ],
        ).get("result")
        answer = self.rpc("gmail_ben", "mail.message", "read", child, ["parent_id"])
        self.assertEqual(answer["result"][0]["parent_id"], False)

    def test_the_composer_takes_nothing_over_from_an_entry(self):
        post = self.hidden()
        names = ["subject", "model", "res_ids", "parent_id"]
        values = {"composition_mode": "comment", "parent_id": post.id}
        model = "mail.compose.message"
        [number] = self.rpc("gmail_ben", model, "create", [values])["result"]
        for _step in range(2):
            answer = self.rpc("gmail_ben", model, "read", [number], names)
            self.assertNotIn("chairs", str(answer))
            self.assertFalse(answer["result"][0]["parent_id"])
            self.rpc("gmail_ben", model, "write", [number], {"parent_id": post.id})
        answer = self.rpc(
            "gmail_ben",
            model,
            "onchange",
            [],
            {"parent_id": post.id},
            ["parent_id"],
            {name: {} for name in names},
        )
        self.assertNotIn("chairs", str(answer))

    def test_the_gateway_takes_no_record_from_its_owner(self):
        sales = self.env.ref("sales_team.group_sale_salesman")
        self.ben.group_ids = [Command.link(sales.id)]
        lead = self.env["crm.lead"].create(
            {"name": "L", "type": "opportunity", "user_id": self.anna.id}
        )
        for number, command in enumerate(
            (Command.update(lead.id, {"user_id": self.ben.id}), Command.link(lead.id))
        ):
            made = self.hand_in(
                "res.partner",
                {"name": "X", "opportunity_ids": [command]},
                sender=f"Ben <{BEN}>",
                Message_ID=f"<{number}@in.test>",
            )
            self.assertEqual(made.name, "X")
        self.assertEqual(lead.user_id, self.anna)
        self.assertFalse(lead.partner_id)


@tagged("standard", "post_install", "-at_install")
class TestMeanings(OffersCase):
    """An old record or post that counted for nobody counts since another user's act."""

    def setUp(self):
        super().setUp()
        rules = self.env["gmail.link.rule"].with_user(self.admin)
        model = self.env["ir.model"]._get_id("crm.lead")
        rules.create({"name": "Ticket #{digits}", "model_id": model})
        self.customer = self.dora(email=DORA)
        self.long_ago()

    def leads(self, count):
        values = {"name": "Ticket #42", "type": "opportunity", "user_id": self.ben.id}
        return self.env["crm.lead"].create([values] * count)

    def choose_now(self):
        """Return Anna's mailbox; all there is was there long before her choice."""
        self.env.flush_all()
        for statement in (
            "UPDATE gmail_act SET at = '2020-01-01'",
            "UPDATE mail_message SET create_date = '2020-01-01'",
            "UPDATE crm_lead SET create_date = '2020-01-01', write_date = '2020-01-01'",
        ):
            self.env.cr.execute(statement)
        self.env.invalidate_all()
        return self.choose("everything")

    def shows(self, box, record):
        """Whether a record shows Dora's next email."""
        word = f"Walnut {self.number}"
        self.mail(box, subject="Ticket #42", body=word)
        return word in str(record.message_ids.mapped("body"))

    def test_a_name_that_is_one_records_only(self):
        acts = (
            lambda lead: lead.write({"name": "Other"}),
            lambda lead: lead.write({"active": False}),
            lambda lead: lead.sudo().unlink(),
        )
        for number, act in enumerate(acts):
            with self.subTest(act=number), self.cr.savepoint() as savepoint:
                other, decoy = self.leads(2)
                decoy.message_subscribe(self.customer.ids)
                box = self.choose_now()
                self.assertFalse(self.shows(box, decoy))
                act(other.with_user(self.ben))
                self.assertFalse(self.shows(box, decoy))
                [offer] = self.offers(box)
                self.assertEqual(offer.actor_id, self.ben)
                savepoint.rollback()
                self.env.invalidate_all()

    def test_a_note_that_becomes_a_post(self):
        lead = self.leads(1)
        old = lead.with_user(self.ben).message_post(
            body="x",
            author_id=self.customer.id,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
        )
        old.sudo().is_internal = True
        box = self.choose_now()
        self.assertFalse(self.shows(box, lead))
        old.with_user(self.ben).write({"is_internal": False})
        self.assertFalse(self.shows(box, lead))
        [offer] = self.offers(box)
        self.assertEqual(offer.actor_id, self.ben)

    def test_only_its_author_makes_a_note_a_post(self):
        note = self.leads(1).message_post(body="x", message_type="comment")
        note.is_internal = True
        with self.assertRaises(AccessError):
            note.with_user(self.ben).write({"is_internal": False})
