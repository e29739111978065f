"""What records show of an email, decided without a database: properties that hold for
any copies that any mailboxes have or forge."""

from dataclasses import replace
from datetime import datetime

from hypothesis import assume, given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.rules.sharing import (
    LEVELS,
    Choice,
    Copy,
    Place,
    allowed,
    decide,
    rank,
    stricter,
)

LEAD, CARLA = ("crm.lead", 1), ("res.partner", 2)
BOXES = ("anna", "ben", "carl", "dora")
DATE = datetime(2026, 11, 23, 10)
levels = st.sampled_from((False, *LEVELS))
explicit = st.sampled_from(LEVELS)
boxes = st.sampled_from(BOXES)
people = st.frozensets(st.sampled_from((*BOXES, "customer")), min_size=1)
dates = st.sampled_from((None, DATE, datetime(2026, 11, 24, 10)))


@st.composite
def places(draw):
    found = draw(st.sets(st.sampled_from((LEAD, CARLA))))
    kinds = st.sampled_from(("note", "note", "reply"))
    return tuple(
        Place(
            record,
            draw(kinds),
            is_wanted=draw(st.booleans()),
            is_offered=draw(st.sampled_from((False, False, True))),
        )
        for record in sorted(found)
    )


@st.composite
def copies(draw, mailbox=boxes):
    box = draw(mailbox)
    level = draw(levels)
    return Copy(
        id=draw(st.integers(1, 10**6)),
        mailbox=box,
        digest=draw(st.sampled_from(("one", "one", "other"))),
        level=level,
        is_private=level == "nobody" and draw(st.booleans()),
        people=draw(people),
        addresses=frozenset({box}),
        is_from_owner=draw(st.booleans()),
        is_hidden=draw(st.sampled_from((False, False, False, True))),
        by_list=draw(st.booleans()),
        is_internal=draw(st.sampled_from((False, False, True))),
        date=draw(dates),
        places=draw(places()),
    )


def choices_of(found):
    """Return the choices that mailboxes have for their copies, as the database keeps
    them: the strictest of a mailbox."""
    strictest = {}
    for copy in found:
        if copy.level and not copy.is_hidden:
            before = strictest.get(copy.mailbox)
            choice = Choice(
                copy.mailbox, copy.level, copy.is_private, copy.addresses, copy.date
            )
            if before is None or rank(choice.level) < rank(before.level):
                strictest[copy.mailbox] = choice
    return list(strictest.values())


several = st.lists(copies(), max_size=6, unique_by=lambda copy: copy.id)


def shown(decision):
    """Return {(record, digest): (copy id, level)}."""
    return {
        (record, target.copy.digest): (target.copy.id, target.level)
        for record, targets in decision.targets.items()
        for target in targets
    }


@given(several, levels)
def test_a_record_never_shows_more_of_a_copy_than_its_own_choice_allows(found, limit):
    decision = decide(found, choices_of(found), limit)
    for targets in decision.targets.values():
        for target in targets:
            copy, place = target.copy, target.place
            assert not (copy.is_hidden or copy.is_private or place.is_offered)
            if place.kind == "reply":
                assert copy.level != "nobody" or place.is_wanted
                continue
            assert copy.level and rank(target.level) <= rank(copy.level)
            assert not limit or rank(target.level) <= rank(limit)
            assert not copy.is_internal


@given(copies(mailbox=st.just("anna")), several, levels)
def test_a_mailbox_that_a_copy_does_not_name_changes_nothing_of_it(own, others, limit):
    """Neither its choices nor its copies, forged or not, that differ; one that shows
    the same can at most stand for it."""
    strangers = [
        copy
        for copy in others
        if copy.mailbox != "anna"
        and copy.id != own.id
        and not own.by_list
        and copy.mailbox not in own.people
    ]
    alone = shown(decide([own], choices_of([own]), limit))
    together = decide([own, *strangers], choices_of([own, *strangers]), limit)
    for (record, digest), (copy_id, level) in alone.items():
        assert copy_id == own.id
        found = shown(together)[record, digest]
        if found[0] != own.id:
            [stranger] = [c for c in strangers if c.id == found[0]]
            assert stranger.digest == own.digest
            assert rank(found[1]) >= rank(level)
        else:
            assert found == (own.id, level)


@given(copies(mailbox=st.just("anna")), several, levels)
def test_nor_stands_for_it_when_it_names_its_own_mailbox(own, others, limit):
    """A copy that shows the same has the same people, so the choice of a mailbox that
    it names limits it, too."""
    own = replace(own, people=own.people | {"anna"}, by_list=False, is_private=False)
    own = replace(own, places=tuple(p for p in own.places if p.kind == "note"))
    strangers = [
        replace(
            copy, people=own.people, date=own.date, by_list=False, is_from_owner=False
        )
        for copy in others
        if copy.mailbox not in own.people and copy.id != own.id
    ]
    strangers = [
        replace(copy, places=tuple(p for p in copy.places if p.kind == "note"))
        for copy in strangers
    ]
    alone = shown(decide([own], choices_of([own]), limit))
    together = shown(decide([own, *strangers], choices_of([own, *strangers]), limit))
    for place, entry in alone.items():
        assert together[place] == entry


@given(several, levels, st.randoms())
def test_any_order_decides_the_same(found, limit, random):
    choices = choices_of(found)
    first = decide(found, choices, limit)
    found, choices = found[:], choices[:]
    random.shuffle(found)
    random.shuffle(choices)
    second = decide(found, choices, limit)
    assert second.targets == first.targets and second.asked == first.asked


@given(several, levels)
def test_copies_that_show_the_same_are_one_entry(found, limit):
    decision = decide(found, choices_of(found), limit)
    for targets in decision.targets.values():
        digests = [target.copy.digest for target in targets]
        assert len(digests) == len(set(digests))
        assert [target.is_folded for target in targets] == [False] + [True] * (
            len(targets) - 1
        )


@given(several, levels)
def test_one_that_withdraws_leaves_the_others_theirs(found, limit):
    """A copy that differs neither replaces another nor takes it along."""
    before = decide(found, choices_of(found), limit)
    for record, targets in before.targets.items():
        for target in targets:
            others = [t for t in targets if t != target]
            assume(len({t.copy.mailbox for t in targets}) == len(targets))
            left = [c for c in found if c.mailbox != target.copy.mailbox]
            after = shown(decide(left, choices_of(left), limit))
            for other in others:
                if other.copy.mailbox != target.copy.mailbox:
                    _copy, level = after[record, other.copy.digest]
                    assert rank(level) >= rank(other.level)


def test_restraint_is_read_from_the_copy_that_would_be_shown():
    anna = Copy(1, "anna", "d", "everything", people=frozenset({"anna", "ben"}))
    ben = Choice("ben", "subject", addresses=frozenset({"ben"}))
    carl = Choice("carl", "nobody", addresses=frozenset({"carl"}))
    assert allowed(anna, [ben, carl]) == "subject"
    # Of a list's members none is named.
    assert allowed(replace(anna, by_list=True), [ben, carl]) == "nobody"
    # The same id on another day is another email.
    other_day = replace(ben, date=datetime(2026, 11, 24))
    assert allowed(replace(anna, date=DATE), [other_day]) == "everything"
    assert allowed(anna, [other_day]) == "subject"


def test_answers_are_posted_unless_nobody_shall_see_them():
    place = Place(LEAD, "reply")
    for level in (False, "metadata", "subject", "everything"):
        [target] = decide([Copy(1, "anna", "d", level, places=(place,))], []).targets[
            LEAD
        ]
        assert target.level == "everything"
    private = Copy(1, "anna", "d", "nobody", places=(place,))
    assert decide([private], []).targets == {}
    assert decide([private], []).asked == {(1, LEAD)}
    wanted = replace(private, places=(replace(place, is_wanted=True),))
    assert decide([wanted], []).targets[LEAD][0].level == "everything"
    always = replace(wanted, is_private=True)
    decision = decide([always], [])
    assert (decision.targets, decision.asked) == ({}, frozenset())


def test_an_answer_of_another_mailbox_decides_nothing_about_a_copy():
    anna = Copy(
        1,
        "anna",
        "hers",
        "subject",
        people=frozenset({"anna"}),
        addresses=frozenset({"anna"}),
        places=(Place(LEAD),),
    )
    ben = Copy(
        2,
        "ben",
        "his",
        people=frozenset({"anna"}),
        addresses=frozenset({"ben"}),
        places=(Place(LEAD, "reply"),),
    )
    found = shown(decide([anna, ben], choices_of([anna, ben])))
    assert found[LEAD, "hers"] == (1, "subject")
    assert found[LEAD, "his"] == (2, "everything")


def test_what_was_sent_from_a_record_is_not_shown_there_again():
    sent = Copy(1, "anna", "d", "everything", places=(Place(LEAD, "sent"),))
    copy = Copy(2, "ben", "d", "everything", places=(Place(LEAD), Place(CARLA)))
    decision = decide([sent, copy], [])
    assert list(decision.targets) == [CARLA]


def test_the_senders_own_copy_comes_first():
    to_ben = Copy(
        1,
        "ben",
        "d",
        "everything",
        people=frozenset({"anna", "ben"}),
        addresses=frozenset({"ben"}),
        places=(Place(LEAD),),
    )
    of_anna = replace(
        to_ben,
        id=9,
        mailbox="zoe",
        addresses=frozenset({"anna"}),
        is_from_owner=True,
    )
    [target] = decide([to_ben, of_anna], []).targets[LEAD]
    assert target.copy.id == 9


def test_a_gone_copy_shows_no_more_than_its_entry():
    gone = Copy(None, "anna", "d", "everything", most="subject", places=(Place(LEAD),))
    [target] = decide([gone], []).targets[LEAD]
    assert target.level == stricter("everything", "subject") == "subject"


def test_a_veto_joins_copies_of_one_mailbox_by_their_date():
    """Anyone can send the owner another email with the same From and Message-ID."""
    other = datetime(2026, 11, 24, 10)
    place = (Place(LEAD),)
    shared = Copy(1, "anna", "one", "everything", date=DATE, places=place)
    for date, choice_date, is_shown in (
        # The private one's date, and that of the recorded choice.
        (DATE, DATE, False),
        (other, None, True),
        (other, other, True),
        (None, None, True),
        (other, DATE, False),
    ):
        private = Copy(2, "anna", "other", "nobody", True, date=date)
        choice = Choice("anna", "nobody", True, date=choice_date)
        for copies in ([shared, private], [private, shared]):
            found = decide(copies, [choice])
            assert bool(found.targets) == is_shown, (date, choice_date)
    # The private copy is gone, and its date known or unknown.
    for choice_date, is_shown in ((DATE, False), (None, False), (other, True)):
        choice = Choice("anna", "nobody", True, date=choice_date)
        assert bool(decide([shared], [choice]).targets) == is_shown, choice_date
