"""One mail in several mailboxes and at Odoo's gateway, in any order: what stands in the
document at the end is what the rule demands."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.gmail_oauth_mailbox.lib.sharing import LEVELS, mail_key, stricter

SENDER = "carla.roth@customer-example.test"
MESSAGE_ID = "<one@customer-example.test>"
DATE = "Mon, 23 Nov 2026 10:00:00 +0000"
TEXT = "Blue chairs, please"
MOST = 6
RAW = (
    f"From: Carla Roth <{SENDER}>\r\nTo: %s\r\nSubject: Chairs\r\nDate: {DATE}\r\n"
    f"Message-ID: {MESSAGE_ID}\r\nReferences: %s\r\n"
    f"Content-Type: text/plain\r\n\r\n{TEXT}\r\n"
)

choices = st.sampled_from((False, *LEVELS))
others = st.sampled_from((("work",), ("work",), ("gateway",)))


@st.composite
def histories(draw):
    """Return (levels of mailboxes at first, whether the mail is of after all changes,
    steps): it reaches two to six mailboxes, shuffled with changes of their levels, work
    and the gateway."""
    steps = draw(st.lists(others, max_size=4))
    levels = draw(st.lists(choices, min_size=2, max_size=MOST))
    for box in range(len(levels)):
        steps.append(
            ("arrive", box, draw(st.sampled_from((False, False, False, True))))
        )
        steps += [("box", box, level) for level in draw(st.lists(choices, max_size=2))]
        if draw(st.booleans()):
            steps.append(("thread", box, draw(choices)))
    return levels, draw(st.booleans()), draw(st.permutations(steps))


class Undo(Exception):
    """Ends an example; nothing of it stays."""


@tagged("standard", "post_install", "-at_install")
class TestSharingProperty(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.carla = cls.env["res.partner"].create({"name": "Carla", "email": SENDER})
        cls.key = mail_key(MESSAGE_ID, SENDER, DATE, TEXT)
        cls.boxes = cls.env["gmail.mailbox"]
        for number in range(MOST):
            email = f"u{number}@corp-example.test"
            user = new_test_user(
                cls.env, f"gmail_share_{number}", email=email, signature=False
            )
            cls.boxes += cls.env["gmail.mailbox"].create(
                {
                    "name": email,
                    "email": email,
                    "user_id": user.id,
                    "state": "draft",
                    "sharing_steps": [[None, False]],
                }
            )
        cls.question = cls.carla.message_post(
            body="Which?", message_type="comment", subtype_xmlid="mail.mt_comment"
        )

    def start(self, levels):
        self.levels = dict.fromkeys(self.boxes.ids, False)
        for box, level in zip(self.boxes, levels, strict=False):
            box.sharing_level = level
            box.sharing_steps = [[None, level]]
            self.levels[box.id] = level

    def copies(self, box):
        return self.env["gmail.message"].search([("mailbox_id", "=", box.id)])

    def arrive(self, box, hidden):
        if self.copies(box):
            return
        thread = self.env["gmail.thread"].create(
            {"mailbox_id": box.id, "gmail_id": "t", "subject": "Chairs"}
        )
        message = self.env["gmail.message"].create(
            {
                "mailbox_id": box.id,
                "thread_id": thread.id,
                "gmail_id": "m",
                "message_id": MESSAGE_ID,
                "mail_key": self.key,
                "subject": "Chairs",
                "date": self.date,
                "direction": "in",
                "from_email": SENDER,
                "body": f"<p>{TEXT}</p>",
                "is_authentic": True,
                "is_bcc": hidden,
            }
        )
        self.env["gmail.participant"].create(
            {
                "mailbox_id": box.id,
                "message_id": message.id,
                "role": "from",
                "address": SENDER,
                "partner_id": self.carla.id,
            }
        )
        self.env["gmail.pending"].create(
            {"mailbox_id": box.id, "message_id": message.id}
        )

    def step(self, name, *arguments):
        if name == "work":
            self.work()
        elif name == "gateway":
            raw = RAW % ("catchall@corp-example.test", self.question.message_id)
            self.env["mail.thread"].message_process(False, raw)
        else:
            box = self.boxes[arguments[0]]
            if name == "arrive":
                self.arrive(box, arguments[1])
            elif name == "box":
                box.with_user(box.user_id).sharing_level = arguments[1]
                before = self.levels[box.id]
                # To share more acts on later mail, to share less on all.
                self.levels[box.id] = (
                    arguments[1] if self.is_late else stricter(before, arguments[1])
                )
            elif thread := self.copies(box).thread_id:
                self.env["gmail.documents"]._share(thread, arguments[1])

    def work(self):
        self.env.flush_all()
        self.env.ref("gmail_oauth_mailbox.ir_cron_gmail_file").method_direct_trigger()
        self.env.invalidate_all()

    def demanded(self):
        """Return the level that the rule demands, or False."""
        chosen = []
        for box in self.boxes:
            message = self.copies(box)
            if message and not message.is_bcc:
                level = message.thread_id.sharing_level or self.levels[box.id]
                chosen.append(level)
        explicit = [level for level in chosen if level]
        level = min(explicit, key=LEVELS.index) if explicit else False
        return level if level != "nobody" else False

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(histories())
    def test_any_order_ends_in_what_the_rule_demands(self, history):
        levels, self.is_late, steps = history
        self.date = "2036-11-23 10:00:00" if self.is_late else "2026-11-23 10:00:00"
        try:
            with self.env.cr.savepoint():
                self.start(levels)
                for step in steps:
                    self.step(*step)
                self.work()
                posts = self.carla.message_ids.filtered(
                    lambda m: m.message_type == "email"
                )
                by_gateway = ("gateway",) in steps
                level = self.demanded()
                # What Odoo's own gateway posted stays, and stands alone.
                self.assertEqual(len(posts), int(bool(by_gateway or level)))
                if posts:
                    everything = by_gateway or level == "everything"
                    self.assertEqual(TEXT in posts.body, everything)
                    shown = everything or level == "subject"
                    self.assertEqual(posts.subject == "Chairs", shown)
                    self.assertEqual(posts.is_internal, not by_gateway)
                self.assertFalse(self.env["gmail.pending"].search_count([]))
                raise Undo
        except Undo:
            self.env.invalidate_all()
