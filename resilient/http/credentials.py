"""What a request authenticates with, found by name; and the calls that rest on it.

Seen are the headers and the parameters of the URL that `secret_names` knows, the headers that an
`auth=` of requests has set, the URL's user info and client certificates. Not seen is what has no
name: a secret in the URL's path or in a body, and a certificate that somebody has loaded into an
SSLContext himself. Where such a thing tells users apart, a cache needs `scope=`.

What is another with every request (Digest, AWS Signature, OAuth 1) is another credential each time.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
import threading
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import PurePath
from typing import Any, NamedTuple

from resilient.call import Call, Carried
from resilient.http.secret_names import says_who
from resilient.http.secret_urls import secret_parameters_of, user_info_of, without_secrets
from resilient.http.signing import signed_in

Headers = Mapping[Any, Any] | Iterable[tuple[Any, Any]]
"""Names in any case and their values, as text or bytes."""


class Credential(NamedTuple):
    """One thing that a request authenticates with. Its repr shows no secret.

    kind: what it is, for people: "the Authorization header".
    value: the whole of it, as it was sent; of a certificate, where it lies and a hash of it.
    secrets: its parts: a token; user and password; the values of cookies; a certificate's path.
    """

    kind: str
    value: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Credential: {self.kind}>"

    def spellings(self) -> Iterator[tuple[str, ...]]:
        """How a caller may have been given it: all texts of one of these tuples."""
        yield (self.value,)
        yield self.secrets
        if len(self.secrets) == 2:
            yield (":".join(self.secrets),)
        scheme = _SCHEME.match(self.value)
        if scheme is not None:
            yield (scheme[2],)
            named = _NAMED_TOKEN.match(scheme[2])
            if named is not None:
                yield (named[1],)


_SCHEME = re.compile(r"([A-Za-z][\w-]*)[ \t]+(\S.*)\Z", re.DOTALL)  # RFC 9110 11.4
# Token token="x", as Rails and PagerDuty have it.
_NAMED_TOKEN = re.compile(r"""(?:token|(?:api[_-]?)?key)="?([^",\s]+)"?\Z""", re.IGNORECASE)


def credentials_of(
    url: str, headers: Headers, cert: Any = None, signed: Collection[str] = ()
) -> tuple[Credential, ...]:
    """Everything that one request authenticates with.

    cert: a client certificate as requests takes it: a path, or the paths of it and its key.
    signed: names, in lower case, of headers that are credentials whatever they are called.
    """
    found: list[Credential] = []
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        kind = _header_kind(name)
        if kind is None and signed and _text(name).strip().lower() in signed:
            kind = f"the {_text(name).strip().title()} header"
        if kind is not None:
            text = _text(value).strip()
            if text:
                found.append(_in_header(kind, text))
    if "?" in url or "@" in url or ";" in url:
        found += _in_url(url)
    if cert:
        found.append(_certificate(cert))
    return tuple(found)


def fingerprint(credentials: Iterable[Credential], digest: Callable[..., bytes]) -> bytes | None:
    """One keyed hash for all credentials of a request, in any order; None if there are none.

    digest: parts of bytes in, a hash out that tells apart where one part ends.
    """
    parts = sorted({(one.kind, _in_order(one)) for one in credentials})
    if not parts:
        return None
    texts = [text.encode("utf-8", "surrogatepass") for part in parts for text in part]
    return digest(b"credentials", *texts)


_COOKIES = "the Cookie header"


def _in_order(credential: Credential) -> str:
    if credential.kind != _COOKIES:
        return credential.value
    # RFC 6265 5.4: servers should not rely on the order of cookies.
    return "; ".join(sorted(map(str.strip, credential.value.split(";"))))


@lru_cache(maxsize=1024)
def _header_kind(name: Any) -> str | None:
    text = _text(name).strip()
    return f"the {text.title()} header" if says_who(text) else None


def _in_header(kind: str, value: str) -> Credential:
    if kind == _COOKIES:
        pairs = [pair for pair in map(str.strip, value.split(";")) if pair]
        values = (pair.partition("=")[2].strip('"') or pair for pair in pairs)
        return Credential(kind, value, tuple(dict.fromkeys(values)) or (value,))
    scheme = _SCHEME.match(value)
    if scheme is None:
        return Credential(kind, value, (value,))
    pair = _user_and_password(scheme[2]) if scheme[1].lower() == "basic" else ()
    return Credential(kind, value, pair or (scheme[2],))


def _user_and_password(encoded: str) -> tuple[str, ...]:
    """What Basic (RFC 7617) has encoded; without what is empty."""
    try:
        both = _text(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        return ()
    user, _, password = both.partition(":")
    return tuple(filter(None, (user, password)))


def _in_url(url: str) -> Iterator[Credential]:
    pair = user_info_of(url)
    if any(pair):
        yield Credential("the user info of the URL", ":".join(pair), tuple(filter(None, pair)))
    for name, value in secret_parameters_of(url):
        shown = f"the parameter {name}" if _SHOWABLE.fullmatch(name) else "a parameter"
        yield Credential(f"{shown} of the URL", value, (value,))


_SHOWABLE = re.compile(r"[\w.$\[\]-]{1,40}")


def _certificate(cert: Any) -> Credential:
    path = cert[0] if isinstance(cert, (tuple, list)) else cert
    where = _text(os.fspath(path) if isinstance(path, os.PathLike) else path)
    try:
        facts = os.stat(where)
        content = _hash_of(where, facts.st_mtime_ns, facts.st_size, facts.st_ino)
    except (OSError, ValueError):  # requests will say what is wrong with it
        content = "unreadable"
    return Credential("the client certificate", f"{where} {content}", (where,))


@lru_cache(maxsize=64)
def _hash_of(path: str, *_as_it_is_now: int) -> str:
    with open(path, "rb") as file:
        return hashlib.sha256(file.read(1 << 20)).hexdigest()


def _text(value: Any) -> str:
    if isinstance(value, (bytes, bytearray)):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")
    return value if isinstance(value, str) else str(value)


# The calls that rest on a credential.

_noting = threading.Lock()
"""Guards changes of `credential` and `carries`, which threads of one call may make at once."""


def is_watched(call: Call) -> bool:
    """Does this call or one around it want to know of credentials?"""
    at: Call | None = call
    while at is not None:
        if at.target.watches_credentials:
            return True
        at = at.parent
    return False


def note_request(call: Call, url: str, headers: Headers, cert: Any = None) -> None:
    """Tell the calls that watch what a request inside `call` authenticates with."""
    try:
        found = credentials_of(url, headers, cert, signed_in(call))
        for at in _watching(call) if found else ():
            held = _held(at.cache_key)
            for credential in found:
                _settle(at, credential.kind, held, credential.spellings())
    except Exception:
        # What can't be told apart must not be shared.
        note_credential(call, "what could not be read of a request")
        raise


def note_credential(call: Call, carried: Carried) -> None:
    """Tell a call, and those around it, that its answer rests on a credential used earlier.

    carried: what the earlier call left in `carries`. If it says that the key covered the credential
    then, `call` has an equal `cache_key`, and those around are told if their own does not cover it.
    """
    if isinstance(carried, str):
        at: Call | None = call
        while at is not None:
            _expose(at, carried)
            at = at.parent
        return
    kind, places = carried
    _cover(call, kind, places)
    held = _held(call.cache_key)
    needed = {text for place in places if place < len(held) for text in held[place]}
    for at in _watching(call.parent):
        _settle(at, kind, _held(at.cache_key), [tuple(needed)])


def _watching(call: Call | None) -> Iterator[Call]:
    while call is not None:
        if call.target.watches_credentials and call.credential is None:
            yield call
        call = call.parent


def _settle(
    call: Call, kind: str, held: list[set[str]], spellings: Iterable[tuple[str, ...]]
) -> None:
    """Note a credential as covered by the key, or as not."""
    for texts in spellings:
        places = [place for place in (_place_of(text, held) for text in texts) if place is not None]
        if places and len(places) == len(texts):
            _cover(call, kind, places)
            return
    _expose(call, kind)


def _place_of(text: str, held: list[set[str]]) -> int | None:
    return next((place for place, texts in enumerate(held) if text in texts), None)


def _expose(call: Call, kind: str) -> None:
    with _noting:
        if call.credential is None:
            call.credential = call.carries = kind


def _cover(call: Call, kind: str, places: Iterable[int]) -> None:
    with _noting:
        known = call.carries
        if not isinstance(known, str):
            kind, before = known or (kind, ())
            call.carries = (kind, tuple(sorted({*before, *places})))


def _held(key: Hashable) -> list[set[str]]:
    """The texts in each part of a key, as `resilient.keys` makes it.

    What stands for itself there (`self`, a session) holds none: its token may change.
    """
    return [_texts_in(part) for part in (key if isinstance(key, tuple) else (key,))]


def _texts_in(part: Hashable) -> set[str]:
    texts: set[str] = set()
    waiting: list[Any] = [part]
    while waiting:
        value = waiting.pop()
        if isinstance(value, (tuple, frozenset)):
            waiting += value
        elif isinstance(value, (str, bytes)):
            # One whose equality is its own may be another text in an equal key.
            if type(value).__eq__ in (str.__eq__, bytes.__eq__):
                text = str.__str__(value) if isinstance(value, str) else _text(value)
                texts |= {text, text.strip()}
                if "=" in text or "@" in text:
                    for credential in _in_url(text):
                        texts.update(credential.secrets)
        elif isinstance(value, PurePath) or type(value) is int:
            texts.add(str(value))
    return texts


__all__ = [
    "Credential",
    "credentials_of",
    "fingerprint",
    "is_watched",
    "note_credential",
    "note_request",
    "without_secrets",
]
