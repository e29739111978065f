"""Words as the search compares them: what is stored and what is typed alike."""

import re
import unicodedata

WORD = re.compile(r"\w+")
# Scripts that put no blank between words (kana, Han, Hangul, Thai, Lao, Khmer).
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
)

MARKS = dict.fromkeys(
    code for code in range(0x20000) if unicodedata.category(chr(code)) == "Mn"
)


def fold(text):
    """Return ``text`` as bare words in lower case, without accents.

    PostgreSQL's parser would take an address or a file name for one word.

    >>> fold("Rückfrage: carla.roth@example.com")
    'ruckfrage carla roth example com'
    """
    if not text.isascii():
        bare = unicodedata.normalize("NFKD", text).translate(MARKS)
        text = unicodedata.normalize("NFC", bare)
    return " ".join(WORD.findall(text.lower()))


def words(text):
    """Return (words that begin one, pieces that stand anywhere) of what is typed.

    >>> words("Angebot 見積")
    (['angebot'], ['見積'])
    """
    found = fold(text).split()
    pieces = [word for word in found if UNSPACED.search(word)]
    return [word for word in found if word not in pieces], pieces
