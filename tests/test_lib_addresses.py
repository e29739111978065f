"""One key for all spellings of an address."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.mime.addresses import (
    address_key,
    ascii_domain,
    domain_of,
    mailbox_key,
    pasted,
    same_mailbox,
    spellings,
    unicode_domain,
)

SAME = [
    ("jane@customer.example", " Jane@CUSTOMER.example\t"),
    ("jane@customer.example", "mailto:jane@customer.example"),
    ("jane@customer.example", "MailTo:jane@customer.example?subject=x"),
    ("jane@customer.example", "<jane@customer.example>"),
    ("jane@customer.example", "<mailto:jane@customer.example>"),
    ("jane@customer.example", "jane@customer.example."),
    ("jane@customer.example", "jane@customer.example\u200b"),
    ("jane@customer.example", "\ufeffjane@customer.example"),
    ("jane@customer.example", "\u202ajane@customer.example\u202c"),
    ("jane@customer.example", "jane\u2060@cust\u00adomer.example"),
    ("jane@customer.example", '"jane"@customer.example'),
    ("jane@customer.example", "jane\uff20customer.example"),
    ("jane@customer.example", "jane@customer\u3002example"),
    ("info@xn--bcher-kva.example", "info@bücher.example"),
    ("info@xn--bcher-kva.example", "info@BÜCHER.example"),
    ("info@xn--bcher-kva.example", "info@XN--BCHER-KVA.Example."),
    ("info@xn--bcher-kva.example", unicodedata.normalize("NFD", "info@bücher.example")),
    ("info@xn--strae-oqa.example", "info@straße.example"),
    ("info@xn--fsq.example", "info@例.example"),
    ("info@xn--53h.example", "info@☕.example"),
    (
        "jürgen@customer.example",
        unicodedata.normalize("NFD", "Jürgen@customer.example"),
    ),
    ("janeroe@gmail.com", "jane.roe@gmail.com"),
    ("janeroe@gmail.com", "J.a.n.e.Roe@GoogleMail.com"),
    ("janeroe@gmail.com", "mailto:jane.roe@googlemail.com."),
]
OTHERS = [
    ("jane.roe@customer.example", "janeroe@customer.example"),
    ("jane@customer.example", "jane@xcustomer.example"),
    ("jane@strasse.example", "jane@straße.example"),
    ("jane+a@gmail.com", "jane+b@gmail.com"),
    ("jane@gmail.com", "jane@gmail.com.example"),
    ("jane@a.example", "jane@b.example"),
    ('"jane doe"@a.example', "janedoe@a.example"),
    ("root", "postmaster"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_address_have_one_key(one, other):
    assert address_key(one) == address_key(other) == one


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_two_addresses_have_two_keys(one, other):
    assert address_key(one) != address_key(other)


def test_only_gmail_ignores_dots_and_it_can_be_left_out():
    assert address_key("jane.roe@googlemail.com", gmail=False) == (
        "jane.roe@googlemail.com"
    )
    assert address_key("") == address_key(None) == address_key(" \u200b") == ""


def test_a_mailbox_has_addresses_with_tags():
    assert same_mailbox("anna+a@x.test", "Anna@x.test")
    assert not same_mailbox("an.na@x.test", "anna@x.test")
    assert same_mailbox("an.na@gmail.com", "anna@googlemail.com")
    assert same_mailbox("anna+a@bücher.example", "anna@xn--bcher-kva.example")
    assert not same_mailbox("", "")
    assert mailbox_key("Anna+a@X.test") == ("anna", "x.test")


def test_domains():
    assert domain_of("Ann@Example.TEST.") == "example.test"
    assert domain_of('"a@b.test"@c.test') == "c.test"
    assert domain_of("nobody") == ""
    assert ascii_domain("Bücher.example") == "xn--bcher-kva.example"
    assert ascii_domain("ü" * 300) == ""
    assert unicode_domain("xn--bcher-kva.example") == "bücher.example"
    # What can't be decoded stays, and so does what would change the address.
    assert unicode_domain("xn--0.example") == "xn--0.example"
    assert unicode_domain("xn--a@b-.example") == "xn--a@b-.example"


ALPHABET = st.sampled_from(
    'aZ.@"<>\\ ,;:()+-_*%\u200b\u202e\u00ad\uff20ßüİ例☕\ud800\0\n'
)
TEXTS = st.text(max_size=40) | st.text(ALPHABET, max_size=40)


@given(TEXTS)
def test_a_key_is_its_own_key(text):
    key = address_key(text)
    assert address_key(key) == key


@given(TEXTS)
def test_every_spelling_has_the_same_key(text):
    for spelled in spellings(text):
        assert address_key(spelled) == address_key(text)


@given(st.emails())
def test_the_key_keeps_the_domain(address):
    domain = address.rpartition("@")[2].lower()
    assert address_key(address, gmail=False).rpartition("@")[2] == domain


@given(TEXTS)
def test_pasted_addresses_are_addresses(text):
    for address in pasted(text):
        local, _at, domain = address.rpartition("@")
        assert local and domain and "@" not in local and address == address.lower()
        # The domain is what follows the last "@" of its word.
        assert not any(c.isspace() or c in '<>,;"' for c in address)


SHAPES = (
    "(",
    '"',
    "\\",
    '"\\',
    "<>",
    ",",
    ";",
    ":",
    "@",
    "a@",
    "<a@b>",
    "xn--",
    "ü.",
    "mailto:",
    "%40",
    "\u200b",
    "\u202e",
    ".",
    "ß",
    "例",
    '"a"@',
    "a.",
    "\u0301",
)


@pytest.mark.parametrize("shape", SHAPES)
def test_hostile_addresses_take_no_time(shape):
    text = shape * (1_000_000 // len(shape))
    started = time.perf_counter()
    for function in (address_key, pasted, spellings, ascii_domain):
        function(text)
        function(f"{text[:500_000]}@{text[500_000:]}")
    assert time.perf_counter() - started < 2
