"""The wheel holds the whole addon, in its place, with the manifest's facts."""

import ast
import email.parser
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest
from database_server import server
from odoo_server import Odoo

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
ADDON = REPOSITORY / "gmail_oauth_mailbox"
MANIFEST = ast.literal_eval((ADDON / "__manifest__.py").read_text(encoding="utf-8"))


FROM_WHEEL = """
from odoo.tools import file_open, file_path
print("PATH", file_path("gmail_oauth_mailbox/__manifest__.py"))
paths = env["ir.asset"]._get_asset_paths("web.assets_backend", {})
panel = "gmail_oauth_mailbox/static/src/panel/panel.js"
print("ASSETS", any(panel in path[0] for path in paths))
print("ICON", file_open("gmail_oauth_mailbox/static/description/icon.png", "rb").read(4)
      == b"\\x89PNG")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The built wheel, opened. Built from a copy: setuptools writes beside sources."""
    folder = tmp_path_factory.mktemp("packaging")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.rst"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, source)
    shutil.copytree(
        ADDON, source / ADDON.name, ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "-q"]
    done = subprocess.run(
        [*command, "-w", str(folder / "out"), str(source)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (path,) = (folder / "out").glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def _metadata(wheel):
    (name,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    return email.parser.Parser().parsestr(wheel.read(name).decode())


def test_every_file_of_the_addon_is_inside(wheel):
    """Each file lands below odoo/addons/gmail_oauth_mailbox, and nothing else does."""
    expected = {
        f"odoo/addons/{path.relative_to(REPOSITORY).as_posix()}"
        for path in ADDON.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == expected


def test_wheel_installs_beside_odoos_own_addons(wheel, tmp_path):
    """pip puts it where Odoo looks for addons of the environment."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q"]
    command += ["--disable-pip-version-check", "--no-warn-conflicts"]
    done = subprocess.run(
        [*command, "--target", str(tmp_path), wheel.filename],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    installed = tmp_path / "odoo" / "addons" / ADDON.name
    assert (installed / "__manifest__.py").read_text() == (
        ADDON / "__manifest__.py"
    ).read_text()


def test_odoo_runs_from_the_wheel_alone(wheel, tmp_path):
    """Installed beside an Odoo that does not know this repository, it installs into a
    database, serves its pages' assets, and finds its pictures and translations."""
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q"]
    command += ["--disable-pip-version-check", "--no-warn-conflicts"]
    subprocess.run(
        [*command, "--target", str(tmp_path), wheel.filename], check=True, timeout=300
    )
    with server() as running:
        odoo = Odoo(running)
        folders = [odoo.root / "odoo" / "addons", odoo.root / "addons"]
        folders.append(tmp_path / "odoo" / "addons")
        options = ["--addons-path", ",".join(map(str, folders))]
        with odoo.temporary(odoo.base_template(("mail",)), "wheel") as database:
            # Odoo.run raises when the log holds WARNING or above.
            odoo.run(
                database, "server", *options, "-i", ADDON.name, "--stop-after-init"
            )
            output = odoo.run(
                database, "shell", *options, "--no-http", script=FROM_WHEEL
            )
    assert f"PATH {tmp_path}" in output
    assert "ASSETS True" in output
    assert "ICON True" in output


def test_namespace_packages_stay_open(wheel):
    """No odoo/__init__.py or odoo/addons/__init__.py that would hide Odoo's own."""
    assert not {"odoo/__init__.py", "odoo/addons/__init__.py"} & set(wheel.namelist())


def test_metadata_is_the_manifests(wheel):
    """Name, version, summary and licence come from the manifest."""
    metadata = _metadata(wheel)
    assert metadata["Name"].replace("-", "_") == "odoo_addon_gmail_oauth_mailbox"
    assert metadata["Version"] == MANIFEST["version"]
    assert metadata["Summary"] == MANIFEST["summary"]
    assert MANIFEST["license"] in (
        metadata["License"] or metadata["License-Expression"]
    )


def test_requirements_are_the_manifests(wheel):
    """Each external dependency is required with a lower bound and no upper one."""
    required = {}
    for line in _metadata(wheel).get_all("Requires-Dist"):
        name, _separator, bound = line.partition(">=")
        required[name.strip()] = bound
    assert set(required) == set(MANIFEST["external_dependencies"]["python"])
    for bound in required.values():
        assert bound and not set(bound) & set("<=!~,")
