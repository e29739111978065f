"""What to believe when two answers of Google contradict each other: pure decisions.

Google's answers are not one consistent view: its history names a message that
messages.get does not know yet, a list is empty while the profile counts email. Nothing
is lost when the answer that denies is asked again. Sources: Gmail API, "Synchronize
clients with Gmail"; users.getProfile (messagesTotal); People API,
people.connections.list (totalItems, totalPeople).
"""

from datetime import timedelta

# Before each further attempt to get what one answer names and another denies: the
# first follows with the next sync, since it mostly takes seconds.
PAUSES = (
    timedelta(0),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    *[timedelta(days=1)] * 6,
)
# A share of what is stored; less than the rest may well be a person's tidying up.
NEARLY_ALL = 0.9
# A removal of so many is worth a notice, whatever share it is.
MANY = 1_000
# What is asked for by itself to check a list.
SAMPLE = 5
# Lists in a row that may be contradicted before the comparison is put off.
MAX_LISTS = 3


def pause(attempts):
    """Return how long to wait after so many attempts, or None to stop.

    >>> pause(1), pause(2)
    (datetime.timedelta(0), datetime.timedelta(seconds=30))
    >>> pause(99)
    """
    return PAUSES[attempts - 1] if 1 <= attempts <= len(PAUSES) else None


def removes_nearly_all(removed, stored):
    """Return whether a list that lacks ``removed`` of ``stored`` items needs a second
    opinion before it is believed.

    >>> removes_nearly_all(9, 10), removes_nearly_all(8, 10), removes_nearly_all(0, 0)
    (True, False, False)
    """
    return removed > 0 and removed >= NEARLY_ALL * stored


def is_bulk(removed, stored):
    """Return whether the owner reads of a removal: nearly all of several items, or
    very many.

    >>> is_bulk(2, 2), is_bulk(1, 1), is_bulk(1_000, 50_000)
    (True, False, True)
    """
    return removed >= MANY or (removed > 1 and removes_nearly_all(removed, stored))


def counts_confirm(listed, total):
    """Return whether a count of Google's own confirms a list, or None when there is no
    count.

    :param listed: items in the list
    :param total: Google's count of all of them, or None
    """
    return None if total is None else total <= listed
