"""One email in several mailboxes, forged copies of it, and Odoo's gateway, in any
order: what the record shows at the end is what the rules demand."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.gmail_oauth_mailbox.lib.rules.same_email import mail_key
from odoo.addons.gmail_oauth_mailbox.lib.rules.sharing import LEVELS, stricter

SENDER = "carla.roth@customer-example.test"
MESSAGE_ID = "<one@customer-example.test>"
DATE = "Mon, 23 Nov 2026 10:00:00 +0000"
# What a copy says: the email's own text, or one that its mailbox's owner made up.
TEXTS = ("Blue chairs, please", "Pay to another account", "Cancel the order")
MAX_BOXES = 5
RAW = (
    f"From: Carla Roth <{SENDER}>\r\nTo: %s\r\nSubject: Chairs\r\nDate: {DATE}\r\n"
    f"Message-ID: {MESSAGE_ID}\r\nReferences: %s\r\n"
    f"Content-Type: text/plain\r\n\r\n{TEXTS[0]}\r\n"
)

choices = st.sampled_from((False, *LEVELS))
others = st.sampled_from((("work",), ("work",), ("gateway",), ("move",)))
hidden = st.sampled_from((False, False, False, True))


@st.composite
def histories(draw):
    """Return (levels of mailboxes at first, whether the email is later than all
    changes, steps): copies arrive, shuffled with changes of levels, withdrawals, moves,
    work, and the gateway."""
    steps = draw(st.lists(others, max_size=4))
    levels = draw(st.lists(choices, min_size=2, max_size=MAX_BOXES))
    count = len(levels)
    for box in range(count):
        named = draw(st.frozensets(st.integers(0, count - 1), max_size=count))
        forged = draw(st.sampled_from((0, 0, 1, 2)))
        # The email itself has the same people in all its copies.
        named = named if forged else frozenset({0, 1})
        steps.append(("arrive", box, draw(hidden), forged, named))
        steps += [("box", box, level) for level in draw(st.lists(choices, max_size=2))]
        if draw(st.booleans()):
            steps.append(("thread", box, draw(choices)))
        if draw(st.sampled_from((False, False, True))):
            steps.append(("withdraw", box))
    return levels, draw(st.booleans()), draw(st.permutations(steps))


class Undo(Exception):
    """Ends an example; nothing of it stays."""


@tagged("standard", "post_install", "-at_install")
class TestSharingProperty(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.carla = cls.env["res.partner"].create({"name": "Carla", "email": SENDER})
        cls.other = cls.env["res.partner"].create({"name": "Carla R"})
        cls.boxes = cls.env["gmail.mailbox"]
        for number in range(MAX_BOXES):
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
        self.facts, self.withdrawn = {}, set()
        for box, level in zip(self.boxes, levels, strict=False):
            box.sharing_level = level
            box.sharing_steps = [[None, level]]
            # Carla is there when they choose.
            self.env["gmail.way"].create(
                {"key": f"chosen:{box.id}", "since": "2100-01-01"}
            )
            self.levels[box.id] = level

    def copies(self, box):
        return self.env["gmail.message"].search([("mailbox_id", "=", box.id)])

    def arrive(self, box, is_hidden, forged, named):
        text = TEXTS[forged]
        thread = self.env["gmail.thread"].create(
            {"mailbox_id": box.id, "gmail_id": "t", "subject": "Chairs"}
        )
        message = self.env["gmail.message"].create(
            {
                "mailbox_id": box.id,
                "thread_id": thread.id,
                "gmail_id": "m",
                "message_id": MESSAGE_ID,
                "mail_key": mail_key(MESSAGE_ID, SENDER),
                "subject": "Chairs",
                "date": self.date,
                "header_date": "2026-11-23 10:00:00",
                "direction": "in",
                "from_name": "Carla Roth",
                "from_email": SENDER,
                "body": f"<p>{text}</p>",
                "is_authentic": True,
                "is_bcc": is_hidden,
            }
        )
        people = [("from", SENDER)]
        people += [("to", self.boxes[number].email) for number in sorted(named)]
        self.env["gmail.participant"].create(
            [
                {
                    "mailbox_id": box.id,
                    "message_id": message.id,
                    "role": role,
                    "address": address,
                    "partner_id": self.carla.id if role == "from" else False,
                }
                for role, address in people
            ]
        )
        self.env["gmail.pending"].create(
            {"mailbox_id": box.id, "message_id": message.id}
        )
        self.facts[box.id] = (
            is_hidden,
            forged,
            self.boxes.browse(self.boxes[number].id for number in named),
        )

    def step(self, name, *arguments):
        if name == "work":
            self.work()
        elif name == "gateway":
            raw = RAW % ("catchall@corp-example.test", self.question.message_id)
            self.env["mail.thread"].message_process(False, raw)
            # Copies here name other people than each other, and so than this one.
            posts = self.carla.message_ids.filtered("incoming_email_to")
            posts.incoming_email_to = False
        elif name == "move":
            self.move()
        else:
            box = self.boxes[arguments[0]]
            if name == "arrive":
                self.arrive(box, *arguments[1:])
            elif name == "box":
                box.with_user(box.user_id).sharing_level = arguments[1]
                before = self.levels[box.id]
                # To share more acts on later email, to share less on all.
                self.levels[box.id] = (
                    arguments[1] if self.is_late else stricter(before, arguments[1])
                )
            elif thread := self.copies(box).thread_id:
                if name == "thread":
                    self.env["gmail.documents"]._share(thread, arguments[1])
                else:
                    self.env["gmail.documents"]._unlink(
                        thread, "res.partner", self.carla.id
                    )
                    self.withdrawn.add(box.id)

    def move(self):
        """Merge a contact into Carla that shows what she showed."""
        posts = self.carla.message_ids.filtered(lambda m: m.message_type == "email")
        entries = self.env["gmail.entry"].search([("mail_message_id", "in", posts.ids)])
        if not entries:
            return
        # As a record that is merged into another one has its posts moved.
        posts.write({"res_id": self.other.id})
        self.work()
        wizard = self.env["base.partner.merge.automatic.wizard"].create({})
        wizard._update_reference_fields_generic("res.partner", self.other, self.carla)
        posts.exists().write({"res_id": self.carla.id})
        self.work()

    def work(self):
        self.env.flush_all()
        self.env.ref("gmail_oauth_mailbox.ir_cron_gmail_file").method_direct_trigger()
        self.env.invalidate_all()

    def own(self, box):
        """Return the explicit choice of a mailbox for its copy, or False."""
        thread = self.copies(box).thread_id
        return thread.sharing_level or self.levels[box.id]

    def demanded(self):
        """Return {text: level} that the rules demand of the record."""
        voting = [
            box
            for box in self.boxes.filtered(lambda b: b.id in self.facts)
            if not self.facts[box.id][0] and self.own(box)
        ]
        found = {}
        for box in voting:
            _hidden, forged, named = self.facts[box.id]
            if box.id in self.withdrawn:
                continue
            level = self.own(box)
            for other in voting:
                if other in named:
                    level = stricter(level, self.own(other))
            if level != "nobody":
                people = tuple(sorted(named.ids))
                before = found.get((forged, people), "nobody")
                found[forged, people] = max(level, before, key=LEVELS.index)
        return found

    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(histories())
    def test_any_order_ends_in_what_the_rules_demand(self, history):
        levels, self.is_late, steps = history
        self.date = "2036-11-23 10:00:00" if self.is_late else "2026-11-23 10:00:00"
        try:
            with self.env.cr.savepoint():
                self.start(levels)
                for step in steps:
                    self.step(*step)
                self.work()
                self.check(by_gateway=("gateway",) in steps)
                raise Undo
        except Undo:
            self.env.invalidate_all()

    def check(self, by_gateway):
        posts = self.carla.message_ids.filtered(lambda m: m.message_type == "email")
        gateway = posts.filtered(lambda m: not m.is_internal)
        # What Odoo's own gateway posted stays, and is not shown a second time.
        self.assertEqual(bool(gateway), by_gateway)
        demanded = self.demanded()
        if by_gateway:
            demanded = {k: level for k, level in demanded.items() if k[0]}
        notes = posts - gateway
        self.assertEqual(len(notes), len(demanded), demanded)
        entries = self.env["gmail.entry"].search([("kind", "=", "note")])
        self.assertEqual(entries.mail_message_id, notes)
        self.assertEqual(
            sorted(entries.mapped("level")), sorted(demanded.values()), demanded
        )
        # One of them is open, unless that one is what the gateway posted.
        opened = len(entries.filtered(lambda e: not e.is_folded))
        self.assertIn(opened, {min(1, len(demanded)), 1 - by_gateway})
        for entry in entries:
            post, copy = entry.mail_message_id, entry.message_id
            _hidden, forged, _named = self.facts[copy.mailbox_id.id]
            self.assertEqual(entry.mailbox_id, copy.mailbox_id)
            self.assertIn(copy.mailbox_id.email, post.body)
            for number, text in enumerate(TEXTS):
                may = entry.level == "everything" and number == forged
                self.assertEqual(text in post.body, may)
            shown = entry.level in ("subject", "everything")
            self.assertEqual(post.subject == "Chairs", shown)
            # No entry shows more of a copy than its owner's choice allows.
            chosen = self.own(copy.mailbox_id)
            self.assertEqual(stricter(chosen, entry.level), entry.level)
        self.assertFalse(self.env["gmail.pending"].search_count([]))
