"""Secrets in URLs: user info, and parameters whose names say so.

The parts of a URL are found as RFC 3986 appendix B does, which fails for no text; urlsplit raises
for some, and drops signs of others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from resilient.http.secret_names import is_credential

_URL = re.compile(
    r"(?P<before>(?:[^:/?#]*:)?//)?(?P<authority>(?(before)[^/?#]*|))(?P<path>[^?#]*)"
    r"(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.DOTALL,
)
_PATH_PARAMETER = re.compile(r";([^;/]*)")

_DEEPEST = 3
"""URLs within parameters of URLs, and codings of codings, that are looked into."""


def user_info_of(url: str) -> tuple[str, str]:
    """User and password, decoded; empty where there is none."""
    if "@" not in url:
        return "", ""
    info = _parts(url)["authority"].rpartition("@")[0]
    user, _, password = info.partition(":")
    return unquote(user), unquote(password)


def secret_parameters_of(url: str) -> Iterator[tuple[str, str]]:
    """Names and values, decoded, of the parameters that are credentials and not empty."""
    if "?" not in url and ";" not in url:
        return
    parts = _parts(url)
    pieces = (parts["query"] or "?")[1:].split("&")
    if ";" in url:
        # Some servers take ";" for "&".
        pieces += [piece for pair in pieces for piece in pair.split(";")[1:]]
        pieces += _PATH_PARAMETER.findall(parts["path"])
    for piece in pieces:
        name, value = _decoded(piece)
        if value and is_credential(name):
            yield name, value


def without_secrets(url: str) -> str:
    """The URL without user info and without the parameters that are credentials.

    Raises: nothing, whatever the URL is.
    """
    return _stripped(url, _DEEPEST) if any(sign in url for sign in "@?;#") else url


def _parts(url: str) -> re.Match[str]:
    parts = _URL.fullmatch(url)
    assert parts is not None  # every text has a path
    return parts


def _decoded(pair: str) -> tuple[str, str]:
    name, _, value = pair.partition("=")
    return unquote_plus(name), unquote_plus(value)


def _stripped(url: str, depth: int) -> str:
    parts = _parts(url)

    def harmless(parameter: re.Match[str]) -> str:
        return "" if _is_secret(parameter[1], depth) else parameter[0]

    return "".join(
        (
            parts["before"] or "",
            parts["authority"].rpartition("@")[2],
            _PATH_PARAMETER.sub(harmless, parts["path"]),
            _kept(parts["query"], depth),
            _kept(parts["fragment"], depth),  # RFC 6749 4.2.2 puts a token there
        )
    )


def _kept(pairs: str | None, depth: int) -> str:
    """What is harmless of a query or fragment, with the sign that it begins with."""
    if not pairs:
        return ""
    kept = []
    for pair in pairs[1:].split("&"):
        harmless: list[str] = []
        for piece in pair.split(";"):
            if _is_secret(piece, depth):
                # Nobody knows whether the ";" behind it ends it.
                break
            harmless.append(piece)
        if harmless:
            kept.append(";".join(harmless))
    return pairs[0] + "&".join(kept) if kept else ""


def _is_secret(pair: str, depth: int) -> bool:
    name, value = _decoded(pair)
    if is_credential(name):
        return True
    if not any(sign in value for sign in "@?=%"):
        return False
    if depth == 0:
        return True
    again = unquote(value)
    return _stripped(value, depth - 1) != value or (
        again != value and _is_secret("=" + value, depth - 1)
    )
