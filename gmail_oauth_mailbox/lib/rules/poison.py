"""Which messages may have killed a worker: pure decisions.

A worker notes what it is about to read in the statement that renews its lease. When it
dies, the note outlives it, and the next worker takes what the note names one at a time,
each noted before it is downloaded and before it is read. A message that was alone in
work at two deaths has failed. A worker may be killed for any reason, so a death counts
only against what was alone.

A note is a dict, as JSON holds it: ``{"lane": …}`` while it isn't known what is read,
with ``"ids"`` for messages that are read together, with ``"stage"`` too for one that is
alone. What earlier deaths left is a dict with ``"weights"`` and ``"windows"``.
"""

from dataclasses import dataclass, field

# What a death counts against the message that was alone in work then. Its text is read
# in the second stage; a download takes longer, so that a kill strikes it more often.
WEIGHTS = {"download": 1, "read": 2}
# Two deaths while it was read, or four while it was downloaded.
FATAL = 4
# Failed once, and asked for again by hand: one more death is enough.
AGAIN = FATAL - WEIGHTS["read"]
# Deaths are noted as long as nobody could look at them.
MAX_NOTES = 50


@dataclass
class Suspicion:
    """What may have killed workers of a mailbox.

    :ivar weights: {id: what its deaths alone in work count}
    :ivar windows: {lane: the ids that were in work together, or None for all that the
        lane reads until it has nothing left}
    """

    weights: dict = field(default_factory=dict)
    windows: dict = field(default_factory=dict)

    @classmethod
    def load(cls, notes):
        """Return what follows from the notes of workers that died.

        :param notes: list of dict, oldest first; the first may be what ``dump`` gave

        >>> Suspicion.load([{"lane": "new", "ids": ["a"], "stage": "read"}]).weights
        {'a': 2}
        """
        found = cls()
        for note in notes or ():
            found._add(note)
        return found

    def _add(self, note):
        if "weights" in note:
            self.weights.update(note["weights"])
            for lane, ids in note["windows"].items():
                self._widen(lane, ids)
        elif "stage" in note:
            for gmail_id in note["ids"]:
                weight = self.weights.get(gmail_id, 0)
                self.weights[gmail_id] = weight + WEIGHTS.get(note["stage"], 1)
        else:
            self._widen(note.get("lane", "new"), note.get("ids"))

    def _widen(self, lane, ids):
        if ids is None or self.windows.get(lane, ()) is None:
            self.windows[lane] = None
        else:
            self.windows[lane] = {*self.windows.get(lane, ()), *ids}

    def dump(self):
        """Return what is left as notes, or None when nothing is."""
        if not self:
            return None
        windows = {
            lane: None if ids is None else sorted(ids)
            for lane, ids in self.windows.items()
        }
        return [{"weights": dict(self.weights), "windows": windows}]

    def __bool__(self):
        return bool(self.weights or self.windows)

    def is_suspect(self, lane, gmail_id):
        """Return whether a message is taken alone."""
        return (
            gmail_id in self.weights
            or self.windows.get(lane, ()) is None
            or any(gmail_id in (ids or ()) for ids in self.windows.values())
        )

    def is_fatal(self, gmail_id):
        """Return whether a message has killed workers."""
        return self.weights.get(gmail_id, 0) >= FATAL

    def in_order(self, ids):
        """Return ids with those first that are least suspect.

        >>> Suspicion({"a": 2}).in_order(["a", "b"])
        ['b', 'a']
        """
        return sorted(ids, key=lambda gmail_id: self.weights.get(gmail_id, 0))

    def suspect_again(self, gmail_id):
        """A message that has failed is asked for once more."""
        self.weights[gmail_id] = max(AGAIN, self.weights.get(gmail_id, 0))

    def clear(self, gmail_id):
        """A message was read, has failed, or does not exist."""
        self.weights.pop(gmail_id, None)
        for ids in self.windows.values():
            if ids is not None:
                ids.discard(gmail_id)

    def clear_lane(self, lane):
        """A lane has read all that there was."""
        self.windows.pop(lane, None)
