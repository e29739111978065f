"""What an address tells about who stands behind it."""

import re
from functools import cache
from pathlib import Path

from publicsuffixlist import PublicSuffixList

from .mime.addresses import MAX_DOMAIN, address_key, ascii_domain

FREE_DOMAINS = Path(__file__).parent / "data" / "freemail.txt"
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


@cache
def free_domains():
    """Return the domains at which anyone can have an address; see data/freemail.txt."""
    lines = FREE_DOMAINS.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def is_freemail(domain):
    """Whether anyone can have an address of the domain.

    >>> is_freemail("GMail.com"), is_freemail("customer.example")
    (True, False)
    """
    return ascii_domain(domain) in free_domains()


def is_public_suffix(domain):
    """Whether strangers register names below the domain, such as co.uk and github.io.

    Source: the Public Suffix List, both of its sections.

    >>> is_public_suffix("co.uk"), is_public_suffix("shop.co.uk")
    (True, False)
    """
    domain = ascii_domain(domain)
    # A longer name isn't valid, and the list is asked once for each of its labels.
    if not domain or len(domain) > MAX_DOMAIN:
        return False
    return _suffixes().is_public(domain)


def is_shared(domain):
    """Whether people who have nothing to do with each other have addresses of the
    domain, or below it: it isn't one company's."""
    return is_freemail(domain) or is_public_suffix(domain)


@cache
def _suffixes():
    return PublicSuffixList()


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


def _local(address):
    return address_key(address, gmail=False).rpartition("@")[0]
