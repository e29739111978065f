"""Fed to ``odoo shell`` by test_copied_database.py, once for each COPY_ACT.

``original`` connects two mailboxes and leaves one revocation waiting; ``act`` tries in
a copy all that reaches Google. Each prints a line ``RESULT json``.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import sys

sys.path.insert(0, os.environ["REPOSITORY"])

from odoo.exceptions import UserError  # noqa: E402

from tests.common import ANNA, BEN, connect_for_good  # noqa: E402

GROUPS = ("base.group_user", "base.group_partner_manager")
CRONS = ("sync_1", "backfill_1", "revoke", "check", "keys")


def original():
    set_param = env["ir.config_parameter"].set_param
    set_param("google_gmail_client_id", "standin-client.apps.googleusercontent.com")
    set_param("google_gmail_client_secret", "standin-secret")
    users = env["res.users"]
    for login, email in (("anna", ANNA), ("ben", BEN)):
        values = {"login": login, "name": login.title(), "email": email}
        values["group_ids"] = [(6, 0, [env.ref(group).id for group in GROUPS])]
        users |= users.create(values)
    env.cr.commit()
    for user in users:
        connect_for_good(env, user, user.email)
    env["gmail.mailbox"].search([("email", "=", BEN)]).with_user(
        users[1]
    ).action_disconnect()
    env.cr.commit()
    return {"mailboxes": env["gmail.mailbox"].search_count([])}


def act():
    outcome = {"test": "", "begin": ""}
    anna = env["res.users"].search([("login", "=", "anna")])
    mailbox = env["gmail.mailbox"].search([("email", "=", ANNA)])
    mailbox.next_sync = "2020-01-01"
    message = anna.partner_id.with_user(anna).message_post(
        body="From a copy",
        message_type="comment",
        subtype_xmlid="mail.mt_comment",
        partner_ids=env["res.partner"]
        .create({"name": "Carla", "email": "carla@else.test"})
        .ids,
        force_send=False,
    )
    env.cr.commit()
    for name in CRONS:
        cron = env.ref(f"gmail_oauth_mailbox.ir_cron_gmail_{name}")
        cron.method_direct_trigger()
        env.cr.commit()
    env["mail.mail"].search([("mail_message_id", "=", message.id)]).send()
    env.cr.commit()
    for what, call in (
        ("test", mailbox.with_user(anna).action_test),
        ("begin", lambda: env["gmail.connect"].with_user(anna)._begin("new@x.test")),
    ):
        try:
            call()
        except UserError as error:
            outcome[what] = str(error)
        env.cr.rollback()
    env.invalidate_all()
    env.cr.execute(
        "SELECT count(*) FROM gmail_credential WHERE refresh_token IS NOT NULL"
    )
    (tokens,) = env.cr.fetchone()
    return {
        **outcome,
        "state": mailbox.state,
        "tokens": tokens,
        "revocations": env["gmail.revocation"].search_count([]),
        "is_copy": env["gmail.keys"]._is_copy(),
    }


print("RESULT", json.dumps(globals()[os.environ["COPY_ACT"]]()))
