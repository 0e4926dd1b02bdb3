"""Named values: headers, pairs in text, queries, JSON, reprs, source lines in tracebacks."""

from __future__ import annotations

import re
import string

from resilient.diagnostics.masking.names import ANY_NAME, is_harmless
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import OPENER, closing, closing_bracket
from resilient.diagnostics.masking.rule import Rule, end_of
from resilient.diagnostics.masking.spoken import is_no_secret, is_said, source_end
from resilient.diagnostics.masking.urls import PERCENT
from resilient.http.secret_names import HEADERS

# A terminal's colors may stand between a name and its value.
_COLOR = r"(?:\x1b\[[0-9;]{0,16}m){0,4}"
_GAP = rf"{_COLOR}[ \t]{{0,4}}{_COLOR}"
_SPACE = rf"(?:{PERCENT}20|\+)?"
_TYPES = r"(?:typing\.)?(?:str|bytes|any|secretstr|optional\[\w{1,20}\])(?: ?\| ?none)?"
_NAMED = lazy(
    rf"{ANY_NAME}(?:"
    rf"{_COLOR}(?:\\{{0,15}}[\"'])?\]?(?:{PERCENT}5d)?{_GAP}"
    rf"(?::[ ]?{_TYPES}[ ]?=|=>|->|==?|!=|:=|:|(?P<comma>,(?=[ ]?[bru]?\\{{0,15}}[\"'])))"
    rf"{_GAP}"
    rf"|(?P<encoded>(?:{PERCENT}2[27])?{_SPACE}{PERCENT}3[ad]{_SPACE}(?:{PERCENT}2[27])?)"
    rf")"
)
_NAME_SIGNS = string.ascii_letters + string.digits + "_-"
_LINE_END = lazy(r"[\r\n\x1b]|\\r\\n")
# A delimiter ends a value only where a next pair, a space or nothing follows: passwords hold them.
_WORD = lazy(
    r"""(?:[^\s"'&,;<\x1b\\]|<(?!/)|\\(?!\\{0,15}["']|r\\n)"""
    r"""|[&,;](?!\s|amp;|[\w.%\[\]-]{0,60}\\{0,15}["']?[=:]|\Z))+"""
)
_ENCODED_WORD = lazy(r"""(?:[^%\s"'&<>\\]|%(?!(?:25){0,4}(?:2[0267]|7d|0[ad])))+""", re.IGNORECASE)
_SCHEME = lazy(r"[a-z][\w-]{0,30}[ \t]{1,4}(?=[^\s])", re.IGNORECASE)
_PARAMETER = lazy(r"[a-z][\w-]{0,40}=[\"'\w/]", re.IGNORECASE)
_FIRST_WORD = lazy(r"[a-zA-Z']{1,20}(?=[ \t,.;\r\n]|\Z)")
_PHRASE = lazy(r"[a-z]{2,20}(?: [a-z]{2,20}){2,24}(?=[\r\n,;\"']|\Z)")
_NOTHING = lazy(r"(?:none|null|true|false|\{\}|\[\])(?![\w.~+/=-])", re.IGNORECASE)
_PARAMETERS = lazy(r"""[^\s"'\\]+""")
# YAML's literal and folded blocks.
_BLOCK = lazy(r"[|>][+-]?[ ]{0,4}\r?\n(?P<indent>[ \t]{1,64})")
_ARN = lazy(r"arn:[\w-]{3,12}:secretsmanager:[\w-]{0,20}:\d{0,12}:\Z")
_ENDS = ".,;:)]}>\\"


def _named(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    name = found["name"]
    is_header = name in HEADERS
    if found["comma"] and not (is_header or _is_first_of_tuple(text, found.start())):
        return at, at
    if is_harmless(found.string, found.start(), found.end("name")):
        return at, at
    if name == "secret" and _ARN.search(text, max(0, found.start() - 80), found.start()):
        return at, at
    if found["encoded"]:
        return at, end_of(_ENCODED_WORD, text, at)
    opener = OPENER.match(text, at)
    if opener is not None:
        end = closing(text, opener.end(), opener[2], len(opener[1]))
        return _unless_innocent(text, opener.end(), end, name, is_quoted=True)
    source = source_end(text, at, name)
    if source is not None:
        return source
    if text[at : at + 1] in tuple("([{"):
        if name == "signature" and text[at] == "(":
            return at, at  # a function's: "signature: (self, x)"
        end = closing_bracket(text, at)
        inner = _unless_innocent(text, at + 1, end, name, is_quoted=True)
        if inner[0] < inner[1] and found[0].rstrip(" ").endswith('":'):
            # JSON with only *** in brackets would be none.
            return at, end + (text[end : end + 1] in tuple(")]}"))
        return inner
    block = _BLOCK.match(text, at)
    if block is not None:
        return block.end(), _block_end(text, block)
    if is_header:
        word = text[at : end_of(_FIRST_WORD, text, at)]
        # "denied by policy", but Token and Signature are schemes.
        is_scheme = word.lower() in ("token", "signature")
        if _NOTHING.match(text, at) or (is_said(word) and not is_scheme):
            return at, at
        return at, _header_end(text, found)
    if name.startswith("signature") and _PARAMETER.match(text, at):
        return at, end_of(_PARAMETERS, text, at)  # t=1,v1=x
    end = at + len(text[at : end_of(_WORD, text, at)].rstrip(_ENDS))
    is_spoken = found.string[at - 2 : at] == ": "
    if name == "passphrase" and not is_said(text[at : end_of(_FIRST_WORD, text, at)]):
        end = max(end, end_of(_PHRASE, text, at))
    return _unless_innocent(text, at, end, name, is_spoken=is_spoken)


def _unless_innocent(
    text: str,
    at: int,
    end: int,
    name: str,
    *,
    is_quoted: bool = False,
    is_spoken: bool = False,
) -> tuple[int, int]:
    # What is long is no word, and looking at it once is enough.
    if end - at > 160 or not is_no_secret(
        text[at:end], name, is_quoted=is_quoted, is_spoken=is_spoken
    ):
        return at, end
    return end, end


def _block_end(text: str, block: re.Match[str]) -> int:
    """Where the last line ends that is as far in as the first."""
    at = block.end()
    while True:
        end = text.find("\n", at)
        if end < 0:
            return len(text)
        if not text.startswith(block["indent"], end + 1):
            return end
        at = end + 1


def _is_first_of_tuple(text: str, at: int) -> bool:
    before = text[max(0, at - 40) : at]
    quote = max(before.rfind("'"), before.rfind('"'))
    # A command line as a list has ['--password', 'x'].
    return quote >= 0 and (
        before[:quote].rstrip("bru\\").endswith("(") or before[quote + 1 :].startswith("--")
    )


def _header_end(text: str, found: re.Match[str]) -> int:
    """Where an unquoted header's value ends: `Authorization: Bearer x`, `Cookie: a=b; c=d`."""
    at = found.end()
    before = text[max(0, found.start() - 32) : found.start()].rstrip(_NAME_SIGNS)
    if before[-1:] in ("'", '"'):
        # The header is one quoted string, as in curl -H 'Cookie: a=b'.
        slashes = before[:-1]
        return closing(text, at, before[-1], len(slashes) - len(slashes.rstrip("\\")))
    if found["name"] == "authorization":
        scheme = _SCHEME.match(text, at)
        word = at if scheme is None else scheme.end()
        if _PARAMETER.match(text, word) is None:
            end = end_of(_WORD, text, word)
            return word + len(text[word:end].rstrip(_ENDS))
    line_end = _LINE_END.search(text, at)
    return len(text) if line_end is None else line_end.start()


NAMED_RULE = Rule("named value", ("",), _NAMED, _named)
