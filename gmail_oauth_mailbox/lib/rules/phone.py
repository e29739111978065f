"""Whether two phone numbers reach one subscriber, however they are written.

Numbers are compared in E.164, so a national number needs a country: its owner's, else
the company's. One without any equals only others without any.

Source: ITU-T E.164 and E.123; numbering plans of the library phonenumbers.
"""

import re
from functools import lru_cache

import phonenumbers

from ..mime.addresses import clean

# E.164 has 15 digits; the rest is room for separators, words, and an extension.
MAX_TEXT = 100
# Fewer digits are a service (110) or an extension, and no subscriber's own.
MIN_DIGITS = 7
DIGITS = re.compile(r"\d")
# A remark: "(work)". Its letters would be read as those of a keypad.
REMARK = re.compile(r"\([^()]*[^\W\d_][^()]*\)")
# What follows is another number, or dialed after the call is answered.
FURTHER = re.compile(r"[;,\n]|/\s*(?=\+)")
# Neither are words behind a whole number, such as "private" or "Durchwahl 12": letters
# of a keypad stand behind fewer digits.
WORDS_BEHIND = re.compile(r"((?:\D*\d){8}[\d\W_]*?)[\W_][^\W\d_]")
INTERNATIONAL = re.compile(r"^00(?=[1-9])")
# Digits before a national number that a country no longer dials, by its code: those of
# Mexico went in 2019 (1 and 044 or 045 for cell phones, 01 for others).
FORMER = {52: re.compile(r"(?:1|01|04[45])(?=\d{10}$)")}
POSSIBLE = (
    phonenumbers.ValidationResult.IS_POSSIBLE,
    # Without its area code.
    phonenumbers.ValidationResult.IS_POSSIBLE_LOCAL_ONLY,
)


def phone_key(text, country=""):
    """Return what all spellings of a phone number share, or "" when it doesn't name a
    subscriber.

    :param country: ISO 3166-1 code of the country that a national number is of, or ""
    :return: the number in E.164 without extension; "~" and its digits when neither
        the number nor ``country`` says which country it is of

    >>> phone_key("+47 22 12 34 56"), phone_key("22 12 34 56", "NO")
    ('+4722123456', '+4722123456')
    >>> phone_key("+49 (0)30 1234567"), phone_key("030 / 123 45 67", "de")
    ('+49301234567', '+49301234567')
    >>> phone_key("22 12 34 56"), phone_key("110", "DE")
    ('~22123456', '')
    """
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        return ""
    return _key(text, (country or "").upper())


@lru_cache(maxsize=4096)
def _key(text, country):
    country = country if country in phonenumbers.SUPPORTED_REGIONS else ""
    text = clean(FURTHER.split(REMARK.sub(" ", clean(text)))[0])
    if match := WORDS_BEHIND.match(text):
        text = clean(match[1])
    # Most countries dial 00 for "+"; the others have no number that begins so.
    for written in dict.fromkeys((text, INTERNATIONAL.sub("+", text))):
        if key := _in_e164(written, country):
            return key
    digits = "".join(str(int(digit)) for digit in DIGITS.findall(text))
    # What its own country doesn't know is no other country's either.
    return f"~{digits}" if not country and len(digits) >= MIN_DIGITS else ""


def _in_e164(text, country):
    """Return a number in E.164, or "" when its country has no such number."""
    try:
        number = phonenumbers.parse(text, country or None)
    except phonenumbers.NumberParseException:
        return ""
    national = phonenumbers.national_significant_number(number)
    if (former := FORMER.get(number.country_code)) and former.match(national):
        return _in_e164(f"+{number.country_code}{former.sub('', national)}", "")
    length = len(national)
    if length >= MIN_DIGITS:
        is_number = phonenumbers.is_possible_number_with_reason(number) in POSSIBLE
    else:
        # Small countries have six digits, where others have towns.
        is_number = length == MIN_DIGITS - 1 and phonenumbers.is_valid_number(number)
    if not is_number:
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
