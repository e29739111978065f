"""Fed to ``odoo shell`` by test_real_transactions.py: what only real transactions show.

Both clocks are the real one: mail is searched by the time at which it was sent.
Each case gets users of its own, and prints a line ``RESULT name json``.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import sys
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, os.environ["REPOSITORY"])

from tests.common import ANNA, BEN, Session, mail  # noqa: E402
from tests.google_standin import process  # noqa: E402

google = process.Standin(os.environ["GMAIL_OAUTH_MAILBOX_GOOGLE_URL"])
set_param = env["ir.config_parameter"].set_param
set_param("google_gmail_client_id", "standin-client.apps.googleusercontent.com")
set_param("google_gmail_client_secret", "standin-secret")
GROUPS = ["base.group_user", "base.group_partner_manager"]


def user(login, email):
    return env["res.users"].create(
        {
            "login": login,
            "name": login.title(),
            "email": email,
            "group_ids": [(6, 0, [env.ref(group).id for group in GROUPS])],
        }
    )


anna, ben = user("anna", ANNA), user("ben", BEN)
carla = env["res.partner"].create({"name": "Carla", "email": "carla@else.test"})
env.cr.commit()


def connect(owner, email):
    service = env["gmail.connect"].with_user(owner)
    session = Session()
    session.uid = owner.id
    attempt = service._begin(email)["url"].rpartition("/")[2]
    url = service._start(int(attempt), session, "/odoo")
    env.cr.commit()
    # A worker with cold caches has asked the database before it sees the answer.
    env.cr.execute("SELECT 1")
    answer = process.authorize(url, email)
    params = dict(parse_qsl(urlsplit(answer).query))
    attempt, ending = service.sudo()._finish(params, session)
    env.cr.commit()
    return ending or attempt.mailbox_id


def post(owner, body):
    message = carla.with_user(owner).message_post(
        body=body,
        message_type="comment",
        subtype_xmlid="mail.mt_comment",
        partner_ids=carla.ids,
        force_send=False,
    )
    env.cr.commit()
    return env["mail.mail"].search([("mail_message_id", "=", message.id)])


def sent(email):
    return [m["text"] for m in google.messages(email) if "SENT" in m["labelIds"]]


def result(name, **values):
    print("RESULT", name, json.dumps(values))


anna_box, ben_box = connect(anna, ANNA), connect(ben, BEN)
result("connected", anna=anna_box.state, ben=ben_box.state)

# The worker that sent the mail dies before it can commit.
first = post(anna, "Killed once")
first.send()
env.cr.rollback()
env.cr.commit()
first.send()
env.cr.commit()
result("killed", copies=sum("Killed once" in text for text in sent(ANNA)))

# A request is repeated after a conflict, after Gmail took the answer.
google.add_message(ANNA, mail(subject="Question", date=formatdate()))
env["gmail.scheduler"]._wake(anna_box)
env.cr.commit()
env.ref("gmail_oauth_mailbox.ir_cron_gmail_sync_1").method_direct_trigger()
env.cr.commit()
question = env["gmail.message"].search([("subject", "=", "Question")])
for _time in range(2):
    own = question.with_user(anna)
    answer = own.panel_reply("<p>Repeated</p>", "reply", "k" * 32)
    if not _time:
        env.cr.rollback()
env.cr.commit()
result("repeated", copies=sum("Repeated" in text for text in sent(ANNA)))

# One grant is dead; the queue goes on with the mail of others.
waiting, healthy = post(anna, "From a dead grant"), post(ben, "From a healthy one")
google.control("accounts", {"account": ANNA, "action": "revoke"})
env["mail.mail"].process_email_queue()
env.cr.commit()
env.invalidate_all()
result(
    "dead",
    state=anna_box.state,
    waits=waiting.state,
    why=waiting.failure_reason,
    others=sum("healthy" in text for text in sent(BEN)),
)

# It goes out when the account is connected again.
anna_box = connect(anna, ANNA)
waiting.scheduled_date = False
env["mail.mail"].process_email_queue()
env.cr.commit()
result("again", copies=sum("dead grant" in text for text in sent(ANNA)))

# Uninstalling with all that in it.
message = EmailMessage()
message["From"], message["To"], message["Subject"] = "c@else.test", ANNA, "File"
message["Date"] = formatdate()
message.set_content("see")
message.add_attachment(b"x", "text", "csv", filename="a.csv")
google.add_message(ANNA, message.as_bytes())
env["gmail.scheduler"]._wake(anna_box)
env.cr.commit()
env.ref("gmail_oauth_mailbox.ir_cron_gmail_sync_1").method_direct_trigger()
env.cr.commit()
env.invalidate_all()
env["gmail.attachment"].search([]).with_user(anna).action_download()
env.cr.commit()
result("files", stored=env["ir.attachment"].search_count([("name", "=", "a.csv")]))
module = env["ir.module.module"].search([("name", "=", "gmail_oauth_mailbox")])
module.button_immediate_uninstall()
