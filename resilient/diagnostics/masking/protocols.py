"""Secrets in what protocols say on the wire: SMTP, IMAP, FTP, Redis, cookies in files."""

from __future__ import annotations

import base64
import re

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.quoting import NEW_LINE, OPENER, closing
from resilient.diagnostics.masking.rule import Rule, end_of
from resilient.diagnostics.masking.spoken import is_said

Span = tuple[int, int]

_WORD = lazy(r"[^\s\"'\\]+")

# RFC 4954: AUTH PLAIN dXNlcg==, and what answers 334 "Password:" in base64.
_SASL = lazy(
    r"auth[ ](?:plain|login|xoauth2|oauthbearer|ntlm|cram-md5)[ ](?=[\w+/=-]{8})"
    rf"|334[ ]ugfzc3dvcmq6(?:{NEW_LINE}|['\"\s]|[a-z]{{1,8}}:[ ]|[><-])+(?:b?['\"])?"
    r"(?=[\w+/=]{4})"
)
_BASE64 = lazy(r"[\w+/=-]+")
# Behind a prompt, a quote or the name of a side: jest and Go print PASS too.
_PASS = lazy(
    r"[>\"':*](?:(?<=>)|(?<=[cs]:)|(?<=[\"']))[ ]{0,2}[\"']?pass[ ](?=\S)"
    # RFC 959, 1939: behind the user's name, and what the server says of it.
    rf"|user[ ][^\s\\]{{1,80}}{NEW_LINE}(?:(?:331|\+ok)[^\r\n\\]{{0,100}}{NEW_LINE})?pass[ ](?=\S)"
)
_PASS_END = lazy(r"[^\s\"'\\]+(?=[\"'\r\n]|\\{1,15}[rn\"']|\Z)")
_TEST = lazy(r"\d+/\d+(?![\w/])|(?:[\w.-]{1,60}/){1,12}[\w-]{1,60}\.\w")  # a file of tests
# RFC 9051 6.2.3
_IMAP = lazy(r"login[ ](?:\\?\"[^\"\\\r\n]{1,80}\\?\"|[^\s\"'\\]{1,80})[ ](?=[^\s])")
_IMAP_TAG = lazy(
    r"(?:\A|[\r\n\"'>:]|[ |-](?=[ ]))[ ]{0,2}(?:[a-z]{0,8}\d{1,6}|command:)[ ]\Z", re.IGNORECASE
)
# As in RESP, in MONITOR's lines, in a file of settings.
_REDIS = lazy(
    rf"auth{NEW_LINE}\$\d{{1,4}}{NEW_LINE}(?:[^\s\\$*]{{1,80}}{NEW_LINE}\$\d{{1,4}}{NEW_LINE})?(?=[^\s])"
    r"|\\{0,15}\"auth\\{0,15}\"[ ](?:\\{0,15}\"[^\"\s\\]{1,80}\\{0,15}\"[ ])?(?=\\{0,15}\")"
    r"|(?:requirepass|masterauth|auth-pass[ ][\w.-]{1,40})\\{0,15}\"?[ ](?=\S)"
    r"|\d>[ ]auth[ ](?:[^\s\\\"']{1,80}[ ])?(?=[^\s\"'])"
    r"|setuser\\{0,15}\"?[ ][^\r\n>]{1,120}>(?=\S)"
)
# Netscape's format, as curl writes it: domain, subdomains, path, secure, expiry, name, value.
_TAB = r"(?:\t|\\{1,15}t)"
_COOKIES = lazy(rf"{_TAB}(?:true|false){_TAB}\d{{1,12}}{_TAB}[^\s\\]{{1,80}}{_TAB}(?=[^\s])")
# conn.simple_bind_s("cn=x", "secret"), smtp.login("user", "secret"), Credentials("user", "secret").
_LOGIN = lazy(
    r"(?:simple_bind(?:_s)?|login|authenticate|credentials?)[ ]?\("
    r"[bru]?(?P<quote>\\{0,15}[\"'])[^\"'\r\n]{0,120}(?P=quote),[ ]?(?=[bru]?\\{0,15}[\"'])"
    # jwt.encode(payload, "secret")
    r"|jwt\.(?:en|de)code\([^,()\r\n]{1,80},[ ]?(?=[bru]?\\{0,15}[\"'])"
)


def _sasl(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    end = end_of(_BASE64, text, at)
    if found[0].startswith("334"):
        is_secret = text[end : end + 1] in ("", *"'\"\\\r\n")
    else:
        is_secret = _is_base64(text[at:end])
    return (at if is_secret else end), end


def _is_base64(word: str) -> bool:
    """Words of prose are in lower case: "auth login required"."""
    if len(word) % 4 or word.islower():
        return False
    try:
        base64.b64decode(word, validate=True)
    except ValueError:
        return False
    return True


def _pass(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if text[at - 5 : at - 1] != "PASS":
        return at, at
    end = end_of(_PASS_END, text, at)
    return at, at if is_said(text[at:end]) or _TEST.match(text, at) else end


def _imap(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    if not text.startswith("LOGIN", found.start()) or not _IMAP_TAG.search(
        text, max(0, found.start() - 24), found.start()
    ):
        return at, at
    return _argument(text, found)


def _argument(text: str, found: re.Match[str]) -> Span:
    at = found.end()
    opener = OPENER.match(text, at)
    if opener is not None:
        return opener.end(), closing(text, opener.end(), opener[2], len(opener[1]))
    return at, end_of(_WORD, text, at)


def _login(text: str, found: re.Match[str]) -> Span:
    begin, end = _argument(text, found)
    is_prose = found[0].startswith("credential") and text[begin : min(end, begin + 80)].isalpha()
    return (end if is_prose else begin), end


PROTOCOL_RULES = (
    Rule("SASL", ("auth ", "334 u"), _SASL, _sasl),
    Rule("PASS", ("pass ",), _PASS, _pass),
    Rule("LOGIN of IMAP", ("login ",), _IMAP, _imap),
    Rule("password of Redis", ("auth", "requirepass", "setuser"), _REDIS, _argument),
    Rule(
        "call that logs in",
        ("simple_bind", "login(", "authenticate(", "credential", "jwt."),
        _LOGIN,
        _login,
    ),
)
"""Tried only where a name may be."""

COOKIES_RULE = Rule("file of cookies", ("\t", "\\t"), _COOKIES, _argument)
