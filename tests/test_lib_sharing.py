"""Levels over time, proofs of the sender, subject rules: without a database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.authentication import is_authentic
from odoo.addons.gmail_oauth_mailbox.lib.domains import (
    is_automated_address,
    is_freemail,
    is_role,
)
from odoo.addons.gmail_oauth_mailbox.lib.rules.sharing import (
    LEVELS,
    changed,
    level_at,
    rank,
    stricter,
)
from odoo.addons.gmail_oauth_mailbox.lib.subject_rule import RuleError, parse_rule

ADDRESS = "carla@customer-example.test"
levels = st.sampled_from((False, *LEVELS))


@given(st.lists(levels, max_size=8), st.integers(0, 20))
def test_less_acts_on_the_past_and_more_on_what_comes(choices, moment):
    steps = ((None, False),)
    for when, level in enumerate(choices, 1):
        steps = changed(steps, level, f"{when:03}")
    # What holds for a mail is the strictest that was chosen since it came.
    at = f"{moment:03}"
    since = [False, *choices]
    before = [level for when, level in enumerate(since) if f"{when:03}" <= at]
    wanted = before[-1] if before else False
    for level in since[len(before) :]:
        wanted = stricter(wanted, level)
    assert level_at(steps, at) == wanted
    assert [rank(level) for _s, level in steps] == sorted(rank(x) for _s, x in steps)


@pytest.mark.parametrize(
    "results",
    [
        "mx.google.com; dmarc=pass (p=NONE) header.from=customer-example.test",
        "MX.google.com; DMARC=Pass header.from=Customer-Example.test",
        "mx.google.com; dkim=pass header.i=@customer-example.test header.s=a",
        "mx.google.com; dkim=fail header.i=@x.test; spf=pass (google.com: a; b)"
        " smtp.mailfrom=bounce@customer-example.test",
        "mx.google.com; dmarc=none header.from=customer-example.test;"
        " dkim=pass header.d=customer-example.test",
    ],
)
def test_gmail_vouches(results):
    assert is_authentic(results, ADDRESS)


@pytest.mark.parametrize(
    "results",
    [
        "",
        "mx.google.com",
        "evil.test; dmarc=pass header.from=customer-example.test",
        "mx.google.com; dmarc=fail header.from=customer-example.test;"
        " dkim=pass header.i=@customer-example.test",
        "mx.google.com; dmarc=pass header.from=x.test",
        "mx.google.com; dmarc=pass header.from=test",
        "mx.google.com; dkim=pass header.i=@x.test",
        "mx.google.com; spf=pass smtp.mailfrom=x@evil.test",
        'mx.google.com; spf=pass smtp.mailfrom="; dmarc=pass'
        ' header.from=customer-example.test ;"@evil.test',
        "mx.google.com; spf=pass (; dmarc=pass header.from=customer-example.test;)"
        " smtp.mailfrom=x@evil.test",
        "mx.google.com; dmarc=pass (header.from=customer-example.test",
        "mx.google.com; dmarc=pass header.from=customer-example.test;"
        " dmarc=fail header.from=customer-example.test",
    ],
)
def test_gmail_does_not_vouch(results):
    assert not is_authentic(results, ADDRESS)


def test_mail_within_a_workspace():
    assert is_authentic("", "ben@corp.test", "corp.test")
    assert not is_authentic("", "ben@corp.test")
    assert not is_authentic("", ADDRESS, "corp.test")
    assert not is_authentic(
        "mx.google.com; spf=none", "ben@corp.test", workspace="corp.test"
    )


@given(st.text(max_size=60))
def test_no_local_part_and_no_comment_makes_it_pass(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    assert not is_authentic(
        f'mx.google.com; spf=pass smtp.mailfrom="{quoted}"@evil.test', ADDRESS
    )
    comment = text.replace("\\", "").replace("(", "").replace(")", "")
    assert not is_authentic(
        f"mx.google.com; spf=pass ({comment}) smtp.mailfrom=a@evil.test", ADDRESS
    )


def test_addresses():
    assert is_freemail("GMail.com") and not is_freemail("customer-example.test")
    assert is_role("info@x.test") and not is_role("irma@x.test")
    assert is_automated_address("no-reply@x.test")
    assert not is_automated_address("anna@x.test")


@pytest.mark.parametrize(
    ("pattern", "subject", "names"),
    [
        ("S{digits}", "Re: S00042, s7 and S00042", ("S00042", "s7")),
        ("S{digits}", "XS1 S12b S", ()),
        ("Ticket #[{digits}]", "Re: ticket #42 broken", ("42",)),
        ("\\[{digits}\\]", "[12] a", ("[12]",)),
        ("{letters}-{digits}", "see AB-12", ("AB-12",)),
        ("S{digits}", "x" * 500 + " S1", ()),
    ],
)
def test_subject_rules(pattern, subject, names):
    assert parse_rule(pattern).find(subject) == names


@pytest.mark.parametrize(
    "pattern",
    ["", "{digits}", "S{any}", "S{digits", "[a][b]", "]a[", "a[]", "x" * 101, "a}"],
)
def test_wrong_rules(pattern):
    with pytest.raises(RuleError):
        parse_rule(pattern)
