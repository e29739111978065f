"""Records that are made of what we give and of nothing else.

Odoo fills a new record with ``default_*`` of the context, which callers write, and with
the defaults that users define, which can apply to all users: a hidden copy, another
sender, a level. What is sent, shown or shared has none of them.
"""

from odoo.tools.misc import clean_context


def create(records, vals_list):
    """Create records without defaults from the context or of users.

    :param records: the model, with the rights to create
    :param vals_list: as for ``create``
    """
    plain = records.with_env(
        records.env(context=clean_context(dict(records.env.context)))
    )
    own = explicit(plain)
    return plain.create([{**own, **vals} for vals in vals_list]).with_env(records.env)


def explicit(records):
    """Return values for the fields of a model that users have defined defaults for:
    what the model itself would say."""
    values = {}
    for parent in records._inherits:
        values.update(explicit(records.env[parent]))
    defined = records.env["ir.default"]._get_model_defaults(records._name)
    for name in defined:
        field = records._fields.get(name)
        if field is None or not field.store:
            continue
        if field.default:
            values[name] = field.default(records)
        elif not field.compute:
            values[name] = [] if field.type in ("one2many", "many2many") else False
    return values
