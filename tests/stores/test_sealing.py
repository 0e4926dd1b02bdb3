"""Seals hold for one key, one place and every byte."""

from __future__ import annotations

import hmac
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.stores.sealing import WRITTEN_FROM, Seals, Signer, Tampered, old_name

KEY, OTHER = b"k" * 32, b"o" * 32
ENCRYPTED = pytest.mark.parametrize("encrypt", [False, True], ids=["clear", "encrypted"])


def seals(key: bytes = KEY, old: bytes | None = None, *, encrypt: bool = False) -> Seals:
    if encrypt:
        pytest.importorskip("cryptography")
    return Seals(key, old, encrypt=encrypt)


@ENCRYPTED
def test_what_was_sealed_is_opened(encrypt: bool) -> None:
    for payload in (b"", b"x", b"long" * 1000):
        sealed = seals(encrypt=encrypt).seal(b"name", payload, 5, 7)
        written, dies, opened = seals(encrypt=not encrypt).open(b"name", sealed)
        assert (written, dies, bytes(opened)) == (5, 7, payload)


@ENCRYPTED
def test_no_byte_can_be_altered_or_cut_off(encrypt: bool) -> None:
    one = seals(encrypt=encrypt)
    sealed = one.seal(b"name", b"payload", 5, 7)
    for place in range(len(sealed)):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        for bad in (altered, sealed[:place]):
            with pytest.raises(Tampered):
                one.open(b"name", bad)


@ENCRYPTED
@given(st.binary(max_size=8), st.binary(max_size=8))
def test_an_entry_is_good_in_its_own_place_only(encrypt: bool, mine: bytes, theirs: bytes) -> None:
    one = seals(encrypt=encrypt)
    sealed = one.seal(mine, b"payload", 5, 7)
    if mine != theirs:
        with pytest.raises(Tampered):
            one.open(theirs, sealed)


def test_bytes_cannot_be_moved_from_the_name_to_the_payload() -> None:
    one = seals()
    sealed = one.seal(b"name", b"payload", 5, 7)
    with pytest.raises(Tampered):
        one.open(b"ame", sealed + b"n")
    with pytest.raises(Tampered):
        one.open(b"dname", sealed[:-1])


@given(st.binary(max_size=200))
def test_bytes_of_chance_are_no_entry(data: bytes) -> None:
    with pytest.raises(Tampered):
        seals().open(b"name", data)


def test_a_version_that_is_signed_but_not_known_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resilient.stores.sealing._CLEAR", 9)
    sealed = seals().seal(b"name", b"payload", 5, 7)
    monkeypatch.undo()
    with pytest.raises(Tampered):
        seals().open(b"name", sealed)


@ENCRYPTED
def test_the_old_key_opens_and_does_not_seal(encrypt: bool) -> None:
    old, new = seals(OTHER, encrypt=encrypt), seals(KEY, OTHER, encrypt=encrypt)
    assert bytes(new.open(b"name", old.seal(b"name", b"x", 1, 2))[2]) == b"x"
    with pytest.raises(Tampered):
        old.open(b"name", new.seal(b"name", b"x", 1, 2))
    with pytest.raises(Tampered):
        seals().open(b"name", old.seal(b"name", b"x", 1, 2))


def test_the_time_of_writing_stands_where_scripts_look_for_it() -> None:
    sealed = seals().seal(b"name", b"x", 1_767_225_600_000_000, 2)
    assert struct.unpack_from(">Q", sealed, WRITTEN_FROM) == (1_767_225_600_000_000,)


def test_two_encrypted_entries_are_never_the_same() -> None:
    one = seals(encrypt=True)
    assert one.seal(b"name", b"x", 1, 2) != one.seal(b"name", b"x", 1, 2)


def test_digests_know_what_they_were_under_the_old_key() -> None:
    old, new = seals(OTHER), seals(KEY, OTHER)
    assert old_name(new.digest(b"a", b"b")) == old.digest(b"a", b"b")
    assert old_name(new.digest(new.digest(b"a"))) == old.digest(old.digest(b"a"))
    assert new.digest(new.digest(b"a")) == seals().digest(seals().digest(b"a"))
    assert old_name(seals().digest(b"a")) is None
    # The same key twice is no change of keys.
    assert old_name(seals(KEY, KEY).digest(b"a")) is None


@given(st.binary(max_size=64), st.binary(max_size=300), st.binary(max_size=40))
def test_a_signature_is_the_hmac_that_everybody_knows(key: bytes, one: bytes, other: bytes) -> None:
    known = hmac.digest(key, one + other, "sha256")
    assert Signer(key).sign(one, other) == Signer(key).sign(memoryview(one), other) == known


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_digests_of_different_parts_differ(one: list[bytes], other: list[bytes]) -> None:
    assert (seals().digest(*one) == seals().digest(*other)) == (one == other)
