"""Card numbers and IBANs, which prove themselves by their check digits."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import MASK, in_quotes_of_json, is_allowed

# Issuers' ranges: ISO/IEC 7812 and, of the lengths, docs.stripe.com/testing, which has one card
# of each brand. A point before the digits makes them a fraction's, a hyphen a UUID's.
_CARD = lazy(
    r"[2-6](?:(?<![\w.+-][2-6])|(?<=%[bB][2-6]))(?:"  # ISO/IEC 7813: a magnetic stripe has %B
    r"\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}"
    r"|(?<=3)[47]\d{2}([ -]?)\d{6}\2\d{5}"
    r"|(?<=3)[0689]\d{2}([ -]?)\d{6}\3\d{4}"
    r"|(?<=6)2\d{14,17}"
    r")(?![\w-]|\.\d)"
)
_ISSUER = lazy(
    r"4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[47]|3(?:0[0-5]|[68])|35|6(?:011|[245])"
)

# ISO 13616: two letters, two check digits, and as many signs as the country has.
_IBAN = lazy(
    r"[A-Z](?<![A-Za-z0-9][A-Z])[A-Z]\d\d(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,3})?"
    r"(?![A-Za-z0-9])"
)
_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO",
        16: "BE",
        18: "DK FI FO GL NL SD FK",
        19: "MK SI",
        20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA",
        23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST",
        26: "IS TR",
        27: "BI DJ FR GR IT MC SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA",
        30: "JO KW MU YE",
        31: "MT SC",
        32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}


def without_numbers(text: str) -> str:
    """The text without card numbers and IBANs."""
    return _IBAN.sub(_iban, _CARD.sub(_card, text))


def _card(found: re.Match[str]) -> str:
    digits = found[0].replace(" ", "").replace("-", "")
    if not _ISSUER.match(digits) or len(set(digits)) < 2 or not _passes_luhn(digits):
        return found[0]
    if is_allowed(found[0]):
        return found[0]
    quote = in_quotes_of_json(found.string, found.start())
    return quote + MASK + quote


def _passes_luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812-1 annex B."""
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    total = sum(map(int, digits[-1::-2])) + sum(two - 9 if two > 9 else two for two in doubled)
    return total % 10 == 0


def _iban(found: re.Match[str]) -> str:
    """What is left of something that looks like an IBAN; words in capitals may stand behind it."""
    shown = found[0]
    length = _LENGTHS.get(shown[:2])
    if length is None:
        return shown
    signs = 0
    end = 0
    while signs < length and end < len(shown):
        signs += shown[end] not in " -"
        end += 1
    iban, rest = shown[:end], shown[end:]
    plain = iban.replace(" ", "").replace("-", "")
    if signs < length or rest[:1].isalnum() or not _passes_mod_97(plain) or is_allowed(iban):
        return shown
    return MASK + rest


def _passes_mod_97(iban: str) -> bool:
    """The check of ISO 7064 that ISO 13616 asks for."""
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97 == 1
