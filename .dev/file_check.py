"""What no linter of one language sees: line ends, leftovers, names, modes."""

import os
import pathlib
import re
import sys

# Folders that hold nothing of this repository: .git, caches, what is built.
SKIPPED = re.compile(r"\.(?!dev|ci)\w+|__pycache__|build|dist|.*\.egg-info")
# Blank space at the end of a line belongs to what these quote.
VERBATIM = (".eml", ".po", ".pot", ".rst")
# In two pieces: this file is checked as well.
MARKER = re.compile(rb"^(?:<<<<<<<|>>>>>>" rb">) ", re.M)


def files(tree):
    """Yield the files below `tree`, relative to it."""
    for folder, folders, names in os.walk(tree):
        folders[:] = sorted(name for name in folders if not SKIPPED.fullmatch(name))
        for name in sorted(names):
            yield pathlib.Path(folder, name).relative_to(tree)


def of_text(path, data):
    """Yield what is wrong with the content of a text file."""
    if b"\r\n" in data:
        yield "has line ends of Windows"
    if data and not data.endswith(b"\n"):
        yield "has no newline at its end"
    if data.endswith(b"\n\n"):
        yield "ends with blank lines"
    if MARKER.search(data):
        yield "holds the marker of a merge conflict"
    if path.suffix not in VERBATIM and re.search(rb"[ \t]$", data, re.M):
        yield "has blank space at the end of a line"


def of_file(tree, path):
    """Yield what is wrong with one file."""
    if path.suffix in (".orig", ".rej"):
        yield "is left over from a merge"
    if path.match("i18n/en.po"):
        yield "translates English into English"
    full = tree / path
    if not full.exists():
        yield "is a link to nowhere"
        return
    data = full.read_bytes()
    executable = bool(full.stat().st_mode & 0o100)
    if executable is not data.startswith(b"#!"):
        yield "needs both, or neither: the mode of a program and its #! line"
    if b"\0" not in data:
        yield from of_text(path, data)


def main(tree):
    """Print every finding; returns 1 when there is one."""
    findings, seen = [], {}
    for path in files(tree):
        findings += [f"{path}: {text}" for text in of_file(tree, path)]
        other = seen.setdefault(str(path).lower(), path)
        if other != path:
            findings.append(f"{path}: differs from {other} in its capitals only")
    print("\n".join(findings))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path.cwd()))
