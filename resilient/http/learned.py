"""Secrets that are known by their value: those that requests were seen to carry, and told ones.

They are found in a text as they are, and URL-encoded, in base64, escaped as in a repr, in JSON or
in HTML. The cost of a search doesn't depend on how many there are: a text is looked at in steps of
STEP signs, and every form is filed under its pieces of PIECE signs at STEP offsets in a row, so
that one of them is met wherever the form stands. learned_forms.py says what the forms are.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from resilient.errors import ConfigurationError
from resilient.http.credentials import Headers, credentials_of
from resilient.http.learned_forms import RANDOM, SHORTEST, forms_of, pieces_of
from resilient.http.secret_names import is_credential
from resilient.http.secret_urls import secret_parameters_of, user_info_of

LONGEST = 16_384
PIECE = 5
STEP = SHORTEST - PIECE + 1
MOST_ALIKE = 8
"""Pieces that begin alike and are kept: more would make a search for them slow."""
MOST = 512
"""Values that are kept of those observed, and as many of those told; the oldest makes room."""
MOST_SIGNS = 1 << 20
"""Signs of all values of one kind."""

_COMMON = frozenset(
    (
        *("password", "password1", "passw0rd", "changeme", "username", "localhost", "anonymous"),
        *("undefined", "administrator", "postgres", "postgresql", "development", "production"),
        *("application", "application/json", "authorization", "redacted", "required", "disabled"),
        *("12345678", "123456789", "1234567890", "00000000", "11111111", "example.com", "testing1"),
        *("root:root", "guest:guest", "test:test", "admin:admin", "127.0.0.1", "text/plain"),
    )
)


class _Filed(NamedTuple):
    form: str
    offset: int


class Learned:
    """Values to mask. Neither its repr nor an error shows one.

    `_lock` guards all changes. Searches read `_index` without it: its entries are replaced, never
    changed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, None] = {}
        self._observed: dict[str, None] = {}
        self._pending: list[str] = []
        self._index: dict[str, tuple[_Filed, ...]] = {}
        self._places: dict[str, int] = {}
        """The first offset at which a form is filed."""
        self._users: dict[str, int] = {}
        """Values that have a form: vendors' keys begin alike."""

    def __repr__(self) -> str:
        return f"<Learned: {len(self)} values>"

    def __len__(self) -> int:
        return len(self._told) + len(self._observed)

    def __bool__(self) -> bool:
        return bool(self._observed or self._told)

    def tell(self, value: str) -> bool:
        """Keep a value because somebody said so; False if it is too short or common."""
        value = value.strip()
        return _is_telling(value) and self._keep(self._told, value)

    def observe(self, value: str, *, is_random: bool = False) -> bool:
        """Keep a value that a request carried; False if masking it could hit innocent words.

        is_random: keep it only if it is long and looks like no word.
        """
        if value in self._observed:
            return True
        value = value.strip()
        if not _is_telling(value) or (value.isalpha() and len(value) < 16):
            return False
        if is_random and (len(value) < 16 or RANDOM.match(value) is None):
            return False
        return self._keep(self._observed, value)

    def clear(self) -> None:
        """Forget all values."""
        with self._lock:
            self._told.clear()
            self._observed.clear()
            self._pending.clear()
            self._places.clear()
            self._users.clear()
            self._index = {}
        _seen.clear()

    def replace(self, text: str, mask: str, is_allowed: Callable[[str], bool]) -> str:
        """The text with `mask` in place of the values, in whatever form."""
        if len(text) < SHORTEST:
            return text
        if self._pending:
            self._file_pending()
        index = self._index
        pieces = [text[at : at + PIECE] for at in range(0, len(text), STEP)]
        if index.keys().isdisjoint(pieces):
            return text
        parts: list[str] = []
        done = 0
        for begin, end in _merged(_spans(index, text, pieces)):
            if not is_allowed(text[begin:end]):
                parts += (text[done:begin], mask)
                done = end
        return "".join((*parts, text[done:])) if parts else text

    def _keep(self, kept: dict[str, None], value: str) -> bool:
        with self._lock:
            if value in kept:
                return True
            is_new = value not in self._told and value not in self._observed
            kept[value] = None
            if is_new:
                self._pending.append(value)
            signs = sum(map(len, kept)) if len(kept) > 8 or len(value) > LONGEST // 4 else 0
            while len(kept) > MOST or signs > MOST_SIGNS:
                oldest = next(iter(kept))
                signs -= len(oldest)
                del kept[oldest]
                self._unfile_locked(oldest)
        return True

    def _file_pending(self) -> None:
        with self._lock:
            for value in self._pending:
                for form in forms_of(value):
                    self._file_locked(form)
                for piece in pieces_of(value):
                    self._file_locked(piece, MOST_ALIKE)
            # Last: whoever sees it empty finds everything filed, and whoever doesn't waits.
            self._pending = []

    def _file_locked(self, form: str, most: int | None = None) -> None:
        """most: others that may be filed where this one is; past that, it is left out."""
        self._users[form] = self._users.get(form, 0) + 1
        if form in self._places:
            return
        # Where the fewest others are filed: keys may begin alike, and end alike.
        last = len(form) - PIECE - STEP + 1
        start = min(sorted({last, last // 2, 0}, reverse=True), key=partial(self._load, form))
        if most is not None and self._load(form, start) > most:
            return
        self._places[form] = start
        for offset in range(start, start + STEP):
            piece = form[offset : offset + PIECE]
            self._index[piece] = (*self._index.get(piece, ()), _Filed(form, offset))

    def _load(self, form: str, start: int) -> int:
        pieces = (form[at : at + PIECE] for at in range(start, start + STEP))
        return max(len(self._index.get(piece, ())) for piece in pieces)

    def _unfile_locked(self, value: str) -> None:
        if value in self._told or value in self._observed:
            return
        if value in self._pending:
            self._pending.remove(value)
            return
        for form in (*forms_of(value), *pieces_of(value)):
            self._users[form] -= 1
            if self._users[form]:
                continue
            del self._users[form]
            start = self._places.pop(form, -1)
            if start < 0:
                continue
            for offset in range(start, start + STEP):
                piece = form[offset : offset + PIECE]
                left = tuple(one for one in self._index[piece] if one != (form, offset))
                if left:
                    self._index[piece] = left
                else:
                    del self._index[piece]


def _is_telling(value: str) -> bool:
    return (
        SHORTEST <= len(value) <= LONGEST and len(set(value)) >= 4 and value.lower() not in _COMMON
    )


def _spans(
    index: dict[str, tuple[_Filed, ...]], text: str, pieces: list[str]
) -> Iterator[tuple[int, int]]:
    for number, piece in enumerate(pieces):
        for form, offset in index.get(piece, ()):
            begin = number * STEP - offset
            if begin >= 0 and text.startswith(form, begin):
                yield begin, begin + len(form)


def _merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


learned = Learned()
"""The values of this process."""


def learn(*values: str) -> None:
    """Mask these values wherever they appear, also URL-encoded, in base64 or escaped.

    values: 8 signs or more, no common words: masking those would make logs unreadable.
    """
    for number, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise ConfigurationError(
                f"learn(): value {number} is of type {type(value).__name__}: use texts."
            )
        if not learned.tell(value):
            raise ConfigurationError(
                f"learn(): value {number} has {len(value)} signs, too few (less than {SHORTEST}), "
                f"too many (more than {LONGEST}) or a common word, and would mask innocent text."
            )


def learn_env(*names: str) -> tuple[str, ...]:
    """Mask the values of environment variables; of a URL, what is secret in it.

    Returns the names that are unset, or whose value is too short or too common to be masked.
    """
    return tuple(name for name in names if not _learn_variable(os.environ.get(name, "")))


def _learn_variable(value: str) -> bool:
    if "://" not in value:
        return learned.tell(value)
    secrets = [user_info_of(value)[1], *(secret for _, secret in secret_parameters_of(value))]
    told = [learned.tell(secret) for secret in secrets if secret]
    return all(told) if told else learned.tell(value)


def learn_secrets(values: Iterable[str]) -> None:
    """Mask values that a request was seen to carry, as far as they are unlike words."""
    for value in values:
        learned.observe(value)


_seen: dict[Any, None] = {}
"""Headers and URLs that were looked at. Has no lock: at worst, one is looked at twice."""


def learn_request(url: str, headers: Headers) -> None:
    """Mask the credentials of a request from now on: by the names of its headers and parameters.

    Users' names, and headers such as Stripe-Account, are no secrets. Raises: nothing.
    """
    try:
        secret = [
            (name, value)
            for name, value in (headers.items() if hasattr(headers, "items") else headers)
            if is_credential(_text(name))
        ]
        with_secret = url if "@" in url or "?" in url or ";" in url else ""
        key = (with_secret, *(value for _, value in secret))
        if (not secret and not with_secret) or key in _seen:
            return
        if len(_seen) >= 2 * MOST:
            _seen.clear()
        _seen[key] = None
        _learn_credentials(with_secret, secret)
    except Exception:
        # A request isn't worth less because its headers are odd.
        return


def _learn_credentials(url: str, headers: list[tuple[Any, Any]]) -> None:
    for one in credentials_of(url, headers):
        is_cookie = one.kind == "the Cookie header"
        # A user's name stands before the password; of cookies, all are values.
        secrets = one.secrets if is_cookie else one.secrets[-1:]
        for secret in secrets:
            learned.observe(secret, is_random=is_cookie)
        if len(one.secrets) == 2 and not is_cookie:
            learned.observe(one.value.rpartition(" ")[2])


def _text(name: Any) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else str(name)
