"""Which emails answer one of Odoo's: without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules.answers import (
    Email,
    Step,
    Stored,
    answered_id,
    find,
    goes_on,
    is_answer,
)

LEAD, TASK = ("crm.lead", 1), ("project.task", 1)
CARLA, BEN, DORA = "carla@x.test", "ben@corp.test", "dora@x.test"
ODOO = Email(7, LEAD, frozenset({CARLA, BEN}))
OTHER = Email(8, TASK, frozenset({CARLA}))


def carlas(*steps, **values):
    return Stored(False, frozenset({CARLA}), True, steps=steps, **values)


def own(*steps, **values):
    return Stored(True, frozenset({"anna@corp.test"}), steps=steps, **values)


def bens(*steps, **values):
    return Stored(False, frozenset({BEN}), False, steps=steps, **values)


def reply(record=LEAD, email=7):
    return Step(record, "reply", email)


NOTE = Step(LEAD, "note")
SENT = Step(LEAD, "sent", 7)


@pytest.mark.parametrize(
    ("answers", "stored", "found"),
    [
        ("odoo", {}, ODOO),
        ("", {}, None),
        ("unknown", {}, None),
        # The mailbox sent Odoo's email, or holds somebody's with its id.
        ("odoo", {"odoo": (own(SENT),)}, ODOO),
        ("odoo", {"odoo": (own(),)}, ODOO),
        ("odoo", {"odoo": (bens(),)}, None),
        ("odoo", {"odoo": (own(SENT), bens())}, None),
        ("odoo", {"odoo": (carlas(),)}, None),
        # Under the id that Gmail gave it.
        ("gmail", {"gmail": (own(SENT),)}, ODOO),
        # An answer, to which there is another one.
        ("one", {"one": (carlas(reply()),)}, ODOO),
        ("one", {"one": (carlas(NOTE),)}, None),
        ("one", {"one": (carlas(answers="odoo"),)}, None),
        ("one", {"one": (carlas(reply(TASK)),)}, None),
        ("one", {"one": (carlas(reply(email=99)),)}, None),
        ("one", {"one": (carlas(reply(email=None)),)}, None),
        ("one", {"one": (carlas(reply()), carlas(reply()))}, ODOO),
        ("one", {"one": (carlas(reply()), bens())}, None),
        ("one", {"one": (carlas(reply(), reply(TASK, 8)),)}, None),
        # A colleague's, although Odoo wrote to them, too.
        ("one", {"one": (bens(reply(), answers="odoo"),)}, None),
        # A stranger's.
        (
            "one",
            {"one": (Stored(False, frozenset({DORA}), True, "", (reply(),)),)},
            None,
        ),
        # The owner went on from Gmail, on the same record.
        ("own", {"own": (own(NOTE, answers="odoo"),)}, ODOO),
        ("own", {"own": (own(answers="odoo"),)}, None),
        ("own", {"own": (own(Step(TASK, "note"), answers="odoo"),)}, None),
        ("own", {"own": (own(NOTE, answers="unknown"),)}, None),
        ("own", {"own": (own(NOTE, answers="own"),)}, None),
        ("own", {"own": (own(NOTE, answers="odoo"), bens())}, None),
        ("own", {"own": (own(NOTE, answers="odoo"), own(NOTE, answers="o"))}, None),
        (
            "own",
            {"own": (own(NOTE, answers="one"),), "one": (carlas(reply()),)},
            ODOO,
        ),
        ("own", {"own": (own(NOTE, answers="one"),), "one": (bens(reply()),)}, None),
    ],
)
def test_every_step_leads_to_odoos_email(answers, stored, found):
    assert find(answers, stored, {"odoo": ODOO}, {7: ODOO, 8: OTHER}) == found


@pytest.mark.parametrize(
    ("in_reply_to", "references", "found"),
    [
        ("<a@x>", "<b@x> <c@x>", "<a@x>"),
        ("", "<b@x> <c@x>", "<c@x>"),
        (None, None, ""),
        (False, "", ""),
    ],
)
def test_what_an_email_answers(in_reply_to, references, found):
    assert answered_id(in_reply_to, references) == found


def test_who_answers():
    assert is_answer(ODOO, frozenset({CARLA}))
    assert not is_answer(ODOO, frozenset({DORA}))
    assert not is_answer(None, frozenset({CARLA}))
    assert goes_on(ODOO, frozenset({CARLA}), frozenset())
    assert goes_on(ODOO, frozenset({DORA}), frozenset({DORA}))
    assert not goes_on(ODOO, frozenset({DORA}), frozenset({CARLA}))
    assert not goes_on(ODOO, frozenset(), frozenset({CARLA}))
    assert not goes_on(None, frozenset({CARLA}), frozenset({CARLA}))


IDS = ("odoo", "a", "b", "c")
copies = st.builds(
    Stored,
    st.booleans(),
    st.just(frozenset({CARLA})),
    st.booleans(),
    st.sampled_from(IDS),
    st.lists(st.sampled_from((reply(), NOTE, SENT)), max_size=2).map(tuple),
)


@given(
    st.sampled_from(IDS),
    st.dictionaries(st.sampled_from(IDS), st.lists(copies, min_size=1).map(tuple)),
)
def test_nothing_is_found_by_way_of_a_colleague(answers, stored):
    emails = {"odoo": ODOO}, {7: ODOO, 8: OTHER}
    if find(answers, stored, *emails):
        # One colleague's copy of what is answered, and nothing is found.
        spoiled = {**stored, answers: (*stored.get(answers, ()), bens(reply()))}
        assert find(answers, spoiled, *emails) is None
