"""What an address tells about who stands behind it."""

import re

FREEMAIL = frozenset(
    """
    126.com 139.com 163.com 189.cn aim.com alice.it aliyun.com aol.co.uk aol.com
    aol.de aol.fr arcor.de att.net bell.net bellsouth.net bigpond.com bigpond.net.au
    bk.ru bluewin.ch blueyonder.co.uk bol.com.br bredband.net btinternet.com
    charter.net chello.at chello.nl comcast.net cox.net cs.com daum.net duck.com
    earthlink.net email.cz email.de embarqmail.com excite.com fastmail.com
    fastmail.fm free.fr freemail.hu freenet.de frontier.com gmail.com gmx.at gmx.ch
    gmx.com gmx.de gmx.fr gmx.net googlemail.com hanmail.net hetnet.nl hey.com
    home.nl hotmail.be hotmail.ca hotmail.ch hotmail.co.jp hotmail.co.uk hotmail.com
    hotmail.com.au hotmail.com.br hotmail.de hotmail.es hotmail.fr hotmail.it
    hotmail.nl hotmail.se hushmail.com icloud.com ig.com.br inbox.lv inbox.ru
    interia.pl juno.com kabelmail.de laposte.net libero.it list.ru live.at live.be
    live.ca live.ch live.cn live.co.uk live.com live.com.au live.de live.dk live.fr
    live.it live.jp live.nl live.no live.se lycos.com mac.com mail.bg mail.com
    mail.de mail.ee mail.ru mailbox.org me.com mindspring.com mopera.net msn.com
    naver.com netscape.net neuf.fr nifty.com ntlworld.com numericable.fr o2.pl
    o2online.de onet.pl online.de optonline.net optusnet.com.au orange.fr outlook.at
    outlook.be outlook.co.uk outlook.com outlook.com.au outlook.com.br outlook.de
    outlook.dk outlook.es outlook.fr outlook.in outlook.it outlook.jp pacbell.net
    pm.me posteo.de proton.me protonmail.ch protonmail.com qq.com rambler.ru
    rediffmail.com roadrunner.com rocketmail.com rogers.com sapo.pt sbcglobal.net
    seznam.cz sfr.fr shaw.ca sina.cn sina.com sky.com skynet.be sohu.com swbell.net
    sympatico.ca t-online.de talktalk.net telenet.be telus.net terra.com.br terra.es
    tin.it tiscali.co.uk tiscali.it tuta.com tutanota.com tutanota.de ukr.net
    uol.com.br upcmail.nl verizon.net virgilio.it virgin.net virginmedia.com
    wanadoo.fr wanadoo.nl web.de windowslive.com windstream.net wp.pl xs4all.nl
    xtra.co.nz ya.ru yahoo.at yahoo.be yahoo.ca yahoo.ch yahoo.co.id yahoo.co.in
    yahoo.co.jp yahoo.co.kr yahoo.co.nz yahoo.co.uk yahoo.com yahoo.com.ar
    yahoo.com.au yahoo.com.br yahoo.com.mx yahoo.com.sg yahoo.com.tw yahoo.de
    yahoo.dk yahoo.es yahoo.fr yahoo.gr yahoo.ie yahoo.in yahoo.it yahoo.nl yahoo.no
    yahoo.pl yahoo.ro yahoo.se yandex.com yandex.ru yeah.net ymail.com ziggo.nl
    zoho.com zohomail.com zonnet.nl
    """.split()
)
ROLES = frozenset(
    """
    abuse accounting accounts admin administration administrator anfrage anfragen
    application applications archive auftrag bestellung bestellungen bewerbung
    billing booking bookings buchhaltung career careers commercial compras compta
    comptabilite contact contacto contato contatti customercare customerservice
    dataprotection datenschutz einkauf empfang enquiries enquiry facturacion
    facturation feedback finance hallo hello help helpdesk hostmaster hr info
    informatica information inquiry invoice invoices it jobs kontakt kundenservice
    legal mail mailbox marketing media office order orders orga parts personal post
    postmaster press presse privacy purchasing reception rechnung rechnungen
    recruiting sales sales-team sekretariat service services shop sklep staff
    support team technical technik ventas verkauf vertrieb verwaltung web webmaster
    welcome
    """.split()
)
AUTOMATED = frozenset(
    """
    alert alerts automailer autoreply bounce bounces daemon donotreply mailer
    mailer-daemon mailerdaemon nepasrepondre newsletter newsletters no-reply noreply
    notification notifications notify postmaster unsubscribe
    """.split()
)
NO_ANSWER = re.compile(r"(?:^|[._+-])(?:no|not|do-?not|dont)[._-]?reply(?:$|[._+-])")
SEPARATORS = re.compile(r"[._+-]")
DOTLESS = frozenset({"gmail.com", "googlemail.com"})


def to_ascii(domain):
    """Return a domain in lower case as DNS spells it (IDNA), or "" for none."""
    domain = (domain or "").strip().strip(".").lower()
    try:
        return domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        return ""


def domain_of(address):
    """Return the domain of an address, as ``to_ascii`` gives it.

    >>> domain_of("Carla@Müller.example")
    'xn--mller-kva.example'
    """
    _local, sign, domain = (address or "").strip().strip("<>").rpartition("@")
    return to_ascii(domain) if sign else ""


def is_freemail(domain):
    """Whether everybody can have an address of the domain: it is no company's."""
    return to_ascii(domain) in FREEMAIL


def _local(address):
    return (address or "").strip().strip("<>").rpartition("@")[0].lower()


def is_role(address):
    """Whether an address is a desk's rather than a person's.

    >>> is_role("sales@customer.example"), is_role("info.berlin@customer.example")
    (True, True)
    """
    local = _local(address)
    words = SEPARATORS.split(local)
    return local in ROLES or words[0] in ROLES or is_automated_address(address)


def is_automated_address(address):
    """Whether an address says that no person reads it.

    >>> is_automated_address("noreply+4711@shop.example")
    True
    """
    local = _local(address)
    first = local.partition("+")[0]
    return first in AUTOMATED or bool(NO_ANSWER.search(local))


def same_mailbox(one, other):
    """Whether two addresses reach one mailbox, as far as they tell: what follows a "+"
    is the owner's own, and Gmail ignores dots.

    >>> same_mailbox("anna.keller+shop@gmail.com", "annakeller@googlemail.com")
    True
    """
    return bool(one and other) and mailbox_key(one) == mailbox_key(other)


def mailbox_key(address):
    """Return what all spellings of a mailbox's address share."""
    local, domain = _local(address).partition("+")[0], domain_of(address)
    if domain in DOTLESS:
        return local.replace(".", ""), "gmail.com"
    return local, domain
