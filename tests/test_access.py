"""Every gmail.* model and method over RPC, as those who may see nothing."""

import inspect

from odoo import models
from odoo.exceptions import AccessError, MissingError, UserError
from odoo.service.model import get_public_method
from odoo.tests import JsonRpcException, tagged

from .common import ANNA, CUSTOMER, GmailCase, mail

CONTENT = (
    "gmail.thread",
    "gmail.message",
    "gmail.participant",
    "gmail.attachment",
    "gmail.draft",
    "gmail.label",
    "gmail.link",
    "gmail.quarantine",
    "gmail.offer",
    "gmail.contact",
    "gmail.contact.group",
)
REFUSED = (AccessError, MissingError, UserError)
SECRET = (
    "gmail.credential",
    "gmail.authorization",
    "gmail.revocation",
    "gmail.quota",
    "gmail.address",
    "gmail.census",
    "gmail.contact.key",
    "gmail.contact.origin",
    "gmail.contact.turn",
    "gmail.tombstone",
    "gmail.correspondence",
    "gmail.entry",
    "gmail.filing",
    "gmail.image.sender",
    "gmail.pending",
    "gmail.vote",
    "gmail.act",
    "gmail.way",
    "gmail.handed.in",
    "gmail.sent",
)
# Odoo's own methods, checked there for all models.
OF_ALL_MODELS = "odoo.addons.gmail_oauth_mailbox.models.base"
SERVICES = (
    "gmail.addresses",
    "gmail.bounces",
    "gmail.compose",
    "gmail.check",
    "gmail.connect",
    "gmail.contact.photos",
    "gmail.contact.companies",
    "gmail.contact.values",
    "gmail.contact.visibility",
    "gmail.contacts",
    "gmail.documents",
    "gmail.emails",
    "gmail.exclusions",
    "gmail.export",
    "gmail.files",
    "gmail.guard",
    "gmail.keys",
    "gmail.leaving",
    "gmail.linker",
    "gmail.meter",
    "gmail.named",
    "gmail.oauth",
    "gmail.panel",
    "gmail.people",
    "gmail.scheduler",
    "gmail.search",
    "gmail.sender",
    "gmail.setup",
    "gmail.linking",
    "gmail.store",
    "gmail.sync",
    "gmail.version",
    "gmail.wording",
)
OTHERS = (
    "gmail.contact.link",
    "gmail.erase",
    "gmail.erasure",
    "gmail.exclude",
    "gmail.exclusion",
    "gmail.label.switch",
    "gmail.link.rule",
    "gmail.mailbox",
    "gmail.mailbox.connect",
    "gmail.mailbox.disconnect",
    "gmail.owned",
    "gmail.setup.check",
    "gmail.setup.check.line",
)
# The public methods of our own; whatever else is public must be Odoo's.
DOORS = {
    "gmail.mailbox": {
        "action_sync_now",
        "action_import_contacts",
        "action_review_contacts",
        "action_undo_contacts",
        "action_take_signature",
        "action_test",
        "action_reconnect",
        "action_allow_contacts",
        "action_retry_left_out",
        "action_pause",
        "action_resume",
        "action_set_default",
        "action_ask_disconnect",
        "action_connect_picked",
        "action_disconnect",
        "action_discard_picked",
        "action_delete",
        "action_export_mail",
        "action_open_form",
        "action_open_preferences",
        "action_open_settings",
        "panel_state",
        "panel_threads",
        "panel_outcome",
        "panel_bring",
        "panel_search_gmail",
        "write",
    },
    "gmail.thread": {
        "panel_card",
        "panel_documents",
        "panel_emails",
        "panel_find_documents",
        "panel_link",
        "panel_make",
        "panel_make_contact",
        "panel_read",
        "panel_remove",
        "panel_share",
        "panel_share_all",
        "panel_unlink",
    },
    "gmail.message": {"panel_images", "panel_pictures", "panel_whole"},
    "gmail.draft": {
        "panel_apply_template",
        "panel_begin",
        "panel_discard",
        "panel_flush",
        "panel_list",
        "panel_read",
        "panel_recipients",
        "panel_remove_file",
        "panel_save",
        "panel_templates",
        "panel_send",
        "panel_undo",
    },
    "gmail.attachment": {"panel_open", "panel_save"},
    "gmail.contact": {
        "action_as_found",
        "action_ask_link",
        "action_create",
        "action_import",
        "action_leave_out",
        "action_link",
    },
    "gmail.contact.link": {"action_confirm"},
    "gmail.label": {"action_ask_switch", "write"},
    "gmail.link.rule": {"create", "write"},
    "gmail.erase": {"action_erase"},
    "gmail.exclude": {"action_exclude"},
    "gmail.label.switch": {"action_confirm"},
    "gmail.quarantine": {"action_open_in_gmail"},
    "gmail.offer": {"action_share", "action_decline"},
    "gmail.mailbox.connect": {"action_continue", "action_open_settings"},
    "gmail.mailbox.disconnect": {"action_confirm"},
    "gmail.setup.check": {"action_check", "action_take_over", "action_forget_key"},
}


@tagged("standard", "post_install", "-at_install")
class TestAccess(GmailCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.portal, cls.admin = cls._outsiders()

    def setUp(self):
        super().setUp()
        message = mail(subject="Confidential salary")
        self.google.add_message(ANNA, message)
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        self.message = self.env["gmail.message"].search(
            [("mailbox_id", "=", self.box.id)], limit=1
        )
        self.assertEqual(self.message.subject, "Confidential salary")
        self.env["gmail.attachment"].create(
            {
                "message_id": self.message.id,
                "mailbox_id": self.box.id,
                "part_id": "1",
                "name": "secret.pdf",
            }
        )
        self.env["gmail.link"].create(
            {
                "mailbox_id": self.box.id,
                "thread_id": self.message.thread_id.id,
                "res_model": "res.partner",
                "res_id": self.portal.partner_id.id,
                "state": "linked",
                "origin": "hand",
            }
        )
        self.begun = self.draft(self.message)
        self.google_contact = self.env["gmail.contact"].create(
            {
                "mailbox_id": self.box.id,
                "resource_name": "people/c1",
                "card": {"emails": [], "phones": [], "groups": []},
            }
        )
        self.env["gmail.contact.group"].create(
            {
                "mailbox_id": self.box.id,
                "resource_name": "contactGroups/1",
                "name": "Customers",
            }
        )
        self.left_out = self.env["gmail.quarantine"].create(
            {"mailbox_id": self.box.id, "gmail_id": "18c0ffee", "code": "unreadable"}
        )
        self.offer = self.env["gmail.offer"].create(
            {
                "mailbox_id": self.box.id,
                "way": "address:carla@customer-example.test",
                "kind": "address",
                "name": "carla@customer-example.test",
            }
        )

    def rpc(self, user, model, method, args=(), kwargs=None):
        """Call as the client does, through /web/dataset/call_kw."""
        self.authenticate(user.login, user.login)
        return self.make_jsonrpc_request(
            f"/web/dataset/call_kw/{model}/{method}",
            {"model": model, "method": method, "args": args, "kwargs": kwargs or {}},
        )

    def test_models_are_known_to_this_test(self):
        ours = {name for name in self.env.registry if name.startswith("gmail.")}
        known = {*CONTENT, *SECRET, *SERVICES, *OTHERS}
        self.assertEqual(ours, known)

    def test_no_public_method_but_the_doors(self):
        for name in sorted(self.env.registry):
            if not name.startswith("gmail."):
                continue
            cls = type(self.env[name])
            own = set()
            for attribute, value in inspect.getmembers(cls, callable):
                module = getattr(value, "__module__", "") or ""
                if not module.startswith("odoo.addons.gmail_oauth_mailbox"):
                    continue
                if module == OF_ALL_MODELS:
                    continue
                if isinstance(value, type):
                    continue
                try:
                    get_public_method(self.env[name], attribute)
                except (AccessError, AttributeError):
                    continue
                own.add(attribute)
            self.assertEqual(own, DOORS.get(name, set()), name)

    def test_services_are_closed_over_rpc(self):
        for user in (self.ben, self.admin, self.portal):
            for name in SERVICES:
                for attribute in dir(type(self.env[name])):
                    value = getattr(type(self.env[name]), attribute, None)
                    module = getattr(value, "__module__", "") or ""
                    if module == OF_ALL_MODELS:
                        continue
                    if callable(value) and "gmail_oauth_mailbox" in module:
                        with self.assertRaises(AccessError, msg=f"{name}.{attribute}"):
                            get_public_method(self.env[name].with_user(user), attribute)

    def assert_refused(self, road, what):
        try:
            with self.env.cr.savepoint():
                road()
                self.env.flush_all()
        except REFUSED:
            return
        self.fail(f"{what}: allowed")

    def records(self, model, user):
        return self.env[model].with_user(user)

    def test_content_is_for_the_owner_alone(self):
        for model in CONTENT:
            row = self.env[model].search([("mailbox_id", "=", self.box.id)], limit=1)
            self.assertTrue(row, model)
            self.assertTrue(self.records(model, self.anna).browse(row.id).read())
            for user in (self.ben, self.admin):
                records = self.records(model, user)
                self.assertFalse(records.search([]), model)
                self.assertFalse(records.search_count([]), model)
                self.assertFalse(records.name_search(""), model)
                self.assertFalse(records.search_read([], ["display_name"]), model)
                self.assertEqual(
                    records.formatted_read_group([], [], ["__count"])[0]["__count"], 0
                )
                theirs = records.browse(row.id)
                for road in (
                    lambda r=theirs: r.read(["display_name"]),
                    lambda r=theirs: r.web_read({"display_name": {}}),
                    lambda r=theirs: r.export_data(["id", "display_name"]),
                    lambda r=theirs: r.display_name,
                    lambda r=theirs: r.write({"mailbox_id": self.box.id}),
                    lambda r=theirs: r.unlink(),
                    lambda r=theirs: r.copy(),
                ):
                    self.assert_refused(road, model)
            with self.assertRaises(AccessError):
                self.records(model, self.portal).search([])

    def test_owner_cannot_change_or_remove_content(self):
        for model in CONTENT:
            row = self.records(model, self.anna).search([], limit=1)
            with self.assertRaises(AccessError):
                row.write({"mailbox_id": self.box.id})
            with self.assertRaises(AccessError):
                row.unlink()
            with self.assertRaises(AccessError):
                self.records(model, self.anna).create({"mailbox_id": self.box.id})

    def test_secrets_are_for_nobody(self):
        for user in (self.anna, self.ben, self.admin, self.portal):
            for model in SECRET:
                with self.assertRaises(AccessError):
                    self.records(model, user).search([])
        credential = self.env["gmail.credential"].search([])
        for field in ("refresh_token", "access_token", "sub"):
            with self.assertRaises(AccessError):
                credential.with_user(self.admin).read([field])

    def test_administrator_sees_the_row_and_changes_nothing(self):
        row = self.records("gmail.mailbox", self.admin).browse(self.box.id)
        self.assertEqual(row.read(["email", "state"])[0]["email"], ANNA)
        with self.assertRaises(AccessError):
            row.write({"name": "mine"})
        with self.assertRaises(AccessError):
            row.unlink()
        self.assertFalse(row.label_ids)

    def test_colleague_sees_no_mailbox(self):
        self.assertFalse(self.records("gmail.mailbox", self.ben).search([]))
        with self.assertRaises(AccessError):
            self.records("gmail.mailbox", self.ben).browse(self.box.id).read(["email"])

    def test_owner_writes_settings_only(self):
        row = self.records("gmail.mailbox", self.anna).browse(self.box.id)
        row.write({"name": "Work", "sync_interval": 10})
        for values in (
            {"user_id": self.ben.id},
            {"email": "x@y.test"},
            {"state": "paused"},
            {"can_send": True},
            {"is_default": False},
            {"company_id": False},
        ):
            with self.assertRaises(AccessError):
                row.write(values)

    def test_mailbox_is_not_adopted_through_the_user(self):
        for command in ([(4, self.box.id)], [(6, 0, [self.box.id])]):
            with self.assertRaises(AccessError):
                self.ben.with_user(self.ben).write({"gmail_mailbox_ids": command})
                self.env.flush_all()
        self.assertEqual(self.box.user_id, self.anna)

    def test_doors_refuse_others_over_rpc(self):
        attachment = self.env["gmail.attachment"].search([], limit=1)
        ids = {
            "gmail.mailbox": self.box.id,
            "gmail.thread": self.message.thread_id.id,
            "gmail.message": self.message.id,
            "gmail.attachment": attachment.id,
            "gmail.quarantine": self.left_out.id,
            "gmail.offer": self.offer.id,
            "gmail.label": self.box.label_ids[0].id,
            "gmail.draft": self.begun.id,
            "gmail.contact": self.google_contact.id,
        }
        partner = self.env.user.partner_id.id
        arguments = {
            "write": [{"name": "x"}],
            ("gmail.draft", "panel_save"): [{"to": "x@y.test"}],
            ("gmail.attachment", "panel_save"): ["res.partner", partner],
            "action_link": [partner],
            "panel_bring": [self.box.id, self.message.thread_id.gmail_id],
            "panel_remove_file": [1],
            "panel_apply_template": [1],
            "panel_card": [CUSTOMER],
            "panel_find_documents": ["x"],
            "panel_link": ["res.partner", partner],
            "panel_make": ["res.partner"],
            "panel_make_contact": [CUSTOMER],
            "panel_share": ["everything"],
            "panel_share_all": ["everything"],
            "panel_unlink": ["res.partner", partner],
        }
        # The caller's own, whoever she is.
        general = {"panel_state", "panel_threads", "panel_outcome"}
        general |= {"action_connect_picked", "action_discard_picked"}
        general |= {"panel_search_gmail", "panel_emails", "action_open_settings"}
        general.add("action_open_preferences")
        general |= {"panel_begin", "panel_list", "panel_recipients"}
        for user in (self.ben, self.admin, self.portal):
            for model, row_id in ids.items():
                for method in DOORS[model] - general - {"action_open_form"}:
                    more = arguments.get((model, method)) or arguments.get(method, [])
                    is_of_model = getattr(
                        getattr(type(self.env[model]), method), "_api_model", False
                    )
                    given = more if is_of_model else [[row_id], *more]
                    with self.assertRaisesRegex(
                        JsonRpcException,
                        r"odoo\.exceptions\.",
                        msg=f"{user.login} {model} {method}",
                    ):
                        self.rpc(user, model, method, given)
        self.assertEqual(self.box.state, "connected")

    def test_panel_gives_own_mail_only(self):
        for user in (self.ben, self.admin):
            state = self.rpc(user, "gmail.mailbox", "panel_state")
            self.assertEqual(state["mailboxes"], [])
            for wanted in (False, self.box.id):
                page = self.rpc(user, "gmail.mailbox", "panel_threads", [wanted])
                self.assertEqual(page["threads"], [])
        page = self.rpc(self.anna, "gmail.mailbox", "panel_threads", [self.box.id])
        self.assertEqual(page["threads"][0]["subject"], "Confidential salary")

    def test_attachment_bytes_are_for_the_owner_alone(self):
        row = self.env["gmail.attachment"].search([], limit=1)
        attachment = self.env["ir.attachment"].create(
            {
                "name": "secret.pdf",
                "raw": b"secret",
                "res_model": "gmail.attachment",
                "res_id": row.id,
            }
        )
        url = f"/web/content/{attachment.id}"
        self.authenticate("gmail_anna", "gmail_anna")
        self.assertEqual(self.url_open(url).content, b"secret")
        for user in (self.ben, self.admin, self.portal):
            self.authenticate(user.login, user.login)
            self.assertNotEqual(self.url_open(url).content, b"secret")

    def test_no_sudo_commands_and_no_model_without_rule(self):
        for name in sorted(self.env.registry):
            model = self.env[name]
            if not name.startswith("gmail."):
                continue
            if isinstance(model, models.Model):
                self.assertFalse(model._allow_sudo_commands, name)
        for model in (*CONTENT, "gmail.mailbox"):
            rules = self.env["ir.rule"].search([("model_id.model", "=", model)])
            self.assertTrue(rules, model)
            self.assertFalse(rules.groups, model)
