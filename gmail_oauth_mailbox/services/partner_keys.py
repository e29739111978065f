"""Contacts in Odoo by the keys of their addresses; see lib/mime/addresses.

A column of keys on res_partner would cost every write of a contact, and a database that
isn't updated yet would lack it. Most addresses are their own key. Indexes find Gmail's
without their dots, and the few that hold more than plain ASCII, whose keys Python
computes.
"""

from odoo.tools import SQL

from ..lib.mime.addresses import GMAIL_DOMAINS, address_key, spellings, unicode_domain

# These are the expressions of the indexes in models/res_partner.
GMAIL = SQL("split_part(p.email_normalized, '@', 2) IN ('gmail.com', 'googlemail.com')")
DOTLESS = SQL("replace(split_part(p.email_normalized, '@', 1), '.', '')")
ODD = SQL("p.email_normalized ~ '[^!-~]|[.]$'")
# Of these no list of spellings says how they are written: invisible and combining
# characters, full-width ones, a final dot.
UNLISTED = SQL(
    "p.email_normalized ~"
    " '[\\u00ad\\u0300-\\u036f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f\\u3002"
    "\\ufeff\\uff00-\\uffef[:space:]]|[.]$'"
)
# Not the partner of an internal user, who writes their own email address.
OUTSIDE = SQL(
    "NOT EXISTS (SELECT FROM res_users u"
    " WHERE u.partner_id = p.id AND u.share IS NOT TRUE)"
)


def matching(addresses):
    """Return the SQL condition on a partner ``p`` whose address may be one of some.

    It lets others pass: compare ``address_key(email_normalized)``.

    :param addresses: in any spelling, or keys
    """
    keys = {address_key(address) for address in addresses} - {""}
    gmail = []
    for key in keys:
        local, _at, domain = key.rpartition("@")
        if domain in GMAIL_DOMAINS:
            gmail.append(local)
    parts = [
        SQL(
            "p.email_normalized = ANY(%s)",
            sorted({one for key in keys for one in spellings(key)}),
        ),
        SQL("(%s AND %s)", ODD, UNLISTED),
    ]
    if gmail:
        parts.append(SQL("(%s AND %s = ANY(%s))", GMAIL, DOTLESS, sorted(gmail)))
    return SQL("(%s)", SQL(" OR ").join(parts))


def partner_ids(env, addresses, condition=None):
    """Return the ids of all partners with one of some addresses, readable or not.

    :param condition: SQL on the partner ``p``
    """
    keys = {address_key(address) for address in addresses} - {""}
    if not keys:
        return []
    env["res.partner"].flush_model()
    rows = env.execute_query(
        SQL(
            "SELECT p.id, p.email_normalized FROM res_partner p WHERE %s AND %s",
            matching(keys),
            condition or SQL("TRUE"),
        )
    )
    return [row_id for row_id, address in rows if address_key(address) in keys]


def key_sql(env):
    """Return the SQL of the key of a partner ``p``."""
    rows = env.execute_query(
        SQL("SELECT DISTINCT p.email_normalized FROM res_partner p WHERE %s", ODD)
    )
    odd = [address for (address,) in rows]
    return SQL(
        """
        CASE WHEN %(is_odd)s
             THEN (SELECT NULLIF(o.key, '')
                     FROM unnest(%(odd)s::text[], %(keys)s::text[]) AS o(address, key)
                    WHERE o.address = p.email_normalized)
             WHEN %(is_gmail)s THEN %(dotless)s || '@gmail.com'
             ELSE p.email_normalized END
        """,
        is_odd=ODD,
        odd=odd,
        keys=list(map(address_key, odd)),
        is_gmail=GMAIL,
        dotless=DOTLESS,
    )


def with_domain(domains):
    """Return the SQL condition on a partner ``p`` whose address has one of some
    domains, in ASCII or as it is written."""
    spelled = {one for domain in domains for one in (domain, unicode_domain(domain))}
    return SQL("split_part(p.email_normalized, '@', 2) = ANY(%s)", sorted(spelled))
