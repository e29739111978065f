"""Every gmail.* model and every public method over RPC, as those who may see nothing.

The sweep asks whatever Odoo lets be asked, in developer mode, whose error messages
tell more: nothing of a stranger's mail may stand in an answer, and nothing may change.
"""

import inspect
import json
import xmlrpc.client

import pytest

from odoo.exceptions import AccessError
from odoo.service.model import get_public_method
from odoo.tests import tagged

from .common import ANNA, CUSTOMER, GmailCase, mail

SUBJECT = "Confidential salary"
BODY = "The raise is four percent"
FILE = "secret-plan.csv"
LABEL = "Secret project"
CONTACT = "Walnutname Secretperson"
CONTACT_LABEL = "Secret acquaintances"
DOCUMENT = mail(subject=SUBJECT, body=BODY)
PLAIN = {
    "aggregates": ["__count"],
    "access_mode": "read",
    "data": [["1"]],
    "domain": [],
    "field_name": "display_name",
    "fields_to_export": ["id", "display_name"],
    "group_by": "mailbox_id",
    "groupby": ["mailbox_id"],
    "langs": ["en_US"],
    "limit": 80,
    "name": "",
    "operation": "read",
    "operator": "ilike",
    "order": "id",
    "values": {},
    "vals": {},
    "vals_list": [{}],
    "view_type": "form",
    "views": [[False, "form"]],
}


# Old methods are asked too.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@tagged("standard", "post_install", "-at_install")
class TestAccessRpc(GmailCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.portal = cls._user(
            "gmail_rpc_portal",
            "Portal",
            "portal@other-example.test",
            "base.group_portal",
        )
        cls.admin = cls._user(
            "gmail_rpc_admin",
            "Administrator",
            "admin@corp-example.test",
            "base.group_user,base.group_system,base.group_erp_manager",
        )

    def setUp(self):
        super().setUp()
        gmail_id = self.google.add_message(ANNA, DOCUMENT)
        self.box = self.connect(self.anna, ANNA)
        self.sync(self.box)
        message = self.env["gmail.message"].search([("gmail_id", "=", gmail_id)])
        message.attachment_ids = [
            (0, 0, {"mailbox_id": self.box.id, "part_id": "1", "name": FILE})
        ]
        self.env["ir.attachment"].create(
            {
                "name": FILE,
                "raw": BODY.encode(),
                "res_model": "gmail.attachment",
                "res_id": message.attachment_ids.id,
            }
        )
        self.env["gmail.label"].create(
            {
                "mailbox_id": self.box.id,
                "gmail_id": "Label_9",
                "name": LABEL,
                "kind": "user",
            }
        )
        self.env["gmail.authorization"].create(
            {
                "user_id": self.anna.id,
                "email": ANNA,
                "outcome": SUBJECT,
                "expires_at": "2030-01-01",
            }
        )
        contact = self.env["gmail.contact"].create(
            {
                "mailbox_id": self.box.id,
                "resource_name": "people/c1",
                "name": CONTACT,
                "email": "walnut@customer-example.test",
            }
        )
        contacts = {"contact_id": contact.id}
        self.env["gmail.contact.link"].with_user(self.anna).create(contacts)
        self.env["gmail.contact.key"].create({**contacts, "key": CONTACT})
        self.env["gmail.contact.group"].create(
            {
                "mailbox_id": self.box.id,
                "resource_name": "contactGroups/1",
                "name": CONTACT_LABEL,
            }
        )
        self.env.flush_all()
        self.secrets = [SUBJECT, BODY, FILE, LABEL, gmail_id, CONTACT, CONTACT_LABEL]
        self.secrets += [
            CUSTOMER.split("<")[1].strip(">"),
            message.message_id or "ya29",
        ]
        self.models = sorted(n for n in self.env.registry if n.startswith("gmail."))

    def call(self, model, method, arguments, keywords):
        response = self.ask_rpc(model, method, arguments, keywords)
        return response.text

    def public_methods(self, model):
        for name in dir(type(self.env[model])):
            try:
                method = get_public_method(self.env[model], name)
            except (AccessError, AttributeError):
                continue
            yield name, method

    def variants(self, model, method):
        """Return two sets of keywords: what must be given, and all that can be."""
        fields = {
            "fields": list(self.env[model]._fields),
            "field_names": list(self.env[model]._fields),
            "fnames": list(self.env[model]._fields),
            "allfields": list(self.env[model]._fields),
            "specification": {name: {} for name in self.env[model]._fields},
            "fields_spec": {name: {} for name in self.env[model]._fields},
        }
        known = {**PLAIN, **fields}
        try:
            parameters = list(inspect.signature(method).parameters.values())[1:]
        except (TypeError, ValueError):
            return [{}]
        named = [
            p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        needed = {
            p.name: known.get(p.name, False) for p in named if p.default is p.empty
        }
        full = {**needed, **{p.name: known[p.name] for p in named if p.name in known}}
        return [needed, full] if full != needed else [needed]

    def state(self):
        """Return all rows of the tables, but for what the scheduler notes."""
        rows = {}
        for model in self.models:
            table = self.env[model]._table
            if not self.has_rows(model):
                continue
            # The names come from the registry.
            self.env.cr.execute(f'SELECT * FROM "{table}" ORDER BY id')
            rows[model] = self.env.cr.dictfetchall()
        # Whoever opens a dialog makes a row of her own.
        for dialog in ("gmail.mailbox.connect", "gmail.mailbox.disconnect"):
            rows.pop(dialog)
        # Of administrators alone: test_access.py.
        for check in ("gmail.setup.check", "gmail.setup.check.line"):
            rows.pop(check)
        return rows

    def sweep(self, user, secrets):
        self.authenticate(user.login, user.login, session_extra={"debug": "1"})
        calls, answered = 0, set()
        for model in self.models:
            ids = self.has_rows(model) and self.env[model].search([]).ids or [1]
            for name, method in self.public_methods(model):
                for keywords in self.variants(model, method):
                    api_model = getattr(method, "_api_model", False)
                    answer = self.call(
                        model, name, [] if api_model else [ids], keywords
                    )
                    calls += 1
                    if '"result"' in answer:
                        answered.add((model, name))
                    for secret in secrets:
                        self.assertNotIn(secret, answer, f"{user.login} {model}.{name}")
        return calls, answered

    def has_rows(self, model):
        return self.env[model]._auto and not self.env[model]._abstract

    def test_sweep(self):
        before = self.state()
        for user in (self.ben, self.admin, self.portal):
            secrets = self.secrets + ([] if user == self.admin else [ANNA])
            calls, answered = self.sweep(user, secrets)
            self.assertGreater(calls, 500)
            names = {name for _model, name in answered}
            if user == self.portal:
                self.assertFalse({"read", "search_read", "web_read"} & names)
            else:
                # The sweep asks in a way that gets answers.
                self.assertLessEqual(
                    {"search_read", "formatted_read_group", "name_search"}, names
                )
            self.env.invalidate_all()
            self.assertEqual(self.state(), before, user.login)

    def test_other_doors_lead_to_the_same_rules(self):
        """/json/2 and XML-RPC: one call of each kind, as colleague and portal user."""
        thread = self.env["gmail.thread"].search([("mailbox_id", "=", self.box.id)]).ids
        message = self.env["gmail.message"].search([("thread_id", "in", thread)]).ids
        for user in (self.ben, self.admin, self.portal):
            key = (
                self.env["res.users.apikeys"]
                .with_user(user)
                .sudo()
                ._generate("rpc", "test", False)
            )
            for model, method, body in (
                ("gmail.message", "search_read", {"domain": []}),
                ("gmail.message", "read", {"ids": message, "fields": ["subject"]}),
                ("gmail.thread", "panel_read", {"ids": thread}),
                ("gmail.setup", "_client_secret", {}),
                ("gmail.credential", "search_read", {"domain": []}),
            ):
                answer = self.url_open(
                    f"/json/2/{model}/{method}",
                    data=json.dumps(body),
                    headers={
                        "Content-Type": "application/json",
                        "Authorization": f"bearer {key}",
                    },
                )
                if method != "search_read" or model == "gmail.credential":
                    self.assertIn(answer.status_code, (403, 404, 422), answer.text)
                for secret in self.secrets:
                    self.assertNotIn(secret, answer.text)
                try:
                    arguments = [body["ids"]] if "ids" in body else []
                    found = self.xmlrpc_object.execute_kw(
                        self.env.cr.dbname,
                        user.id,
                        user.login,
                        model,
                        method,
                        arguments,
                    )
                except xmlrpc.client.Fault as fault:
                    found = fault.faultString
                for secret in self.secrets:
                    self.assertNotIn(secret, str(found))

    def test_sweep_would_find_a_leak(self):
        """As the owner herself the same questions bring the secrets out."""
        with self.assertRaises(AssertionError):
            self.sweep(self.anna, self.secrets)
