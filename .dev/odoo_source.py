"""Odoo 19 itself: the folder in ODOO_ROOT, or Debian's package unpacked."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys

import debian
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


def _fetch(target):
    """Download Odoo and what it links to, and unpack all of it into `target`."""
    folder = cache() / "apt"
    wanted = dict.fromkeys(UNSTABLE, "sid")
    wanted |= dict.fromkeys(FROM_OLD_STABLE, debian.OLD_STABLE)
    with building(target) as temporary:
        files = debian.fetch(folder, temporary, wanted, "125 MB", INSTEAD)
        (temporary / "package.txt").write_text(files["odoo-19"])
        odoo = temporary / PYTHON_FOLDER / "odoo"
        for addons in (odoo / "addons", odoo.parent / "addons"):
            asset = addons / MISSING_ASSET
            if (addons / "mail").is_dir() and not asset.exists():
                asset.parent.mkdir(parents=True, exist_ok=True)
                with contextlib.suppress(FileNotFoundError):
                    asset.unlink()
                asset.write_text("")
    shutil.rmtree(folder, ignore_errors=True)


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
                debian.share,
                env=environment,
            )
    found = shutil.which("chromium")
    if not found:
        raise Problem(f"Chromium is still not on the PATH. {by_hand}")
    return found
