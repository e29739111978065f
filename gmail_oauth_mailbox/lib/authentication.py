"""Whether Gmail vouches for the sender of a message.

Gmail writes Authentication-Results (RFC 8601) on top of what arrives from outside. A
domain with a DMARC record (RFC 7489) is its sender's when DMARC passed; without one,
when DKIM or SPF passed for that very domain.
"""

import re

from .domains import is_public_suffix
from .mime.addresses import ascii_domain, domain_of

GOOGLE = frozenset({"mx.google.com", "google.com"})
METHOD = re.compile(r"\s*([a-z0-9-]+)(?:/[0-9]+)?\s*=\s*([a-z]+)\b")
PROPERTY = re.compile(r"([a-z]+)\.([a-z-]+)\s*=\s*([^\s]+)")
# Stands for what was quoted: no method, no domain, no separator.
OPAQUE = "\0"


def is_authentic(results, address, workspace=None):
    """Whether a message is from the domain that its From address names.

    :param results: text of the topmost Authentication-Results, or ""
    :param address: of From
    :param workspace: the Google Workspace domain of the mailbox that holds it, or None:
        mail within one carries no results
    :return: False for whatever cannot be read
    """
    domain = domain_of(address)
    if not domain:
        return False
    if not (results or "").strip():
        return bool(workspace) and domain == ascii_domain(workspace)
    bare = _bare(results.lower())
    if bare is None:
        return False
    server, *methods = bare.split(";")
    if (server.split() or [""])[0] not in GOOGLE:
        return False
    found = [entry for entry in map(_method, methods) if entry]
    dmarc = [(result, values) for name, result, values in found if name == "dmarc"]
    if dmarc and any(result != "none" for result, _values in dmarc):
        return all(
            result == "pass" and _covers(values.get("header.from"), domain)
            for result, values in dmarc
        )
    return any(
        result == "pass" and domain in _domains(name, values)
        for name, result, values in found
    )


def _method(text):
    match = METHOD.match(text)
    if not match:
        return None
    # The first of two is the one that other readers take.
    values = {}
    for kind, name, value in PROPERTY.findall(text[match.end() :]):
        values.setdefault(f"{kind}.{name}", value)
    return match[1], match[2], values


def _domains(method, values):
    """Return the domains that a result of DKIM or SPF vouches for."""
    if method == "dkim":
        names = (values.get("header.d"), values.get("header.i"))
    elif method == "spf":
        names = (values.get("smtp.mailfrom"),)
    else:
        return ()
    return [ascii_domain(name.rpartition("@")[2]) for name in names if name]


def _covers(policy, domain):
    """Whether a DMARC policy is that of the domain, or of one above it."""
    policy = ascii_domain(policy or "")
    if not policy or is_public_suffix(policy):
        return False
    return domain == policy or domain.endswith(f".{policy}")


def _bare(text):
    """Return a structured header without comments, its quoted strings opaque; None
    when one does not end (RFC 5322, 3.2.2 and 3.2.4)."""
    parts, depth, quoted, escaped = [], 0, False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\" and (quoted or depth):
            escaped = True
        elif quoted:
            quoted = character != '"'
        elif character == '"' and not depth:
            quoted = True
            parts.append(OPAQUE)
        elif character == "(":
            depth += 1
        elif character == ")":
            if not depth:
                return None
            depth -= 1
            parts.append(" ")
        elif not depth:
            parts.append(character)
    return None if depth or quoted else "".join(parts)
