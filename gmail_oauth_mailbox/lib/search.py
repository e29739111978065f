"""Words as the search compares them: what is stored and what is typed alike."""

import re
import unicodedata

WORD = re.compile(r"\w+")
# Scripts that put no blank between words (kana, Han, Hangul, Thai, Lao, Khmer).
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)


def fold(text):
    """Return ``text`` as bare words in lower case, without accents.

    PostgreSQL's parser would take an address or a file name for one word.

    >>> fold("Rückfrage: carla.roth@example.com")
    'ruckfrage carla roth example com'
    """
    spread = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in spread if unicodedata.category(c) != "Mn")
    return " ".join(WORD.findall(unicodedata.normalize("NFC", bare).lower()))


def words(text):
    """Return (words that begin one, pieces that stand anywhere) of what is typed.

    >>> words("Angebot 見積")
    (['angebot'], ['見積'])
    """
    found = fold(text).split()
    pieces = [word for word in found if UNSPACED.search(word)]
    return [word for word in found if word not in pieces], pieces
