import json
import logging

from odoo import api, models
from odoo.exceptions import AccessError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

_logger = logging.getLogger(__name__)

MODULE = "gmail_oauth_mailbox"
# Of the names of our models.
PREFIX = "gmail."
# Whose records name a model or a field.
NAMING = ("ir.model", "ir.model.fields", "ir.model.fields.selection")
# Fields that hold the name of a model, or a path from one.
MODEL_NAMES = {
    "ir.actions.report": ("model",),
    "ir.exports": ("resource",),
    "ir.filters": ("model_id",),
    "ir.model.fields": ("model", "relation"),
}
PATHS = {
    # (field with the path, field with the name of the model where it begins)
    "ir.actions.server": ("update_path", "model_name"),
    "ir.model.fields": ("related", "model"),
}
# What Odoo keeps itself of its models.
REFLECTIONS = frozenset(
    {
        "ir.model",
        "ir.model.constraint",
        "ir.model.fields.selection",
        "ir.model.inherit",
        "ir.model.relation",
    }
)
# What says which record something stands on, and reads nothing there.
NOTES = frozenset(
    {"calendar.event", "mail.activity", "mail.tracking.value", "rating.rating"}
)
# A path longer than that is none of a user.
MAX_HOPS = 20


class GmailGuard(models.AbstractModel):
    """Nothing that users make in Odoo reads email past its rules: automation rules,
    server actions, templates, reports, fields, and the like act as superuser, so none
    of them is about a model of ours or leads through one.

    What Python code or QWeb of an administrator does is not covered.
    """

    _name = "gmail.guard"
    _description = "Guard of the Models with Email"

    # ------------------------------------------------------------------
    # What names a model
    # ------------------------------------------------------------------

    @api.model
    def _is_guarded(self, model_name):
        """Whether records of a model hold email, or lead to it. Services have no
        records: administrators may copy their scheduled actions."""
        if not (model_name and model_name.startswith(PREFIX)):
            return False
        model = self.env.get(model_name)
        return model is not None and not model._abstract

    @api.model
    def _fields_of(self, model_name):
        """Return the names of a model's fields that can name a model of ours."""
        if model_name in REFLECTIONS | NOTES or model_name.startswith(PREFIX):
            return ()
        fields = self.env[model_name]._fields
        found = [
            name
            for name, field in fields.items()
            if (field.store or field.inverse)
            and not field.related
            and (
                (field.relational and field.comodel_name in NAMING)
                or field.type in ("reference", "properties_definition")
            )
            and field.type != "one2many"
        ]
        found += MODEL_NAMES.get(model_name, ())
        found += PATHS.get(model_name, ())[:1]
        return [name for name in dict.fromkeys(found) if name in fields]

    @api.model
    def _names(self, record):
        """Yield the names of the models that a record (sudo) is about, reads, or leads
        through."""
        for name in self._fields_of(record._name):
            field, value = record._fields[name], record[name]
            if not value:
                continue
            if field.type == "properties_definition":
                yield from self._names_of_properties(value)
            elif field.relational or field.type == "reference":
                yield from self._names_of_records(value)
            elif name in PATHS.get(record._name, ())[:1]:
                start = record[PATHS[record._name][1]]
                yield from self._hops(start, value)
            else:
                yield value

    def _names_of_records(self, records):
        yield records._name
        for record in records:
            if record._name == "ir.model":
                yield record.model
            elif record._name == "ir.model.fields":
                yield record.model
                yield record.relation
            elif record._name == "ir.model.fields.selection":
                yield record.field_id.model

    def _names_of_properties(self, definition):
        if isinstance(definition, str):
            try:
                definition = json.loads(definition)
            except ValueError:
                return
        for entry in definition or ():
            if isinstance(entry, dict) and isinstance(entry.get("comodel"), str):
                yield entry["comodel"]

    def _hops(self, model_name, path):
        """Yield the names of the models that a path of fields leads through."""
        for name in str(path).split(".")[:MAX_HOPS]:
            model = self.env.get(model_name)
            field = model._fields.get(name) if model is not None else None
            if field is None:
                return
            if field.comodel_name:
                yield field.comodel_name
            model_name = field.comodel_name

    @api.model
    def _is_refused_field(self, field_data):
        """Whether a field that users added is about a model of ours, while the models
        are being set up.

        :param field_data: dict of the columns of ir_model_fields
        """
        names = [field_data["model"], field_data["relation"]]
        names += self._hops(field_data["model"], field_data["related"] or "")
        return any(map(self._is_guarded, names))

    # ------------------------------------------------------------------
    # Rules
    # ------------------------------------------------------------------

    @api.model
    def _is_refused(self, record):
        """Whether a record that users made is about a model of ours."""
        record = record.sudo()
        if record._name == "ir.filters" and self._is_private(record):
            return False
        return any(map(self._is_guarded, self._names(record)))

    def _is_private(self, favorite):
        """Whether a filter is shown to the user alone who made it."""
        return favorite.user_ids == (favorite.create_uid or self.env.user)

    @api.model
    def _check(self, records):
        """Refuse records that lead to email.

        :raises ValidationError: one of them does
        """
        if not self.env.registry.ready:
            # Odoo loads the records of addons: ours, and those of others, which are
            # looked at when they act.
            return
        for record in records.sudo():
            if self._is_refused(record) and not self._is_ours(record):
                raise ValidationError(
                    self.env._(
                        "Emails of mailboxes are for their owners: automation rules, "
                        "actions, templates, reports and fields can't use them."
                    )
                )

    def _is_ours(self, record):
        """Whether a record came with the addon."""
        names = record._get_external_ids().get(record.id) or ()
        return any(name.startswith(f"{MODULE}.") for name in names)

    @api.model
    def _refused(self):
        """Return the records that users made and that lead to email: they do nothing.

        :return: list of records, each of one model
        """
        found = []
        for model_name in self.env.registry:
            model = self.env[model_name].sudo().with_context(active_test=False)
            if model._abstract or not model._auto or model._transient:
                continue
            records = model.browse()
            for name in self._fields_of(model_name):
                records |= self._suspects(model, name)
            records = records.filtered(
                lambda record: self._is_refused(record) and not self._is_ours(record)
            )
            if records:
                found.append(records)
        return found

    def _suspects(self, model, name):
        """Return the records of a model whose field may name a model of ours."""
        field = model._fields[name]
        if not field.store:
            return model.browse()
        if field.type == "properties_definition":
            self.env.flush_all()
            self.env.cr.execute(
                SQL(
                    "SELECT id FROM %s WHERE %s::text LIKE %s",
                    SQL.identifier(model._table),
                    SQL.identifier(name),
                    f"%{PREFIX}%",
                )
            )
            return model.browse(row_id for (row_id,) in self.env.cr.fetchall())
        if name in PATHS.get(model._name, ())[:1]:
            return model.search([(name, "!=", False)])
        places = {
            "ir.model": ("model",),
            "ir.model.fields": ("model", "relation"),
            "ir.model.fields.selection": ("field_id.model",),
        }.get(field.comodel_name, ("",))
        return model.search(
            Domain.OR(
                [(f"{name}.{place}".rstrip("."), "=like", f"{PREFIX}%")]
                for place in places
            )
        )

    @api.model
    def _switch_off(self):
        """Archive what users made and leads to email, where it can be archived; the
        rest does nothing."""
        for records in self._refused():
            if records._active_name:
                records.active = False

    @api.model
    def _may_act(self, record):
        """Whether a record that is about to act may; this is not an error, so that
        what triggers an automation rule succeeds."""
        if not self._is_refused(record) or self._is_ours(record):
            return True
        _logger.warning(
            "%s %s leads to email and does nothing", record._name, record.id
        )
        return False

    @api.model
    def _check_acts(self, record):
        """Refuse to have a record act that leads to email.

        :raises AccessError: it does
        """
        if record and not self._may_act(record):
            raise AccessError(
                self.env._(
                    "This uses emails of mailboxes, which are for their owners. Ask "
                    "your administrator to delete it."
                )
            )
