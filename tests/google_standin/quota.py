"""Google's usage limits: what a call costs, and what is left to spend."""

import math
from collections import deque
from datetime import datetime, timezone

MINUTE = 60
# A day of Google's quota begins at midnight in California, here without summer time.
PACIFIC = 8 * 3600
OLD_COSTS = {
    "getProfile": 1,
    "labels.list": 1,
    "labels.get": 1,
    "labels.create": 5,
    "history.list": 2,
    "messages.list": 5,
    "messages.get": 5,
    "messages.attachments.get": 5,
    "messages.send": 100,
    "messages.modify": 5,
    "messages.batchModify": 50,
    "messages.insert": 25,
    "messages.import": 25,
    "messages.trash": 5,
    "messages.untrash": 5,
    "messages.delete": 10,
    "threads.list": 10,
    "threads.get": 10,
    "settings.sendAs.list": 1,
    "drafts.create": 10,
    "drafts.update": 15,
    "drafts.get": 5,
    "drafts.list": 5,
    "drafts.send": 100,
    "watch": 100,
    "stop": 50,
}
NEW_COSTS = {
    **OLD_COSTS,
    "messages.get": 20,
    "messages.attachments.get": 20,
    "messages.trash": 20,
    "threads.get": 40,
    "drafts.get": 20,
}
# What a method costs that no source gives a figure for.
OTHER = 5
LIMITS = ("user_per_minute", "project_per_minute", "project_per_day")
PROFILES = {
    "new": (NEW_COSTS, (6_000, 1_200_000, 80_000_000)),
    "legacy": (OLD_COSTS, (15_000, 1_200_000, None)),
}


def cost_of(profile, method_id):
    """Return the units of a method of the discovery document; without a profile,
    those of a new project."""
    costs, _limits = PROFILES[profile or "new"]
    return costs.get(method_id.removeprefix("gmail.users."), OTHER)


def limits_of(store):
    """Return the limits in force, by their settings' names; None: no limit."""
    if not store.quota_profile:
        return dict.fromkeys(LIMITS)
    _costs, defaults = PROFILES[store.quota_profile]
    own = [getattr(store, name) for name in LIMITS]
    return {
        name: default if value is None else value
        for name, value, default in zip(LIMITS, own, defaults, strict=True)
    }


class Meter:
    """The units of one user, or of the project."""

    def __init__(self):
        self.total = 0
        self.refused = 0
        self.by_method = {}
        self.last_minute = 0
        self.day, self.last_day = None, 0
        self._spent = deque()

    def _forget(self, now):
        """Forget what is older than a minute, and what a clock set back left over."""
        while self._spent and self._spent[0][0] <= now - MINUTE:
            self.last_minute -= self._spent.popleft()[1]
        while self._spent and self._spent[-1][0] > now:
            self.last_minute -= self._spent.pop()[1]
        day = (now - PACIFIC) // 86400
        if day != self.day:
            self.day, self.last_day = day, 0

    def free_at(self, now, units, limit):
        """Return when there is room for ``units``: now, or when enough is a minute
        old."""
        self._forget(now)
        over = self.last_minute + units - limit
        if over <= 0:
            return now
        for at, spent in self._spent:
            over -= spent
            if over <= 0:
                return at + MINUTE
        return now + MINUTE

    def spend(self, now, method_id, units):
        self._forget(now)
        self._spent.append((now, units))
        self.last_minute += units
        self.last_day += units
        self.total += units
        count = self.by_method.setdefault(method_id, [0, 0])
        count[0] += 1
        count[1] += units

    def shown(self, now):
        self._forget(now)
        return {
            "total": self.total,
            "last_minute": self.last_minute,
            "refused": self.refused,
            "by_method": self.by_method,
        }


def moment(seconds):
    """Return a time as Google writes it, not before it."""
    seconds = math.ceil(seconds * 1000) / 1000
    text = datetime.fromtimestamp(seconds, timezone.utc)
    return text.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def spend(store, account, method_id):
    """Take a call's units; return None, or (which limit is reached, until when)."""
    with store.lock:
        now = store.now()
        units = cost_of(store.quota_profile, method_id)
        limits = limits_of(store)
        user, project = account.meter, store.project_meter
        for name, meter in (("user_per_minute", user), ("project_per_minute", project)):
            if limits[name] is not None:
                free = meter.free_at(now, units, limits[name])
                if free > now:
                    meter.refused += 1
                    return name, free
        per_day = limits["project_per_day"]
        project.free_at(now, units, math.inf)
        if per_day is not None and project.last_day + units > per_day:
            project.refused += 1
            return "project_per_day", (project.day + 1) * 86400 + PACIFIC
        user.spend(now, method_id, units)
        project.spend(now, method_id, units)
    return None
