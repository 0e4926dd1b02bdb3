"""Seals: nobody without the key can make an entry, alter one, or pass one off as another's.

    HMAC-SHA256 (32 bytes) | version | length of its name | id of the key | written | dies | payload

The HMAC is over all that follows it, and the entry's own name in the store. So an entry that was
altered, truncated, signed with another key or copied from another place is found out before
anything in it is looked at. The times (Unix microseconds) are the writer's: an entry that a store
keeps for too long is dead all the same.

Each use has a key of its own, derived from the one that was given: names in the store, signatures,
encryption.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from typing import Any

from resilient.errors import ConfigurationError

_MAC = 32
_HEAD = struct.Struct(">BH4sQQ")
_BODY = _MAC + _HEAD.size
WRITTEN_FROM = _MAC + 7
"""Where in a sealed entry its time of writing stands: 8 bytes, the highest first."""
_CLEAR, _ENCRYPTED = 1, 2
_NONCE = 12
LEAST_KEY = 16
"""Bytes of a key that can't be guessed, if they are random."""

MAKE_A_KEY = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'


class Tampered(Exception):
    """An entry that was not sealed for this place with one of our keys."""


Opened = tuple[int, int, memoryview | bytes]
"""Of an entry whose seal holds: written and dies (Unix microseconds), and the payload."""


class Name(bytes):
    """A keyed hash that also knows what it was under the old key. That one finds old entries."""

    old: bytes


class Signer:
    """HMAC-SHA256 with one key (RFC 2104), whose two first blocks are hashed beforehand: signing is
    a good part of what a hit costs.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        block = key.ljust(64, b"\0")  # our keys are shorter than that
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def sign(self, first: bytes | memoryview, second: bytes) -> bytes:
        """The HMAC of both, one after the other."""
        inner = self._inner.copy()
        inner.update(first)
        inner.update(second)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class _Keys:
    """What one given key is good for."""

    __slots__ = ("_ciphers", "encrypting", "id", "naming", "signer")

    def __init__(self, key: bytes) -> None:
        # RFC 5869 (HKDF); each use needs one block, so expanding is one step.
        secret = hmac.digest(b"resilient cache", key, "sha256")
        use: Callable[[bytes], bytes] = lambda info: hmac.digest(secret, info + b"\x01", "sha256")  # noqa: E731
        self.id = use(b"id")[:4]
        self.naming = use(b"naming")
        self.signer = Signer(use(b"signing"))
        self.encrypting = use(b"encrypting")
        self._ciphers: list[Any] = []

    @property
    def cipher(self) -> Any:
        """AES-GCM, made when it is first needed."""
        if not self._ciphers:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._ciphers.append(AESGCM(self.encrypting))
        return self._ciphers[0]


class Seals:
    """Seals with `key`; opens what was sealed with `key` or `old_key`, encrypted or not."""

    __slots__ = ("_encrypt", "_keys", "_old", "_signing")

    def __init__(self, key: bytes, old_key: bytes | None = None, *, encrypt: bool = False) -> None:
        self._keys = _Keys(key)
        self._old = None if old_key is None or old_key == key else _Keys(old_key)
        self._signing = {one.id: one for one in (self._old, self._keys) if one is not None}
        self._encrypt = encrypt
        if encrypt:
            try:
                self._keys.cipher  # noqa: B018  # is the library there?
            except ImportError as error:
                raise ConfigurationError(
                    "open_store(encrypt=True): cryptography is not installed. "
                    "pip install 'resilient-decorators[crypto]'"
                ) from error

    def seal(self, key: bytes, payload: bytes, written: int, dies: int) -> bytes:
        """Make an entry for one place in a store."""
        version = _ENCRYPTED if self._encrypt else _CLEAR
        head = _HEAD.pack(version, len(key), self._keys.id, written, dies)
        if self._encrypt:
            nonce = os.urandom(_NONCE)
            payload = nonce + self._keys.cipher.encrypt(nonce, payload, head + key)
        rest = head + payload
        return self._keys.signer.sign(rest, key) + rest

    def open(self, key: bytes, sealed: bytes) -> Opened:
        """Look into an entry that stood in the store under `key`.

        Raises: Tampered; ImportError if it is encrypted and `cryptography` is not installed.
        """
        if len(sealed) < _BODY:
            raise Tampered
        version, length, key_id, written, dies = _HEAD.unpack_from(sealed, _MAC)
        keys = self._signing.get(key_id)
        if keys is None or length != len(key):
            raise Tampered
        view = memoryview(sealed)
        if not hmac.compare_digest(sealed[:_MAC], keys.signer.sign(view[_MAC:], key)):
            raise Tampered
        payload = view[_BODY:]
        if version == _CLEAR:
            return written, dies, payload
        if version != _ENCRYPTED:
            raise Tampered
        head = sealed[_MAC:_BODY]
        cipher = keys.cipher
        try:
            plain = cipher.decrypt(bytes(payload[:_NONCE]), bytes(payload[_NONCE:]), head + key)
        except Exception as error:  # cryptography's own, or it is too short to have a nonce
            raise Tampered from error
        return written, dies, plain

    def digest(self, *parts: bytes) -> bytes:
        """A keyed hash of 32 bytes, different for different parts. See Name."""
        name = hmac.digest(self._keys.naming, _joined(parts), "sha256")
        if self._old is None:
            return name
        both = Name(name)
        parts = tuple(old_name(part) or part for part in parts)
        both.old = hmac.digest(self._old.naming, _joined(parts), "sha256")
        return both


def old_name(name: bytes) -> bytes | None:
    """What this was called under the old key; None if there is none."""
    return None if type(name) is bytes else getattr(name, "old", None)


def _joined(parts: tuple[bytes, ...]) -> bytes:
    # Lengths in front: (b"ab", b"c") is not (b"a", b"bc").
    return b"".join([len(part).to_bytes(8, "big") + part for part in parts])
