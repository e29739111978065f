"""Batches: many calls of the Gmail API in one HTTP request.

Google's batch guide: parts are ``application/http``; the answer to the part with
Content-ID ``<x>`` carries ``<response-x>``. Parts are matched by that id alone, since
an answer may lack one. ``BatchHttpRequest`` of google-api-python-client replays
rejected parts by itself and fails as a whole on a missing one, hence this module.
"""

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BOUNDARY = re.compile(rb'boundary\s*=\s*(?:"([^"]{1,200})"|([^\s;]{1,200}))', re.I)
CONTENT_ID = re.compile(rb"^content-id\s*:\s*<?response-([\w-]+)>?\s*$", re.I | re.M)
STATUS = re.compile(rb"HTTP/\d(?:\.\d)?\s+(\d{3})[^\r\n]*")
END_OF_HEAD = re.compile(rb"\r?\n[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one part."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def is_whole(self):
        """Whether the body is as long as its head says."""
        length = self.headers.get("content-length", "")
        return not length.isdigit() or len(self.body) >= int(length)


def encode(calls):
    """Return (content type, body) of a batch of GET requests.

    :param calls: {id: (address, access token or None)}; ids are words with hyphens. A
        part's Authorization "applies only to that call" (batch guide).
    """
    boundary = f"batch_{secrets.token_hex(12)}"
    lines = []
    for key, (uri, token) in calls.items():
        address = urlsplit(uri)
        path = f"{address.path}?{address.query}" if address.query else address.path
        lines += [
            f"--{boundary}",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            f"Content-ID: <{key}>",
            "",
            f"GET {path} HTTP/1.1",
            "Accept: application/json",
            *([f"Authorization: Bearer {token}"] if token else []),
            "",
            "",
        ]
    lines += [f"--{boundary}--", ""]
    return f"multipart/mixed; boundary={boundary}", "\r\n".join(lines).encode("ascii")


def decode(content_type, body):
    """Return {id: Part}, of the parts that are there and readable.

    :param content_type: of the answer
    :return: None when the answer is not a batch at all
    """
    match = BOUNDARY.search(content_type.encode("latin-1", "replace"))
    if not content_type.lower().lstrip().startswith("multipart/") or not match:
        return None
    delimiter = b"--" + (match[1] or match[2])
    parts = {}
    for piece in _pieces(body, delimiter):
        outer = END_OF_HEAD.search(piece)
        key = outer and CONTENT_ID.search(piece, 0, outer.end())
        status = outer and STATUS.match(piece, outer.end())
        if not key or not status:
            continue
        head_end = END_OF_HEAD.search(piece, status.end())
        head = piece[status.end() : head_end.start() if head_end else len(piece)]
        content = piece[head_end.end() :] if head_end else b""
        # Of two answers to one part, the first counts.
        parts.setdefault(
            key[1].decode("ascii", "replace"),
            Part(int(status[1]), _headers(head), content),
        )
    return parts


def _pieces(body, delimiter):
    """Yield what stands between the delimiters, each at the start of a line."""
    start, position = None, 0
    while True:
        found = body.find(delimiter, position)
        if found < 0:
            break
        position = found + len(delimiter)
        if found and body[found - 1 : found] != b"\n":
            continue
        if start is not None:
            end = found - 1
            yield body[start : end - 1 if body[end - 1 : end] == b"\r" else end]
        if body[position : position + 2] == b"--":
            return
        line = body.find(b"\n", position)
        if line < 0:
            return
        start = line + 1
    if start is not None:
        yield body[start:]


def _headers(head):
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers
