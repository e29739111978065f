# Mails stand here as programs write them.
# ruff: noqa: E501
"""What mail programs quote is folded, in the shapes in which they write it."""

import pytest

from odoo.addons.gmail_oauth_mailbox.lib.quote import TAG, fold_quote
from odoo.addons.gmail_oauth_mailbox.lib.sanitize import clean_html, text_to_html

BORDER = (
    '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm">'
)
OUTLOOK = (
    "<html><head><style>p.MsoNormal{{margin:0cm}}</style></head><body lang=EN-US>"
    "<div class=WordSection1><p class=MsoNormal>NEW words</p>"
    "<p class=MsoNormal><o:p>&nbsp;</o:p></p><div>"
    f"{BORDER}<p class=MsoNormal>{{}}<o:p></o:p></p></div></div>"
    "<p class=MsoNormal>OLD words</p></div></body></html>"
)
HEADS = {
    "English": "<b>From:</b> A B &lt;a@b.test&gt;<br><b>Sent:</b> 1 May 2026 10:00<br>"
    "<b>To:</b> C<br><b>Subject:</b> RE: Chairs",
    "German": "<b>Von:</b> A B<br><b>Gesendet:</b> Freitag, 1. Mai 2026<br><b>An:</b> C"
    "<br><b>Betreff:</b> AW: Stühle",
    "French": "<b>De&nbsp;:</b> A B<br><b>Envoyé&nbsp;:</b> vendredi 1 mai 2026<br>"
    "<b>À&nbsp;:</b> C<br><b>Objet&nbsp;:</b> Chaises",
    "Italian": "<b>Da:</b> A<br><b>Inviato:</b> venerdì<br><b>A:</b> C<br>"
    "<b>Oggetto:</b> Sedie",
    "Spanish": "<b>De:</b> A<br><b>Enviado el:</b> viernes<br><b>Para:</b> C<br>"
    "<b>Asunto:</b> Sillas",
    "Dutch": "<b>Van:</b> A<br><b>Verzonden:</b> vrijdag<br><b>Aan:</b> C<br>"
    "<b>Onderwerp:</b> Stoelen",
    "Portuguese": "<b>De:</b> A<br><b>Enviada em:</b> sexta<br><b>Para:</b> C<br>"
    "<b>Assunto:</b> Cadeiras",
    "Swedish": "<b>Från:</b> A<br><b>Skickat:</b> fredag<br><b>Till:</b> C<br>"
    "<b>Ämne:</b> Stolar",
    "Polish": "<b>Od:</b> A<br><b>Wysłano:</b> piątek<br><b>Do:</b> C<br>"
    "<b>Temat:</b> Krzesła",
    "Russian": "<b>От:</b> A<br><b>Отправлено:</b> пятница<br><b>Кому:</b> C<br>"
    "<b>Тема:</b> Стулья",
    "Japanese": "<b>差出人:</b> A<br><b>送信日時:</b> 2026年5月1日<br><b>宛先:</b> C<br>"
    "<b>件名:</b> 椅子",
    "Chinese": "<b>发件人:</b> A<br><b>发送时间:</b> 2026年5月1日<br><b>收件人:</b> C<br>"
    "<b>主题:</b> 椅子",
    "Chinese, traditional": "<b>寄件者:</b> A<br><b>傳送時間:</b> 2026年5月1日<br>"
    "<b>收件者:</b> C<br><b>主旨:</b> 椅子",
    "Korean": "<b>보낸 사람:</b> A<br><b>보낸 날짜:</b> 2026년 5월 1일<br>"
    "<b>받는 사람:</b> C<br><b>제목:</b> 의자",
    "Greek": "<b>Από:</b> A<br><b>Στάλθηκε:</b> Παρασκευή<br><b>Προς:</b> C<br>"
    "<b>Θέμα:</b> Καρέκλες",
    "Hebrew": "<b>מאת:</b> A<br><b>נשלח:</b> יום שישי<br><b>אל:</b> C<br>"
    "<b>נושא:</b> כיסאות",
    "Arabic": "<b>من:</b> A<br><b>تم الإرسال:</b> الجمعة<br><b>إلى:</b> C<br>"
    "<b>الموضوع:</b> كراسي",
    "Ukrainian": "<b>Від:</b> A<br><b>Надіслано:</b> п'ятниця<br><b>Кому:</b> C<br>"
    "<b>Тема:</b> Стільці",
    "Romanian": "<b>De la:</b> A<br><b>Trimis:</b> vineri<br><b>Către:</b> C<br>"
    "<b>Subiect:</b> Scaune",
    "Slovak": "<b>Od:</b> A<br><b>Odoslané:</b> piatok<br><b>Komu:</b> C<br>"
    "<b>Predmet:</b> Stoličky",
    "Croatian": "<b>Šalje:</b> A<br><b>Poslano:</b> petak<br><b>Prima:</b> C<br>"
    "<b>Predmet:</b> Stolice",
    "Bulgarian": "<b>От:</b> A<br><b>Изпратено:</b> петък<br><b>До:</b> C<br>"
    "<b>Относно:</b> Столове",
    "Thai": "<b>จาก:</b> A<br><b>ส่ง:</b> 1 พ.ค.<br><b>ถึง:</b> C<br><b>เรื่อง:</b> เก้าอี้",
    "Vietnamese": "<b>Từ:</b> A<br><b>Đã gửi:</b> 1/5<br><b>Tới:</b> C<br>"
    "<b>Chủ đề:</b> Ghế",
}
SAMPLES = {
    **{f"Outlook, {name}": OUTLOOK.format(head) for name, head in HEADS.items()},
    "Outlook on the web": (
        '<div dir="ltr">NEW words</div><div id="appendonsend"></div>'
        '<hr style="display:inline-block;width:98%" tabindex="-1">'
        '<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri"><b>From:</b> A<br>'
        "<b>Sent:</b> Friday<br><b>To:</b> B<br><b>Subject:</b> C</font><div>&nbsp;"
        "</div></div><div>OLD words</div>"
    ),
    "Outlook for phones": (
        "<div>NEW words</div><div><br></div><div>Get <a href='https://aka.ms/x'>Outlook "
        'for iOS</a></div><div><hr><div id="divRplyFwdMsg"><b>Von:</b> A<br>'
        "<b>Gesendet:</b> Freitag<br><b>An:</b> B<br><b>Betreff:</b> C</div>"
        "<div>OLD words</div></div>"
    ),
    "Outlook for Mac": (
        "<p>NEW words</p><div style='border:none;border-top:solid #B5C4DF 1.0pt'>"
        "<p><b><span>From: </span></b><span>A &lt;a@b.test&gt;<br><b>Date: </b>Friday"
        "<br><b>To: </b>B<br><b>Subject: </b>C</span></p></div><div><p>OLD words</p></div>"
    ),
    "Original message": (
        "<p>NEW words</p><p>-----Original Message-----<br>From: A<br>Sent: Friday<br>"
        "OLD words</p>"
    ),
    "Original message, German": (
        "NEW words<br><br>-----Ursprüngliche Nachricht-----<br>Von: A<br>OLD words"
    ),
    "a dashed line": (
        "<div>NEW words</div><div>________________________________</div>"
        "<div>From: A<br>Sent: Friday<br>To: B<br>Subject: C<br>OLD words</div>"
    ),
    "all four headers": (
        "NEW words<br><br>From: A<br>Sent: Friday<br>To: B<br>Subject: C<br>OLD words"
    ),
    "Gmail": (
        '<div dir="ltr">NEW words</div><br><div class="gmail_quote"><div class="x">On Fri,'
        ' May 1, 2026 at 10:00 AM A &lt;<a href="mailto:a@b.test">a@b.test</a>&gt; wrote:'
        '<br></div><blockquote style="margin:0">OLD words</blockquote></div>'
    ),
    "Gmail, in two lines": (
        "<div>NEW words</div><div><div>Am Fr., 1. Mai 2026 um 10:00 Uhr<br>schrieb A "
        "&lt;a@b.test&gt;:<br></div><blockquote>OLD words</blockquote></div>"
    ),
    "Apple Mail": (
        "<body>NEW words<br><div><br><blockquote type='cite'><div>On 1. May 2026, at "
        "10:00, A &lt;a@b.test&gt; wrote:</div><br><div>OLD words</div></blockquote>"
        "</div></body>"
    ),
    "Yahoo Mail": (
        '<div class="yahoo-style"><div>NEW words</div><div><br></div></div>'
        '<div id="yahoo_quoted_1"><div><div>On Friday, May 1, 2026 at 10:00:00 AM GMT+2, '
        "A &lt;a@b.test&gt; wrote: </div><div><br></div><div>OLD words</div></div></div>"
    ),
    "Thunderbird": (
        '<p>NEW words</p><div class="moz-cite-prefix">Le 01/05/2026 à 10:00, A a écrit'
        '&nbsp;:<br></div><blockquote type="cite">OLD words</blockquote>'
    ),
    "Proton Mail": (
        '<div>NEW words</div><div class="protonmail_quote">------- Original Message '
        "-------<br>On Friday, May 1st, 2026 at 10:00, A &lt;a@b.test&gt; wrote:<br><br>"
        '<blockquote type="cite">OLD words</blockquote><br></div>'
    ),
    "plain text": text_to_html(
        "NEW words\n\nOn Fri, May 1, 2026 at 10:00 AM A <a@b.test>\nwrote:\n\n> OLD words\n"
    ),
    "GMX": (
        "<div>NEW words</div><div style='border-left:2px solid #C3D9E5'><div><b>Gesendet:"
        "</b>&nbsp;Freitag, 1. Mai 2026<br><b>Von:</b>&nbsp;A &lt;a@b.test&gt;<br><b>An:"
        "</b>&nbsp;c@b.test<br><b>Betreff:</b>&nbsp;C</div><div>OLD words</div></div>"
    ),
    "plain text in HTML": (
        "<pre>NEW words<br><br>Il giorno 1 mag 2026 alle 10:00 A ha scritto:<br>"
        "&gt; OLD words<br>&gt;<br>&gt; more</pre>"
    ),
    "lines in a paragraph": (
        "<p style='color:red'>NEW words<br><br>On 1 May 2026 10:00, A wrote:<br>"
        "&gt; OLD words<br></p>"
    ),
    "a table": (
        "<table><tr><td><p>NEW words</p><hr><p><b>From:</b> A<br><b>Sent:</b> Friday<br>"
        "<b>Subject:</b> C</p><p>OLD words</p></td></tr></table>"
    ),
}
OPEN = {
    "a border": f"<p>NEW words</p>{BORDER}<p>Our offer: 3 chairs</p></div><p>more</p>",
    "From in running text": (
        "<p>NEW words</p><p>From: Berlin to Bonn</p><p>Sent: by train</p><p>Regards</p>"
    ),
    "a form": (
        "<p>From: A</p><p>Date: 1 May</p><p>Subject: Chairs</p><p>Message: words</p>"
    ),
    "a form behind a title": "<p>New request</p><p>From: A</p><p>Subject: B</p><p>C</p>",
    "headers alone": OUTLOOK.format(HEADS["English"]).replace("NEW words", ""),
    "a sentence about writing": (
        "<p>NEW words</p><p>On 5 May 2026 the court wrote:</p><p>No.</p><p>Well?</p>"
    ),
    "forwarded by Gmail": (
        "<div>See below</div><div>---------- Forwarded message ---------<br>From: A<br>"
        "Date: Friday<br>Subject: B<br>To: C<br></div><div>OLD words</div>"
    ),
    "forwarded by Apple Mail": (
        "See below<br><blockquote>Begin forwarded message:<br>From: A</blockquote>"
    ),
    "forwarded by Apple Mail, outside": (
        "<p>See below</p><p>Begin forwarded message:</p><blockquote>OLD</blockquote>"
    ),
    "forwarded by Thunderbird": (
        "<p>Sieh</p><p>-------- Weitergeleitete Nachricht --------</p><table><tr><th>"
        "Von:</th><td>A</td></tr></table><p>OLD words</p>"
    ),
    "answered line by line": (
        "<div>On 1 May 2026 10:00, A wrote:</div><blockquote>one</blockquote><p>yes</p>"
        "<blockquote>two</blockquote>"
    ),
    "answered line by line, in text": (
        "Hi,<br>On 1 May 2026 10:00, A wrote:<br>&gt; one<br>yes<br>&gt; two<br>"
    ),
    "answered below": "<p>Hi</p><blockquote>Old</blockquote><p>yes</p>",
    "a rule": "<p>NEW words</p><hr><p>more words</p>",
}


SIGNED = (
    "<p>NEW words</p><div>On 01/05/2026 10:00, A wrote:<br></div>"
    "<blockquote type='cite'><p>OLD words</p></blockquote>{}"
)


@pytest.mark.parametrize(
    "signature", ["<pre>-- \nAnn</pre>", "<div>-- <br>Ann<br>Chairs Ltd</div>"]
)
def test_a_signature_below_the_quote_stays(signature):
    shown, rest = folded(SIGNED.format(signature), "Re: Chairs")
    hidden, _end, below = rest.partition("</details>")
    assert "NEW words" in shown and "A wrote" in hidden and "OLD words" in hidden
    assert "Ann" in below


def test_words_below_the_quote_keep_it_open():
    assert folded(SIGNED.format("<p>yes</p>"), "Re: Chairs")[1] == ""
    below = "<p>yes</p><div>-- <br>Ann</div>"
    assert folded(SIGNED.format(below), "Re: Chairs")[1] == ""


def folded(html, subject=""):
    """Return (what is shown, what is folded) of a mail."""
    clean = clean_html(html)
    result = fold_quote(clean, "Quoted text", subject)
    words = TAG.sub(" ", result).replace("•••", " ").split()
    assert words == TAG.sub(" ", clean).split()
    assert result == clean or clean_html(result) == result.replace(
        ' aria-label="Quoted text"', ""
    )
    head, _summary, rest = result.partition("<details>")
    return head, rest


@pytest.mark.parametrize("name", SAMPLES)
def test_a_quote_is_folded(name):
    shown, hidden = folded(SAMPLES[name], "Re: Chairs")
    assert "NEW words" in shown
    assert "OLD words" in hidden
    text = " ".join(TAG.sub(" ", shown).replace("&nbsp;", " ").split())
    # The line that introduces it is folded with it.
    assert text.removesuffix("Get Outlook for iOS").strip() == "NEW words"


@pytest.mark.parametrize("name", OPEN)
def test_this_stays_open(name):
    assert folded(OPEN[name], "Re: Chairs")[1] == ""


@pytest.mark.parametrize("subject", ["FW: Chairs", "WG: Stühle", "Fwd: a", "TR : a"])
def test_a_message_that_outlook_forwarded_stays_open(subject):
    html = OUTLOOK.format(HEADS["English"])
    assert folded(html, subject)[1] == ""
    assert folded(html, f"RE: {subject}")[1]
