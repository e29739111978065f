"""Linking: which records an email belongs to, and what they show of it.

``facade.py`` (``gmail.linking``) is the way in. Behind it, from the top down:

* ``queue.py``: work left to do, done page by page by one scheduled action.
* ``sharing.py``: one email on all records: reads the copies, has ``lib/rules/sharing``
  decide, and brings the chatter in line.
* ``chatter.py``: writes, rewrites, and removes the entries of a record.
* ``offers.py``: asks owners before an act of somebody else shares more of their email.
* ``choices.py``: the choices of mailboxes, kept after their copies are gone.
* ``gateway.py``: in whose name Odoo's mail gateway acts, and what it may not write.
* ``moves.py``: entries and links follow records that are merged.
"""

from . import facade
