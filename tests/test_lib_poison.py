"""What a worker's death says about the messages that it had in work."""

import json
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules.poison import (
    FATAL,
    WEIGHTS,
    Suspicion,
)

LANES = st.sampled_from(["new", "backfill", "contacts"])
IDS = st.sampled_from("abcdef")
NOTES = st.lists(
    st.one_of(
        st.builds(lambda lane: {"lane": lane}, LANES),
        st.builds(
            lambda lane, ids: {"lane": lane, "ids": sorted(ids)},
            LANES,
            st.sets(IDS, min_size=1),
        ),
        st.builds(
            lambda lane, gmail_id, stage: {
                "lane": lane,
                "ids": [gmail_id],
                "stage": stage,
            },
            LANES,
            IDS,
            st.sampled_from(sorted(WEIGHTS)),
        ),
    ),
    max_size=8,
)


@given(NOTES, NOTES)
def test_what_is_dumped_is_loaded(first, second):
    found = Suspicion.load(first)
    notes = json.loads(json.dumps(found.dump()))
    assert Suspicion.load(notes) == found
    # Deaths that follow count the same, whether somebody looked in between or not.
    assert Suspicion.load([*(notes or ()), *second]) == Suspicion.load(first + second)


@given(NOTES)
def test_only_what_was_alone_can_fail(notes):
    found = Suspicion.load(notes)
    for gmail_id in "abcdef":
        alone = [n["stage"] for n in notes if "stage" in n and gmail_id in n["ids"]]
        weight = sum(map(WEIGHTS.get, alone))
        assert found.is_fatal(gmail_id) == (weight >= FATAL)


@given(NOTES, LANES, IDS)
def test_what_was_in_work_at_a_death_is_taken_alone(notes, lane, gmail_id):
    found = Suspicion.load(notes)
    for note in notes:
        if gmail_id in note.get("ids", ()):
            assert found.is_suspect(note["lane"], gmail_id)
        if "ids" not in note:
            assert found.is_suspect(note["lane"], gmail_id)
    found.clear(gmail_id)
    found.clear_lane(lane)
    others = [n for n in notes if "ids" not in n and n["lane"] != lane]
    assert found.is_suspect(lane, gmail_id) is False
    assert found.is_suspect("none", gmail_id) is False
    assert bool(others) <= bool(found)


def test_what_is_asked_for_again_fails_at_one_more_death():
    found = Suspicion()
    found.suspect_again("a")
    assert found.is_suspect("new", "a")
    assert not found.is_fatal("a")
    notes = found.dump() + [{"lane": "new", "ids": ["a"], "stage": "read"}]
    assert Suspicion.load(notes).is_fatal("a")


class Worker:
    """Takes messages in as services/gmail_sync.py does, in windows of some size, until
    it dies: of a message that kills, or by chance.

    :ivar row: what the database holds: the note, the suspects, what came in, and
        what failed
    """

    def __init__(self, row, kills, chance, size):
        self.row, self.kills, self.chance, self.size = row, kills, chance, size

    def step(self, **note):
        """Commit a note; return whether the worker is killed after it."""
        self.row["at_work"] = {"lane": "new", **note}
        self.row["suspects"] = self.suspicion.dump()
        return self.chance.random() < 0.01

    def run(self, ids):
        """Return whether the worker lived to the end."""
        row = self.row
        if row["at_work"]:
            row["suspects"] = [*(row["suspects"] or ()), row["at_work"]]
        row["at_work"] = {"lane": "new"}
        self.suspicion = Suspicion.load(row["suspects"])
        while left := [i for i in ids if i not in row["in"] | row["failed"]]:
            window = left[: self.size]
            alone = [i for i in window if self.suspicion.is_suspect("new", i)]
            for gmail_id in self.suspicion.in_order(alone):
                if self.suspicion.is_fatal(gmail_id):
                    row["failed"].add(gmail_id)
                elif (
                    self.step(ids=[gmail_id], stage="download")
                    or self.step(ids=[gmail_id], stage="read")
                    or gmail_id in self.kills
                ):
                    return False
                else:
                    row["in"].add(gmail_id)
                self.suspicion.clear(gmail_id)
            together = [i for i in window if i not in alone]
            if self.kills.intersection(together) or self.step():
                return False
            row["in"].update(together)
        row.update(at_work=None, suspects=None)
        return True


@given(
    st.sets(st.integers(0, 59), max_size=3), st.integers(1, 25), st.integers(0, 2**16)
)
def test_each_death_leads_on(kills, size, seed):
    row = campaign({f"m{number}" for number in kills}, size, random.Random(seed))
    assert row["in"] | row["failed"] == {f"m{number}" for number in range(60)}
    assert {f"m{number}" for number in kills} <= row["failed"]


def test_kills_at_random_fail_no_message():
    """A worker is killed once in a hundred commits, which is far more than in life."""
    failed = Counter()
    for seed in range(300):
        kills = {f"m{seed % 60}"} if seed % 2 else set()
        row = campaign(kills, 25, random.Random(seed))
        failed[len(row["failed"] - kills)] += 1
    assert failed[0] == 300, failed


def campaign(kills, size, chance):
    """Have workers take 60 messages in, one after the other; return the row."""
    row = {"at_work": None, "suspects": None, "in": set(), "failed": set()}
    ids = [f"m{number}" for number in range(60)]
    for _life in range(400):
        if Worker(row, kills, chance, size).run(ids):
            return row
    raise AssertionError("the mailbox never comes to its end")
