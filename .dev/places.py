"""Where things are: the repository, the cache, and the locks between commands."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import uuid

from console import say

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
TOOLS = REPOSITORY / ".dev"
ADDON = "gmail_oauth_mailbox"


def cache():
    """The cache folder, made when missing."""
    named = os.environ.get("GMAIL_OAUTH_MAILBOX_CACHE")
    if named:
        folder = pathlib.Path(named).expanduser().resolve()
    else:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / ADDON
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(name):
    """Hold a lock of the cache, so that two commands never build the same thing."""
    folder = cache() / "locks"
    folder.mkdir(exist_ok=True)
    with open(folder / name, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another ./dev command ({name})")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def building(target):
    """
    Yield a temporary folder that becomes `target` when the block succeeds.

    A block that fails or is killed leaves no `target`, so the step runs again.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f"{target.name}.building-*"):
        shutil.rmtree(left, ignore_errors=True)
    temporary = target.with_name(f"{target.name}.building-{uuid.uuid4().hex[:8]}")
    temporary.mkdir()
    try:
        yield temporary
        os.rename(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def digest(*parts):
    """Twelve hexadecimal digits for texts and bytes, in their order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


def addon_digest():
    """The addon's files as a key: changes whenever one of them changes."""
    parts = []
    for path in sorted((REPOSITORY / ADDON).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            parts += [str(path.relative_to(REPOSITORY)), path.read_bytes()]
    return digest(*parts)
