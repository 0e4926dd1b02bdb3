"""Secrets in text become `***`.

A rule is a pattern that ends where a secret begins, and a function that says how far it reaches;
`mask` runs the text through all RULES. Each stays linear in its input: what a pattern may repeat is
bounded, and whatever the function looked at, the search never visits again.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MASK = "***"
WITHHELD = "(text withheld: it could not be masked)"

HEADERS = ("authorization", "cookie", "cookie2", "cookies")
"""Names whose whole value is secret, spaces included."""

NAMES = (
    "token",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "signature",
    "signature-256",
    "credential",
    "credentials",
    "assertion",
    *(
        f"{kind}{between}key"
        for kind in (
            *("api", "access", "secret", "private", "signing", "encryption"),
            *("account", "subscription", "shared", "master", "functions"),
        )
        for between in ("", "-", "_", " ", ".")
    ),
)
"""Names whose value is secret, in lower case. They are ends of names: `token` stands for
`access_token` and `X-Auth-Token` too, but not for `token_count`."""

WORDS = ("sig", "jwt", "otp", "pass")
"""Such names that too many others end with: they have to be whole words, as in `sas_sig`."""

_KEPT = frozenset({"none", "null", "true", "false", "str", "bytes"})
"""What a sensitive name may be followed by without being a secret."""


class Rule(NamedTuple):
    """One kind of secret.

    hints: one of them is in every text, in lower case, that holds such a secret.
    start: matched against the text in lower case; ends where the secret, or its quote, begins.
    extent: where the secret lies in the text as it is; empty if there is none after all. It may
    look no further than the end that it gives, or the whole would not be linear.
    """

    name: str
    hints: tuple[str, ...]
    start: re.Pattern[str]
    extent: Callable[[str, re.Match[str]], tuple[int, int]]


def mask(text: str) -> str:
    """The text with its secrets replaced; masking twice changes nothing more."""
    try:
        lowered = _lower(text)
        for rule in RULES:
            replaced = _apply(rule, text, lowered)
            if replaced is not text:
                text, lowered = replaced, _lower(replaced)
    except Exception:
        # A log line is not worth a failed call, and must not leak because masking failed.
        return WITHHELD
    return text


class Figures(dict[str, Any]):
    """Counts by name, where a name such as `InvalidToken` tells nothing of its value's secrecy."""


def masked(value: Any, depth: int = 6, *, is_figure: bool = False) -> Any:
    """Plain data (dicts, lists, text, numbers) with its secrets masked, by name and in texts.

    depth: levels that stay data; what is deeper, or of another type, becomes masked text.
    is_figure: names count for nothing, as within Figures.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return mask(value)
    is_figure = is_figure or isinstance(value, Figures)
    try:
        if depth and isinstance(value, Mapping):
            parts = {
                mask(str(name)): MASK
                if not is_figure and _is_secret(str(name), part)
                else masked(part, depth - 1, is_figure=is_figure)
                for name, part in value.items()
            }
            return Figures(parts) if is_figure else parts
        if depth and isinstance(value, (list, tuple, set, frozenset)):
            return [masked(part, depth - 1, is_figure=is_figure) for part in value]
        return mask(str(value))
    except Exception:
        return f"<unprintable {type(value).__name__}>"


def _is_secret(name: str, value: Any) -> bool:
    return not (value is None or isinstance(value, bool)) and is_sensitive(name)


def is_sensitive(name: str) -> bool:
    """Does a value of this name have to be masked?"""
    return _SENSITIVE.search(_lower(name)) is not None


def _apply(rule: Rule, text: str, lowered: str) -> str:
    # Most lines hold no secret, and looking for a few words is ten times faster than the pattern.
    for hint in rule.hints:
        if hint in lowered:
            break
    else:
        return text
    found = rule.start.search(lowered)
    parts: list[str] = []
    done = 0
    while found is not None:
        begin, end = rule.extent(text, found)
        if begin < end and text[begin:end] != MASK:
            parts += (text[done:begin], MASK)
            done = end
        found = rule.start.search(lowered, max(end, found.end()))
    return "".join((*parts, text[done:])) if parts else text


_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def _lower(text: str) -> str:
    lowered = text.lower()
    # A few letters grow when lowered, and every index would be off.
    return lowered if len(lowered) == len(text) else text.translate(_ASCII_LOWER)


# Named values: headers, pairs in text, queries, JSON, reprs, source lines in tracebacks.

# A terminal's colors may stand between a name and its value.
_COLOR = r"(?:\x1b\[[0-9;]{0,16}m){0,4}"
_GAP = rf"{_COLOR}[ \t]{{0,4}}{_COLOR}"
_PERCENT = r"%(?:25){0,4}"
_SPACE = rf"(?:{_PERCENT}20|\+)?"
_TYPES = r"(?:typing\.)?(?:str|bytes|any|secretstr|optional\[\w{1,20}\])(?: ?\| ?none)?"
# Every branch begins with a plain letter: only then does `re` skip ahead to the next candidate.
_BRANCHES = (
    *(re.escape(name) for name in sorted((*HEADERS, *NAMES), key=len, reverse=True)),
    # A color or a percent-encoded sign may stand before a word, and ends with a letter or digit.
    *(
        rf"{word}(?:(?<![a-z0-9]{word})|(?<=\dm{word})|(?<=%[0-9a-f][0-9a-f]{word}))"
        for word in WORDS
    ),
)
_ANY_NAME = rf"(?P<name>{'|'.join(_BRANCHES)})"
_SENSITIVE = re.compile(rf"{_ANY_NAME}\d{{0,2}}\Z")
_NAMED = re.compile(
    rf"{_ANY_NAME}\d{{0,2}}(?:"
    rf"{_COLOR}(?:\\{{0,15}}[\"'])?\]?{_GAP}"
    rf"(?::[ ]?{_TYPES}[ ]?=|==?|!=|:=|=>|:|(?P<comma>,(?=[ ]?[bru]?\\{{0,15}}[\"'])))"
    rf"{_GAP}"
    rf"|(?P<encoded>(?:{_PERCENT}2[27])?{_SPACE}{_PERCENT}3[ad]{_SPACE}(?:{_PERCENT}2[27])?)"
    rf")"
)
_NAMED_HINTS = (
    *("token", "secret", "pass", "pwd", "sig", "credential", "assertion", "key"),
    *("jwt", "otp", "authorization", "cookie"),
)
_OPENER = re.compile(r"""[bruf]{0,2}(\\{0,15})(\"{3}|'{3}|["'])""", re.IGNORECASE)
_CLOSERS = {mark: re.compile(rf"{mark}|[\r\n]") for mark in ('"', "'", '"""', "'''")}
_BRACKETS = re.compile(r"""[\[\](){}"'\r\n]""")
_NAME_SIGNS = string.ascii_letters + string.digits + "_-"
_LINE_END = re.compile(r"[\r\n\x1b]|\\r\\n")
# A delimiter ends a value only where a next pair, a space or nothing follows: passwords hold them.
_WORD = re.compile(
    r"""(?:[^\s"'&,;<\x1b\\]|<(?!/)|\\(?!\\{0,15}["']|r\\n)"""
    r"""|[&,;](?!\s|amp;|[\w.%\[\]-]{0,60}\\{0,15}["']?[=:]|\Z))+"""
)
_ENCODED_WORD = re.compile(
    r"""(?:[^%\s"'&<>\\]|%(?!(?:25){0,4}(?:2[0267]|7d|0[ad])))+""", re.IGNORECASE
)
_SCHEME = re.compile(r"[a-z][\w-]{0,30}[ \t]{1,4}(?=[^\s])", re.IGNORECASE)
_PARAMETER = re.compile(r"[a-z][\w-]{0,40}=[\"'\w/]", re.IGNORECASE)


def _named(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    is_header = found["name"] in HEADERS
    if found["comma"] and not (is_header or _is_first_of_tuple(text, found.start())):
        return at, at
    if found["encoded"]:
        return at, _end(_ENCODED_WORD, text, at)
    opener = _OPENER.match(text, at)
    if opener is not None:
        return opener.end(), _closing(text, opener.end(), opener[2], len(opener[1]))
    if text[at : at + 1] in tuple("([{"):
        return at + 1, _closing_bracket(text, at)
    if is_header:
        return at, _header_end(text, found)
    end = at + len(text[at : _end(_WORD, text, at)].rstrip(".,;:)]}>\\"))
    return at, at if text[at:end].lower() in _KEPT else end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _is_first_of_tuple(text: str, at: int) -> bool:
    before = text[max(0, at - 40) : at]
    quote = max(before.rfind("'"), before.rfind('"'))
    return quote > 0 and before[:quote].rstrip("bru\\").endswith("(")


def _closing(text: str, at: int, quote: str, level: int) -> int:
    """Where a quoted value ends: before its closing quote, else at the end of the line.

    level: backslashes before the opening quote; JSON in JSON has 1, and once more in JSON 3.
    """
    while True:
        found = _CLOSERS[quote].search(text, at)
        if found is None:
            return len(text)
        start = found.start()
        if found[0] != quote:
            return start
        before = text[at:start]
        slashes = len(before) - len(before.rstrip("\\"))
        # Each level doubles the backslashes of a quote that belongs to the value.
        if slashes < level or slashes % (2 * (level + 1)) == level:
            return start - min(slashes, level)
        at = found.end()


def _closing_bracket(text: str, at: int) -> int:
    """Where the brackets that open here are closed, else the end of the line."""
    depth = 0
    while True:
        found = _BRACKETS.search(text, at)
        if found is None:
            return len(text)
        start, sign = found.start(), found[0]
        if sign in "\r\n":
            return start
        if sign in "\"'":
            before = text[at:start]
            level = len(before) - len(before.rstrip("\\"))
            at = _closing(text, found.end(), sign, level)
            if text[at : at + 1] not in ("", "\r", "\n"):
                at += level + 1
            continue
        depth += 1 if sign in "([{" else -1
        if not depth:
            return start
        at = found.end()


def _header_end(text: str, found: re.Match[str]) -> int:
    """Where an unquoted header's value ends: `Authorization: Bearer x`, `Cookie: a=b; c=d`."""
    at = found.end()
    before = text[max(0, found.start() - 32) : found.start()].rstrip(_NAME_SIGNS)
    if before[-1:] in ("'", '"'):
        # The header is one quoted string, as in curl -H 'Cookie: a=b'.
        slashes = before[:-1]
        return _closing(text, at, before[-1], len(slashes) - len(slashes.rstrip("\\")))
    if found["name"] == "authorization":
        scheme = _SCHEME.match(text, at)
        word = at if scheme is None else scheme.end()
        if _PARAMETER.match(text, word) is None:
            end = _end(_WORD, text, word)
            return word + len(text[word:end].rstrip(".,;:)]}>\\"))
    line_end = _LINE_END.search(text, at)
    return len(text) if line_end is None else line_end.start()


# Credentials in URLs.

_URL = re.compile(r":(?:\\{0,3}/){2}(?!\[)[^\s/?#\"'<>@:\\]{0,256}:")
_URL_PASSWORD = re.compile(r"[^\s/?#\"'<>\\]*@")
_PORT = re.compile(r"\d{1,5}(?!\d)(?![^\s/?#\"'<>\\,;.)\]}])")
# Passwords that should have been percent-encoded.
_LOOSE_PASSWORD = re.compile(r"[^\s\"'<>@]{1,128}@")
_URL_TOKEN = re.compile(r"https?:(?:\\{0,3}/){2}(?=[^\s/?#\"'<>@:\\]{1,256}@)")
_ENCODED_URL = re.compile(
    rf"{_PERCENT}3a(?:{_PERCENT}2f){{2}}[^%\s/&\"']{{0,128}}{_PERCENT}3a"
    rf"(?=(?:(?!{_PERCENT}(?:40|2f))[^\s&\"'/]){{1,256}}{_PERCENT}40)"
)
_ENCODED_AT = re.compile(rf"{_PERCENT}40")


def _url_password(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    password = _URL_PASSWORD.match(text, at)
    if password is None and not _PORT.match(text, at):
        password = _LOOSE_PASSWORD.match(text, at)
    return at, at if password is None else password.end() - 1


def _url_token(text: str, found: re.Match[str]) -> tuple[int, int]:
    return found.end(), text.index("@", found.end())


def _encoded_password(text: str, found: re.Match[str]) -> tuple[int, int]:
    sign = _ENCODED_AT.search(text, found.end())
    return found.end(), found.end() if sign is None else sign.start()


# Secrets that show themselves.

_BARE = re.compile(
    r"(?<![a-z0-9])(?:bearer|basic)[ ](?=[\w.~+/=-]{20}|(?=[a-z.~+/=_-]{0,19}\d)[\w.~+/=-]{8})"
)
_BARE_TOKEN = re.compile(r"[\w.~+/=-]*")
_COOKIE = re.compile(r"<cookie [^\s=<>]{1,128}=")
_COOKIE_END = re.compile(r" for |[<>\r\n]")
_PEM = re.compile(r"-----begin [a-z ]{0,24}private key-----")
_PEM_END = re.compile(r"-----END|\Z")


def _word_after(pattern: re.Pattern[str]) -> Callable[[str, re.Match[str]], tuple[int, int]]:
    return lambda text, found: (found.end(), _end(pattern, text, found.end()))


def _up_to(pattern: re.Pattern[str]) -> Callable[[str, re.Match[str]], tuple[int, int]]:
    def extent(text: str, found: re.Match[str]) -> tuple[int, int]:
        stop = pattern.search(text, found.end())
        return found.end(), len(text) if stop is None else stop.start()

    return extent


RULES: list[Rule] = [
    Rule("private key", ("-----begin ",), _PEM, _up_to(_PEM_END)),
    Rule("cookie object", ("<cookie ",), _COOKIE, _up_to(_COOKIE_END)),
    Rule("named value", _NAMED_HINTS, _NAMED, _named),
    Rule("bare credentials", ("bearer ", "basic "), _BARE, _word_after(_BARE_TOKEN)),
    Rule("password in a URL", ("//", "/\\/"), _URL, _url_password),
    Rule("token in a URL", ("//", "/\\/"), _URL_TOKEN, _url_token),
    Rule("password in an encoded URL", ("2f",), _ENCODED_URL, _encoded_password),
]
