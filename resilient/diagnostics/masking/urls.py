"""Credentials in URLs: user info, and tokens in the paths of webhooks."""

from __future__ import annotations

import re

from resilient.diagnostics.masking.patterns import lazy
from resilient.diagnostics.masking.rule import Rule, end_of

PERCENT = r"%(?:25){0,4}"
"""A percent sign, encoded any number of times."""

_SLASHES = r"(?:\\{0,3}/){2}"
# A Windows domain may stand before the user's name, and its backslash be doubled in a repr.
_URL = lazy(rf":{_SLASHES}(?!\[)[^\s/?#\"'<>@:\\]{{0,256}}(?:\\{{1,4}}(?![nrt\\])[\w.-]{{1,64}})?:")
_URL_PASSWORD = lazy(r"[^\s/?#\"'<>\\]*@")
_PORT = lazy(r"\d{1,5}(?!\d)(?![^\s/?#\"'<>\\,;.)\]}])")
_WEB = ("http", "https")
_LAST_AT = lazy(r"[^\s\"'<>,;]{1,128}@(?=[\w.-]{1,128}(?:[:/?,\s\"'\\]|\Z))")
# Passwords that should have been percent-encoded.
_LOOSE_PASSWORD = lazy(r"[^\s\"'<>@]{1,128}@")
# Not a user's name, which other schemes have, and git too.
_URL_TOKEN = lazy(
    rf"https?:{_SLASHES}(?:(?![a-z]{{1,12}}@)(?=[^\s/?#\"'<>@:\\]{{1,256}}@)"
    # The key of an API as the user's name, as with curl's `-u key:` and GitHub's x-oauth-basic.
    r"|(?=[^\s/?#\"'<>@:\\]{8,256}:(?:x-oauth-basic|x)?@|[\w-]{20,256}:[^\s/?#@]{1,256}@))"
)
_USER = lazy(r"[^:@]+")
_OTHER_TOKEN = lazy(rf":{_SLASHES}(?=[a-z._~-]{{0,64}}\d)(?=[\w.~-]{{20,256}}@)")
_ENCODED_URL = lazy(
    rf"{PERCENT}3a(?:{PERCENT}2f){{2}}[^%\s/&\"']{{0,128}}{PERCENT}3a"
    rf"(?=(?:(?!{PERCENT}(?:40|2f))[^\s&\"'/]){{1,256}}{PERCENT}40)"
)
_ENCODED_AT = lazy(rf"{PERCENT}40")


def _password(text: str, found: re.Match[str]) -> tuple[int, int]:
    at = found.end()
    password = _URL_PASSWORD.match(text, at)
    if password is not None and not text.endswith(_WEB, 0, found.start()):
        # Of a database's address, nothing behind the host has an @.
        password = _LAST_AT.match(text, at) or password
    if password is None and not _PORT.match(text, at):
        password = _LOOSE_PASSWORD.match(text, at)
    return at, at if password is None else password.end() - 1


def _user(text: str, found: re.Match[str]) -> tuple[int, int]:
    return found.end(), end_of(_USER, text, found.end())


def _token(text: str, found: re.Match[str]) -> tuple[int, int]:
    return found.end(), text.index("@", found.end())


def _encoded_password(text: str, found: re.Match[str]) -> tuple[int, int]:
    sign = _ENCODED_AT.search(text, found.end())
    return found.end(), found.end() if sign is None else sign.start()


# jdbc:oracle:thin:user/x@host, sqlplus user/x@host
_ORACLE = lazy(r"(?:jdbc:oracle:\w{1,10}:|sqlplus )[^\s/:@\"']{1,80}/(?=[^\s@\"']{1,128}@)")

# The driver of Go: user:x@tcp(host:3306)/
_GO = lazy(r":(?<=[\w.-]:)(?=[^\s@\"'/]{1,128}@(?:tcp|unix)\()")

URL_RULES = (
    Rule("password of MySQL in Go", ("@tcp(", "@unix("), _GO, _token),
    Rule("password of Oracle", ("oracle:", "sqlplus "), _ORACLE, _token),
    Rule("token in a web address", ("@",), _URL_TOKEN, _user),
    Rule("password in a URL", ("@",), _URL, _password),
    Rule("token in a URL", ("@",), _OTHER_TOKEN, _token),
    Rule("password in an encoded URL", ("2f",), _ENCODED_URL, _encoded_password),
)
