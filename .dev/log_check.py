"""Which lines of an Odoo log count as failures."""

import re

LINE = re.compile(r"^\d{4}-\d\d-\d\d \S+ \d+ (WARNING|ERROR|CRITICAL) ")
CONTINUED = re.compile(r"^(?!\d{4}-\d\d-\d\d )")

# (pattern, reason): the only lines that an installation may log at WARNING or above.
ALLOWED = (
    (
        re.compile(r"pg_trgm"),
        "the embedded PostgreSQL has no pg_trgm; Odoo works without it",
    ),
)


def failures(text):
    """The entries at WARNING or above that are not allowed, each with what follows."""
    found, entry = [], None
    for line in text.splitlines():
        if LINE.match(line):
            entry = [line]
            if not any(pattern.search(line) for pattern, _reason in ALLOWED):
                found.append(entry)
        elif entry is not None and CONTINUED.match(line):
            entry.append(line)
        else:
            entry = None
    return ["\n".join(lines) for lines in found]
