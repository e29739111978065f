"""The virtual environment, built from the pinned constraints file."""

import shutil
import sys

from console import follow, run, say
from places import TOOLS, cache, digest, locked

CONSTRAINTS = TOOLS / "constraints.txt"


def key():
    """The environment's key: the pins and the Python version."""
    return digest(CONSTRAINTS.read_bytes(), sys.version)


def python():
    """Path of the environment's interpreter; builds the environment when missing."""
    folder = cache() / "venv" / key()
    interpreter = folder / "bin" / "python"
    if (folder / ".complete").exists():
        return interpreter
    with locked("venv"):
        if not (folder / ".complete").exists():
            _build(folder, interpreter)
    return interpreter


class _Progress:
    """Counts the packages that pip names."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.count = 0

    def __call__(self, line):
        if line.startswith("Collecting "):
            self.count += 1
            return f"{min(self.count, self.wanted)} of {self.wanted} packages fetched"
        if line.startswith("Installing collected"):
            return "unpacking them"
        return None


def _build(folder, interpreter):
    """Make the environment; packages that a broken run has installed are kept."""
    say("installing the pinned Python packages")
    if not interpreter.exists():
        shutil.rmtree(folder, ignore_errors=True)
        run(
            [sys.executable, "-m", "venv", folder],
            "Install the venv module of Python (on Debian: apt-get install "
            "python3-venv) and run again.",
        )
    wanted = CONSTRAINTS.read_text().count("==")
    follow(
        [interpreter, "-m", "pip", "install", "--disable-pip-version-check"]
        + ["--no-warn-script-location", "--progress-bar", "off", "-r", CONSTRAINTS],
        "Check the network and pip's own configuration, then run again: what is "
        "downloaded is kept.",
        _Progress(wanted),
    )
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    (folder / ".complete").touch()
