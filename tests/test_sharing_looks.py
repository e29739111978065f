"""A sender who knows an email can send its words to Odoo's gateway again. An owner's
entry makes room for the same email alone: one that looks as theirs does."""

from email.message import EmailMessage

from odoo.tests import tagged

from .common import ANNA, CUSTOMER
from .test_linking import PASS
from .test_sharing_answers import gateway_shapes
from .test_sharing_hostile import MESSAGE_ID, SECRET
from .test_sharing_planted import PlantCase

STYLED = f"""
<style>p.MsoNormal {{margin: 0cm; font-size: 11.0pt; font-family: "Calibri"}}</style>
<p class="MsoNormal">We do <b>not</b> pay 1 000 for {SECRET}.</p>
<p class="MsoNormal">See <a href="https://shop.test/a">the offer</a>.</p>
<table><tr><td>5</td><td>20 EUR</td></tr><tr><td>We agree to</td></tr>
<tr><td>nothing of it</td></tr></table>
<ol><li>one</li><li>two</li></ol>
<blockquote type="cite">We agree</blockquote>
"""
# What changes for a reader when the same words come again.
OTHERS = {
    "struck out": ("<b>not</b>", "<s>not</s>"),
    "struck out further": ("<b>not</b> pay", "<del>not pay</del>"),
    "hidden": ("<b>not</b>", '<b style="display:none">not</b>'),
    "tiny": ("<b>not</b>", '<b style="font-size:1px">not</b>'),
    "a little smaller, often": (
        "<b>not</b>",
        f"{'<b style=font-size:0.7em>' * 9}not{'</b>' * 9}",
    ),
    "white": ("<b>not</b>", '<b style="color:#fff">not</b>'),
    "white by an attribute": ("<b>not</b>", '<font color="white">not</font>'),
    "in another script": ("<b>not</b>", '<b style="font-family:Wingdings">not</b>'),
    "backwards": ("<b>not</b>", '<bdo dir="rtl">ton</bdo>'),
    "faded": ("<b>not</b>", '<b style="opacity:0">not</b>'),
    "upper case": ("<b>not</b>", '<b style="text-transform:uppercase">not</b>'),
    "folded": ("<b>not</b>", "<details><summary>-</summary>not</details>"),
    "far to the right": (
        "<b>not</b>",
        f"{'<blockquote style=margin-left:90px>' * 9}not{'</blockquote>' * 9}",
    ),
    "far below": ("<ol>", f"{'<br>' * 300}<ol>"),
    "no blank": ("1 000", "1000"),
    "another blank": ("1 000", "10 00"),
    "a picture": ("<ol>", '<img src="https://x.test/agreed.png"><ol>'),
    "the words of a picture": ("<ol>", '<img src="data:," alt="Agreed"><ol>'),
    "another link": ("shop.test", "shop.example"),
    "no link": ('<a href="https://shop.test/a">the offer</a>', "the offer"),
    "a longer link": (
        'See <a href="https://shop.test/a">',
        '<a href="https://shop.test/a">See ',
    ),
    "another number": ("<ol>", '<ol start="7">'),
    "no number": ("<ol><li>one</li><li>two</li></ol>", "<p>one</p><p>two</p>"),
    "no quote": ('<blockquote type="cite">We agree</blockquote>', "<p>We agree</p>"),
    "more of a quote": (
        '</ol>\n<blockquote type="cite">',
        '</ol>\n<blockquote type="cite"></blockquote><blockquote><blockquote>',
    ),
    "a footer": (
        "</ol>",
        "</ol><p>____</p><p>To unsubscribe from this list, visit https://x.test/</p>",
    ),
    "a banner": ("<p class", "<p>[EXTERNAL] Do not open links</p><p class"),
    # Elements that Odoo keeps, and no email of a mailbox has.
    "an output": ("<b>not</b>", '<output style="display:none">not</output>'),
    "a gloss": ("<b>not</b>", "<ruby><rp>not</rp></ruby>"),
    "a gauge": ("<b>not</b>", "<meter>not</meter>"),
    "a list to choose from": ("<b>not</b>", "<datalist>not</datalist>"),
    # What the chatter folds.
    "folded as a quote": ("<b>not</b>", '<b data-o-mail-quote="1">not</b>'),
    "folded by a class": ("<b>not</b>", '<b class="gmail_quote">not</b>'),
    "folded as a signature": ("<b>not</b>", '<b id="Signature">not</b>'),
    # Elements without words.
    "a cover": (
        "<ol>",
        '<div style="margin-top:-60px;height:50px;background-color:#fff"></div><ol>',
    ),
    "a line through": (
        "<ol>",
        '<div style="border-top:2px solid;margin-top:-28px"></div><ol>',
    ),
    "much room": ("<ol>", '<div style="padding-top:99999px"></div><ol>'),
    "a picture behind": (
        "<ol>",
        '<div style="background-image:url(https://x.test/a.png)"></div><ol>',
    ),
    # Links that lead elsewhere.
    "a link without a scheme": ("https://shop.test", "//evil.test/?x=://shop.test"),
    "a link to an address": ("https://shop.test", "mailto:eve@x.test?x=://shop.test"),
    "a link into Odoo": ("https://shop.test", "/web/session/logout?x=://shop.test"),
    "a link with one slash": ("https://shop.test", "https:/x.test/?://shop.test"),
    # Cells, and blanks by the way of showing.
    "cells in one": ("<td>5</td><td>20 EUR</td>", "<td>520 EUR</td>"),
    "rows in another order": (
        "<tr><td>We agree to</td></tr>",
        "<tfoot><tr><td>We agree to</td></tr></tfoot>",
    ),
    "a tall cell": ("<td>nothing", '<td height="99999">nothing'),
    "a wide table": ("<table>", '<table cellpadding="50000">'),
    "a block within a number": (
        "1 000",
        '1 0<span style="display:block">00</span>',
    ),
    "two blocks in one line": ("1 000", '1<div style="display:inline">000</div>'),
    "more words": ("</ol>", "</ol><p>P.S. We agree</p>"),
}


@tagged("standard", "post_install", "-at_install")
class TestLooks(PlantCase):
    def setUp(self):
        super().setUp()
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("mail.gateway.loop.threshold", 1000)

    def email(self, html=STYLED, **headers):
        message = EmailMessage()
        headers = {
            "From": CUSTOMER,
            "To": ANNA,
            "Subject": "Offer",
            "Date": "Mon, 23 Nov 2026 10:00:00 +0000",
            "Message-ID": MESSAGE_ID,
            "Authentication-Results": PASS,
            **headers,
        }
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        message.set_content(html, subtype="html")
        return message

    def gateway(self, message):
        threads = self.env["mail.thread"]
        threads.message_process(
            self.carla._name, message.as_bytes(), thread_id=self.carla.id
        )

    def notes(self):
        return self.env["gmail.entry"].search(
            [("kind", "=", "note"), ("mail_message_id", "!=", False)]
        )

    def test_the_same_email_in_any_shape_is_one_entry(self):
        emails = [*gateway_shapes(), self.email(**{"Message-ID": "<styled@x.test>"})]
        for message in emails:
            self.google.add_message(ANNA, message.as_bytes())
        for message in emails[::2]:
            self.gateway(message)
        anna = self.box(level="everything")
        self.settle(anna)
        for message in emails[1::2]:
            self.gateway(message)
        self.again(anna)
        twice = self.notes().mapped("mail_message_id.subject")
        # Odoo drops a style sheet with its colors, and writes an attached email anew:
        # when in doubt, both stand.
        self.assertEqual(sorted(twice), ["alternative", "email in an email"])

    def pairs(self):
        """Yield (name, email, the same words with other looks)."""
        for number, (name, (former, latter)) in enumerate(OTHERS.items()):
            self.assertIn(former, STYLED, name)
            headers = {"Message-ID": f"<{number}@x.test>", "Subject": name}
            html = STYLED.replace(former, latter)
            yield name, self.email(**headers), self.email(html, **headers)

    def check_both(self, pairs, is_first):
        """Check that both emails of each pair stand on the record.

        :param is_first: whether Odoo's gateway has the other one first
        """
        for _name, genuine, other in pairs:
            self.google.add_message(ANNA, genuine.as_bytes())
            if is_first:
                self.gateway(other)
        anna = self.box(level="everything")
        self.settle(anna)
        before = self.notes().mail_message_id
        bodies = before.mapped("body")
        if not is_first:
            for _name, _genuine, other in pairs:
                self.gateway(other)
            self.again(anna)
        self.assertEqual(before.exists().mapped("body"), bodies)
        shown = self.notes().mapped("message_id.gmail_id")
        stored = self.thread(anna).message_ids.mapped("gmail_id")
        self.assertEqual(sorted(shown), sorted(stored))

    def test_the_same_words_with_other_looks_replace_no_entry(self):
        self.check_both(list(self.pairs()), is_first=False)

    def test_the_same_words_with_other_looks_keep_no_entry_away(self):
        self.check_both(list(self.pairs()), is_first=True)

    def test_other_facts_are_another_email(self):
        pairs = []
        for number, headers in enumerate(
            (
                {"From": CUSTOMER.replace("Carla Roth", "Head of Sales")},
                {"Date": "Mon, 23 Nov 2020 10:00:00 +0000"},
                {"Subject": "Offer: declined"},
            )
        ):
            own = {"Message-ID": f"<{number}@x.test>"}
            pairs.append((number, self.email(**own), self.email(**own, **headers)))
        self.check_both(pairs, is_first=False)

    def test_another_attached_email_or_file_is_another_email(self):
        def with_file(text):
            message = self.email()
            inner = EmailMessage()
            inner["Subject"] = "Inner"
            inner.set_content(text)
            message.add_attachment(inner)
            message.add_attachment(
                text.encode(), maintype="application", subtype="pdf", filename="a.pdf"
            )
            return message

        self.google.add_message(ANNA, with_file("We agree").as_bytes())
        anna = self.box(level="everything")
        self.settle(anna)
        entry = self.notes()
        self.gateway(with_file("We don't"))
        self.again(anna)
        self.assertEqual(self.notes(), entry)
