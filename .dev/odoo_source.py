"""Odoo 19 itself: the folder in ODOO_ROOT, or Debian's package unpacked."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

from console import Problem, follow, run, say
from places import building, cache, digest, locked

# Static files of the Odoo package are links into these packages.
UNSTABLE = (
    "odoo-19",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-roboto-unhinted",
    "fonts-montserrat",
    "fonts-inconsolata",
    "fonts-ocr-b",
    "fonts-glyphicons-halflings",
    "fonts-dejavu-core",
)
# Version 4.7; the one of unstable has other file names.
OLD_STABLE = "bookworm"
FROM_OLD_STABLE = ("fonts-font-awesome",)
PYTHON_FOLDER = pathlib.Path("usr/lib/python3/dist-packages")
# Not in the package; its absence is a console error, which fails browser tests.
MISSING_ASSET = "mail/static/lib/selfie_segmentation/selfie_segmentation.js"
INSTEAD = "or name the folder of an Odoo 19 source in ODOO_ROOT."


def root():
    """The folder that holds `odoo/` and `addons/`; fetches it when missing."""
    named = os.environ.get("ODOO_ROOT")
    if named:
        folder = pathlib.Path(named).expanduser().resolve()
        if not (folder / "odoo" / "release.py").exists():
            raise Problem(
                f"ODOO_ROOT={named} holds no odoo/release.py. Name the folder of an "
                "Odoo 19 source or unset it."
            )
        return folder
    unpacked = cache() / "odoo"
    if not unpacked.exists():
        with locked("odoo"):
            if not unpacked.exists():
                _fetch(unpacked)
    return unpacked / PYTHON_FOLDER


def key():
    """A key that changes with the Odoo version in use."""
    folder = root()
    package = cache() / "odoo" / "package.txt"
    if os.environ.get("ODOO_ROOT"):
        return digest(str(folder), (folder / "odoo" / "release.py").read_bytes())
    return digest(package.read_bytes())


def _machine_sources():
    """Yield (options, URI) of the machine's own apt entries, both notations."""
    apt = pathlib.Path("/etc/apt")
    lists = [apt / "sources.list", *sorted(apt.glob("sources.list.d/*.list"))]
    for path in lists:
        if not path.is_file():
            continue
        for line in path.read_text().splitlines():
            match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+\S+", line.strip())
            if match:
                yield match[1] or "", match[2]
    for path in sorted(apt.glob("sources.list.d/*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text()):
            fields = {
                match[1].lower(): match[2].strip()
                for match in re.finditer(r"(?m)^([A-Za-z-]+):[ \t]*(.*)$", stanza)
            }
            if fields.get("enabled", "yes") == "no" or "uris" not in fields:
                continue
            signed = fields.get("signed-by", "")
            options = f"signed-by={signed}" if signed.startswith("/") else ""
            for uri in fields["uris"].split():
                yield options, uri


def _debian_mirror():
    """The machine's own Debian mirror as (options, URI)."""
    for options, uri in _machine_sources():
        if uri.rstrip("/").endswith("/debian"):
            return options, uri
    raise Problem(
        "No Debian mirror among this machine's apt sources. Add one (a line `deb "
        f"<mirror>/debian stable main`) {INSTEAD}"
    )


def _apt_configuration(folder):
    """Write a private apt configuration; the system's own stays untouched."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise Problem(f"apt-get is not on this machine: use Debian {INSTEAD}")
    options, uri = _debian_mirror()
    prefix = f"deb [{options}] " if options else "deb "
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(
        "".join(f"{prefix}{uri} {suite} main\n" for suite in ("sid", OLD_STABLE))
    )
    settings = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled": "false",
    }
    if os.geteuid() == 0:
        # apt's own user cannot write into a home folder.
        settings["APT::Sandbox::User"] = "root"
    path = folder / "apt.conf"
    path.write_text("".join(f'{name} "{value}";\n' for name, value in settings.items()))
    return {**os.environ, "APT_CONFIG": str(path)}


def _fetch(target):
    """Download Odoo and what it links to, and unpack all of it into `target`."""
    folder = cache() / "apt"
    environment = _apt_configuration(folder)
    debs = folder / "debs"
    debs.mkdir(exist_ok=True)
    remedy = f"Check the network and the apt mirror, then run again, {INSTEAD}"
    say("reading the package lists of Debian unstable")
    run(["apt-get", "update"], remedy, env=environment, cwd=debs)
    wanted = [f"{name}/sid" for name in UNSTABLE]
    wanted += [f"{name}/{OLD_STABLE}" for name in FROM_OLD_STABLE]
    say("downloading Odoo 19 and the packages that it links to (125 MB)")
    # What is already here and whole is not downloaded again.
    follow(
        ["apt-get", "-q", "-o", "APT::Status-Fd=1", "download", *wanted],
        remedy,
        _share,
        env=environment,
        cwd=debs,
    )
    with building(target) as temporary:
        for name in UNSTABLE + FROM_OLD_STABLE:
            found = sorted(debs.glob(f"{name}_*.deb"), key=lambda p: p.stat().st_mtime)
            if not found:
                raise Problem(f"apt-get brought no {name}. {remedy}")
            say(f"unpacking {name}")
            run(["dpkg-deb", "-x", found[-1], temporary], "Free 2 GB of disk space.")
            if name == "odoo-19":
                (temporary / "package.txt").write_text(found[-1].name)
        odoo = temporary / PYTHON_FOLDER / "odoo"
        for addons in (odoo / "addons", odoo.parent / "addons"):
            asset = addons / MISSING_ASSET
            if (addons / "mail").is_dir() and not asset.exists():
                asset.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    asset.unlink()
                asset.write_text("")
    shutil.rmtree(folder, ignore_errors=True)


def _share(line):
    """How far apt-get is, from a line of its status (apt's progress-reporting.md)."""
    match = re.match(r"(dl|pm)status:[^:]*:(\d+)", line)
    if not match:
        return None
    return f"{'downloaded' if match[1] == 'dl' else 'installed'}: {match[2]} %"


def chromium():
    """Path of a Chromium; installs Debian's when the machine has none."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    by_hand = "Install it by hand: apt-get install chromium."
    if not shutil.which("apt-get"):
        raise Problem(f"The browser tests need Chromium. {by_hand}")
    prefix = []
    if os.geteuid():
        prefix = ["sudo", "-n"]
        if not shutil.which("sudo") or subprocess.call(
            [*prefix, "true"], stdout=sys.stderr, stderr=subprocess.DEVNULL
        ):
            raise Problem(f"The browser tests need Chromium, and root. {by_hand}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with locked("chromium"):
        if not shutil.which("chromium"):
            say("installing Chromium with apt-get")
            run([*prefix, "apt-get", "update"], by_hand, env=environment)
            follow(
                [*prefix, "apt-get", "install", "-y", "--no-install-recommends"]
                + ["-q", "-o", "APT::Status-Fd=1", "chromium"],
                by_hand,
                _share,
                env=environment,
            )
    found = shutil.which("chromium")
    if not found:
        raise Problem(f"Chromium is still not on the PATH. {by_hand}")
    return found
