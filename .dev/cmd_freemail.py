"""./dev freemail: bring the list of free-email domains up to date.

A domain is added when a public list has it among the common ones, or when it has it at
all and it is a country's domain of a provider that everyone knows. The rest of such
lists holds companies too, whose emails must not lose their company. Nothing is removed:
a domain that was free once still has the addresses of many people.
"""

import json
import pathlib
import re
import tarfile
import tempfile

import node_env
from console import run, say
from places import ADDON, REPOSITORY

TARGET = REPOSITORY / ADDON / "lib" / "data" / "freemail.txt"
# An npm package under the ISC license.
PACKAGE = "email-providers@2.26.0"
# Their domains are free in every country.
BRANDS = re.compile(
    r"(aol|gmx|hotmail|icloud|live|msn|outlook|proton(mail)?|yahoo|yandex)"
    r"\.[a-z]{2,3}(\.[a-z]{2})?"
)
DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
# Among the common ones all the same.
COMPANIES = frozenset(
    """
    about.com alibaba.com ancestry.com aver.com blogos.com bolt.com bt.com
    casino.com cu.cc dailypioneer.com ddnsfree.com depechemode.com detik.com
    discovery.com dmv.com dnsmadeeasy.com doityourself.com dynu.net easypost.com
    example.com f5.si facebook.com fr.nf games.com garbage.com go.com
    hamptonroads.com homestead.com islamonline.net ivillage.com kansascity.com
    looksmart.com mail-tester.com medscape.com mydomain.com name.com nus.edu.sg
    oath.com onmilwaukee.com parrot.com pp.ua privacy.net r7.com saudia.com
    scubadiving.com seanet.com singpost.com space.com swissinfo.org techspot.com
    telstra.com test.com test.de theglobe.com unican.es web.id www.com yahoofs.com
    yourdomain.com za.com zip.net zp.ua
    """.split()
)
HEADER = """\
# Domains at which anyone can have an address, one a line, in ASCII and sorted.
# Written by ./dev freemail, which keeps the lines that are here: add others by hand.
# Source besides: the npm package {package} (ISC).
"""


def main(arguments):
    """Download the list, and write the file anew; returns the exit status."""
    if arguments:
        say("./dev freemail takes no arguments")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        files = _unpacked(PACKAGE, folder)
    everything, common = (
        set(json.loads(files[name])) for name in ("all.json", "common.json")
    )
    before = _present()
    known = {domain for domain in everything if BRANDS.fullmatch(domain)}
    found = (before | common | known) - COMPANIES
    found = {domain for domain in found if DOMAIN.fullmatch(domain)}
    header = HEADER.format(package=PACKAGE)
    TARGET.write_text(header + "".join(f"{x}\n" for x in sorted(found)), "ascii")
    say(f"{len(found)} domains, {len(found - before)} of them new")
    return 0


def _present():
    lines = TARGET.read_text("ascii").splitlines() if TARGET.exists() else ()
    return {line for line in lines if line and not line.startswith("#")}


def _unpacked(package, folder):
    """Return {path: bytes} of the files in an npm package."""
    run(
        [
            node_env.node(),
            node_env.npm(),
            "pack",
            package,
            "--silent",
            "--pack-destination",
            folder,
        ],
        "Check the network and npm's own configuration, then run again.",
        cwd=folder,
    )
    [archive] = pathlib.Path(folder).glob("*.tgz")
    with tarfile.open(archive) as packed:
        files = {
            member.name.partition("/")[2]: packed.extractfile(member).read()
            for member in packed.getmembers()
            if member.isfile()
        }
    archive.unlink()
    return files
