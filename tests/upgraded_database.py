"""Fed to ``odoo shell`` by test_upgrade.py, once for each UPGRADE_ACT.

Each act prints a line ``RESULT json``.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import re

ADDON = "gmail_oauth_mailbox"


def tokens():
    """Decrypt the tokens of every mailbox; return {address: how they begin}."""
    cipher, found = env["gmail.keys"]._cipher(create=False), {}
    for credential in env["gmail.credential"].sudo().search([]):
        mailbox = credential.mailbox_id
        context = env["gmail.keys"]._seal_context(credential.sub, mailbox_id=mailbox.id)
        found[mailbox.email] = [
            re.match(r"ya29|1//", cipher.open(credential[name], context=context))[0]
            for name in ("access_token", "refresh_token")
        ]
    return found


def stale():
    """Return what the addon left in Odoo's own tables without use."""
    found = []
    names = env["ir.model.data"].search([("module", "=", ADDON)])
    for model, rows in names.grouped("model").items():
        if model not in env:
            found.append(f"{rows[0].name} is of the model {model}, which is gone")
            continue
        records = env[model].sudo().with_context(active_test=False)
        there = set(records.browse(rows.mapped("res_id")).exists().ids)
        found += [
            f"{row.name} names a record that is gone"
            for row in rows
            if row.res_id not in there
        ]
    of_addon = names.filtered(lambda row: row.model == "ir.model").mapped("res_id")
    for model in env["ir.model"].browse(of_addon).exists():
        if model.model not in env:
            found.append(f"the model {model.model} is gone")
    of_addon = names.filtered(lambda row: row.model == "ir.model.fields")
    for field in env["ir.model.fields"].browse(of_addon.mapped("res_id")).exists():
        if field.model not in env or field.name not in env[field.model]._fields:
            found.append(f"the field {field.model}.{field.name} is gone")
    return found


def link():
    """Run the scheduled action that links emails; return what is left in the queue."""
    env.ref(f"{ADDON}.ir_cron_gmail_file").method_direct_trigger()
    env.cr.commit()
    env.cr.execute("SELECT count(*) FROM gmail_pending WHERE message_id IS NOT NULL")
    return env.cr.fetchone()[0]


acts = {"tokens": tokens, "stale": stale, "link": link}
wanted = os.environ["UPGRADE_ACTS"].split()
print("RESULT", json.dumps({name: acts[name]() for name in wanted}))
