"""What to do about what happened in Gmail: decisions without any I/O."""

from dataclasses import dataclass, field, replace

# Mail with one of these labels is never mirrored.
NEVER = frozenset({"SPAM", "TRASH", "DRAFT", "CHAT"})


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """The sum of many changes; an id is in ``delete`` or in the others, never both.

    :ivar fetch: ids to download, in the order in which they came
    :ivar delete: ids that are gone, in that order
    :ivar label_changes: {id: (labels added, labels removed)}, two disjoint frozensets
    :ivar returned: ids of ``fetch`` that were deleted before: what is stored of them
        is out of date
    :ivar threads: {id: Gmail's id of the conversation}, as history named it last
    """

    fetch: tuple[str, ...]
    delete: tuple[str, ...]
    label_changes: dict[str, tuple[frozenset[str], frozenset[str]]]
    returned: frozenset[str] = frozenset()
    threads: dict[str, str] = field(default_factory=dict)


def merge_history(changes, unwanted=NEVER):
    """Fold changes, or pages of them, into one plan.

    The last event counts, for existence, labels, and the conversation: a message that
    was added and then deleted is only deleted, one that was deleted and then added is
    fetched. A new message whose labels are known and unwanted in the end, such as a
    draft, is not fetched: each download costs quota.

    :param changes: iterable of HistoryChange or of HistoryPage, oldest first
    :param unwanted: labels whose mail is not mirrored
    """
    added, deleted, labels, returned, threads = {}, {}, {}, set(), {}
    for change in _flatten(changes):
        gmail_id = change.gmail_id
        if change.thread_id:
            threads[gmail_id] = change.thread_id
        if change.kind == "deleted":
            deleted[gmail_id] = True
            added.pop(gmail_id, None)
            labels.pop(gmail_id, None)
        elif change.kind == "added":
            if deleted.pop(gmail_id, None):
                returned.add(gmail_id)
                labels.pop(gmail_id, None)
            added.setdefault(gmail_id, frozenset(change.label_ids))
        else:
            on, off = labels.setdefault(gmail_id, (set(), set()))
            if change.kind == "labels_removed":
                on, off = off, on
            on.update(change.label_ids)
            off.difference_update(change.label_ids)
    nothing = (frozenset(), frozenset())
    fetch = []
    for gmail_id, first in added.items():
        on, off = labels.get(gmail_id, nothing)
        if unwanted.isdisjoint((first | on) - off):
            fetch.append(gmail_id)
        elif gmail_id in returned:
            # What is stored was deleted, and what came instead is unwanted.
            deleted[gmail_id] = True
    label_changes = {
        gmail_id: (frozenset(on), frozenset(off))
        for gmail_id, (on, off) in labels.items()
        if gmail_id not in deleted
    }
    return SyncPlan(
        tuple(fetch),
        tuple(deleted),
        label_changes,
        frozenset(returned.intersection(fetch)),
        {gmail_id: t for gmail_id, t in threads.items() if gmail_id not in deleted},
    )


def in_order(changes):
    """Return changes each once, in the order of their records' ids.

    Records may come twice, or out of order; of a label put on and off, the last word
    would else be the wrong one.
    """

    def place(change):
        return int(change.history_id) if change.history_id.isdecimal() else 0

    return sorted(dict.fromkeys(changes), key=place)


def latest(*cursors):
    """Return the largest of some historyIds, which are numbers of any length.

    >>> latest("99", "100", "")
    '100'
    """
    return max(cursors, key=lambda c: int(c) if c.isdecimal() else -1)


def history_steps(changes, *, size, unwanted=NEVER):
    """Cut changes into steps, so that the cursor moves with each of them.

    A step ends with a whole record of Gmail's history, and has about ``size``
    downloads; what is gone or unwanted in the end is in no step's ``fetch``.

    :param changes: list of HistoryChange, oldest first
    :return: list of (SyncPlan, cursor after it)
    """
    final = set(merge_history(changes, unwanted).fetch)
    steps, step, downloads = [], [], 0

    def end():
        plan = merge_history(step, unwanted)
        added = dict.fromkeys(c.gmail_id for c in step if c.kind == "added")
        # Google has what exists in the end, but what this step deletes comes later.
        fetch = [i for i in added if i in final and i not in plan.delete]
        steps.append((replace(plan, fetch=tuple(fetch)), step[-1].history_id))

    for change in changes:
        if downloads >= size and change.history_id != step[-1].history_id:
            end()
            step, downloads = [], 0
        step.append(change)
        if change.kind == "added":
            downloads += change.gmail_id in final
        elif change.kind == "labels_removed":
            # Mail that leaves an unwanted label is downloaded then.
            downloads += not unwanted.isdisjoint(change.label_ids)
    if step:
        end()
    return steps


@dataclass(frozen=True, slots=True)
class Ask:
    """One call: a message, or a conversation for several of its messages.

    :ivar kind: ``message`` or ``thread``
    :ivar gmail_ids: those that are wanted of it
    """

    kind: str
    gmail_id: str
    gmail_ids: tuple[str, ...]


def plan_fetch(refs, message_cost, thread_cost):
    """Return the cheapest calls for messages, as a list of Ask in their order.

    :param refs: iterable of MessageRef
    :param message_cost: units of messages.get
    :param thread_cost: units of threads.get
    """
    threads = {}
    for ref in dict.fromkeys(refs):
        key = ref.thread_id or f" {ref.gmail_id}"
        threads.setdefault(key, []).append(ref.gmail_id)
    asks = []
    for key, gmail_ids in threads.items():
        if len(gmail_ids) * message_cost > thread_cost and not key.startswith(" "):
            asks.append(Ask("thread", key, tuple(gmail_ids)))
        else:
            asks += [Ask("message", gmail_id, (gmail_id,)) for gmail_id in gmail_ids]
    return asks


def _flatten(changes):
    for item in changes:
        if hasattr(item, "changes"):
            yield from item.changes
        else:
            yield item
