"""History folded into a plan gives the same mailbox as replaying it step by step."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

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

LABELS = ("INBOX", "UNREAD", "TRASH", "Label_1")


def change(kind, gmail_id="a", *labels):
    return HistoryChange(kind, gmail_id, "t", labels)


def test_added_then_deleted_is_only_deleted():
    plan = merge_history(
        [
            change("added", "a", "INBOX"),
            change("labels_added", "a", "STARRED"),
            change("deleted", "a"),
            change("added", "b"),
        ]
    )
    assert plan.fetch == ("b",)
    assert plan.delete == ("a",)
    assert plan.label_changes == {}


def test_the_last_event_counts_for_existence():
    gone, back = change("deleted", "a"), change("added", "a", "INBOX")
    assert merge_history([gone, back]).fetch == ("a",)
    assert merge_history([gone, back]).delete == ()
    assert merge_history([gone, back]).returned == {"a"}
    assert merge_history([back, gone, back, gone]).delete == ("a",)
    assert merge_history([back, gone, back, gone]).fetch == ()
    # Labels that it had before say nothing about what came instead.
    before = change("labels_added", "a", "TRASH")
    assert merge_history([before, gone, back]).fetch == ("a",)
    assert merge_history([before, gone, back]).label_changes == {}
    # What came instead is unwanted: what is stored was deleted all the same.
    spam = change("added", "a", "SPAM")
    assert merge_history([gone, spam]).delete == ("a",)
    assert merge_history([gone, spam]).fetch == ()


def test_the_last_conversation_counts():
    def named(thread):
        return HistoryChange("labels_added", "a", thread, ("STARRED",))

    plan = merge_history([named("t1"), named("t2"), named("")])
    assert plan.threads == {"a": "t2"}
    assert merge_history([named("t1"), change("deleted", "a")]).threads == {}


def test_the_last_word_on_a_label_counts():
    plan = merge_history(
        [
            change("labels_added", "a", "UNREAD", "STARRED"),
            change("labels_removed", "a", "UNREAD", "INBOX"),
            change("labels_added", "a", "INBOX"),
        ]
    )
    assert plan.label_changes == {
        "a": (frozenset({"STARRED", "INBOX"}), frozenset({"UNREAD"}))
    }
    assert plan.fetch == plan.delete == ()


def test_drafts_are_not_downloaded_until_they_are_mail():
    draft = change("added", "a", "DRAFT")
    assert merge_history([draft]).fetch == ()
    sent = change("labels_removed", "a", "DRAFT")
    assert merge_history([draft, sent]).fetch == ("a",)
    trashed = change("labels_added", "b", "TRASH")
    assert merge_history([change("added", "b", "INBOX"), trashed]).fetch == ()
    assert merge_history([change("added", "c")]).fetch == ("c",)


def test_pages_and_changes_are_the_same():
    changes = [change("added", "b"), change("added", "a"), change("added", "b")]
    pages = [HistoryPage(tuple(changes[:1]), "5"), HistoryPage(tuple(changes[1:]), "6")]
    empty = HistoryPage((), "6", "more")
    assert merge_history(changes) == merge_history([pages[0], empty, pages[1]])
    assert merge_history(changes).fetch == ("b", "a")


def wanted(labels):
    return NEVER.isdisjoint(labels)


@st.composite
def histories(draw):
    """Changes as a mailbox can make them, with the labels each message ends with."""
    mailbox, changes, gone = {"old": {"INBOX"}}, [], []
    for number in range(draw(st.integers(0, 25))):
        ids = sorted(mailbox)
        kind = draw(st.sampled_from(["added", "deleted", "labels", "returned"]))
        if kind == "added" or not ids or (kind == "returned" and not gone):
            labels = draw(st.sets(st.sampled_from(LABELS)))
            mailbox[f"m{number}"] = set(labels)
            changes.append(change("added", f"m{number}", *sorted(labels)))
            continue
        if kind == "returned":
            gmail_id = gone.pop(draw(st.integers(0, len(gone) - 1)))
            labels = draw(st.sets(st.sampled_from(LABELS)))
            mailbox[gmail_id] = set(labels)
            changes.append(change("added", gmail_id, *sorted(labels)))
            continue
        gmail_id = draw(st.sampled_from(ids))
        if kind == "deleted":
            del mailbox[gmail_id]
            gone.append(gmail_id)
            changes.append(change("deleted", gmail_id))
            continue
        label = draw(st.sampled_from(LABELS))
        if label in mailbox[gmail_id]:
            mailbox[gmail_id].discard(label)
            changes.append(change("labels_removed", gmail_id, label))
        else:
            mailbox[gmail_id].add(label)
            changes.append(change("labels_added", gmail_id, label))
    return changes, mailbox


@given(histories())
def test_plan_leads_to_the_same_mailbox(history):
    changes, mailbox = history
    plan = merge_history(changes)
    assert not set(plan.fetch) & set(plan.delete)
    assert not set(plan.label_changes) & set(plan.delete)
    assert len(set(plan.fetch)) == len(plan.fetch)
    mirror = {"old": {"INBOX"}}
    # Downloading gives the labels of now.
    mirror.update({i: set(mailbox[i]) for i in plan.fetch})
    for gmail_id, (on, off) in plan.label_changes.items():
        assert not on & off
        if gmail_id in mirror:
            mirror[gmail_id] = (mirror[gmail_id] | on) - off
    for gmail_id in plan.delete:
        mirror.pop(gmail_id, None)
    # Only what is downloaded is left out by its labels here.
    expected = {i: v for i, v in mailbox.items() if i in mirror or wanted(v)}
    assert mirror == expected
    assert all(wanted(v) or i == "old" for i, v in mirror.items())


@given(histories(), st.integers(1, 4), st.integers(0, 25))
def test_steps_lead_to_the_same_mailbox_wherever_they_are_cut(history, size, cut):
    changes, mailbox = history
    changes = [replace(c, history_id=str(n)) for n, c in enumerate(changes, 1)]
    mirror, cursor = {"old": {"INBOX"}}, 0
    for taken in (cut, None):
        # The second time as after a restart: from the cursor on.
        left = [c for c in changes if int(c.history_id) > cursor]
        for plan, reached in history_steps(left, size=size)[:taken]:
            assert int(reached) > cursor
            assert len(plan.fetch) <= size
            back = {
                i
                for i, (_on, off) in plan.label_changes.items()
                if i not in mirror and NEVER & off
            }
            for gmail_id, (on, off) in plan.label_changes.items():
                if gmail_id not in mirror:
                    continue
                if NEVER & on:
                    del mirror[gmail_id]
                else:
                    mirror[gmail_id] = (mirror[gmail_id] | on) - off
            for gmail_id in {*plan.fetch, *back}:
                if gmail_id in mirror and gmail_id not in plan.returned:
                    continue
                # Gmail gives what it holds now, or nothing.
                if wanted(mailbox.get(gmail_id, {"TRASH"})):
                    mirror[gmail_id] = set(mailbox[gmail_id])
            for gmail_id in plan.delete:
                mirror.pop(gmail_id, None)
            cursor = int(reached)
    expected = {i: v for i, v in mailbox.items() if wanted(v)}
    assert mirror == expected


def test_unwanted_mail_is_in_no_step():
    changes = [
        replace(change("added", f"m{n}", "PROMO"), history_id=str(n)) for n in range(9)
    ]
    changes.append(replace(change("added", "good", "INBOX"), history_id="9"))
    steps = history_steps(changes, size=2, unwanted=frozenset({"PROMO"}))
    assert [plan.fetch for plan, _cursor in steps] == [("good",)]
    assert steps[0][1] == "9"


def test_the_cheapest_calls():
    refs = [MessageRef(f"m{n}", t) for n, t in enumerate("abacab")] + [
        MessageRef("x", ""),
        MessageRef("y", ""),
        MessageRef("m0", "a"),
    ]
    asks = plan_fetch(refs, 20, 40)
    assert [(a.kind, a.gmail_id, a.gmail_ids) for a in asks] == [
        ("thread", "a", ("m0", "m2", "m4")),
        ("message", "m1", ("m1",)),
        ("message", "m5", ("m5",)),
        ("message", "m3", ("m3",)),
        ("message", "x", ("x",)),
        ("message", "y", ("y",)),
    ]


@given(histories(), st.data())
def test_history_that_comes_twice_or_out_of_order_is_put_right(history, data):
    changes, _mailbox = history
    records = [replace(c, history_id=str(99 + 3 * n)) for n, c in enumerate(changes)]
    given_twice = records + data.draw(st.lists(st.sampled_from(records or [None])))
    shuffled = data.draw(st.permutations([r for r in given_twice if r]))
    assert in_order(shuffled) == records
