"""An administrator's pattern by which a subject names a document.

A pattern is what the subject says, with ``{digits}`` and ``{letters}`` for what varies:
``S{digits}`` finds "S00042". Square brackets mark the name when it is not all of that:
``Ticket #[{digits}]`` finds "42". A backslash makes ``[ ] { } \\`` plain signs.

There is no backtracking: each place of a subject is looked at once for each sign of the
pattern, so that no subject can take long.
"""

import re
from dataclasses import dataclass

MOST_PATTERN = 100
MOST_SUBJECT = 500
MOST_NAMES = 10
TOKEN = re.compile(r"\\([\\\[\]{}])|\{([^{}]*)\}|([\[\]])|([^{}])", re.S)
CLASSES = {"digits": lambda c: "0" <= c <= "9", "letters": str.isalpha}


class RuleError(ValueError):
    """The pattern cannot be used.

    :ivar code: empty, long, brace, placeholder, bare, group or nameless
    """

    def __init__(self, code):
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class SubjectRule:
    """A pattern that was read.

    :ivar steps: signs, and names of CLASSES within a tuple
    :ivar begin: of the name, as an index of steps
    :ivar end: after the name
    """

    steps: tuple
    begin: int
    end: int

    def find(self, subject):
        """Return the names in the first 500 characters of a subject, each once, at
        most ten.

        >>> parse_rule("S{digits}").find("Re: S00042 and s7, not XS1")
        ('S00042', 's7')
        """
        subject = (subject or "")[:MOST_SUBJECT]
        found, position = [], 0
        while position < len(subject) and len(found) < MOST_NAMES:
            match = self._match(subject, position)
            if match:
                name, position = match
                if name and name not in found:
                    found.append(name)
            else:
                position += 1
        return tuple(found)

    def _match(self, subject, start):
        """Return (name, end) of a match that begins at ``start``, or None."""
        position, first, last = start, start, start
        for index, step in enumerate(self.steps):
            if index == self.begin:
                first = position
            end = _step(step, subject, position)
            if end is None:
                return None
            position = end
            if index == self.end - 1:
                last = position
        if _cuts_word(subject, start) or _cuts_word(subject, position):
            return None
        return subject[first:last], position


def _step(step, subject, position):
    """Return where a step ends; a class takes all that belongs to it."""
    if isinstance(step, tuple):
        end, belongs = position, CLASSES[step[0]]
        while end < len(subject) and belongs(subject[end]):
            end += 1
        return end if end > position else None
    if subject[position : position + 1].casefold() == step and step:
        return position + 1
    return None


def _cuts_word(subject, place):
    """Whether a place lies within a word or a number."""
    return (
        0 < place < len(subject)
        and subject[place - 1].isalnum()
        and subject[place].isalnum()
    )


def parse_rule(pattern):
    """Return the SubjectRule of a pattern.

    :raises RuleError: it cannot be used
    """
    pattern = (pattern or "").strip()
    if not pattern:
        raise RuleError("empty")
    if len(pattern) > MOST_PATTERN:
        raise RuleError("long")
    steps, brackets, position = [], [], 0
    while position < len(pattern):
        token = TOKEN.match(pattern, position)
        if not token:
            raise RuleError("brace")
        plain, name, bracket, sign = token.groups()
        if name is not None and name not in CLASSES:
            raise RuleError("placeholder")
        if bracket:
            brackets.append((bracket, len(steps)))
        elif name is not None:
            steps.append((name,))
        else:
            steps.append((plain or sign).casefold())
        position = token.end()
    begin, end = _group(brackets, len(steps))
    if not any(isinstance(step, str) and not step.isspace() for step in steps):
        raise RuleError("bare")
    return SubjectRule(tuple(steps), begin, end)


def _group(brackets, length):
    if not brackets:
        return 0, length
    if [sign for sign, _place in brackets] != ["[", "]"]:
        raise RuleError("group")
    begin, end = brackets[0][1], brackets[1][1]
    if begin == end:
        raise RuleError("nameless")
    return begin, end
