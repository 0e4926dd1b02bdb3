"""Secrets in XML and HTML: elements, pairs of elements, rows of two cells."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.names import ANY_NAME, is_harmless
from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import BLANK, OPENER, closing
from resilient.diagnostics.masking.rule import Rule
from resilient.diagnostics.masking.spoken import is_no_secret

_CDATA = r"(?:<!\[cdata\[|&lt;!\[cdata\[)"

# <db:Password type="plain">…</db:Password>, also escaped or with CDATA; <password value="x"/>.
_ELEMENT = lazy(
    rf"{ANY_NAME}(?:(?P<valued>(?:[ ][\w:-]{{1,20}}=[^<>\s]{{1,80}}){{0,3}}[ ]val(?:ue)?="
    rf"(?=\\{{0,15}}[\"']))|(?:[ \t][^<>\r\n]{{0,120}})?(?<!/)(?:>|&gt;)"
    rf"(?:{BLANK}{{0,40}}{_CDATA})?"
    r"(?=[^<\s&\"'\\]))"
)
_TAG = lazy(r"(?:<|&lt;)[\w:.-]{0,40}\Z")
_ELEMENT_END = lazy(r"\]\]>|<|&lt;|[\r\n]|\Z")

# <key>password</key><string>x</string>, <td>password</td><td><pre>'x'</pre></td>,
# <entry key="password">x</entry>, <setting name="password"><value>x</value></setting>.
_BESIDE = lazy(
    rf"{ANY_NAME}(?:[ ]{{0,8}}</(?P<told>t[dh]|key|name|param-name|dt|k)>{BLANK}{{0,40}}"
    r"<(?:td|dd|value|param-value|string|data|v)(?:[ ][^<>]{0,80})?>"
    r"(?:<\w{1,10}(?:[ ][^<>]{0,80})?>){0,3}"
    rf"|\\{{0,15}}[\"'](?:[ ][^<>]{{0,80}})?(?<!/)>{BLANK}{{0,40}}"
    rf"(?:<(?:value|string|v)>)?)(?:{_CDATA})?(?=[^<\s])"
)
_NAMED_TAG = lazy(
    r"<(?:property|entry|setting|param|string|item|add|arg|env|header|field|variable|parameter|prop"
    r"|constructor-arg|init-param|attribute|credential)[ ][^<>]{0,120}\Z",
    re.IGNORECASE,
)
_REPR = lazy(r"[bu]?(?:&#0?39;|&#x27;|&quot;|[\"'])", re.IGNORECASE)


def _element(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    if not _TAG.search(text, max(0, found.start() - 45), found.start()):
        return at, at
    if not found["valued"]:
        return _content(text, found)
    opener = OPENER.match(text, at)
    assert opener is not None  # the pattern has seen the quote
    begin, end = opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))
    value = text[begin : min(end, begin + 200)]
    return (end if is_no_secret(value, "", is_quoted=True, is_spoken=False) else begin), end


def _beside(text: str, found: re.Match[str]) -> tuple[int, int]:
    at, told = found.end(), found["told"]
    if not told and not _NAMED_TAG.search(text, max(0, found.start() - 160), found.start()):
        return at, at
    begin, end = _content(text, found)
    # A cell may explain what stands in the first one. A value is a repr, or one odd word.
    value = text[begin : min(end, begin + 200)].strip()
    is_cell = told in ("td", "th", "dt") and _REPR.match(text, at) is None
    return (end if is_cell and (" " in value or value.isalpha()) else begin), end


def _content(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    stop = _ELEMENT_END.search(text, at)
    end = len(text) if stop is None else stop.start()
    value = text[at : min(end, at + 200)]
    is_innocent = is_harmless(text, found) or is_no_secret(
        value, "", is_quoted=True, is_spoken=True
    )
    return (end if is_innocent else at), end


MARKUP_RULES = (
    Rule("element of markup", (">", "&gt;"), _ELEMENT, _element),
    Rule("elements of markup", ("</", '">', "'>", '" '), _BESIDE, _beside),
)
