"""`assert_no_secrets`: that what a test has logged, stored or sent holds no secret."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from resilient.diagnostics.masking import MASK, is_sensitive, mask
from resilient.errors import ConfigurationError
from resilient.http.learned import Learned

_SHOWN = 200


def assert_no_secrets(*things: Any, secrets: Iterable[str] = ()) -> None:
    """Fail if a secret shows in texts, in data or in files.

    things: texts, bytes, paths of files to read, open StringIOs, pytest's `caplog` and what its
        `capsys.readouterr()` gave, dicts and lists of those.
    secrets: values that the test planted. They are found raw, URL-encoded, in base64 and escaped;
        without them, found is what `mask` would mask.
    Raises: AssertionError that says where, with the secrets masked.
    """
    if not things:
        raise ConfigurationError("assert_no_secrets(): give it the text to look at.")
    planted = _Planted(secrets)
    for number, thing in enumerate(things, 1):
        where = f"argument {number}" if len(things) > 1 else "the text"
        for place, text in _texts_of(thing, where):
            found = planted.hide(text)
            if found != text:
                raise AssertionError(f"a planted secret shows in {place}: {_around(found, text)}")
            found = mask(text)
            if found != text:
                raise AssertionError(f"a secret shows in {place}: {_around(found, text)}")


class _Planted:
    """The values of a test: those that are too short to be learned are looked for as they are."""

    def __init__(self, secrets: Iterable[str]) -> None:
        if isinstance(secrets, str):
            raise ConfigurationError("assert_no_secrets(secrets=…): use a list of texts.")
        self._learned = Learned()
        self._short: list[str] = []
        for secret in secrets:
            if not secret.strip():
                raise ConfigurationError("assert_no_secrets(secrets=…): one of them is empty.")
            if not self._learned.tell(secret):
                self._short += [secret, base64.b64encode(secret.encode()).decode().rstrip("=")]

    def hide(self, text: str) -> str:
        text = self._learned.replace(text, MASK, lambda secret: False)
        for secret in self._short:
            text = text.replace(secret, MASK)
        return text


def _texts_of(thing: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(thing, str):
        for number, line in enumerate(_lines_of(thing), 1):
            yield f"{where}, line {number}" if number > 1 else where, line
    elif isinstance(thing, (bytes, bytearray)):
        yield from _texts_of(bytes(thing).decode("utf-8", "backslashreplace"), where)
    elif isinstance(thing, Path):
        yield from _texts_of(thing.read_bytes(), thing.name)
    elif isinstance(thing, Mapping):
        for name, part in thing.items():
            yield from _texts_of(str(name), f"a name in {where}")
            if isinstance(part, (str, int, bytes)) and part and is_sensitive(str(name)):
                yield where, f"{name}={part!r}" if part != MASK else ""
            else:
                yield from _texts_of(part, f"{where}, {mask(str(name))}")
    elif isinstance(thing, (list, tuple, set, frozenset)):
        for number, part in enumerate(thing):
            yield from _texts_of(part, f"{where}, item {number}")
    elif callable(getattr(thing, "getvalue", None)):
        yield from _texts_of(thing.getvalue(), where)
    elif isinstance(getattr(thing, "text", None), str):
        yield from _texts_of(thing.text, where)
    elif thing is not None:
        yield from _texts_of(str(thing), where)


def _lines_of(text: str) -> list[str]:
    # What spans lines is seen only as a whole.
    return [text] if mask(text) != text else text.splitlines()


def _around(masked: str, text: str) -> str:
    """The masked text where it differs first."""
    pairs = enumerate(zip(masked, text, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), len(masked))
    begin = max(0, same - _SHOWN // 2)
    # Whatever else the text holds is masked as well, before it is cut.
    shown = mask(masked)[begin : begin + _SHOWN]
    return f"{'…' if begin else ''}{shown}"
