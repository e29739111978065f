"""Reports that a mail did not arrive: whom they name."""

import base64

from .test_lib_message import parse, payload_of

GMAIL = """\
From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
To: anna@corp-example.test
Subject: Delivery Status Notification (%(subject)s)
Content-Type: multipart/report; boundary="b"; report-type=delivery-status
In-Reply-To: <one@mail.gmail.com>
%(header)sAuto-Submitted: auto-replied

--b
Content-Type: text/plain; charset="UTF-8"

It was not delivered.
%(report)s
--b
Content-Type: message/rfc822

Message-ID: <two@mail.gmail.com>
From: anna@corp-example.test
Subject: Chairs

Hello
--b--
"""
REPORT = """
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; googlemail.com

Final-Recipient: rfc822; Gone@Customer-Example.test
Action: %s
Status: 5.1.1
Diagnostic-Code: smtp; 550-5.1.1 no such
 mailbox here

Original-Recipient: rfc822;<late@customer-example.test>
Action: delayed
"""
FAILED = "X-Failed-Recipients: gone@customer-example.test,\n other@x.test\n"


def read(subject="Failure", header="", report=""):
    text = GMAIL % {"subject": subject, "header": header, "report": report}
    return parse(payload_of(text.encode()))


def test_the_report_names_them():
    found = read(report=REPORT % "failed", header=FAILED)
    assert found.failed == ("gone@customer-example.test",)
    assert found.references == ("<two@mail.gmail.com>",)
    assert found.in_reply_to == "<one@mail.gmail.com>"


def test_the_report_came_as_parts_or_as_text():
    text = GMAIL % {"subject": "Failure", "header": "", "report": REPORT % "failed"}
    payload = payload_of(text.encode())
    [report] = [p for p in payload["parts"] if "delivery" in p["mimeType"]]
    assert parse(payload).failed == ("gone@customer-example.test",)
    text = (REPORT % "failed").partition("\n\n")[2]
    report.pop("parts", None)
    report["body"] = {"data": base64.urlsafe_b64encode(text.encode()).decode()}
    assert parse(payload).failed == ("gone@customer-example.test",)


def test_gmails_header_names_them():
    found = read(header=FAILED)
    assert found.failed == ("gone@customer-example.test", "other@x.test")


def test_what_is_only_late_has_not_failed():
    assert read(report=REPORT % "delayed", subject="Delay").failed == ()
    assert read(header=FAILED, subject="Delay").failed == ()
    assert read(report=REPORT % "delayed", header=FAILED).failed == ()


def test_other_mail_names_nobody():
    assert parse(payload_of(b"From: a@x.test\n\nAction: failed\n")).failed == ()
