"""Which domains are no company's: free ones, and public suffixes."""

import re

import pytest

from odoo.addons.gmail_oauth_mailbox.lib.domains import (
    FREE_DOMAINS,
    free_domains,
    is_freemail,
    is_public_suffix,
    is_shared,
)

WELL_KNOWN = """
    126.com 163.com aol.com fastmail.com free.fr gmail.com gmx.de gmx.net
    googlemail.com hey.com hotmail.co.uk hotmail.com icloud.com laposte.net libero.it
    live.com mac.com mail.ru mailbox.org me.com msn.com naver.com o2.pl orange.fr
    outlook.com pm.me posteo.de proton.me protonmail.com qq.com rediffmail.com seznam.cz
    t-online.de terra.com.br tuta.com uol.com.br web.de wp.pl yahoo.co.jp yahoo.co.uk
    yahoo.com yandex.ru ymail.com zoho.com
""".split()
COMPANIES = """
    adobe.com alibaba.com amazon.com apple.com bbc.co.uk bosch.com bt.com cisco.com
    deloitte.com discovery.com example.com facebook.com github.com google.com
    harvard.edu hp.com ibm.com intel.com microsoft.com netflix.com nokia.com odoo.com
    oracle.com paypal.com salesforce.com samsung.com sap.com saudia.com shell.com
    siemens.com sony.com telekom.de telstra.com test.com toyota.com unican.es
    verizonwireless.com vodafone.com
""".split()


def test_the_list_is_in_order():
    lines = FREE_DOMAINS.read_text("ascii").splitlines()
    domains = [line for line in lines if not line.startswith("#")]
    assert domains == sorted(set(domains)) and set(domains) == free_domains()
    assert len(domains) > 400
    for domain in domains:
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain), domain


@pytest.mark.parametrize("domain", WELL_KNOWN)
def test_well_known_ones_are_free(domain):
    assert is_freemail(domain) and is_freemail(f"{domain.upper()}.")


@pytest.mark.parametrize("domain", COMPANIES)
def test_companies_are_not(domain):
    assert not is_freemail(domain) and not is_shared(domain)


@pytest.mark.parametrize(
    "domain",
    "com co.uk com.au k12.ca.us github.io kawasaki.jp 公司.cn xn--55qx5d.cn".split(),
)
def test_public_suffixes_are_nobodys(domain):
    assert is_public_suffix(domain) and is_shared(domain)
    assert not is_public_suffix(f"customer.{domain}") or domain == "kawasaki.jp"


def test_what_is_no_domain_is_no_suffix():
    assert not is_public_suffix("") and not is_public_suffix("a." * 500_000)
