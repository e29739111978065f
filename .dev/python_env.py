"""The virtual environment, built from the pinned constraints file."""

import shutil
import subprocess
import sys

from console import Problem, run, say
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
    done = subprocess.run(
        [interpreter, "-m", "pip", "install", "--disable-pip-version-check"]
        + ["--no-warn-script-location", "-r", CONSTRAINTS, "-q"],
        stdout=sys.stderr,
    )
    if done.returncode:
        raise Problem(
            "pip could not install .dev/constraints.txt. Check the network and pip's "
            "own configuration, then run again: what is installed is kept."
        )
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    (folder / ".complete").touch()
