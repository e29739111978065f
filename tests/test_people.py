"""Cards of people on a conversation, and files saved to its documents."""

import io
from email.message import EmailMessage

from PIL import Image

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import ANNA, CUSTOMER, GmailCase, mail
from .test_linking import PASS

CARLA = "carla.roth@customer-example.test"
DAN = "dan@else-example.test"


@tagged("standard", "post_install", "-at_install")
class TestPeople(GmailCase):
    def setUp(self):
        super().setUp()
        self.google.add_message(ANNA, mail(Cc=f"Dan Low <{DAN}>"))
        self.google.add_message(ANNA, mail(subject="Another"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.thread = self.env["gmail.thread"].search(
            [("mailbox_id", "=", self.box.id), ("subject", "like", "blue chairs")]
        )
        self.own = self.thread.with_user(self.anna)

    def test_card_of_somebody_unknown_then_a_contact(self):
        card = self.own.panel_card(CARLA)
        self.assertEqual(card["name"], "Carla Roth")
        self.assertEqual((card["mails"], card["contact"]), (2, False))
        self.assertFalse(card["may_create"])
        company = self.env["res.partner"].create(
            {"name": "Customer Ltd", "is_company": True, "email": CARLA}
        )
        carla = self.env["res.partner"].create(
            {
                "name": "Carla Roth",
                "email": CARLA.upper(),
                "function": "Buyer",
                "parent_id": company.id,
                "phone": "+49 30 1",
            }
        )
        contact = self.own.panel_card(CARLA)["contact"]
        # The person, rather than the company with the same address.
        self.assertEqual(contact["id"], carla.id)
        self.assertEqual(contact["detail"], "Buyer, Customer Ltd")
        self.assertEqual(contact["phone"], "+49 30 1")

    def test_contact_is_made_with_the_callers_rights(self):
        with self.assertRaisesRegex(UserError, "cannot create contacts"):
            self.own.panel_make_contact(DAN)
        self.anna.group_ids |= self.env.ref("base.group_partner_manager")
        self.assertTrue(self.own.panel_card(DAN)["may_create"])
        card = self.own.panel_make_contact(DAN)
        dan = self.env["res.partner"].browse(card["contact"]["id"])
        self.assertEqual((dan.name, dan.email), ("Dan Low", DAN))
        self.assertEqual(dan.create_uid, self.anna)
        self.assertIn(
            ("res.partner", dan.id),
            [(x.res_model, x.res_id) for x in self.thread.link_ids],
        )
        people = self.thread.message_ids.participant_ids
        self.assertEqual(people.filtered(lambda p: p.address == DAN).partner_id, dan)
        with self.assertRaisesRegex(UserError, "contact already"):
            self.own.panel_make_contact(DAN)

    def test_nobody_who_is_not_on_it(self):
        for address in ("x@y.test", "", False, "'; DROP TABLE res_partner"):
            with self.assertRaisesRegex(UserError, "Nobody of this conversation"):
                self.own.panel_card(address)

    def test_what_a_contact_hides_is_hidden(self):
        rule = self.env["ir.rule"].create(
            {
                "name": "hidden",
                "model_id": self.env["ir.model"]._get_id("res.partner"),
                "domain_force": [("name", "!=", "Hidden Carla")],
            }
        )
        self.assertTrue(rule)
        self.env["res.partner"].create({"name": "Hidden Carla", "email": CARLA})
        self.assertFalse(self.own.panel_card(CARLA)["contact"])

    def test_own_address(self):
        self.assertTrue(self.own.panel_card(ANNA)["is_own"])
        self.assertFalse(self.own.panel_card(CARLA)["is_own"])

    def test_people_of_a_message(self):
        message = self.own.panel_read()["messages"][0]
        self.assertEqual(
            message["people"],
            {
                "to": [{"name": ANNA, "address": ANNA}],
                "cc": [{"name": "Dan Low", "address": DAN}],
                "bcc": [],
            },
        )


@tagged("standard", "post_install", "-at_install")
class TestFiles(GmailCase):
    def setUp(self):
        super().setUp()
        self.carla = self.env["res.partner"].create(
            {"name": "Carla Roth", "email": CARLA}
        )
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = CUSTOMER, ANNA, "Plans"
        message["Date"] = "Mon, 23 Nov 2026 10:00:00 +0000"
        message["Message-ID"] = "<plans@customer-example.test>"
        message["Authentication-Results"] = PASS
        message.set_content("See the plans.")
        message.add_attachment(b"%PDF-1", "application", "pdf", filename="plan.pdf")
        message.add_attachment(
            b"<svg onload='alert(1)'/>", "image", "svg+xml", filename="plan.svg"
        )
        self.google.add_message(ANNA, message.as_bytes())
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.run_cron("file")
        self.files = self.env["gmail.attachment"].search(
            [("mailbox_id", "=", self.box.id)], order="id"
        )
        self.anna.group_ids |= self.env.ref("base.group_partner_manager")

    def saved(self):
        return self.env["ir.attachment"].search(
            [("res_model", "=", "res.partner"), ("res_id", "=", self.carla.id)]
        )

    def test_open_gives_an_inert_file(self):
        plan, drawing = self.files.with_user(self.anna)
        self.assertEqual(plan.panel_open()["mimetype"], "application/pdf")
        # Odoo would serve it as a picture that runs scripts.
        self.assertEqual(drawing.panel_open()["mimetype"], "text/plain")
        self.authenticate("gmail_anna", "gmail_anna")
        response = self.url_open(f"/web/content/{drawing.panel_open()['id']}")
        self.assertTrue(response.headers["Content-Type"].startswith("text/plain"))
        self.assertEqual(response.headers["X-Content-Type-Options"], "nosniff")
        self.authenticate("gmail_ben", "gmail_ben")
        response = self.url_open(f"/web/content/{drawing.panel_open()['id']}")
        self.assertEqual(response.status_code, 404)

    def test_save_to_a_document(self):
        plan, drawing = self.files.with_user(self.anna)
        for _time in range(2):
            # The second time it is there already.
            name = plan.panel_save("res.partner", self.carla.id)
        self.assertEqual(name, "Carla Roth")
        drawing.panel_save("res.partner", self.carla.id)
        saved = self.saved().sorted("name")
        self.assertEqual(saved.mapped("name"), ["plan.pdf", "plan.svg"])
        self.assertEqual(saved.mapped("mimetype"), ["application/pdf", "text/plain"])
        self.assertEqual(saved[0].raw, b"%PDF-1")
        self.assertEqual(saved.create_uid, self.anna)
        # What was saved stays when the mail goes.
        self.files.message_id.thread_id.with_user(self.anna).panel_remove()
        self.assertEqual(self.saved().sorted("name")[0].raw, b"%PDF-1")

    def test_what_is_kept_private_stays(self):
        plan = self.files[0].with_user(self.anna)
        own = self.files.message_id.thread_id.with_user(self.anna)
        own.panel_share("nobody")
        with self.assertRaisesRegex(UserError, "kept private"):
            plan.panel_save("res.partner", self.carla.id)
        own.panel_share(False)
        set_param = self.env["ir.config_parameter"].set_param
        set_param("gmail_oauth_mailbox.max_sharing_level", "subject")
        with self.assertRaisesRegex(UserError, "kept private"):
            plan.panel_save("res.partner", self.carla.id)
        self.assertFalse(self.saved())
        set_param("gmail_oauth_mailbox.max_sharing_level", "")
        plan.panel_save("res.partner", self.carla.id)

    def test_photos_keep_their_size(self):
        photo = io.BytesIO()
        Image.effect_noise((2400, 1800), 90).save(photo, "JPEG", quality=95)
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = CUSTOMER, ANNA, "Photo"
        message["Date"] = "Mon, 23 Nov 2026 11:00:00 +0000"
        message.set_content("See the photo.")
        message.add_attachment(photo.getvalue(), "image", "jpeg", filename="p.jpg")
        self.google.add_message(ANNA, message.as_bytes())
        self.sync(self.box)
        file = self.env["gmail.attachment"].search([("name", "=", "p.jpg")])
        file.with_user(self.anna).panel_open()
        self.assertEqual(file.attachment_id.raw, photo.getvalue())

    def test_only_to_what_it_belongs_to_and_she_may_change(self):
        plan = self.files[0].with_user(self.anna)
        other = self.env["res.partner"].create({"name": "Other"})
        for model, res_id in (
            ("res.partner", other.id),
            ("res.partner", 2**30),
            ("res.users", self.env.uid),
            ("no.model", 1),
        ):
            with self.assertRaisesRegex(UserError, "cannot save"):
                plan.panel_save(model, res_id)
        self.anna.group_ids -= self.env.ref("base.group_partner_manager")
        with self.assertRaisesRegex(UserError, "cannot save"):
            plan.panel_save("res.partner", self.carla.id)
        with self.assertRaises(AccessError):
            self.files[0].with_user(self.ben).panel_save("res.partner", self.carla.id)
        self.assertFalse(self.saved())

    def test_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        new_test_user(
            self.env,
            "gmail_elsewhere",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.carla.company_id = company
        plan = self.files[0].with_user(self.anna)
        with self.assertRaisesRegex(UserError, "cannot save"):
            plan.panel_save("res.partner", self.carla.id)
