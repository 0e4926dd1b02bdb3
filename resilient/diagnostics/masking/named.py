"""Named values: headers, pairs in text, queries, JSON, reprs, source lines in tracebacks."""

from __future__ import annotations

import re
import string

from resilient.diagnostics.masking.calls import called
from resilient.diagnostics.masking.names import ANY_NAME, is_harmless, is_sensitive
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import (
    BLANK,
    ENDS_STRING,
    ENTITY,
    FANCY,
    NEW_LINE,
    OPENER,
    QUOTE,
    closing,
    closing_bracket,
)
from resilient.diagnostics.masking.rule import Rule, end_of
from resilient.diagnostics.masking.spoken import is_no_secret, is_said, source_end
from resilient.diagnostics.masking.urls import PERCENT
from resilient.http.secret_names import HEADERS

# A terminal's colors may stand between a name and its value.
_COLOR = r"(?:(?:\x1b|\\{1,15}(?:x1b|u001b|033))\[[0-9;]{0,16}m){0,4}"
_GAP = rf"{_COLOR}(?:[ \t\xa0]{{0,40}}|\\{{1,15}}t){_COLOR}"
_SPACE = rf"(?:{PERCENT}20|\+)?"
# Of Python, and what others write before the equals sign of a text.
_TYPES = r"(?:typing\.)?(?:str|bytes|any|secretstr|optional\[\w{1,20}\])(?: ?\| ?none)?"
_ANY_TYPE = r"[ ]?&?(?:'[a-z]{1,10}[ ])?[a-z_][\w.]{0,40}(?:[\[<][\w., |\[\]]{0,40}[\]>])?[?]?"
_WIDE = r"\\{1,15}(?:uff1a|xef\\{1,15}xbc\\{1,15}x9a)"  # the colon of Chinese, escaped
# In YAML, a value on a line by itself: with a digit in it, no word that a heading has below it.
_ODD_LINE = r"(?=[^\s:\\]{0,200}\d)[^\s:\\\"'{}\[\]()<>]{6,200}(?:[\r\n\\]|\Z)"
_NAMED = lazy(
    rf"{ANY_NAME}(?:"
    rf"{_COLOR}(?:{QUOTE}|{ENTITY})?[\])]?(?:{PERCENT}5d)?{_GAP}(?:\[[\w*. -]{{0,40}}\][ ]?)?"
    rf"(?::[ ]?{_TYPES}[ ]?=|(?::{_ANY_TYPE}|[ ](?:string|str))[ ]?=(?=[ ]?[befnru]{{0,2}}{QUOTE})"
    rf"|=>|->|<-|==?|!=|:=|：|{_WIDE}|:|;s:\d{{1,6}}:|,[ ]?(?:default|fallback)="
    rf"|(?P<comma>,(?=[ ]?[bru]?{QUOTE})))"
    # A formatter may break the line behind the name.
    rf"{_GAP}(?:{NEW_LINE}[ \t]{{1,60}}(?=[bru]?{QUOTE}|(?<=[ ]{{2}}){_ODD_LINE}))?"
    rf"|(?P<call>\((?=[bru]?{QUOTE}))"
    rf"|(?P<encoded>(?:{PERCENT}2[27])?{_SPACE}{PERCENT}3[ad]{_SPACE}(?:{PERCENT}2[27])?)"
    rf")"
)
_NAME_SIGNS = string.ascii_letters + string.digits + "_-"
_VARIABLE_SIGNS = string.ascii_uppercase + string.digits + "_"
_LINE_END = lazy(r"[\r\n\x1b]|\\r\\n")
# A delimiter ends a value only where a next pair, a space or nothing follows: passwords hold them.
_WORD = lazy(
    r"""(?:[^\s"'&,;<\x1b\\]|<(?!/)|\\(?!\\{0,15}["']|r\\n|n[-+ ]?[A-Za-z][\w. -]{0,40}[:=])"""
    r"""|[&,;](?!\s|amp;|[\w.%\[\]-]{0,60}\\{0,15}["']?[=:]|\Z))+"""
)
_ENCODED_WORD = lazy(r"""(?:[^%\s"'&<>\\]|%(?!(?:25){0,4}(?:2[0267]|7d|0[ad])))+""", re.IGNORECASE)
_SCHEME = lazy(
    rf"`?[a-z][\w-]{{0,30}}(?:[ \t]{{1,4}}|{NEW_LINE}[ \t]{{1,60}})(?=[^\s])", re.IGNORECASE
)
_ENCODED_SCHEME = lazy(rf"[a-z][\w-]{{0,30}}(?:{PERCENT}20|\+)", re.IGNORECASE)
_PARAMETER = lazy(r"[a-z][\w-]{0,40}=[\"'\w/]", re.IGNORECASE)
_SIGNATURE = lazy(rf"{_PARAMETER.pattern}|v\d[a-z]?,[\w+/]{{20}}", re.IGNORECASE)
# What was expected is what a forger needs.
_EXPECTED = lazy(r"(?:expected|computed|got|was|received|calculated)[ ](?=[\w+/=-]{32})")
_NEXT_LINE = lazy(rf"{NEW_LINE}(?=[0-9a-f]{{64}}(?!\w))")  # botocore's log
_FIRST_WORD = lazy(r"[a-zA-Z']{1,20}(?=[ \t,.;\r\n]|\Z)")
_PHRASE = lazy(r"[a-z]{2,20}(?: [a-z]{2,20}){2,24}(?=[\r\n,;\"']|\Z)")
_NOTHING = lazy(r"(?:none|null|true|false|\d{1,3}|\{\}|\[\])(?![\w.~+/=-])", re.IGNORECASE)
# The numbers of cards and accounts as they are printed.
_GROUPS = lazy(
    r"(?:\d{4}(?: \d{4}){3}|\d{4} \d{6} \d{4,5}"
    r"|[A-Z]{2}\d\d(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?!\w)"
)
_PARAMETERS = lazy(r"""[^\s"'\\]+""")
# YAML's literal and folded blocks.
_BLOCK = lazy(rf"[|>][+-]?[ ]{{0,4}}(?P<line>{NEW_LINE})(?P<indent>[ \t]{{1,64}})")
_ARN = lazy(r"arn:[\w-]{3,12}:secretsmanager:[\w-]{0,20}:\d{0,12}:\Z")
_ENDS = ".,;:)]}>\\"
_IN_QUOTES = lazy(QUOTE)
_ENTITY = lazy(ENTITY)
_ENTITY_END = lazy(rf"{ENTITY}|[\r\n]")
# What other languages write between a name and a text: string(7) "x", (string) (len=7) "x",
# Some(⏎"x").
_TYPED = lazy(
    r"(?:(?:string|str|text|bytes)\(\d{1,6}\)[ ]|\(\w{1,20}\)[ ](?:\(len=\d{1,6}\)[ ])?"
    r"|convertto-securestring[ ](?:-[a-z]{1,20}[ ]){0,3}"
    rf"|[a-z_][\w.]{{0,60}}\({BLANK}[ \t]{{0,80}}|<[a-z_][\w.]{{0,60}}[ :])"
    rf"(?={QUOTE})",
    re.IGNORECASE,
)
# YAML's anchors, and its tag of texts.
_TAGGED = lazy(r"(?:(?:&[\w-]{1,40}|!!str)[ ]{1,4}){1,2}")
# One text in two literals, and Terraform's change from one to another.
_MORE = lazy(
    rf"(?P<quote>{QUOTE})(?:[ \t]{{0,4}}{NEW_LINE}[ \t]{{1,80}}|[ ]{{1,4}}->[ ]{{1,4}})"
    r"[bru]{0,2}(?P=quote)"
)
# ADO.NET and ODBC: spaces belong to a value, and }} in braces is one brace.
_ADO = lazy(r"[^;\r\n\"'{}]{1,128}(?=;[ ]?(?:[A-Za-z][\w ]{1,40}=|\Z))")
_ODBC = lazy(r"\{(?:[^}\r\n]|\}\})*")
# RFC 2307: the scheme of a hash stands in braces.
_SCHEME_OF_HASH = lazy(r"\{(?:S?SHA\d{0,3}|S?MD5|CRYPT|PBKDF2[\w-]{0,20}|ARGON2)\}", re.IGNORECASE)
_WORDS_TO_LINE_END = lazy(r"[a-z]{2,20}(?: [a-z0-9]{1,20}){2,11}(?=[\r\n]|\Z)", re.IGNORECASE)
_INNER_NAME = lazy(r"[A-Za-z_][\w.-]{2,40}=(?=[^=\s])")
_HEADER_NAME = lazy(rf"[A-Za-z]{{1,30}}(?:-[A-Za-z]{{1,30}}){{0,6}}(?={QUOTE})")
_VARIABLE = lazy(r"[A-Za-z_][a-zA-Z_.]{0,80}(?=[\s:;,)\]\"'\\]|\Z)")


def _named(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    name = found["name"]
    is_header = name in HEADERS
    if is_harmless(text, found):
        return at, at
    if name == "secret" and _ARN.search(text, max(0, found.start() - 80), found.start()):
        return at, at
    if name == "pass" and (
        text.startswith("--- ", max(0, found.start() - 4)) or text.startswith("Test", at)
    ):
        return at, at  # a test of Go's
    if found["encoded"]:
        scheme = _ENCODED_SCHEME.match(text, at) if is_header else None
        return at, end_of(_ENCODED_WORD, text, at if scheme is None else scheme.end())
    if found["call"]:
        return called(text, found)
    typed = _TYPED.match(text, at)
    if typed is not None:
        at = typed.end()
    at = end_of(_TAGGED, text, at)
    opener = OPENER.match(text, at)
    if opener is not None:
        return _quoted(text, found, opener)
    fancy = FANCY.match(text, at)
    if fancy is not None:
        return _unless_innocent(text, at + 1, fancy.end(), name, is_quoted=True)
    entity = _ENTITY.match(text, at)
    if entity is not None:
        end = _entity_end(text, entity.end())
        return _unless_innocent(text, entity.end(), end, name, is_quoted=True)
    source = source_end(text, at, name)
    if source is not None:
        return source
    if text[at : at + 1] in tuple("([{"):
        return _bracketed(text, found)
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
    if name.startswith("signature"):
        begin = end_of(_EXPECTED, text, end_of(_NEXT_LINE, text, at))
        if begin > at:
            return begin, end_of(_WORD, text, begin)
        if _SIGNATURE.match(text, at):
            return at, end_of(_PARAMETERS, text, at)  # t=1,v1=x
    if found[0].rstrip().endswith(("==", "!=")) and _VARIABLE.match(text, at):
        return at, at  # if password != confirm:
    is_spoken = text[at - 2 : at] in (": ", "= ") and text[at - 3 : at] != " = "
    inner = _INNER_NAME.match(text, at) if is_spoken else None
    if inner is not None and is_sensitive(inner[0][:-1]):
        return at, at  # credentials: password=x
    end = at + len(text[at : end_of(_WORD, text, at)].rstrip(_ENDS))
    end = max(end, end_of(_GROUPS, text, at))
    if name.endswith("phrase") and not is_said(text[at : end_of(_FIRST_WORD, text, at)]):
        end = max(end, end_of(_PHRASE, text, at))
    return _unless_innocent(text, at, max(end, _loose_end(text, found)), name, is_spoken=is_spoken)


def _quoted(text: str, found: re.Match[str], opener: re.Match[str]) -> tuple[int, int]:
    begin, name = opener.end(), found["name"]
    is_named_in_quotes = _IN_QUOTES.match(text, found.end("name")) is not None
    if not is_named_in_quotes and ENDS_STRING.match(text, begin):
        return begin, begin
    if found["comma"] and not _is_named_by_comma(text, found, begin):
        return begin, begin
    end = closing(text, begin, opener[2], len(opener[1]))
    more = _MORE.match(text, end)
    while more is not None:
        end = closing(text, more.end(), more["quote"][-1], len(more["quote"]) - 1)
        more = _MORE.match(text, end)
    return _unless_innocent(text, begin, end, name, is_quoted=True)


def _is_named_by_comma(text: str, found: re.Match[str], begin: int) -> bool:
    """("password", "x") and ["Cookie", "a=b"] are pairs, ["authorization", "accept"] is a list."""
    if found["name"] in HEADERS and not _HEADER_NAME.match(text, begin):
        before = text[max(0, found.start() - 40) : found.start()].rstrip(_NAME_SIGNS)
        return not before.rstrip("bru\\\"'").endswith((":", ": "))
    return _is_first_of_tuple(text, found.start())


def _bracketed(text: str, found: re.Match[str]) -> tuple[int, int]:
    at, name = found.end(), found["name"]
    if name == "signature" and text[at] == "(":
        return at, at  # a function's: "signature: (self, x)"
    if text[at] == "{":
        hashed = _SCHEME_OF_HASH.match(text, at)
        if hashed is not None:
            return hashed.end(), end_of(_WORD, text, hashed.end())
        if (
            text[found.start("name") - 1 : found.start("name")] in (";", " ")
            and found[0][-1] == "="
        ):
            return at + 1, max(at + 1, end_of(_ODBC, text, at))
    end = closing_bracket(text, at)
    inner = _unless_innocent(text, at + 1, end, name, is_quoted=True)
    if inner[0] < inner[1] and found[0].rstrip().endswith('":'):
        # JSON with only *** in brackets would be none.
        return at, end + (text[end : end + 1] in tuple(")]}"))
    return inner


def _entity_end(text: str, at: int) -> int:
    stop = _ENTITY_END.search(text, at)
    return len(text) if stop is None else stop.start()


def _loose_end(text: str, found: re.Match[str]) -> int:
    """Where a value with spaces in it ends, that has no quotes: of ADO.NET, of a dump of variables.

    The beginning, if there is none.
    """
    at = found.end()
    if found[0][-1] != "=":
        return at
    before = text[max(0, found.start() - 48) : found.start()]
    name = before.rpartition("\n")[2]
    if name.rpartition(";")[1] and not name.rpartition(";")[2].strip(_NAME_SIGNS + " "):
        return end_of(_ADO, text, at)
    is_variable = text[found.start() : at].isupper() and not name.strip(_VARIABLE_SIGNS)
    if is_variable and not is_said(text[at : end_of(_FIRST_WORD, text, at)]):
        return end_of(_WORDS_TO_LINE_END, text, at)
    return at


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
        end = text.find(block["line"], at)
        if end < 0:
            return len(text) if block["line"].endswith("\n") else end_of(_WORD, text, at)
        at = end + len(block["line"])
        if not text.startswith(block["indent"], at):
            return end


# [["x-api-key", "x1"], …]: a name, a value that is no name, and nothing else in the inner list.
_INNER_LIST = lazy(r"[\[,][ ]?\[b?\\{0,15}[\"'][\w.-]{0,40}\Z")
_END_OF_PAIR = lazy(
    r"[\w.-]{1,60}\\{0,15}[\"'],[ ]?b?\\{0,15}[\"'](?![a-z][a-z_-]*\\{0,15}[\"'])"
    r"[^\"'\[\]\r\n]{1,512}[\"']\]"
)


def _is_first_of_tuple(text: str, at: int) -> bool:
    before = text[max(0, at - 40) : at]
    if _INNER_LIST.search(before) and _END_OF_PAIR.match(text, at):
        return True
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


NAMED_RULE = Rule("named value", ("=", ":", "%", "'", '"', ">", "："), _NAMED, _named, reach=32)
