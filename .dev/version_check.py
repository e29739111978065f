"""Whether models or data changed without a new version in the manifest.

A database is updated when the version in the manifest is higher than its own. The
digest of each version is in versions.json.
"""

import ast
import json
import pathlib
import sys

from console import Problem
from places import ADDON, digest

RECORDS = pathlib.Path(".dev", "versions.json")
# Databases of these versions exist: their digests never change.
FINAL = frozenset({"19.0.1.0.0"})
CODE = ("models", "wizard")
DATA = ("data", "security")


def manifest(tree):
    """Return the manifest of the addon below a tree."""
    return ast.literal_eval((tree / ADDON / "__manifest__.py").read_text())


def watched(tree):
    """Return the files that decide what a database holds, relative to the addon."""
    addon = tree / ADDON
    found = {addon / name for name in manifest(tree).get("data", ())}
    for folder in CODE:
        found.update((addon / folder).rglob("*.py"))
    for folder in DATA:
        found.update((addon / folder).rglob("*"))
    return sorted(path.relative_to(addon) for path in found if path.is_file())


def digest_of(tree):
    """Return the digest of the watched files below a tree."""
    parts = []
    for path in watched(tree):
        parts += [path.as_posix(), (tree / ADDON / path).read_bytes()]
    return digest(*parts)


def records(tree):
    """Return {version: digest} as versions.json holds it."""
    path = tree / RECORDS
    return json.loads(path.read_text()) if path.exists() else {}


def order(version):
    """Return a version as numbers, to be compared."""
    return tuple(int(part) for part in version.split("."))


def finding(tree):
    """Return the sentence that says what is wrong, or None."""
    version, known = manifest(tree)["version"], records(tree)
    newest = max(known, key=order, default=version)
    if order(version) < order(newest):
        return (
            f"{RECORDS}: the manifest's version {version} is lower than {newest}, "
            "which is recorded. Set a higher one."
        )
    if version in known and known[version] != digest_of(tree):
        remedy = (
            ""
            if version in FINAL
            else " While the version is unreleased, `./dev lint --record` is enough."
        )
        return (
            f"{RECORDS}: models or data files differ from what was recorded for "
            f"{version}. Bump the version in __manifest__.py, and add "
            f"migrations/<version>/ when the schema or data needs it.{remedy}"
        )
    return None


def record(tree):
    """Write the digest of the watched files for the manifest's version.

    Raises Problem when the version is final.
    """
    version, known = manifest(tree)["version"], records(tree)
    if version in FINAL:
        raise Problem(
            f"Version {version} is final. Bump the version in __manifest__.py first."
        )
    known[version] = digest_of(tree)
    ordered = {name: known[name] for name in sorted(known, key=order)}
    (tree / RECORDS).write_text(json.dumps(ordered, indent=4) + "\n")
    return version


def main(tree):
    """Print the finding; returns 1 when there is one."""
    sentence = finding(tree)
    if sentence:
        print(sentence)
    return 1 if sentence else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path.cwd()))
