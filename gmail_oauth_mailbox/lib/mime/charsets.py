"""Bytes of mail as text, whatever charset they name.

Sources: WHATWG Encoding Standard (names of charsets), RFC 2047 (encoded words), RFC
1468 and 1922 (charsets that shift with escapes).
"""

import codecs
import re
import unicodedata
from functools import lru_cache

import chardet
import webencodings

# Codecs that read all of what mail programs write under the name of another.
SUPERSETS = {
    "ascii": "cp1252",
    "big5": "big5hkscs",
    "euc-kr": "cp949",
    "euc_kr": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso2022_jp": "iso2022_jp_ext",
    "iso-8859-1": "cp1252",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "shift_jis": "cp932",
}
# Names that neither the WHATWG nor Python knows.
NAMES = {
    "cn-big5": "big5",
    "cn-gb": "gb18030",
    "cp943": "cp932",
    "cp943c": "cp932",
    "euc-cn": "gb18030",
    "euc-tw": "big5hkscs",
    "gb-18030": "gb18030",
    "gb_2312": "gb18030",
    "iso-2022-cn": "gb18030",
    "iso-8859-1-windows-3.0-latin-1": "cp1252",
    "iso-8859-1-windows-3.1-latin-1": "cp1252",
    "iso-8859-2-windows-latin-2": "cp1250",
    "iso-8859-9-windows-latin-5": "cp1254",
    "koi8-ru": "koi8-u",
    "latin-9": "iso8859-15",
    "unicode-1-1-utf-7": "utf-7",
    # Of either byte order, which the WHATWG takes for the little one.
    "utf-16": "utf-16",
    "utf16": "utf-16",
    "utf8mb4": "utf-8",
    "windows-31j": "cp932",
    "x-euc-jp": "euc-jp",
    "x-mac-arabic": "mac-arabic",
    "x-mac-ce": "mac-latin2",
    "x-mac-croatian": "mac-croatian",
    "x-mac-farsi": "mac-farsi",
    "x-mac-greek": "mac-greek",
    "x-mac-iceland": "mac-iceland",
    "x-mac-romania": "mac-romanian",
    "x-mac-turkish": "mac-turkish",
    "x-ms-cp932": "cp932",
    "x-sjis": "cp932",
}
# "ibm-437", "DOS-862", "windows1251", "x-cp1256", "cp-850", "win-1251".
CODE_PAGE = re.compile(
    r"(?:x-)?(?:cp|ibm|dos|win|windows|ms|msdos|ansi|oem)[-_]?0*(\d{2,5})"
)
CODE_PAGES = {"936": "gb18030", "949": "cp949", "951": "big5hkscs", "54936": "gb18030"}
CODE_PAGES |= {"10000": "mac-roman", "20866": "koi8-r", "21866": "koi8-u"}
CODE_PAGES |= {"28591": "cp1252", "65000": "utf-7", "65001": "utf-8"}
# Longer names are no charset's.
MAX_NAME = 60
# Codecs of Python that are no charsets; some take quadratic time.
NO_CHARSETS = frozenset(
    {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
)
# Names that only say that there is more than ASCII in it.
UNSAID = frozenset({"", "8bit", "ascii", "unknown-8bit", "us-ascii", "x-unknown"})
# Bytes that a charset is guessed from.
MAX_GUESSED = 20_000
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
SHIFTING = ("iso2022", "hz", "utf-7")
WIDE = ("utf-16", "utf-32")
SHIFTING_OR_WIDE = (*SHIFTING, *WIDE)
# Escapes of RFC 1468.
SHIFT = re.compile(rb"\x1b(\$[@B]|\([BIJ])")
CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
KANA = re.compile("[\u3040-\u30ff]")
# Words that mix Latin letters with others, or have a sign among their letters.
UNLIKELY = re.compile(
    r"[A-Za-z][\u0370-\u06ff\u0e00-\u0e7f]|[\u0370-\u06ff\u0e00-\u0e7f][A-Za-z]"
    r"|(?<=[^\W\d_])[\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\x80-\x9f](?=[^\W\d_])"
    r"|[\xb1\xb6\xb8\xbc-\xbe][^\W\d_]|[^\W\d_][\xb1\xb6\xb8\xbc-\xbe]"
)
# Guesses that are as good as the best one.
NEAR = 0.9
# A charset is what its bytes say when at most one sign in twenty is none of it.
MOST_BROKEN = 20


@lru_cache(maxsize=256)
def codec_of(name):
    """Return the name of Python's codec for a charset, or None when it is unknown.

    >>> codec_of("DOS-862"), codec_of("x-cp1251"), codec_of("latin1")
    ('cp862', 'cp1251', 'cp1252')
    """
    label = name.strip(" \"'\t").lower()[:MAX_NAME]
    if not label.isascii():
        return None
    found = NAMES.get(label)
    if not found:
        if match := CODE_PAGE.fullmatch(label):
            found = CODE_PAGES.get(match[1]) or f"cp{match[1]}"
        elif known := webencodings.lookup(label):
            found = known.codec_info.name if known.name != "x-user-defined" else None
    codec = _text_codec(found) or _text_codec(label)
    return SUPERSETS.get(codec, codec)


def _text_codec(name):
    """Return the name of a codec that turns bytes into text, or None."""
    try:
        found = codecs.lookup(name or "")
    except (LookupError, ValueError):
        return None
    if found.name in NO_CHARSETS or not getattr(found, "_is_text_encoding", True):
        # Nor "hex", "rot13" and the like, which turn text into text.
        return None
    return found.name


def decode(raw, charset=""):
    """Return bytes as text. Never fails.

    UTF-8 goes first whatever is declared: Gmail hands out text in UTF-8 while the
    part's header keeps the name of the original charset. Charsets that shift with
    escapes look like ASCII and are read as declared. Bytes that are not what they
    declare are read in the likeliest charset.

    :param raw: bytes
    :param charset: as declared, or ""

    >>> decode("Счет".encode("cp1251"), "utf-8"), decode(b"caf\\xe9")
    ('Счет', 'café')
    """
    codec = codec_of(charset)
    if b"\x1b$" in raw and not _may_shift(raw, codec):
        # Japanese that says it were ASCII.
        codec = "iso2022_jp_ext"
    if raw.isascii() and not _may_shift(raw, codec):
        return raw.decode("ascii")
    if codec and codec.startswith(WIDE):
        return _decode_wide(raw, codec)
    if _may_shift(raw, codec) and (text := _strict(raw, codec)) is not None:
        return text
    if (text := _strict(raw, "utf-8")) is not None:
        return text
    if _is_mostly(raw, "utf-8"):
        return raw.decode("utf-8", "replace")
    is_said = charset.strip(" \"'\t").lower() not in UNSAID
    if codec and is_said and codec != "utf-8":
        if (text := _strict(raw, codec)) is not None:
            return text
        if _is_mostly(raw, codec):
            return raw.decode(codec, "replace")
    return raw.decode(_likeliest(raw), "replace")


def is_of(raw, charset):
    """Whether all of the bytes are text in UTF-8 or in their charset."""
    codec = codec_of(charset)
    return _strict(raw, "utf-8") is not None or bool(
        codec and _strict(raw, codec) is not None
    )


def _strict(raw, codec):
    try:
        return raw.decode(codec)
    except (LookupError, ValueError):
        return _iso_2022_jp(raw) if codec == "iso2022_jp_ext" else None


def _iso_2022_jp(raw):
    """Return ISO-2022-JP with the signs that mail programs add, such as circled
    numbers (row 13) and the letters of names (rows 89 to 92), or None. Python's codec
    knows them in Shift_JIS and EUC only."""
    parts = SHIFT.split(raw)
    for encode, codec in ((_shift_jis, "cp932"), (_euc_jp, "euc_jis_2004")):
        try:
            pieces = [parts[0]]
            for shift, piece in zip(parts[1::2], parts[2::2], strict=True):
                pieces.append(encode(shift, piece))
            return b"".join(pieces).decode(codec)
        except ValueError:
            continue
    return None


def _euc_jp(shift, piece):
    """Return a piece of ISO-2022-JP, behind a shift, in EUC-JP.

    :raises ValueError: it isn't written in two bytes or in ASCII
    """
    if shift in (b"$B", b"$@"):
        return bytes(byte | 0x80 for byte in piece)
    if shift in (b"(B", b"(J"):
        return piece
    raise ValueError(shift)


def _shift_jis(shift, piece):
    """Return a piece of ISO-2022-JP, behind a shift, in Shift_JIS (JIS X 0208, annex 1;
    JIS X 0201 for narrow kana).

    :raises ValueError: half of a letter
    """
    if shift == b"(I":
        return bytes(byte | 0x80 for byte in piece)
    if shift not in (b"$B", b"$@"):
        return piece
    found = bytearray()
    for row, cell in zip(piece[::2], piece[1::2], strict=True):
        found.append((row + 1) // 2 + (0x70 if row < 0x5F else 0xB0))
        is_even = not row % 2
        found.append(cell + (0x7E if is_even else 0x1F + (cell > 0x5F)))
    return bytes(found)


def _may_shift(raw, codec):
    """Whether ASCII bytes may stand for other letters."""
    if not codec or not codec.startswith(SHIFTING_OR_WIDE):
        return False
    if codec == "utf-7":
        return b"+" in raw
    return codec.startswith(WIDE) or b"\x1b" in raw or b"~{" in raw


def _decode_wide(raw, codec):
    """Return UTF-16 or UTF-32, unless the bytes are UTF-8 by now."""
    text = _strict(raw, "utf-8")
    if text is not None and not CONTROLS.search(text):
        return text
    if codec in ("utf-16", "utf-32") and not raw.startswith(BYTE_ORDER_MARKS):
        codec += min(("-be", "-le"), key=lambda order: _oddity(raw, codec + order))
    return raw.decode(codec, "replace")


def _oddity(raw, codec):
    """Return how little bytes look like text in a byte order."""
    text = raw[:2000].decode(codec, "replace")
    odd = sum(
        c == "\ufffd" or (unicodedata.category(c)[0] == "C" and c not in "\r\n\t")
        for c in text
    )
    # Letters of one script stand in few blocks.
    return odd, len({ord(c) >> 7 for c in text})


def _is_mostly(raw, codec):
    """Whether bytes are of a charset but for few signs, or for a cut one at the end."""
    text = raw.decode(codec, "replace")
    broken = text.count("\ufffd")
    whole = sum(not c.isascii() for c in text) - broken
    return whole > 0 and (
        broken * MOST_BROKEN <= whole or (broken == 1 and text.endswith("\ufffd"))
    )


def _likeliest(raw):
    """Return the codec that bytes are probably of, one that reads all of them when
    there is one."""
    sample = raw[:MAX_GUESSED]
    for codec in ("cp932", "euc_jp"):
        text = _strict(sample, codec)
        # Kana are in no other charset's way so often.
        if text and len(KANA.findall(text)) * 2 > sum(not c.isascii() for c in text):
            return codec
    found = []
    for guess in chardet.detect_all(
        sample, ignore_threshold=True, encoding_era=chardet.EncodingEra.MODERN_WEB
    ):
        codec = codec_of(guess["encoding"] or "")
        text = codec and _strict(sample, codec)
        if text and not UNLIKELY.search(text):
            found.append((guess["confidence"], codec))
    if not found:
        codecs_left = ("iso8859-2", "cp1252")
        return next((c for c in codecs_left if _strict(sample, c)), "latin-1")
    best = max(found)[0]
    # In doubt, what most mail of Western programs is in.
    near = [codec for confidence, codec in found if confidence >= best * NEAR]
    return "cp1252" if "cp1252" in near else found[0][1]
