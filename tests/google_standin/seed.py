"""Some months of a saleswoman's mail: about 450 messages in 150 conversations.

Everything is made up, and the same each time: a fixed seed, dates relative to now.
"""

import email
import email.utils
import random
from email.message import EmailMessage

from . import contacts
from .picture import png

DAYS = 60
CONVERSATIONS = 150
PEOPLE = (
    ("Carla Roth", "carla.roth@blumenhof.test"),
    ("Jonas Weber", "jonas.weber@weber-bau.test"),
    ("Sophie Martin", "sophie.martin@atelier-lyon.test"),
    ("Иван Петров", "ivan.petrov@sever-torg.test"),
    ("佐藤 花子", "hanako.sato@sakura-trading.test"),
    ("ليلى حداد", "layla.haddad@nour-group.test"),
    ("Marek Nowak", "marek.nowak@drewex.test"),
    ("Giulia Conti", "giulia.conti@contivini.test"),
    ("Tom O'Hara", "tom.ohara@harbour-foods.test"),
    ("Priya Nair", "priya.nair@lotus-soft.test"),
    ("Lars Lindqvist", "lars@lindqvist-marin.test"),
    ("Ana Sousa", "ana.sousa@cortica-norte.test"),
    ("Zoë Çelik", "zoe.celik@anatolia-tex.test"),
    ("Miguel Ángel Ruiz", "maruiz@ruiz-hermanos.test"),
)
SUBJECTS = (
    "Offer for {n} chairs",
    "Delivery date of order S{o}",
    "Question about invoice INV/2026/{o}",
    "Samples for the trade fair",
    "Rückfrage zur Bestellung {o}",
    "Réunion de jeudi",
    "Предложение по поставке №{n}",
    "お見積りのお願い（{n}台）",
    "عرض أسعار رقم {n}",
    "Price list for next year 📈",
    "Site visit on the {n}th",
    "Missing parts in box {n}",
    "Framework agreement, second draft",
    "Colours: oak or walnut?",
)
SENTENCES = (
    "Thank you for the quick answer yesterday.",
    "Could you send us the drawing with the new measurements?",
    "We would need the goods in week {n} at the latest.",
    "The price is fine for us, provided delivery is included.",
    "I have talked to my colleague in purchasing, she agrees.",
    "Please find the list attached.",
    "Is there a discount from {n} pieces on?",
    "Können wir den Termin um einen Tag verschieben?",
    "Пришлите, пожалуйста, обновлённый договор.",
    "納期についてご確認をお願いいたします。",
    "نرجو تأكيد موعد التسليم في أقرب وقت.",
    "Our warehouse is closed on Friday 🎉 so Thursday would be better.",
    "The second sample was much better than the first one.",
    "I am out of the office from Monday, Ana will take over.",
)
NEWS = (
    ("Timber Weekly", "news@timber-weekly.test", "Oak prices fall for the third month"),
    ("Cloud Desk", "hello@clouddesk.test", "What is new in November"),
    ("Fair Calendar", "info@fair-calendar.test", "Five fairs you should not miss"),
)


def pdf(text):
    """Return a PDF of one page with a line of text."""
    stream = f"BT /F1 18 Tf 72 720 Td ({text}) Tj ET".encode("ascii", "replace")
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(stream), stream),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (
        b"xref\n0 6\n0000000000 65535 f \n%strailer<</Size 6/Root 1 0 R>>\n"
        b"startxref\n%d\n%%%%EOF\n" % (table, len(out))
    )


CUSTOMERS = "5b2d91c80e7a4f36"
GROUPS = {CUSTOMERS: "Customers", "3f7c05a96b1e8d42": "Trade fair"}


def person(given, family, *addresses, groups=(), **fields):
    """Return a person for the contacts; an address is of the kind that it names."""
    found = {
        "names": [{"givenName": given, "familyName": family}],
        "emailAddresses": [
            {"type": kind, "value": value}
            for kind, _colon, value in (text.partition(":") for text in addresses)
        ],
        "memberships": [
            {
                "contactGroupMembership": {
                    "contactGroupResourceName": f"contactGroups/{group}"
                }
            }
            for group in groups
        ],
        **fields,
    }
    return {key: value for key, value in found.items() if value}


CONTACTS = (
    person(
        "Carla",
        "Roth",
        "work:carla.roth@blumenhof.test",
        "home:carla@roth-garten.test",
        groups=(CUSTOMERS, "starred"),
        photo=True,
        phoneNumbers=[
            {"type": "work", "value": "+49 30 5550 1200"},
            {"type": "mobile", "value": "+49 151 5550 1201"},
        ],
        organizations=[{"name": "Blumenhof GmbH", "title": "Einkaufsleiterin"}],
        addresses=[
            {
                "type": "work",
                "streetAddress": "Gärtnerweg 8",
                "postalCode": "12345",
                "city": "Berlin",
                "country": "Germany",
                "countryCode": "DE",
            }
        ],
        birthdays=[{"date": {"year": 1984, "month": 5, "day": 17}}],
    ),
    person(
        "Jonas",
        "Weber",
        "work:info@weber-bau.test",
        "work:jonas.weber@weber-bau.test",
        groups=(CUSTOMERS,),
        organizations=[{"name": "Weber Bau", "title": "Geschäftsführer"}],
    ),
    # The address of the whole firm.
    person(
        "Petra",
        "Weber",
        "work:info@weber-bau.test",
        organizations=[{"name": "Weber Bau", "department": "Buchhaltung"}],
    ),
    person(
        "Sophie",
        "Martin",
        "work:sophie.martin@atelier-lyon.test",
        groups=(CUSTOMERS,),
        phoneNumbers=[{"type": "mobile", "value": "06 55 50 12 34"}],
        biographies=[{"value": "Prefers to be written to in French."}],
    ),
    person(
        "花子",
        "佐藤",
        "work:hanako.sato@sakura-trading.test",
        names=[
            {
                "givenName": "花子",
                "familyName": "佐藤",
                "unstructuredName": "佐藤 花子",
                "phoneticGivenName": "ハナコ",
                "phoneticFamilyName": "サトウ",
            }
        ],
        organizations=[{"name": "桜商事", "title": "購買部長"}],
    ),
    person(
        "Tom",
        "O'Hara",
        phoneNumbers=[{"type": "mobile", "value": "+353 85 555 0199"}],
        biographies=[{"value": "Driver of Harbour Foods.\nNo e-mail."}],
    ),
    {
        "organizations": [{"name": "Harbour Foods Ltd."}],
        "emailAddresses": [{"type": "work", "value": "orders@harbour-foods.test"}],
        "phoneNumbers": [{"type": "main", "value": "+353 1 555 0100"}],
        "urls": [{"type": "homePage", "value": "https://harbour-foods.test/"}],
    },
    person(
        "Ben",
        "Schulz",
        "work:ben.schulz@corp-example.test",
        groups=("coworkers",),
        nicknames=[{"value": "Benni"}],
    ),
    person(
        "Zoë",
        "Çelik",
        "work:Zoe.Celik@Anatolia-Tex.test",
        groups=("3f7c05a96b1e8d42",),
        birthdays=[{"date": {"month": 2, "day": 29}}],
    ),
    {"organizations": [{"name": "Messe Nord"}]},
    person("Marek", "Nowak", "Invoices:marek.nowak@drewex.test", groups=(CUSTOMERS,)),
)


class Writer:
    """Writes mail for one account, with its own random numbers."""

    def __init__(self, store, account):
        self.store = store
        self.account = account
        self.random = random.Random(f"seed {account.email}")
        self.me = (account.name, account.email)
        self.count = 0

    def message(self, sender, to, subject, when, *, cc=(), parent=None):
        message = EmailMessage()
        message["From"] = email.utils.formataddr(sender)
        message["To"] = ", ".join(email.utils.formataddr(person) for person in to)
        if cc:
            message["Cc"] = ", ".join(email.utils.formataddr(person) for person in cc)
        message["Subject"] = subject
        message["Date"] = email.utils.formatdate(when)
        self.count += 1
        domain = sender[1].partition("@")[2]
        local = self.account.email.partition("@")[0]
        message["Message-ID"] = f"<{self.count}.{local}.{int(when)}@{domain}>"
        if parent is not None:
            message["In-Reply-To"] = parent["Message-ID"]
            earlier = parent["References"] or ""
            message["References"] = f"{earlier} {parent['Message-ID']}".strip()
        return message

    def paragraphs(self, number):
        return [
            self.random.choice(SENTENCES).format(n=self.random.randint(2, 48))
            for _ in range(number)
        ]

    def store_message(self, message, when, labels, thread=None):
        return self.store.add(
            self.account,
            message.as_bytes(),
            labels,
            date=when,
            thread_id=thread,
            record=False,
        )

    def conversation(self, when, labels=()):
        rnd = self.random
        other = rnd.choice(PEOPLE)
        numbers = {"n": rnd.randint(2, 48), "o": rnd.randint(10000, 99999)}
        subject = rnd.choice(SUBJECTS).format(**numbers)
        length = rnd.choice((1, 2, 2, 3, 3, 4, 5, 7))
        parent, thread, quoted = None, None, []
        mine = rnd.random() < 0.3
        for _step in range(length):
            if when > self.store.now():
                break
            sender, to = (self.me, other) if mine else (other, self.me)
            title = subject if parent is None else f"Re: {subject}"
            cc = [rnd.choice(PEOPLE)] if rnd.random() < 0.15 else ()
            message = self.message(sender, [to], title, when, cc=cc, parent=parent)
            words = self.paragraphs(rnd.randint(1, 4))
            self.write(message, to, sender, words, quoted, rnd.random())
            put = {"SENT"} if mine else {"INBOX", *labels}
            if not mine and when > self.store.now() - 3 * 86400 and rnd.random() < 0.6:
                put.add("UNREAD")
            if rnd.random() < 0.05:
                put.add("STARRED")
            stored = self.store_message(message, when, put, thread)
            thread = stored.thread_id
            parent, quoted = message, words + [f"> {line}" for line in quoted]
            when += rnd.randint(1200, 2 * 86400)
            mine = not mine if rnd.random() < 0.85 else mine

    def write(self, message, to, sender, words, quoted, chance):
        greeting = f"Hello {to[0].split()[0]},"
        lines = [greeting, "", *words, "", "Kind regards", sender[0]]
        quote = [f"> {line}" for line in quoted]
        message.set_content("\n".join(lines + ([""] + quote if quote else [])) + "\n")
        if chance < 0.6:
            body = "".join(f"<p>{line}</p>" for line in [greeting, *words])
            tail = "".join(f"<p>{line}</p>" for line in quoted)
            block = f"<blockquote>{tail}</blockquote>" if tail else ""
            message.add_alternative(
                f"<div style='font-family:sans-serif'>{body}<p>Kind regards<br>"
                f"<b>{sender[0]}</b></p>{block}</div>",
                subtype="html",
            )
        if chance < 0.08:
            message.add_attachment(
                pdf("Offer"), "application", "pdf", filename="Angebot Übersicht.pdf"
            )
        elif chance < 0.14:
            message.add_attachment(
                b"part;pieces\nseat;12\nleg;48\n",
                "text",
                "csv",
                filename="parts.csv",
            )
        elif chance < 0.2:
            message.add_attachment(
                png(160, 90, 40), "image", "png", filename="sample-oak.png"
            )
        elif chance > 0.97:
            message.add_attachment(
                b"PK\x03\x04" + bytes(200),
                "application",
                "vnd.openxmlformats-officedocument.wordprocessingml.document",
                filename="договор.docx",
            )

    def newsletter(self, when):
        name, address, subject = self.random.choice(NEWS)
        message = self.message((name, address), [self.me], subject, when)
        message["List-Unsubscribe"] = f"<mailto:leave@{address.partition('@')[2]}>"
        message["Precedence"] = "bulk"
        message.set_content(f"{subject}\n\nRead it on our page.\n")
        stories = "".join(
            "<tr><td style='padding:12px;border-bottom:1px solid #ddd'>"
            f"<img src='https://cdn.news.test/{number}.jpg' width=120 alt=''>"
            f"<h3 style='color:#234'>Story {number}</h3><p>{self.paragraphs(1)[0]}</p>"
            "<a href='https://news.test/read'>Read more</a></td></tr>"
            for number in range(1, 4)
        )
        message.add_alternative(
            "<html><head><style>h3{margin:0}</style></head>"
            "<body style='background:#f4f4f4'><table width=600 align=center"
            f" bgcolor='#ffffff'><tr><td><h1>{name}</h1></td></tr>{stories}</table>"
            f"<img src='https://track.news.test/o.gif?u={when}' width=1 height=1>"
            "</body></html>",
            subtype="html",
        )
        labels = {"INBOX", "UNREAD"}
        if name == "Cloud Desk":
            labels.add("CATEGORY_PROMOTIONS")
        self.store_message(message, when, labels)

    def invitation(self, when):
        other = self.random.choice(PEOPLE)
        message = self.message(other, [self.me], "Invitation: project meeting", when)
        message.set_content("You are invited to the project meeting.\n")
        message.add_attachment(
            (
                "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
                f"UID:{int(when)}@meet.test\r\nDTSTAMP:20261101T080000Z\r\n"
                "DTSTART:20261203T090000Z\r\nDTEND:20261203T100000Z\r\n"
                f"ORGANIZER:mailto:{other[1]}\r\nSUMMARY:Project meeting\r\n"
                "END:VEVENT\r\nEND:VCALENDAR\r\n"
            ).encode(),
            "text",
            "calendar",
            params={"method": "REQUEST"},
            filename="invite.ics",
        )
        self.store_message(message, when, {"INBOX"})

    def bounce(self, when):
        daemon = ("Mail Delivery Subsystem", "mailer-daemon@googlemail.com")
        message = self.message(
            daemon, [self.me], "Delivery Status Notification (Failure)", when
        )
        message["Auto-Submitted"] = "auto-replied"
        message.set_content("The address nobody@gone.test was not found.\n")
        message.make_mixed()
        message.set_type("multipart/report")
        message.set_param("report-type", "delivery-status")
        fields = email.message_from_string(
            "Reporting-MTA: dns; googlemail.com\n\nFinal-Recipient: rfc822;"
            " nobody@gone.test\nAction: failed\nStatus: 5.1.1\n"
        )
        report = EmailMessage()
        report["Content-Type"] = "message/delivery-status"
        report.set_payload([fields])
        message.attach(report)
        self.store_message(message, when, {"INBOX"})

    def picture(self, when):
        """A message whose picture stands in the text by its Content-ID."""
        other = self.random.choice(PEOPLE)
        message = self.message(other, [self.me], "Photo of the damaged leg", when)
        message.set_content("See the photo.\n")
        message.add_alternative(
            "<p>See the photo:</p><p><img src='cid:photo1' alt='leg'></p>",
            subtype="html",
        )
        message.get_payload()[1].add_related(
            png(200, 60, 60), "image", "png", cid="<photo1>", filename="leg.png"
        )
        self.store_message(message, when, {"INBOX", "UNREAD"})

    def hidden(self, when):
        """What must not come in: spam, trash and a draft."""
        spam = self.message(
            ("Prize", "win@prize.test"), [self.me], "You have won", when
        )
        spam.set_content("Click here.\n")
        self.store_message(spam, when, {"SPAM", "UNREAD"})
        gone = self.message(PEOPLE[1], [self.me], "Thrown away", when)
        gone.set_content("Not needed.\n")
        self.store_message(gone, when, {"TRASH"})
        draft = self.message(self.me, [PEOPLE[2]], "Not finished", when)
        draft.set_content("I wanted to\n")
        self.store_message(draft, when, {"DRAFT"})


def fill(store):
    """Fill the accounts: Anna's whole mailbox, a little for the others."""
    for address, conversations in (
        ("anna.keller@corp-example.test", CONVERSATIONS),
        ("anna.private@gmail.com", 20),
        ("ben.schulz@corp-example.test", 20),
        ("support@corp-example.test", 10),
    ):
        account = store.accounts[address]
        writer = Writer(store, account)
        account.labels["Label_customers"] = "Customers"
        account.labels["Label_fair"] = "Trade fair/2026"
        begin = store.now() - DAYS * 86400
        pause = DAYS * 86400 / (conversations + 1)
        for number in range(conversations):
            labels = ("Label_customers",) if number % 7 == 0 else ()
            writer.conversation(begin + number * pause, labels)
        for number in range(conversations // 5):
            when = begin + number * pause * 5 + 1800
            if number % 10 == 7:
                writer.bounce(when)
            elif number % 5 == 3:
                writer.invitation(when)
            elif number % 5 == 4:
                writer.picture(when)
            else:
                writer.newsletter(when)
        writer.hidden(store.now() - 86400)
    anna = store.accounts["anna.keller@corp-example.test"]
    for group, name in GROUPS.items():
        contacts.add_group(store, anna, group, name)
    for someone in CONTACTS:
        contacts.add(store, anna, someone)
