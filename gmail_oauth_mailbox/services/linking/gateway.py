"""What happens while Odoo's mail gateway takes an email in.

The gateway acts as superuser, and as the user whom From names. Both are in the hands of
whoever wrote the email, and any user may hand one in with values for the new record.
"""

from dataclasses import dataclass

# Key of a HandedIn in the context. No caller from outside can make one.
HANDED_IN = "gmail_handed_in"
# What the chatter of a record is made of: an email makes a record, not its history.
CHATTER = frozenset(
    {
        "ir.attachment",
        "mail.activity",
        "mail.followers",
        "mail.message",
        "mail.message.link.preview",
        "mail.message.reaction",
        "mail.message.schedule",
        "mail.message.translation",
        "mail.notification",
        "mail.scheduled.message",
        "mail.tracking.value",
    }
)
CREATE, UPDATE, DELETE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class HandedIn:
    """An email that the gateway takes in.

    :ivar actor: id of the user who handed it in; None when nobody did: the job of the
        mail server or a script of an administrator brought it
    """

    actor: int | None = None


def handed_in(env):
    """Return the HandedIn of what is being done, or None outside of the gateway."""
    found = env.context.get(HANDED_IN)
    return found if isinstance(found, HandedIn) else None


def without_chatter(env, model, values):
    """Return the values of a new record without those for its chatter, or for the
    chatter of records that it would change on the way.

    :param values: as for ``create``
    """
    fields = env[model]._fields
    return {
        name: _without(env, fields[name], value)
        if name in fields and _is_list(fields[name])
        else value
        for name, value in values.items()
        if not (name in fields and _is_chatter(env, fields[name]))
    }


def _is_list(field):
    return field.type in ("one2many", "many2many")


def _is_chatter(env, field):
    if not _is_list(field):
        return False
    model = field.comodel_name
    return (
        model in CHATTER
        or model.startswith("gmail.")
        # Such as mail.mail, which makes a mail.message.
        or not CHATTER.isdisjoint(env[model]._inherits)
    )


def _without(env, field, commands):
    """Return commands without those that change records which are there: the gateway
    would, as superuser."""
    if not isinstance(commands, list | tuple):
        return commands
    kept = []
    for command in commands:
        if not isinstance(command, list | tuple) or len(command) < 2:
            kept.append(command)
        elif command[0] == CREATE and len(command) > 2:
            values = command[2]
            is_new = isinstance(values, dict)
            model = field.comodel_name
            values = without_chatter(env, model, values) if is_new else values
            kept.append((*command[:2], values))
        elif field.type == "many2many" and command[0] not in (UPDATE, DELETE):
            kept.append(command)
    return kept
