"""Fed to ``odoo shell`` by test_poison_kills.py: workers that a message kills, with
SIGKILL and real transactions. POISON_ACT names what the process does.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import signal
import sys
import time
from datetime import timedelta

sys.path.insert(0, os.environ["REPOSITORY"])

from odoo.addons.gmail_oauth_mailbox.lib import gmail_api  # noqa: E402
from odoo.addons.gmail_oauth_mailbox.services import gmail_scheduler  # noqa: E402

from tests.common import ANNA, connect_for_good  # noqa: E402

GROUPS = ["base.group_user", "base.group_partner_manager"]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def connect():
    """Connect a mailbox, and have its owner post three mails."""
    set_param = env["ir.config_parameter"].set_param
    set_param("google_gmail_client_id", "standin-client.apps.googleusercontent.com")
    set_param("google_gmail_client_secret", "standin-secret")
    anna = env["res.users"].create(
        {
            "login": "anna",
            "name": "Anna",
            "email": ANNA,
            "group_ids": [(6, 0, [env.ref(group).id for group in GROUPS])],
        }
    )
    carla = env["res.partner"].create({"name": "Carla", "email": "carla@else.test"})
    env.cr.commit()
    box = connect_for_good(env, anna, ANNA)
    box.history_days = 0
    env["gmail.scheduler"]._work("new")
    for subject in ("Mail 1", "Poison", "Mail 2"):
        carla.with_user(anna).message_post(
            body=subject,
            subject=subject,
            message_type="comment",
            subtype_xmlid="mail.mt_comment",
            partner_ids=carla.ids,
            force_send=False,
        )
    env.cr.commit()


def sync():
    """Be a worker for new mail until nothing is left."""
    gmail_scheduler.LEASE = timedelta(seconds=1)
    real = gmail_api.parse_message

    def parse_message(item, *options):
        message = real(item, *options)
        if message.subject == "Poison":
            die()
        return message

    gmail_api.parse_message = parse_message
    box = env["gmail.mailbox"].search([])
    # A dead worker's lease runs out.
    time.sleep(1.2)
    env.cr.execute("UPDATE gmail_mailbox SET next_sync = '2020-01-01'")
    env.cr.commit()
    env.ref("gmail_oauth_mailbox.ir_cron_gmail_sync_1").method_direct_trigger()
    env.cr.commit()
    env.invalidate_all()
    messages = env["gmail.message"].search([("direction", "=", "in")])
    return {
        "stored": sorted(messages.mapped("subject")),
        "failed": box.quarantine_ids.mapped("code"),
        "suspects": box.suspects or [],
    }


def send():
    """Be the scheduled action that sends mail until nothing is left."""
    mails = env["mail.mail"]
    model = type(mails)
    real = model._prepare_outgoing_list

    def _prepare_outgoing_list(self, *arguments, **options):
        if self.subject == "Poison":
            die()
        return real(self, *arguments, **options)

    model._prepare_outgoing_list = _prepare_outgoing_list
    cron = env.ref("mail.ir_cron_mail_scheduler_action")
    left = [("is_gmail", "=", True), ("state", "=", "outgoing")]
    for _round in range(3):
        mails.search(left).scheduled_date = False
        env.cr.commit()
        cron.method_direct_trigger()
        env.cr.commit()
        env.invalidate_all()
        if not mails.search_count(left):
            break
    failed = mails.search([("is_gmail", "=", True), ("state", "=", "exception")])
    return {
        "left": mails.search_count(left),
        "failed": failed.mapped("subject"),
        "reason": failed.failure_reason,
        "active": cron.active,
    }


print("RESULT", json.dumps(globals()[os.environ["POISON_ACT"]]()))
