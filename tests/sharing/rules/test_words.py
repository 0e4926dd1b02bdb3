from __future__ import annotations

import math

import pytest

from resilient.sharing.rules.ledger import Ledger
from resilient.sharing.rules.words import DAY, MOST_WORDS, Words
from resilient.sharing.shapes import Ask, Grant, Word


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def trade(ledger: Ledger, now: float, name: str = "one", **facts: object) -> Grant:
    return ledger.trade(Ask("q", name, lives=1e6)._replace(**facts), now)  # type: ignore[arg-type]


def spend(ledger: Ledger, now: float, **facts: object) -> Grant:
    return trade(ledger, now, **({"want": 1, "spends": ["k"]} | facts))


def test_word_is_told_to_the_others_with_its_age(ledger: Ledger) -> None:
    word = Word("k", "text", 0.5, left=7, resets_in=10, pause=2)
    assert trade(ledger, 1, words=[word]).words == ()
    grant = trade(ledger, 2, "other")
    assert grant.words == (Word("k", "text", 1.5, left=7, resets_in=9, pause=1),)
    assert trade(ledger, 3, "other", seen=grant.seen).words == ()


def test_words_are_told_from_the_number_that_was_seen(ledger: Ledger) -> None:
    seen = trade(ledger, 0, words=[Word("a", "", 0)]).seen
    trade(ledger, 0, words=[Word("b", "", 0)])
    assert [word.key for word in trade(ledger, 0, "other").words] == ["a", "b"]
    assert [word.key for word in trade(ledger, 0, seen=seen).words] == ["b"]


def test_number_of_a_ledger_that_was_lost_hides_no_word(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("a", "", 0)])
    assert len(trade(ledger, 0, "other", seen=99).words) == 1


def test_older_word_replaces_no_newer_one(ledger: Ledger) -> None:
    trade(ledger, 1, words=[Word("k", "newer", 0.25)])
    trade(ledger, 2, "late", words=[Word("k", "older", 1.5)])
    assert [word.text for word in trade(ledger, 2, "other").words] == ["newer"]


def test_pause_of_an_older_word_holds_all_the_same(ledger: Ledger) -> None:
    trade(ledger, 1, words=[Word("k", "newer", 0.25)])
    assert trade(ledger, 2, "late", words=[Word("k", "older", 1.5, pause=3)]).pause == 3


def test_word_is_forgotten_when_its_quota_is_renewed(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=7, resets_in=10)])
    assert trade(ledger, 10, "other").words == ()


def test_word_without_a_reset_is_forgotten_after_a_day(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0)])
    assert len(trade(ledger, DAY - 1, "other").words) == 1
    assert trade(ledger, DAY, "other").words == ()


def test_no_pause_lasts_longer_than_a_day(ledger: Ledger) -> None:
    assert trade(ledger, 0, words=[Word("k", "", 0, pause=math.inf)]).pause == DAY


def test_keys_are_bounded(ledger: Ledger) -> None:
    words = [Word(f"k{number}", "", number) for number in range(MOST_WORDS + 9)]
    trade(ledger, 0, words=words)
    kept = {word.key for word in trade(ledger, 0, "other").words}
    assert kept == {f"k{number}" for number in range(MOST_WORDS)}


def test_no_more_is_given_than_the_vendor_has_left(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=3, resets_in=10)])
    assert len(spend(ledger, 0, want=2).starts) == 2
    grant = spend(ledger, 1, name="other", want=2)
    assert (len(grant.starts), grant.wait) == (1, 9)


def test_what_is_done_does_not_count_as_left_again(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=1, resets_in=10)])
    spend(ledger, 0)
    assert spend(ledger, 1, done=[(1, 0)]).wait == 9


def test_what_workers_hold_may_not_have_been_counted_by_the_vendor(ledger: Ledger) -> None:
    trade(ledger, 0, "other", want=2)
    trade(ledger, 0, words=[Word("k", "", 0, left=3, resets_in=10)])
    assert len(spend(ledger, 0, want=3).starts) == 1


def test_unused_slot_is_left_again(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=1, resets_in=10)])
    spend(ledger, 0)
    assert len(spend(ledger, 0, unused=1).starts) == 1


def test_worker_that_does_not_spend_it_is_not_bounded(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=0, resets_in=10)])
    assert len(trade(ledger, 0, want=5).starts) == 5


def test_whole_is_not_given_if_less_is_left(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=2, resets_in=10)])
    grant = spend(ledger, 0, want=3, whole=True)
    assert (len(grant.starts), grant.wait) == (0, 10)


def test_after_the_reset_one_at_a_time_goes_until_there_is_a_newer_word(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=0, resets_in=10)])
    assert len(spend(ledger, 10, want=5).starts) == 1
    grant = spend(ledger, 10, name="other")
    assert (len(grant.starts), grant.wait) == (0, math.inf)
    word = Word("k", "", 0, left=4, resets_in=10)
    assert len(spend(ledger, 11, want=5, done=[(1, 0)], words=[word]).starts) == 4


def test_a_call_of_several_units_goes_after_the_reset(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=0, resets_in=10)])
    assert len(spend(ledger, 10, want=5, whole=True).starts) == 5


@pytest.mark.parametrize("resets_in", [10.0, None], ids=["known", "unknown"])
def test_vendor_that_falls_silent_bounds_nobody_for_long(
    ledger: Ledger, resets_in: float | None
) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=0, resets_in=resets_in)])
    assert len(spend(ledger, 1).starts) == 0
    assert len(spend(ledger, 10 + 2 * Words.UNSURE, want=50).starts) == 50


@pytest.mark.parametrize("left", [math.nan, math.inf, -math.inf])
def test_nonsense_left_bounds_nobody(ledger: Ledger, left: float) -> None:
    trade(ledger, 0, words=[Word("k", "", math.nan, left, math.nan, math.nan)])
    assert len(spend(ledger, 0, want=5).starts) == 5


def test_the_scarcest_of_several_quotas_decides(ledger: Ledger) -> None:
    words = [Word("k", "", 0, left=5, resets_in=10), Word("l", "", 0, left=2, resets_in=20)]
    trade(ledger, 0, words=words)
    grant = spend(ledger, 0, want=9, spends=["k", "l", "unknown"])
    assert (len(grant.starts), grant.wait) == (2, 20)


def test_rates_hold_besides_the_vendors_word(ledger: Ledger) -> None:
    trade(ledger, 0, words=[Word("k", "", 0, left=5, resets_in=10)])
    grant = spend(ledger, 0, want=9, rates=((2, 1.0),))
    assert (len(grant.starts), grant.wait) == (2, math.inf)
