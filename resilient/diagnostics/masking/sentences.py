"""Secrets in prose and in SQL: "the password is x1y2", IDENTIFIED BY 'x', "your code is 123456"."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import ENDS_STRING, FANCY, OPENER, closing
from resilient.diagnostics.masking.rule import Rule, end_of
from resilient.diagnostics.masking.spoken import is_no_secret, is_said

Span = tuple[int, int]

# Prefixes as in N'x' and E'x' are quoting's.
_Q = r"(?=[benx]?\\{0,15}[\"'])"
_SQL = lazy(
    rf"identified(?:[ ]with[ ][\w\"'`]{{1,40}})?[ ](?:by|as)[ ](?:password[ ])?{_Q}"
    rf"|(?:alter|create)[ ](?:user|role|login)[ ][^\r\n;]{{1,100}}?[ ]password[ ]?=?[ ]?{_Q}"
    rf"|set[ ]password[ ](?:for[ ][\w\"'`@%.-]{{1,80}}[ ])?=[ ]?(?:password\()?{_Q}"
)

# Each branch begins with a plain letter, so that `re` skips ahead to one.
_SAID = lazy(
    r"(?:a(?:pi[ _-]?key)|p(?:ass(?:word|wd|phrase|code)|wd)|s(?:ecret)|t(?:oken))"
    r"(?:[ ](?:(?:is|was)(?:[ ]now|[ ](?:generated|set)[ ]for[ ][^\s:]{1,80})?:?"
    r"|(?:provided|given|supplied|used|received|sent|entered)(?::|[ ](?:is|was):?)?"
    r"|of|to|from|=|<-|-|–|->|→|:"
    r"|(?:re)?set[ ]to|changed[ ]to)|[ ]for[ ][^\s:]{1,80}(?:[ ]is:?|:))?[ ]"
    r"[(\[{]?(?=(?P<said>[bru]?[\"'`]|[^\s\"'`]))"
)
_CHANGED = lazy(r"(?P<quote>\\{0,15}[\"'])[ ]to[ ](?P=quote)")
_SAID_HINTS = (
    *("password ", "passwd ", "passphrase ", "passcode ", "secret ", "token ", "key ", "pwd "),
)
_SAID_WORD = lazy(r"[^\s\"'`,;()<>\[\]{}“”‘’«»]{1,512}")
_TOLD_WORD = lazy(r"[^\s\"'`\\]{1,512}")
_MIXED = lazy(r"(?=[^a-zA-Z]*[a-zA-Z])(?=\D*\d)[\w.~!@#$%^&*+/=,;()<>-]{6,512}")
# Small letters, capitals and digits: no word that somebody speaks of.
_CHANCE = lazy(r"(?=(?:\D*\d){2}|.{12})(?=.*\d)(?=[^a-z]*[a-z])(?=(?:[^A-Z]*[A-Z]){2})")
_ALGORITHM = lazy(
    r"(?:sha|md|hs|rs|es|ps|aes|utf|base|argon|bcrypt|pbkdf|rfc|http/?|oauth|v)-?_?\d",
    re.IGNORECASE,
)

# .netrc
_NETRC = lazy(r"login[ ][^\s]{1,80}[ ]password[ ](?=[^\s])")

# "Your verification code is 123456", "123456 is your code".
_CODE = lazy(
    r"(?:c(?:ode)|o(?:tp)|p(?:asscode|in))(?:[ ](?:for[ ][^\s:]{1,60}[ ])?(?:is|was)?:?|:)[ ]?"
    r"(?=\d{4,8}(?!\d)|\d{3}[ -]\d{3}(?!\d))|c(?:vc|vv)2?[ ](?=\d{3,4}(?!\d))"
)
_KIND_OF_CODE = lazy(
    r"(?:verification|security|log-?in|sign-?in|access|confirmation|authenti\w{1,12}|authorization"
    r"|one[ -]?time|sms|2fa|mfa|recovery|reset|activation|backup|your|use)[ ]\Z",
    re.IGNORECASE,
)
_IS_YOUR = lazy(
    r"\d{4,8}[ ]is[ ]your[ ](?:[\w-]{1,20}[ ]){0,4}(?:code|otp|pin|passcode|password)\b"
)
_DIGITS = lazy(r"\d+(?:[ -]\d{3})?")


def _sql(text: str, found: re.Match[str]) -> Span:
    opener = OPENER.match(text, found.end())
    assert opener is not None  # the pattern has seen the quote
    if ENDS_STRING.match(text, opener.end()):
        return opener.end(), opener.end()
    return opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))


def _netrc(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    end = end_of(_SAID_WORD, text, at)
    return at, at if is_said(text[at:end]) else end


def _said(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    before = text[max(0, found.start() - 11) : found.start()].lower()
    if before.endswith(("unexpected ", "invalid-")):
        return at, at
    is_password = found[0].startswith("pass")
    fancy = FANCY.match(text, at)
    if fancy is not None and is_password:
        return at + 1, fancy.end()
    quote = OPENER.match(text, at) if found["said"] != "`" else None
    if quote is not None and ENDS_STRING.match(text, quote.end()):
        return quote.end(), quote.end()
    if quote is not None and is_password:
        end = closing(text, quote.end(), quote[2], len(quote[1]))
        value = text[quote.end() : min(end, quote.end() + 200)]
        changed = _CHANGED.match(text, end)
        if changed is not None:
            return quote.end(), closing(text, changed.end(), quote[2], len(quote[1]))
        is_type = found[0][-1] in "([{" and is_said(value)
        is_innocent = is_type or is_no_secret(value, "", is_quoted=True, is_spoken=False)
        return (end if is_innocent else quote.end()), end
    is_told = found[0].endswith((" is ", " was ", " = ", ": "))
    begin = at + 1 if found["said"] == "`" or fancy is not None else quote.end() if quote else at
    is_bare = found[0].endswith(": ") and quote is None
    end = end_of(_TOLD_WORD if is_bare else _SAID_WORD, text, begin)
    value = text[begin:end].rstrip(".:!?,\\")
    is_chance = _CHANCE.match(value) is not None
    is_told = is_told or (quote is not None and is_chance)
    shortest = 6 if is_password else 8 if is_told else 12 if is_chance else 16
    if len(value) < shortest or not _MIXED.fullmatch(value) or _ALGORITHM.match(value):
        return begin, begin
    is_word = sum(map(str.isdigit, value)) < 2 and not is_chance
    if not is_password and (is_word or "/" in value or "." in value):
        return begin, begin
    return begin, begin + len(value)


def _code(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    is_otp = found[0].startswith(("otp", "passcode", "cv"))
    if not is_otp and not _KIND_OF_CODE.search(text, max(0, found.start() - 24), found.start()):
        return at, at
    return at, end_of(_DIGITS, text, at)


def _is_your(text: str, found: re.Match[str]) -> Span:
    return found.start(), end_of(_DIGITS, text, found.start())


SAID_RULES = (
    Rule("secret in a sentence", _SAID_HINTS, _SAID, _said, reach=32),
    Rule("code in a sentence", ("code", "otp ", "pin ", "cvc ", "cvv "), _CODE, _code),
    Rule("file of logins", ("login ",), _NETRC, _netrc),
)
"""Tried only where a name may be."""

YOUR_RULE = Rule("code that is yours", (" is your ",), _IS_YOUR, _is_your)
SQL_RULE = Rule("password in SQL", ("identified ", " password"), _SQL, _sql)

_TELLING = lazy(r"[0-9\"'`“‘«„]|login")


def may_be_said(lowered: str, hinted: int) -> bool:
    """Is there, behind a name, a digit or a quote, without which no sentence tells a secret?"""
    return _TELLING.search(lowered, hinted) is not None
