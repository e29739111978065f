"""The owner's copy of her mail, and spreadsheets of it."""

import csv
import io
import json
import mailbox
import tempfile
import zipfile
from email.header import decode_header, make_header
from email.message import EmailMessage
from unittest.mock import patch

from odoo import Command, http
from odoo.tests import tagged

from odoo.addons.gmail_oauth_mailbox.services import gmail_export

from .common import ANNA, BEN, CUSTOMER, GmailCase, mail

# Each would run, or be a link to another computer.
FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "{=1+1}",
    "=1+",
    "external:share",
)


def with_file(subject, name="plan.pdf", content=b"%PDF-1.4 \x00\xff"):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = CUSTOMER, ANNA, subject
    message["Date"] = "Mon, 23 Nov 2026 11:00:00 +0000"
    message.set_content("see the file")
    message.add_attachment(content, "application", "pdf", filename=name)
    return message.as_bytes()


class ExportCase(GmailCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.portal, cls.admin = cls._outsiders()

    def stored(self):
        return self.env["gmail.message"].search([("mailbox_id", "=", self.box.id)])


@tagged("standard", "post_install", "-at_install")
class TestExport(ExportCase):
    def setUp(self):
        super().setUp()
        self.google.add_message(
            ANNA,
            mail(
                subject="Größe of the chairs",
                body="Hello Anna\n\nFrom here on\n>From there on",
                Cc="Böhm, Dora <dora@x-example.test>, e@x-example.test",
                Message_ID="<first@customer-example.test>",
            ),
            labels=["INBOX"],
        )
        self.google.add_message(ANNA, with_file("Opened file"))
        self.google.add_message(ANNA, with_file("Closed file", "other.pdf"))
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        message = self.stored().filtered(lambda m: m.subject == "Opened file")
        message.attachment_ids.with_user(self.anna).panel_open()
        self.env.flush_all()

    def get(self, user=None, mailbox_id=None):
        self.authenticate(user and user.login, user and user.login)
        number = self.box.id if mailbox_id is None else mailbox_id
        return self.url_open(
            f"/gmail_oauth_mailbox/export/{number}", allow_redirects=False
        )

    def read(self, content):
        """Return {subject: message} of an mbox file."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            box = mailbox.mbox(file.name, create=False)
            found = list(box)
            box.close()
        subjects = [str(make_header(decode_header(m["Subject"]))) for m in found]
        self.assertEqual(len(set(subjects)), len(found))
        return dict(zip(subjects, found, strict=True))

    def test_owner_gets_all_her_mail(self):
        action = self.box.with_user(self.anna).action_export_mail()
        self.assertEqual(action["url"], f"/gmail_oauth_mailbox/export/{self.box.id}")
        response = self.get(self.anna)
        self.assertEqual(response.status_code, 200)
        headers = response.headers
        self.assertEqual(headers["Content-Type"], "application/mbox")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
        self.assertTrue(headers["Content-Disposition"].startswith("attachment;"))
        self.assertIn("anna.keller%40corp-example.test.mbox", str(headers))
        found = self.read(response.content)
        self.assertEqual(set(found), set(self.stored().mapped("subject")))
        self.assertEqual(len(found), 3)
        first = found["Größe of the chairs"]
        self.assertEqual(first["From"], CUSTOMER)
        self.assertEqual(first["To"], ANNA)
        self.assertIn("dora@x-example.test", first["Cc"])
        self.assertEqual(first["Message-ID"], "<first@customer-example.test>")
        self.assertEqual(first["Date"], "Mon, 23 Nov 2026 10:00:00 +0000")
        self.assertEqual(first["X-Gmail-Labels"], "Inbox,Opened")
        body = first.get_payload(decode=True).decode()
        stored = self.stored().filtered(lambda m: m.subject == "Größe of the chairs")
        self.assertEqual(body, str(stored.body))
        self.assertIn("From there on", body)

    def test_files_that_are_here_come_along(self):
        found = self.read(self.get(self.anna).content)
        _text, file = found["Opened file"].get_payload()
        self.assertEqual(file.get_filename(), "plan.pdf")
        self.assertEqual(file.get_content_type(), "application/pdf")
        self.assertEqual(file.get_payload(decode=True), b"%PDF-1.4 \x00\xff")
        self.assertNotIn("X-Odoo-Attachment-In-Gmail", found["Opened file"])
        closed = found["Closed file"]
        self.assertFalse(closed.is_multipart())
        self.assertEqual(
            closed["X-Odoo-Attachment-In-Gmail"],
            f"other.pdf; {self.stored().attachment_ids[0].size}",
        )
        # Nothing was fetched for it.
        self.assertEqual(len(self.stored().attachment_ids.attachment_id), 1)

    def test_folded_text_says_so(self):
        message = self.stored().filtered(lambda m: m.subject == "Closed file")
        message.is_folded = True
        message.participants_left_out = 7
        self.env.flush_all()
        found = self.read(self.get(self.anna).content)
        self.assertIn("beginning", found["Closed file"]["X-Odoo-Folded"])
        self.assertEqual(found["Closed file"]["X-Odoo-People-Left-Out"], "7")
        self.assertNotIn("X-Odoo-Folded", found["Opened file"])

    def test_nobody_else_gets_anything(self):
        """A stranger's mailbox answers as one that does not exist."""
        theirs = self.connect(self.ben, BEN)
        nothing = theirs.id + 1000
        for user in (self.ben, self.admin, self.portal):
            refused = self.get(user)
            self.assertEqual(refused.status_code, 404, user.login)
            for number in (nothing, 2**31 - 1):
                unknown = self.get(user, number)
                self.assertEqual(unknown.status_code, 404)
                self.assertEqual(unknown.content, refused.content)
            for number in (0, -1):
                self.assertEqual(self.get(user, number).status_code, 404)
            for secret in ("chairs", "file", ANNA):
                self.assertNotIn(secret, refused.text)
        self.assertEqual(self.get(self.anna, theirs.id).status_code, 404)
        self.assertEqual(self.get(self.anna, 2**31).status_code, 404)
        # Her own is empty, and says nothing of others.
        self.assertEqual(self.get(self.ben, theirs.id).content, b"")

    def test_without_a_session_there_is_a_login(self):
        answers = []
        for number in (self.box.id, self.box.id + 1000):
            response = self.get(None, number)
            self.assertEqual(response.status_code, 303)
            self.assertIn("/web/login", response.headers["Location"])
            answers.append(response.content.replace(str(number).encode(), b""))
        self.assertEqual(*answers)

    def test_button_is_for_the_owner_alone(self):
        view = self.env["gmail.mailbox"].with_user(self.admin).get_view()
        button = view["arch"].partition("action_export_mail")[2].partition("/>")[0]
        self.assertIn("not is_mine", button)

    def test_only_get_is_answered(self):
        self.authenticate(self.anna.login, self.anna.login)
        url = f"/gmail_oauth_mailbox/export/{self.box.id}"
        self.assertEqual(self.url_open(url, data={"a": "b"}).status_code, 405)
        self.assertEqual(self.url_open(url, method="HEAD").content, b"")

    def test_mail_comes_in_pages(self):
        """250 messages are read by 100, each page in a transaction of its own, and
        the first ones leave before the next ones are read."""
        thread = self.stored()[0].thread_id
        values = {
            "mailbox_id": self.box.id,
            "thread_id": thread.id,
            "direction": "in",
            "date": "2026-11-01 10:00:00",
        }
        self.env["gmail.message"].create(
            [{**values, "gmail_id": f"x{n}", "subject": f"No {n}"} for n in range(247)]
        )
        self.env.flush_all()
        pages = []
        service = type(self.env["gmail.export"])
        original = service._page

        def watched(export, ids):
            page = original(export, ids)
            pages.append((export.env.cr, len(page)))
            return page

        with patch.object(service, "_page", watched):
            found = self.read(self.get(self.anna).content)
            self.assertEqual(len(found), 250)
            self.assertEqual([size for _cr, size in pages], [100, 100, 50])
            self.assertEqual(len({id(cr) for cr, _size in pages}), 3)
            pages.clear()
            export = self.env["gmail.export"].with_user(self.anna)
            _name, entries = export._file(self.box.id)
            self.assertFalse(pages)
            for number in range(1, 251):
                next(entries)
                self.assertEqual(len(pages), -(-number // gmail_export.PAGE))

    def test_rights_are_asked_for_each_page(self):
        """Mail that is no longer hers when its page is read stays."""
        export = self.env["gmail.export"].with_user(self.anna)
        with patch.object(gmail_export, "PAGE", 1):
            _name, entries = export._file(self.box.id)
            next(entries)
            self.box.user_id = self.ben
            self.env.flush_all()
            self.assertEqual(list(entries), [])


@tagged("standard", "post_install", "-at_install")
class TestSpreadsheets(ExportCase):
    """Odoo's own export, through its own controller."""

    def setUp(self):
        super().setUp()
        self.anna.group_ids = [Command.link(self.ref("base.group_allow_export"))]
        for formula in FORMULAS:
            self.google.add_message(
                ANNA,
                with_file(formula, formula),
            )
        self.google.add_message(
            ANNA, mail(sender='"=2+2" <eve@x-example.test>', subject="Harmless")
        )
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.box.name = "=box"
        self.env["mail.message"].create(
            {
                "subject": "=1+1",
                "model": "res.partner",
                "res_id": self.anna.partner_id.id,
                "message_type": "email",
                "author_id": self.anna.partner_id.id,
            }
        )
        self.env.flush_all()

    def export(self, kind, model, names, **params):
        self.authenticate(self.anna.login, self.anna.login)
        params = {
            "model": model,
            "fields": [
                {"name": name, "label": name, "type": "char", "store": True}
                for name in names
            ],
            "ids": False,
            "domain": [],
            "import_compat": False,
            **params,
        }
        data = {"data": json.dumps(params), "csrf_token": http.Request.csrf_token(self)}
        response = self.url_open(f"/web/export/{kind}", data)
        self.assertEqual(response.status_code, 200, response.text[:500])
        return response.content

    def rows(self, model, names, **params):
        text = self.export("csv", model, names, **params).decode()
        return list(csv.reader(io.StringIO(text)))[1:]

    def test_csv(self):
        for compatible in (False, True):
            for model, names, wanted in (
                ("gmail.message", ["subject"], FORMULAS),
                ("gmail.message", ["attachment_ids/name"], FORMULAS),
                ("gmail.message", ["from_name", "mailbox_id/name"], ["=2+2", "=box"]),
                ("gmail.thread", ["subject"], FORMULAS),
                ("gmail.attachment", ["name", "message_id/subject"], FORMULAS),
                ("gmail.participant", ["name"], ["=2+2"]),
                ("gmail.mailbox", ["name"], ["=box"]),
                # Odoo asks each model for its part of a row.
                ("res.users", ["gmail_mailbox_ids/name"], ["=box"]),
            ):
                rows = self.rows(model, names, import_compat=compatible)
                cells = {cell for row in rows for cell in row}
                self.assertLessEqual({"'" + text for text in wanted}, cells, names)
                running = [c for c in cells if c.startswith(("=", "+", "-", "@", "{"))]
                self.assertFalse(running, names)

    def test_what_stands_in_documents(self):
        # Only administrators export it.
        self.anna.group_ids += self.env.ref("base.group_system")
        domain = [("subject", "=", "=1+1")]
        rows = self.rows("mail.message", ["subject"], domain=domain)
        self.assertEqual(rows, [["'=1+1"]])
        self.assertIn("'=1+1", self.sheet("mail.message", ["subject"], domain=domain))

    def test_csv_leaves_other_cells_alone(self):
        rows = self.rows("gmail.message", ["subject", "date", "size", "mailbox_id/.id"])
        row = next(row for row in rows if row[0] == "Harmless")
        self.assertEqual(row[1], "2026-11-23 10:00:00")
        self.assertEqual(row[3], str(self.box.id))

    def sheet(self, *arguments, **params):
        content = self.export("xlsx", *arguments, **params)
        with zipfile.ZipFile(io.BytesIO(content)) as book:
            names = book.namelist()
            sheet = book.read("xl/worksheets/sheet1.xml").decode()
            strings = book.read("xl/sharedStrings.xml").decode()
        self.assertNotIn("<f>", sheet)
        self.assertNotIn("<f ", sheet)
        self.assertNotIn("<hyperlink", sheet)
        self.assertNotIn("xl/worksheets/_rels/sheet1.xml.rels", names)
        return strings

    def test_xlsx(self):
        strings = self.sheet("gmail.message", ["subject", "attachment_ids/name"])
        for text in FORMULAS:
            self.assertIn(f"'{text}<", strings)

    def test_titles_of_groups_in_xlsx(self):
        names = ["subject", "from_name"]
        for groups in (["subject"], ["thread_id"], ["from_name", "subject"]):
            strings = self.sheet("gmail.message", names, groupby=groups)
            self.assertIn("'=1+ (1)", strings, groups)
