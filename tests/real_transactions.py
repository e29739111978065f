"""Fed to ``odoo shell`` by test_real_transactions.py: what only real transactions show.

Both clocks are the real one: mail is searched by the time at which it was sent.
Each case gets users of its own, and prints a line ``RESULT name json``.
"""

# ruff: noqa: F821 - odoo shell provides `env`.
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from email.utils import formatdate
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, os.environ["REPOSITORY"])

from tests.common import ANNA, BEN, Session, connect_for_good, mail  # noqa: E402
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
    return connect_for_good(env, owner, email)


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

# Two workers find the access token out of date at the same time.
env.cr.execute("UPDATE gmail_credential SET access_token_expiry = '2020-01-01'")
env.cr.commit()
google.control("faults", {"path": "^/token$", "delay": 1, "pass": True, "count": 2})
asked = len(google.log())


def renew(_number):
    with env.registry.cursor() as cr:
        own = env(cr=cr)
        return own["gmail.oauth"]._access_token(
            own["gmail.mailbox"].browse(anna_box.id)
        )


with ThreadPoolExecutor(2) as pool:
    tokens = set(pool.map(renew, range(2)))
google.control("faults?clear=1")
result("renewed", requests=len(google.log()) - asked, tokens=len(tokens))

# Two answers for one account, of two users, at the same time.
support = "support@corp-example.test"
roads = []
for owner in (anna, ben):
    session = Session()
    session.uid = owner.id
    service = env["gmail.connect"].with_user(owner)
    number = service._begin(support)["url"].rpartition("/")[2]
    url = service._start(int(number), session, "/odoo")
    env.cr.commit()
    answer = process.authorize(url, support)
    roads.append((owner.id, dict(parse_qsl(urlsplit(answer).query)), session))


def finish(road):
    uid, params, session = road
    with env.registry.cursor() as cr:
        cr.execute("SELECT 1")
        service = env(cr=cr, user=uid)["gmail.connect"].sudo()
        attempt, _ending = service._finish(params, session)
    return attempt.id


with ThreadPoolExecutor(2) as pool:
    attempts = list(pool.map(finish, roads))
env.cr.rollback()
env.invalidate_all()
outcomes = sorted(env["gmail.authorization"].browse(attempts).mapped("status"))
shared = env["gmail.mailbox"].search([("email", "=", support)])
result("raced", outcomes=outcomes, mailboxes=len(shared))

# One answer, twice at the same time.
for box in shared:
    box.with_user(box.user_id).action_delete()
env.cr.commit()
session = Session()
session.uid = anna.id
service = env["gmail.connect"].with_user(anna)
number = service._begin(support)["url"].rpartition("/")[2]
url = service._start(int(number), session, "/odoo")
env.cr.commit()
answer = dict(parse_qsl(urlsplit(process.authorize(url, support)).query))
asked = [entry["path"] for entry in google.log()].count("/token")
with ThreadPoolExecutor(2) as pool:
    list(pool.map(finish, [(anna.id, answer, session)] * 2))
env.cr.rollback()
env.invalidate_all()
shared = env["gmail.mailbox"].search([("email", "=", support)])
exchanges = [entry["path"] for entry in google.log()].count("/token") - asked
result("pressed", exchanges=exchanges, mailboxes=len(shared))
shared = shared[:1] or connect(anna, support)

# She disconnects, and connects again while the revocation waits for the account.
shared.with_user(anna).action_disconnect()
number = service._begin(support)["url"].rpartition("/")[2]
url = service._start(int(number), session, "/odoo")
env.cr.commit()
answer = dict(parse_qsl(urlsplit(process.authorize(url, support)).query))
profile = {"path": "/profile$", "delay": 2, "pass": True}
google.control("faults", profile)


def revoke():
    time.sleep(0.7)
    with env.registry.cursor() as cr:
        cr.execute("SELECT 1")
        cron = env(cr=cr).ref("gmail_oauth_mailbox.ir_cron_gmail_revoke")
        cron.method_direct_trigger()


with ThreadPoolExecutor(2) as pool:
    waiting = [pool.submit(finish, (anna.id, answer, session)), pool.submit(revoke)]
    [future.result() for future in waiting]
env.cr.rollback()
env.invalidate_all()
granted = [a["connected"] for a in google.control("accounts") if a["email"] == support]
left = env["gmail.revocation"].search_count([])
result("reconnected", granted=granted, state=shared.state, left=left)

# A mailbox is deleted while a worker reads it.
(lease,) = env["gmail.scheduler"]._claim("new")
env.cr.commit()
held = lease.mailbox
with env.registry.cursor() as cr:
    own = env(cr=cr)["gmail.mailbox"].browse(held.id)
    own.with_user(own.user_id).action_delete()
env["gmail.scheduler"]._run(lease)
env.cr.commit()
result("deleted", email=bool(held.exists()))
if not env["gmail.mailbox"].search([("email", "=", ANNA)]):
    anna_box = connect(anna, ANNA)
if not env["gmail.mailbox"].search([("email", "=", BEN)]):
    ben_box = connect(ben, BEN)
shared.exists().with_user(anna).action_delete() if shared.exists() else None
env.cr.commit()
env.ref("gmail_oauth_mailbox.ir_cron_gmail_revoke").method_direct_trigger()
env.cr.commit()

# An access ends soon, while a worker changes the mailbox.
env["gmail.mailbox"].search([]).access_ends = "2026-01-01"
env.cr.commit()
env.cr.execute("SELECT 1")
with env.registry.cursor() as cr:
    cr.execute("UPDATE gmail_mailbox SET failure_count = 0")
env.ref("gmail_oauth_mailbox.ir_cron_gmail_check").method_direct_trigger()
env.cr.commit()
env.invalidate_all()
announced = env["gmail.mailbox"].search([]).mapped("ending_announced")
result("announced", all=announced)
env["gmail.mailbox"].search([]).access_ends = False
env.cr.commit()

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
drafts = env["gmail.draft"].with_user(anna)
draft = drafts.browse(drafts.panel_begin("reply", question.id)["id"])
draft.panel_save({"body": "<p>Repeated</p>"})
draft.panel_send()
env.cr.commit()
for _time in range(2):
    answer = draft.panel_flush()
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

# The day's quota of the project is spent: all rest, and the administrators know.
body = {"error": {"code": 403, "errors": [{"reason": "dailyLimitExceeded"}]}}
fault = {"path": "/history$", "status": 403, "body": body, "count": 9}
google.control("faults", fault)
asked = len(google.log())
for _turn in range(2):
    env["gmail.scheduler"]._wake(anna_box | ben_box)
    env.cr.commit()
    env.ref("gmail_oauth_mailbox.ir_cron_gmail_sync_1").method_direct_trigger()
    env.cr.commit()
rest = env["mail.message"].search([("subject", "like", "mailboxes rest for a while")])
refused = [entry["status"] for entry in google.log()[asked:]].count(403)
google.control("faults?clear=1")
env["gmail.meter"]._project_works()
env.cr.commit()
result("spent", told=len(rest), refused=refused)

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
env["gmail.attachment"].search([]).with_user(anna).panel_open()
env.cr.commit()
result("files", stored=env["ir.attachment"].search_count([("name", "=", "a.csv")]))
# The key file is damaged: the administrator says so, and users connect anew.
key_file = env["gmail.keys"]._key_file()
os.rename(key_file, key_file + ".kept")
with open(key_file, "w") as file:
    file.write("damaged")
check = env["gmail.setup.check"].with_user(env.ref("base.user_admin"))
check.action_check()
env.cr.commit()
check.action_forget_key()
env.cr.commit()
env.invalidate_all()
point = next(p for p in env["gmail.check"]._points() if "Key" in p[1])
env.cr.commit()
env.ref("gmail_oauth_mailbox.ir_cron_gmail_sync_1").method_direct_trigger()
env.cr.commit()
anna_box, ben_box = connect(anna, ANNA), connect(ben, BEN)
result("lost", point=point[0], state=anna_box.state)
for name in os.listdir(os.path.dirname(key_file)):
    if name.startswith(os.path.basename(key_file) + "."):
        os.unlink(os.path.join(os.path.dirname(key_file), name))

key_file = env["gmail.keys"]._key_file()
result("key", path=key_file, there=os.path.exists(key_file))
module = env["ir.module.module"].search([("name", "=", "gmail_oauth_mailbox")])
module.button_immediate_uninstall()
