"""Mail as an mbox file, read back by Python's own reader; cells of spreadsheets."""

import email.utils
import mailbox
import re
import string
from datetime import datetime
from email.header import decode_header, make_header

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odoo.addons.gmail_oauth_mailbox.lib.cells import as_text
from odoo.addons.gmail_oauth_mailbox.lib.mbox import (
    File,
    StoredMessage,
    entry,
    one_line,
)
from odoo.addons.gmail_oauth_mailbox.lib.mime.filenames import file_name
from odoo.addons.gmail_oauth_mailbox.lib.types import Address

DATE = datetime(2026, 11, 23, 10, 0, 5)
SEPARATOR = b"From carla@x.test Mon Nov 23 10:00:05 2026\n"
CARLA = Address("Carla Roth", "carla@x.test")
# Pieces that have broken writers of mail.
HOSTILE = (
    "From ",
    ">From ",
    "\nFrom a@b Mon Nov 23 10:00:05 2026\n",
    "\n\nFrom ",
    "\r\nBcc: eve@x.test\r\n",
    "\n\n",
    "\r",
    "\x00",
    "\x0b",
    "\x85",
    "\u2028",
    "\ud800",
    "\udcff",
    "=?utf-8?q?=0ABcc:_eve?=",
    "=?",
    "?=",
    "--=_odoo_gmail_oauth_mailbox--\n",
    "=46",
    "=\n",
    ".\n",
    " ",
    "\t",
    '"',
    "\\",
    ", ",
    ";",
    "(",
    ")",
    "<",
    ">",
    "@",
    "ü",
    "価格",
    "😀",
    "word",
    "x" * 80,
)
texts = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=8), max_size=12).map(
    "".join
)
surrogates = st.characters(categories=["Cs"])
texts |= st.text(st.characters() | surrogates, max_size=40)
atoms = st.text(
    string.ascii_letters + string.digits + "+-_é漢", min_size=1, max_size=12
)
addresses = st.builds("{}.{}@{}.test".format, atoms, atoms, atoms)
people = st.builds(Address, texts, addresses)


def read(data, folder):
    """Return the messages of an mbox file, as Python's own reader finds them."""
    path = folder / "all.mbox"
    path.write_bytes(data)
    box = mailbox.mbox(path, create=False)
    try:
        return list(box)
    finally:
        box.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("mbox")


def raw(message, name):
    """Return a header as it stands in the file, unfolded."""
    values = [v for n, v in message.raw_items() if n.lower() == name.lower()]
    assert len(values) <= 1, name
    value = "".join(map(str, values))
    return value.encode("ascii", "surrogateescape").decode().replace("\n", "")


def text(message, name):
    return str(make_header(decode_header(raw(message, name))))


def persons(message, role):
    """Return the people of a header: addresses parsed first, then names decoded."""
    return [
        (" ".join(str(make_header(decode_header(name))).split()), address)
        for name, address in email.utils.getaddresses([raw(message, role)])
    ]


def expected(found):
    return [(" ".join(one_line(p.name).split()), p.address) for p in found]


def body(message):
    """Return the HTML of a message."""
    part = message.get_payload(0) if message.is_multipart() else message
    assert part.get_content_type() == "text/html"
    return part.get_payload(decode=True).decode()


def stored(value):
    return re.sub("[\ud800-\udfff]", "\ufffd", value)


@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.lists(
        st.builds(
            StoredMessage,
            date=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
            message_id=texts,
            in_reply_to=texts,
            references=texts,
            subject=texts,
            people=st.dictionaries(
                st.sampled_from(["from", "to", "cc", "bcc"]),
                st.lists(people, max_size=4).map(tuple),
            ),
            labels=st.lists(texts, max_size=3).map(tuple),
            body_html=texts,
            is_folded=st.booleans(),
            people_left_out=st.integers(0, 3),
            files=st.lists(
                st.builds(File, texts, texts, st.binary(max_size=99), texts), max_size=2
            ).map(tuple),
            left_in_gmail=st.lists(
                st.tuples(texts, st.integers(0, 99)), max_size=2
            ).map(tuple),
        ),
        max_size=4,
    )
)
def test_whatever_is_stored_is_read_back(folder, messages):
    data = b"".join(map(entry, messages))
    # No line but the separators can be taken for one, in any kind of mbox.
    assert len(re.findall(rb"^>*From ", data, re.M)) == len(messages)
    assert b"\0" not in data and b"\r" not in data
    found = read(data, folder)
    assert len(found) == len(messages)
    for message, was in zip(found, messages, strict=True):
        assert not message.defects
        assert text(message, "Subject") == one_line(was.subject)
        for role in ("from", "to", "cc", "bcc"):
            assert persons(message, role) == expected(was.people.get(role, ()))
        assert body(message) == stored(was.body_html)
        for name in ("message_id", "in_reply_to", "references"):
            header = name.replace("_", "-")
            ids = one_line(getattr(was, name)).split()
            # Beyond ASCII it is no Message-ID; it only does no harm.
            if all(i.isascii() for i in ids):
                assert raw(message, header).split() == ids
        assert len(message.get_all("X-Odoo-Attachment-In-Gmail", [])) == len(
            was.left_in_gmail
        )
        assert ("X-Odoo-Folded" in message) == was.is_folded
        known = {"from", "to", "cc", "bcc", "subject", "date", "message-id"}
        known |= {"in-reply-to", "references", "mime-version", "x-gmail-labels"}
        known |= {"content-type", "content-transfer-encoding"}
        assert {n.lower() for n in message} - known <= {
            "x-odoo-folded",
            "x-odoo-people-left-out",
            "x-odoo-attachment-in-gmail",
        }
        parts = message.get_payload()[1:] if message.is_multipart() else []
        assert len(parts) == len(was.files)
        for part, file in zip(parts, was.files, strict=True):
            assert part.get_payload(decode=True) == file.content
            assert part.get_filename("") == file_name(one_line(file.name))


def test_plain_message_can_be_read_by_people():
    """The whole entry of an everyday mail."""
    message = StoredMessage(
        date=DATE,
        message_id="<1@x.test>",
        in_reply_to="<0@x.test>",
        references="<00@x.test> <0@x.test>",
        subject="Offer for blue chairs",
        people={
            "from": (CARLA,),
            "to": (Address("Keller, Anna", "anna@y.test"), Address("", "b@y.test")),
        },
        labels=("Inbox", "Opened", "A, B"),
        body_html="<p>Grüße</p>\nFrom here",
        is_folded=True,
        left_in_gmail=(("plan.pdf", 1234),),
    )
    assert entry(message).decode() == (
        "From carla@x.test Mon Nov 23 10:00:05 2026\n"
        "From: Carla Roth <carla@x.test>\n"
        'To: "Keller, Anna" <anna@y.test>,\n'
        " b@y.test\n"
        "Subject: Offer for blue chairs\n"
        "Date: Mon, 23 Nov 2026 10:00:05 +0000\n"
        "Message-ID: <1@x.test>\n"
        "In-Reply-To: <0@x.test>\n"
        "References: <00@x.test>\n"
        " <0@x.test>\n"
        'X-Gmail-Labels: Inbox,Opened,"A, B"\n'
        "X-Odoo-Folded: only the beginning of the text is stored\n"
        "X-Odoo-Attachment-In-Gmail: plan.pdf; 1234\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/html; charset=utf-8\n"
        "Content-Transfer-Encoding: quoted-printable\n"
        "\n"
        "<p>Gr=C3=BC=C3=9Fe</p>\n"
        "=46=\n"
        "rom here=\n"
        "\n"
    )


def test_500_recipients(folder):
    """All are there, and no line is longer than RFC 5322 allows."""
    people = tuple(Address(f"Gäst, {n}", f"guest{n}@x.test") for n in range(500))
    data = entry(StoredMessage(subject="ü" * 5000, people={"to": people}))
    assert max(map(len, data.splitlines())) <= 998
    (message,) = read(data, folder)
    assert persons(message, "To") == expected(people)
    assert text(message, "Subject") == "ü" * 5000


@pytest.mark.parametrize(
    "address",
    [
        "a@x.test>\r\nBcc: eve@x.test",
        "a@x.test\n\nFrom b@x.test",
        "a b@x.test",
        "a,b@x.test",
        "no address",
        "a\x00@x.test",
        "a\x85@x.test",
        "a@x.test, eve@x.test",
        "\ud800@x.test\n",
    ],
)
def test_hostile_address_is_named_and_not_written(folder, address):
    people = {"from": (Address("Eve", address),), "to": (CARLA,)}
    (message,) = read(entry(StoredMessage(people=people)), folder)
    assert message["From"] is None and message["Bcc"] is None
    assert persons(message, "To") == expected((CARLA,))
    wanted = f"From; Eve; {one_line(address)}"
    assert text(message, "X-Odoo-Unusual-Address") == wanted


def test_files(folder):
    files = (
        File("plan.pdf", "application/pdf", b"\0\xff" * 5000),
        File("Größe.png", "image/png", b"png", "one@x", True),
        File("価" * 90 + ".eml", "message/rfc822", b"Subject: x\n\nFrom y\n"),
        File('a"b\r\nX: y.txt', "text/html\r\nX-Evil: 1", b""),
    )
    data = entry(StoredMessage(body_html="<p>x</p>", files=files))
    (message,) = read(data, folder)
    parts = message.get_payload()[1:]
    assert [p.get_payload(decode=True) for p in parts] == [f.content for f in files]
    assert [p.get_filename() for p in parts] == [
        file_name(one_line(f.name)) for f in files
    ]
    assert [p.get_content_type() for p in parts] == [
        "application/pdf",
        "image/png",
        "application/octet-stream",
        "application/octet-stream",
    ]
    assert parts[1]["Content-ID"] == "<one@x>"
    assert parts[1].get_content_disposition() == "inline"
    assert not [part for part in parts if "X-Evil" in part or "X" in part]


def test_empty_message(folder):
    """Nothing known still is one message."""
    data = entry(StoredMessage())
    assert data.startswith(b"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\n")
    (message,) = read(data, folder)
    assert body(message) == ""


@pytest.mark.parametrize(
    "value",
    [
        "=1+1",
        "+49 30 1234",
        "-1",
        "@SUM(1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\ufeff=1",
        "＝1+1",
        "{=1+1}",
        "external:\\\\host\\share",
        "file://host/share",
    ],
)
def test_formula_becomes_text(value):
    assert as_text(value) == "'" + value
    assert as_text(as_text(value)) == "'" + value


@pytest.mark.parametrize(
    "value", ["", "Offer", "Re: =", "a@b", "{x}", None, False, -5, 1.5, b"=1", DATE]
)
def test_other_cells_stay(value):
    assert as_text(value) == value
