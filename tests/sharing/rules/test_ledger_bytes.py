from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.sharing.rules.ledger import Ledger
from resilient.sharing.rules.ledger_bytes import packed, unpacked
from resilient.sharing.shapes import Ask, Word


def used() -> Ledger:
    ledger = Ledger()
    rates = ((3, 1.0), (1000, 60.0))
    ledger.trade(Ask("q", "räuber\ud800", rates, want=2, lives=0.5), 1.0)
    ledger.trade(Ask("q", "two", rates, want=2, spent=[(2, 0.25)]), 2.0)
    words = [Word("k", "text ✓", 0.25, 5, 10.0, 0.5), Word("l", "", 0.0)]
    ledger.trade(Ask("q", "two", rates, done=[(1, 0.1)], words=words), 2.5)
    return ledger


def test_ledger_that_was_read_goes_on_like_the_one_that_was_written() -> None:
    ledger = used()
    again = unpacked(packed(ledger))
    assert again is not None
    assert packed(again) == packed(ledger)
    ask = Ask("q", "three", ((3, 1.0), (1000, 60.0)), want=5, within=9, spends=["k"])
    late = Ask("q", "räuber\ud800", ask.rates, done=[(2, 0)])
    for one in (ask, late, ask):
        assert again.trade(one, 3.0) == ledger.trade(one, 3.0)


def test_new_ledger_is_read_too() -> None:
    ledger = Ledger()
    again = unpacked(packed(ledger))
    assert again is not None
    assert again.born == ledger.born


def test_busy_ledger_is_small() -> None:
    ledger = Ledger()
    for number in range(5000):
        ledger.trade(Ask("q", "one", ((1000, 1.0),), spent=[(1, 0)]), number / 1000)
    assert len(packed(ledger)) < 20_000


@pytest.mark.parametrize("kept", [b"", b"\x00", b"\x01", b"\xff" * 40, b"\x01" + b"\xff" * 16])
def test_foreign_bytes_are_no_ledger(kept: bytes) -> None:
    assert unpacked(kept) is None


@given(place=st.integers(0, 10_000), to=st.binary(max_size=3), cut=st.integers(0, 3))
def test_damaged_bytes_are_a_ledger_or_none(place: int, to: bytes, cut: int) -> None:
    whole = packed(used())
    place %= len(whole)
    unpacked(whole[:place] + to + whole[place + cut :])
