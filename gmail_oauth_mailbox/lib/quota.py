"""Google's quota units: what calls cost, and what the last minute has used.

Sources: Gmail API, "Usage limits". Projects that used the API between November 2025
and April 2026 keep the limits from before May 2026.
"""

from dataclasses import dataclass, field, replace

SPAN = 60
# Seconds by which the clocks of two hosts may differ.
SKEW = 5


@dataclass(frozen=True)
class Profile:
    """Limits of a kind of Google project, in units."""

    user_per_minute: int
    project_per_minute: int
    per_day: int | None
    costs: dict = field(repr=False)

    def cost(self, method):
        """Return the units of a method of the discovery document."""
        return self.costs.get(method.removeprefix("gmail.users."), 5)


COMMON = {
    "getProfile": 1,
    "labels.list": 1,
    "labels.get": 1,
    "history.list": 2,
    "messages.list": 5,
    "threads.list": 10,
    "messages.send": 100,
    "settings.sendAs.list": 1,
    "drafts.create": 10,
    "drafts.get": 20,
    "drafts.send": 100,
    "drafts.update": 15,
    "messages.batchModify": 50,
    "messages.delete": 10,
    "messages.import": 25,
    "messages.insert": 25,
    "messages.trash": 20,
    "stop": 50,
    "watch": 100,
}
PROFILES = {
    "new": Profile(
        6_000,
        1_200_000,
        80_000_000,
        {
            **COMMON,
            "messages.get": 20,
            "threads.get": 40,
            "messages.attachments.get": 20,
        },
    ),
    "legacy": Profile(
        15_000,
        1_200_000,
        None,
        {
            **COMMON,
            "messages.get": 5,
            "threads.get": 10,
            "messages.attachments.get": 5,
        },
    ),
}
# For benchmarks against a stand-in: nothing is held back.
PROFILES["unmetered"] = replace(
    PROFILES["new"],
    user_per_minute=10**9,
    project_per_minute=10**9,
    per_day=None,
)


class Window:
    """The units of the last minute, in slots of a second.

    Whoever spends no more than ``room`` never exceeds the ceiling in any span of 60
    seconds. The clock is passed in, as Unix time. Clocks of two hosts may differ a
    little; what lies further in the future, since a clock was put back, does not count.
    """

    def __init__(self, slots=None):
        self._slots = slots or {}

    @classmethod
    def load(cls, data, now):
        """Return what ``dump`` gave; anything else is an empty window."""
        try:
            slots = {int(second): int(units) for second, units in data.items()}
        except (TypeError, ValueError, OverflowError, AttributeError):
            slots = {}
        window = cls(slots)
        window._forget(now)
        return window

    def _forget(self, now):
        first, last, slots = int(now) - SPAN, int(now), {}
        for second, units in self._slots.items():
            if first <= second <= last + SKEW and units > 0:
                second = min(second, last)
                slots[second] = slots.get(second, 0) + units
        self._slots = slots

    def used(self, now):
        """Return the units of the last 60 to 61 seconds."""
        self._forget(now)
        return sum(self._slots.values())

    def room(self, now, ceiling):
        """Return how many units may be spent now."""
        return max(0, ceiling - self.used(now))

    def add(self, now, units):
        """Note units spent, or, below 0, given back: of those spent last."""
        self._forget(now)
        if units > 0:
            self._slots[int(now)] = self._slots.get(int(now), 0) + units
            return
        for second in sorted(self._slots, reverse=True):
            taken = min(self._slots[second], -units)
            self._slots[second] -= taken
            units += taken

    def wait(self, now, ceiling, units):
        """Return the seconds until so many units may be spent."""
        missing = self.used(now) + units - ceiling
        if missing <= 0:
            return 0.0
        for second, used in sorted(self._slots.items()):
            missing -= used
            if missing <= 0:
                return second + SPAN + 1 - now
        return float(SPAN)

    def dump(self):
        """Return the window as JSON holds it."""
        return {str(second): units for second, units in self._slots.items()}
