"""Who sees what of a shared mail: level × what happened × reader × road, generated."""

import json
from base64 import b64encode

from odoo.tests import JsonRpcException, tagged

from .common import ANNA, BEN, mail
from .test_export import with_file
from .test_linking import PASS, LinkingCase

# What stands for each part of the mail, wherever it turns up.
SUBJECT, TEXT, FILE = "Walnutsubject", "Walnuttext", b"Walnutbytes"
# Which of them a level lets the readers of a document see.
SHOWN = {
    False: set(),
    "nobody": set(),
    "metadata": set(),
    "subject": {SUBJECT},
    "everything": {SUBJECT, TEXT, FILE.decode()},
}
ALL = SHOWN["everything"]
# What happens to a mail: nothing, a colleague forges a copy and shares it, or its
# record is merged into another one.
VARIANTS = ("plain", "forged", "moved")
CONTENT = (
    "gmail.thread",
    "gmail.message",
    "gmail.participant",
    "gmail.attachment",
    "gmail.link",
)


@tagged("standard", "post_install", "-at_install")
class TestSharingMatrix(LinkingCase):
    def setUp(self):
        super().setUp()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        self.stranger = self._user("gmail_else", "Else", "else@corp-example.test")
        self.stranger.write(
            {"company_ids": [(6, 0, company.ids)], "company_id": company}
        )
        self.portal = self._user(
            "gmail_portal", "Portal", "p@customer-example.test", "base.group_portal"
        )
        self.admin = self._user(
            "gmail_admin",
            "Administrator",
            "admin@corp-example.test",
            "base.group_user,base.group_system,base.group_erp_manager",
        )
        self.env.company.partner_id.company_id = False
        self.prepare_carla()
        self.cells = 0

    def prepare_carla(self):
        self.carla.company_id = self.env.company
        self.carla.message_subscribe(self.portal.partner_id.ids)

    def forge(self, message_id):
        """Have a colleague share a copy with the same id, and words of their own."""
        raw = mail(
            subject="Forged", body="Forged", Message_ID=message_id, to=f"{ANNA}, {BEN}"
        )
        self.google.add_message(BEN, raw, labels=["SENT"])
        box = self.box(self.ben, BEN, "everything")
        self.settle(box)
        for thread in self.thread(box).with_user(self.ben):
            thread.panel_link("res.partner", self.carla.id)
            thread.panel_share("everything")
        self.run_cron("file")
        return box

    def move(self):
        other = self.env["res.partner"].create({"name": "Carla R"})
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._merge((self.carla | other).ids, other)
        self.run_cron("file")
        self.carla = other
        self.prepare_carla()

    def share(self, level, variant="plain"):
        """Let the mail arrive in a mailbox of that level; return (mailbox, posts)."""
        raw = with_file(SUBJECT, "plan.pdf", FILE).replace(
            b"see the file", TEXT.encode()
        )
        head = (
            f"Message-ID: <{level}{variant}@customer-example.test>\r\n"
            f"Authentication-Results: {PASS}\r\n"
        )
        raw = raw.replace(b"From: ", head.encode() + b"From: ", 1)
        self.google.add_message(ANNA, raw)
        box = self.box(level=level)
        self.settle(box)
        posts = self.posts(self.carla)
        self.assertEqual(bool(posts), bool(level and level != "nobody"))
        return box, posts

    def asked(self, model, method, *arguments, **keywords):
        """Return what RPC answers, as text; a refusal holds nothing either."""
        try:
            answer = self.make_jsonrpc_request(
                f"/web/dataset/call_kw/{model}/{method}",
                {
                    "model": model,
                    "method": method,
                    "args": arguments,
                    "kwargs": keywords,
                },
            )
        except JsonRpcException as error:
            answer = str(error)
        return json.dumps(answer)

    def url(self, path):
        return self.url_open(path, timeout=30).text

    def roads(self, posts, files):
        """Yield (road, what it gives) of the logged-in user, to the document."""
        on_carla = [["model", "=", "res.partner"], ["res_id", "=", self.carla.id]]
        wanted = ["subject", "body", "preview", "attachment_ids"]
        ids = posts.ids or [2**30]
        yield "search_read", self.asked("mail.message", "search_read", on_carla, wanted)
        yield "read", self.asked("mail.message", "read", ids, wanted)
        yield (
            "web_search_read",
            self.asked(
                "mail.message",
                "web_search_read",
                on_carla,
                {"subject": {}, "body": {}, "display_name": {}},
            ),
        )
        yield "web_read", self.asked("mail.message", "web_read", ids, {"subject": {}})
        yield "name_search", self.asked("mail.message", "name_search", SUBJECT)
        yield (
            "read_group",
            self.asked(
                "mail.message",
                "formatted_read_group",
                on_carla,
                ["subject"],
                ["__count"],
            ),
        )
        yield (
            "export",
            self.asked("mail.message", "export_data", ids, ["subject", "body"]),
        )
        yield (
            "chatter",
            json.dumps(
                self.make_jsonrpc_request(
                    "/mail/thread/messages",
                    {"thread_model": "res.partner", "thread_id": self.carla.id},
                )
            )
            if posts and self.may_read
            else "",
        )
        yield (
            "emails",
            self.asked("gmail.thread", "panel_emails", "res.partner", self.carla.id),
        )
        yield (
            "form",
            self.asked("res.partner", "web_read", self.carla.ids, {"name": {}}),
        )
        on_files = [["res_model", "=", "res.partner"], ["res_id", "=", self.carla.id]]
        named = ["name", "raw", "index_content", "access_token"]
        # The bytes come as base64.
        for road, answer in (
            ("files", self.asked("ir.attachment", "search_read", on_files, named)),
            ("file", self.asked("ir.attachment", "read", files or [2**30], named)),
        ):
            yield road, answer.replace(b64encode(FILE).decode(), FILE.decode())
        for number in files:
            for path in ("content", "image"):
                yield path, self.url(f"/web/{path}/{number}?download=1")
        yield (
            "following",
            self.asked(
                "res.partner",
                "web_search_read",
                [["id", "=", self.carla.id]],
                {"message_ids": {"fields": {"subject": {}, "body": {}}}},
            ),
        )
        # A count tells too.
        for model, path in (
            ("mail.message", ""),
            ("mail.notification", "mail_message_id."),
            ("res.partner", "message_ids."),
        ):
            for name, part in (("subject", SUBJECT), ("body", TEXT)):
                domain = [[f"{path}{name}", "ilike", part]]
                count = self.asked(model, "search_count", domain)
                told = count.isdigit() and count != "0"
                yield f"count {model} {name}", part if told else ""

    def private(self):
        """Yield (road, what it gives) of the logged-in user, to the mailbox."""
        for model in CONTENT:
            names = {"display_name": {}}
            yield f"list {model}", self.asked(model, "search_read", [])
            yield f"web {model}", self.asked(model, "web_search_read", [], names)
            yield f"name {model}", self.asked(model, "name_search", "Walnut")

    def look(self, cell, found, shown, may=True):
        """Compare what a road gave with what it may give.

        :param shown: the parts that the reader may see
        """
        self.cells += 1
        seen = {part for part in ALL if part in found}
        self.assertLessEqual(seen, shown if may else set(), cell)

    def test_matrix(self):
        for variant in VARIANTS:
            for level, shown in SHOWN.items():
                with self.subTest(variant=variant, level=level):
                    self.check(variant, level, shown)
        self.assertGreater(self.cells, 3 * 5 * 5 * 20)

    def check(self, variant, level, shown):
        box, posts = self.share(level, variant)
        forger = self.env["gmail.mailbox"]
        if variant == "forged":
            forger = self.forge(f"<{level}{variant}@customer-example.test>")
            self.assertGreater(len(self.posts(self.carla)), len(posts))
            posts = self.posts(self.carla)
        elif variant == "moved":
            self.move()
            self.assertEqual(bool(self.posts(self.carla)), bool(posts))
            posts = self.posts(self.carla)
        own = self.env["gmail.attachment"].search([("mailbox_id", "=", box.id)])
        originals = own.attachment_id.ids
        files = posts.attachment_ids.ids + originals
        self.env.flush_all()
        notified = self.env["mail.notification"].search_count(
            [("mail_message_id", "in", posts.ids)]
        )
        self.assertFalse(notified)
        bus = self.env["bus.bus"].search([]).mapped("message")
        self.look((level, "bus"), " ".join(bus), set())
        for user, part in (
            (self.anna, ALL),
            (self.ben, shown),
            (self.admin, shown),
            (self.stranger, set()),
            (self.portal, set()),
        ):
            self.may_read = user not in (self.stranger, self.portal)
            self.authenticate(user.login, user.login)
            reached = set()
            for road, found in self.roads(posts, files):
                self.look((variant, level, user.login, road), found, part)
                reached |= {p for p in ALL if p in found}
            for road, found in self.private():
                mine = ALL if user == self.anna else set()
                self.look((variant, level, user.login, road), found, mine)
                reached |= {p for p in ALL if p in found}
            # Else nothing could be found wrong.
            least = part - {FILE.decode()} if user == self.anna else part
            self.assertLessEqual(least, reached, (level, user.login))
        posts.attachment_ids.unlink()
        posts.unlink()
        (box | forger)._delete()

    def test_what_was_remembered_gives_nothing_more(self):
        box, posts = self.share("everything")
        files = posts.attachment_ids.ids
        self.assertTrue(files)
        self.may_read = True
        self.authenticate(self.ben.login, self.ben.login)
        self.assertIn(FILE.decode(), self.url(f"/web/content/{files[0]}?download=1"))
        for level in ("subject", "nobody"):
            box.with_user(self.anna).sharing_level = level
            self.env.flush_all()
            self.run_cron("file")
            self.authenticate(self.ben.login, self.ben.login)
            for road, found in self.roads(posts.exists() or posts, files):
                self.look((level, road), found, SHOWN[level])

    def test_it_would_be_seen(self):
        _box, posts = self.share("subject")
        posts.body = TEXT
        self.env.flush_all()
        self.may_read = True
        self.authenticate(self.ben.login, self.ben.login)
        with self.assertRaises(AssertionError):
            for road, found in self.roads(posts, []):
                self.look(road, found, SHOWN["subject"])
