"""A mirror that follows a mailbox by the sync plan ends equal to it.

Whatever happens there, in whatever order, page size and number Google tells of it, and
whenever a worker dies. The mailbox is a model that writes a true history; the worker
does with the plans what services/gmail_sync.py does with them.
"""

import random
from collections import Counter
from itertools import chain

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from odoo.addons.gmail_oauth_mailbox.lib.sync_plan import (
    NEVER,
    history_steps,
    in_order,
    merge_history,
    plan_fetch,
)
from odoo.addons.gmail_oauth_mailbox.lib.types import (
    HistoryChange,
    HistoryPage,
    MessageRef,
)

PROMOTIONS = "CATEGORY_PROMOTIONS"
EXCLUDED = NEVER | {PROMOTIONS}
FLAGS = ("INBOX", "UNREAD", "STARRED")
LABELS = (*FLAGS, "SPAM", "TRASH", PROMOTIONS)
MESSAGE_COST, THREAD_COST = 20, 40
DICE = st.integers(0, 2**16).map(random.Random)


class Gmail:
    """The model mailbox.

    :ivar messages: {id: (thread id, set of labels)}
    :ivar history: HistoryChange, in the order in which it happened
    """

    def __init__(self):
        self.messages = {}
        self.history = []
        self.now = 80
        self.number = 0

    def _record(self, *changes):
        """Note what happened at once, under one id: (kind, id, thread, labels)."""
        # With ever more digits, as ids of the same length hide a wrong order.
        self.now += 1 + self.now // 2
        self.history += [HistoryChange(*change, str(self.now)) for change in changes]

    def arrive(self, thread, labels):
        self.number += 1
        gmail_id = f"m{self.number:03}"
        self.messages[gmail_id] = (thread, set(labels))
        self._record(("added", gmail_id, thread, tuple(sorted(labels))))

    def relabel(self, gmail_id, on, off):
        thread, labels = self.messages[gmail_id]
        on, off = set(on) - labels, (set(off) - set(on)) & labels
        labels |= on
        labels -= off
        changes = [("labels_added", on), ("labels_removed", off)]
        self._record(
            *((kind, gmail_id, thread, tuple(sorted(x))) for kind, x in changes if x)
        )

    def delete(self, gmail_id):
        thread, labels = self.messages.pop(gmail_id)
        self._record(("deleted", gmail_id, thread, tuple(sorted(labels))))

    def wanted(self):
        return {
            gmail_id: labels
            for gmail_id, (_thread, labels) in self.messages.items()
            if EXCLUDED.isdisjoint(labels)
        }

    def pages(self, start, dice):
        """Return history.list's pages: of any size, with repetitions, out of order,
        some empty, and not always with the labels of what came."""
        told = [c for c in self.history if int(c.history_id) > start]
        told += dice.choices(told, k=dice.randint(0, 3)) if told else []
        told = [
            HistoryChange(c.kind, c.gmail_id, c.thread_id, (), c.history_id)
            if c.kind == "added" and dice.random() < 0.2
            else c
            for c in told
        ]
        if dice.random() < 0.5:
            dice.shuffle(told)
        pages = []
        while told or not pages:
            size = dice.randint(0, 5)
            page, told = told[:size], told[size:]
            pages.append(HistoryPage(tuple(page), str(self.now)))
        return pages


class Following(RuleBasedStateMachine):
    """Things happen in the mailbox while a worker follows, and dies now and then.

    The worker is a generator that stands still at each request to Google.
    """

    reached = Counter()

    def __init__(self):
        super().__init__()
        self.gmail = Gmail()
        # What is committed.
        self.mirror = {}
        self.cursor = None
        self.place = None
        self.is_filled = False
        self.worker = None
        for number in range(4):
            self.gmail.arrive(f"t{number % 2}", FLAGS[:2])

    # -- what happens in Gmail -----------------------------------------

    def some(self, dice, label=None):
        """Return the id of a message, which has the label, or None."""
        ids = [
            gmail_id
            for gmail_id, (_thread, labels) in self.gmail.messages.items()
            if not label or label in labels
        ]
        return dice.choice(ids) if ids else None

    @rule(
        thread=st.integers(0, 3),
        labels=st.sets(st.sampled_from(LABELS), max_size=3),
        count=st.integers(1, 4),
    )
    def arrive(self, thread, labels, count):
        for _number in range(count):
            self.gmail.arrive(f"t{thread}", labels)

    @rule(
        dice=DICE,
        on=st.sets(st.sampled_from(LABELS), max_size=2),
        off=st.sets(st.sampled_from(LABELS), max_size=2),
    )
    def relabel(self, dice, on, off):
        if gmail_id := self.some(dice):
            self.gmail.relabel(gmail_id, on, off)

    @rule(dice=DICE)
    def trash(self, dice):
        if gmail_id := self.some(dice):
            self.gmail.relabel(gmail_id, ["TRASH"], ["INBOX"])

    @rule(dice=DICE)
    def untrash(self, dice):
        if gmail_id := self.some(dice, label="TRASH"):
            self.gmail.relabel(gmail_id, [], ["TRASH"])

    @rule(dice=DICE)
    def delete(self, dice):
        if gmail_id := self.some(dice):
            self.gmail.delete(gmail_id)

    @rule(thread=st.integers(0, 3))
    def draft(self, thread):
        self.gmail.arrive(f"t{thread}", ["DRAFT"])

    @rule(dice=DICE, labels=st.sampled_from([["DRAFT"], ["SENT"]]))
    def save_or_send_draft(self, dice, labels):
        """Either way the old id is gone and another one comes."""
        if gmail_id := self.some(dice, label="DRAFT"):
            thread = self.gmail.messages[gmail_id][0]
            self.gmail.delete(gmail_id)
            self.gmail.arrive(thread, labels)

    # -- when the worker works -----------------------------------------

    @precondition(lambda self: not self.worker)
    @rule(dice=DICE, lane=st.sampled_from(["new", "backfill", "census"]))
    def begin(self, dice, lane):
        if lane != "new" and self.cursor is None:
            lane = "new"
        self.worker = {
            "new": self.follow,
            "backfill": self.fill_page,
            "census": self.census,
        }[lane](dice)
        self.reached[lane] += 1

    @precondition(lambda self: self.worker)
    @rule(requests=st.integers(1, 9))
    def work(self, requests):
        for _number in range(requests):
            if next(self.worker, "end") == "end":
                self.worker = None
                self.reached["ended"] += 1
                return

    @precondition(lambda self: self.worker)
    @rule(dice=DICE)
    def die(self, dice):
        if dice.random() < 0.7:
            return
        self.worker.close()
        self.worker = None
        self.reached["died"] += 1

    # -- the worker, as services/gmail_sync.py -------------------------

    def follow(self, dice):
        """_follow_history; the first time, the cursor alone."""
        if self.cursor is None:
            yield
            self.cursor = self.gmail.now
            return
        yield
        pages = self.gmail.pages(self.cursor, dice)
        changes = in_order(chain.from_iterable(page.changes for page in pages))
        threads = {change.gmail_id: change.thread_id for change in changes}
        steps = history_steps(changes, size=dice.randint(1, 4), unwanted=EXCLUDED)
        self.check_plan(changes, steps)
        for plan, reached in steps:
            yield from self.apply(plan, threads, dice)
            assert int(reached) > self.cursor
            self.cursor = int(reached)
            self.reached["steps"] += 1
            yield
        self.cursor = int(pages[-1].history_id)

    def check_plan(self, changes, steps):
        whole = merge_history(changes, EXCLUDED)
        assert not set(whole.fetch) & set(whole.delete)
        assert not whole.label_changes.keys() & set(whole.delete)
        fetched = Counter(chain.from_iterable(plan.fetch for plan, _reached in steps))
        assert set(fetched) == set(whole.fetch)

    def apply(self, plan, threads, dice):
        """_apply"""
        stored = self.mirror.keys() & {*plan.fetch, *plan.delete, *plan.label_changes}
        back = [
            gmail_id
            for gmail_id, (_added, removed) in plan.label_changes.items()
            if gmail_id not in stored and EXCLUDED & removed
        ]
        wanted = [
            MessageRef(g, threads.get(g) or "")
            for g in dict.fromkeys([*plan.fetch, *back])
            if g not in stored
        ]
        yield from self.fetch(wanted, dice)
        mirror = dict(self.mirror)
        for gmail_id in plan.delete:
            mirror.pop(gmail_id, None)
        for gmail_id, (added, removed) in plan.label_changes.items():
            assert not added & removed
            if gmail_id in stored and EXCLUDED & added:
                del mirror[gmail_id]
            elif gmail_id in stored:
                mirror[gmail_id] = (mirror[gmail_id] | added) - removed
        self.mirror = mirror

    def fetch(self, refs, dice):
        """_fetch and the client's fetch; some of it is committed on the way."""
        asks = plan_fetch(refs, MESSAGE_COST, THREAD_COST)
        ids = [gmail_id for ask in asks for gmail_id in ask.gmail_ids]
        assert sorted(ids) == sorted({ref.gmail_id for ref in refs})
        costs = {"message": MESSAGE_COST, "thread": THREAD_COST}
        cost = sum(costs[ask.kind] for ask in asks)
        assert cost <= MESSAGE_COST * len(ids)
        came = {}
        for ask in asks:
            self.reached[ask.kind] += 1
            yield
            for gmail_id in ask.gmail_ids:
                assert gmail_id not in self.mirror, "downloaded a second time"
                thread, labels = self.gmail.messages.get(gmail_id, (None, EXCLUDED))
                if not thread:
                    self.reached["vanished"] += 1
                if ask.kind == "thread" and thread:
                    assert thread == ask.gmail_id
                if EXCLUDED.isdisjoint(labels):
                    came[gmail_id] = set(labels)
            if dice.random() < 0.3:
                self.mirror, came = {**self.mirror, **came}, {}
        self.mirror = {**self.mirror, **came}

    def fill_page(self, dice):
        """_backfill_page: a page of the list, newest first, and the difference."""
        yield
        ids = sorted(self.gmail.wanted(), reverse=True)
        ids = [g for g in ids if self.place is None or g < self.place]
        page = ids[: dice.randint(1, 4)]
        refs = [
            MessageRef(g, self.gmail.messages[g][0])
            for g in page
            if g not in self.mirror
        ]
        yield from self.fetch(refs, dice)
        self.is_filled = len(page) == len(ids)
        self.place = page[-1] if page else None

    def census(self, dice):
        """_restart_census: the cursor first, then ids, then each label's ids."""
        yield
        cursor = self.gmail.now
        yield
        present = set(self.gmail.wanted())
        kept = {g: set(labels) for g, labels in self.mirror.items() if g in present}
        for label in dice.sample([*FLAGS, "SENT"], 4):
            yield
            marked = {g for g, x in self.gmail.wanted().items() if label in x}
            for gmail_id, labels in kept.items():
                (labels.add if gmail_id in marked else labels.discard)(label)
        self.mirror, self.cursor = kept, cursor
        self.place, self.is_filled = None, False

    # -- in the end ----------------------------------------------------

    def teardown(self):
        """Nothing happens any more, and one worker comes to the end."""
        dice = random.Random(1)
        if self.worker:
            self.worker.close()
        for _turn in range(2):
            list(self.follow(dice))
        while not self.is_filled:
            list(self.fill_page(dice))
        assert self.mirror == self.gmail.wanted()


def test_the_mirror_ends_equal_to_the_mailbox():
    run_state_machine_as_test(
        Following,
        settings=settings(
            max_examples=400,
            stateful_step_count=80,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    # It went everywhere.
    reached = Following.reached
    for what in ("new", "backfill", "census", "ended", "died", "steps"):
        assert reached[what] > 50, (what, reached)
    assert min(reached["message"], reached["thread"]) > 50, reached
    assert reached["vanished"] > 10, reached
