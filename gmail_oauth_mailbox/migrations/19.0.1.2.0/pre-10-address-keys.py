"""What is stored by address is found by the key of the address from 19.0.1.2.0; see
lib/mime/addresses.

Most addresses are their own key. The others are Gmail's, those with internationalized
domains, and those with more around them than an address.
"""

from odoo.tools import SQL
from odoo.tools.sql import column_exists, create_column, table_exists

from odoo.addons.gmail_oauth_mailbox.lib.mime.addresses import address_key, ascii_domain

# Addresses at once.
MAX_ROWS = 10_000
OWN_KEY = r"^[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)+$"
GMAIL = ["gmail.com", "googlemail.com"]


def migrate(cr, version):
    """Fill the new columns, and rename what names an address."""
    _fill(cr, "gmail_participant", "address", "address_key")
    _fill(cr, "gmail_contact", "email", "email_key")
    cr.execute("DROP INDEX IF EXISTS gmail_participant__address_index")
    _rename_ways(cr)
    _rename_senders(cr)
    _rename_entries(cr)


def _fill(cr, table, name, key):
    """Fill a column of keys from the column of addresses."""
    if column_exists(cr, table, key):
        return
    create_column(cr, table, key, "varchar")
    names = {
        "table": SQL.identifier(table),
        "name": SQL.identifier(name),
        "key": SQL.identifier(key),
    }
    cr.execute(
        SQL(
            """
            UPDATE %(table)s SET %(key)s = %(name)s
             WHERE %(name)s ~ %(own)s AND split_part(%(name)s, '@', 2) <> ALL(%(gmail)s)
            """,
            own=OWN_KEY,
            gmail=GMAIL,
            **names,
        )
    )
    cr.execute(
        SQL(
            """
            SELECT DISTINCT %(name)s FROM %(table)s
             WHERE %(key)s IS NULL AND %(name)s <> ''
            """,
            **names,
        )
    )
    addresses = [address for (address,) in cr.fetchall()]
    for start in range(0, len(addresses), MAX_ROWS):
        page = addresses[start : start + MAX_ROWS]
        cr.execute(
            SQL(
                """
                UPDATE %(table)s t SET %(key)s = x.key
                  FROM unnest(%(page)s, %(keys)s) AS x(name, key)
                 WHERE t.%(key)s IS NULL AND t.%(name)s = x.name AND x.key <> ''
                """,
                page=page,
                keys=list(map(address_key, page)),
                **names,
            )
        )


def _way(key):
    """Return the key of a way as it is written now."""
    kind, colon, value = key.partition(":")
    if kind == "address":
        value = address_key(value)
    elif kind in ("domain", "own"):
        value = ascii_domain(value)
    return f"{kind}{colon}{value}"


def _rename_ways(cr):
    """Have ways, and what names them, keep what owners have answered."""
    if not table_exists(cr, "gmail_way"):
        return
    _rename(cr, "gmail_way", "key", _way)
    _rename(cr, "gmail_offer", "way", _way, "mailbox_id")
    _rename(cr, "gmail_link", "way", _way, unique=False)


def _rename_senders(cr):
    _rename(cr, "gmail_image_sender", "address", address_key, "user_id")


def _rename_entries(cr):
    """Entries name the people on an email, for the day that one of them is erased."""

    def keys(addresses):
        return " ".join(map(address_key, addresses.split(" ")))

    _rename(cr, "gmail_entry", "addresses", keys, unique=False)


def _rename(cr, table, name, rename, within=None, unique=True):
    """Rename the values of a column.

    :param within: the column that makes a value unique with it; of two rows that get
        one name there, the first stays
    :param unique: whether there is a second row to think of at all
    """
    names = {"table": SQL.identifier(table), "name": SQL.identifier(name)}
    cr.execute(
        SQL(
            "SELECT id, %(name)s, %(within)s FROM %(table)s"
            " WHERE %(name)s <> '' ORDER BY id",
            within=SQL.identifier(within) if within else SQL("NULL"),
            **names,
        )
    )
    taken, renamed, dropped = set(), [], []
    rows = cr.fetchall()
    # Those that keep their name come first.
    rows = sorted(rows, key=lambda row: rename(row[1]) != row[1])
    for row_id, value, place in rows:
        new = rename(value)
        if unique and (place, new) in taken:
            dropped.append(row_id)
            continue
        taken.add((place, new))
        if new != value:
            renamed.append((row_id, new))
    if dropped:
        cr.execute(
            SQL("DELETE FROM %s WHERE id = ANY(%s)", SQL.identifier(table), dropped)
        )
    if renamed:
        ids, values = map(list, zip(*renamed, strict=True))
        cr.execute(
            SQL(
                """
                UPDATE %(table)s t SET %(name)s = x.value
                  FROM unnest(%(ids)s, %(values)s) AS x(id, value) WHERE x.id = t.id
                """,
                ids=ids,
                values=values,
                **names,
            )
        )
