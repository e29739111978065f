"""Names of files as strangers write them.

Sources: Unicode Standard Annex 9 (marks that turn the direction of a text), RFC 2183
(a name says nothing about a folder), POSIX (255 bytes of a name).
"""

import re

# What shows a name otherwise than it is: marks of direction, signs without a width,
# controls, halves of a pair. Joiners (U+200C, U+200D) belong to scripts and emoji.
HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
OF_FOLDERS = re.compile(r"(?:\.{0,2}[/\\])+")
MAX_BYTES = 255
# Of what follows the last dot; more is no extension.
MAX_EXTENSION = 16
MAX_READ = 10_000


def file_name(written, other="attachment"):
    """Return a name of a file that is what it looks like, in 255 bytes at most.

    :param written: str
    :param other: the name of a file that has none

    >>> file_name("invoice\\u202efdp.exe"), file_name("../../etc/passwd")
    ('invoicefdp.exe', '_etc_passwd')
    >>> file_name("a" * 300 + ".pdf")[-5:], file_name(" . ", "image.png")
    ('a.pdf', 'image.png')
    """
    name = HIDDEN.sub("", (written or "")[:MAX_READ].replace("\n", " "))
    name = OF_FOLDERS.sub("_", name)
    name = " ".join(name.split()).strip(". ")
    if not name.strip("_"):
        return other
    return _shortened(name)


def _shortened(name):
    """Return a name cut before its extension."""
    if len(name.encode()) <= MAX_BYTES:
        return name
    stem, dot, extension = name.rpartition(".")
    if not stem or len(extension.encode()) > MAX_EXTENSION:
        stem, dot, extension = name, "", ""
    ending = f"{dot}{extension}"
    room = MAX_BYTES - len(ending.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(". ") + ending
