"""What is kept in memory: bounds, variants, and what is void."""

from __future__ import annotations

from resilient.http.caching.keeping import InMemory, Place, Variants, size_of
from resilient.http.caching.messages import Stored


def stored(body: bytes = b"hello") -> Stored:
    return Stored("GET", 200, "OK", (("ETag", '"1"'),), body, 1.0, 2.0)


def place(number: int, url: int | None = None) -> Place:
    return Place(b"key %d" % number, lambda: b"url %d" % (number if url is None else url))


def keep(kept: InMemory, where: Place, *variants: Stored) -> None:
    begun = kept.begin(where)
    kept.update(where, begun, lambda old: variants)
    kept.end(where, begun)


def test_the_key_that_was_not_used_for_longest_goes_first() -> None:
    kept = InMemory(2, None)
    for number in range(2):
        keep(kept, place(number), stored())
    kept.find(place(0))
    keep(kept, place(2), stored())
    assert [bool(kept.find(place(number))) for number in range(3)] == [True, False, True]
    assert len(kept) == 2


def test_all_that_is_kept_fits_into_max_bytes() -> None:
    kept = InMemory(100, 3 * size_of(stored(b"x" * 1000)))
    for number in range(10):
        keep(kept, place(number), stored(b"x" * 1000))
        assert kept.max_bytes is not None
        assert kept.size <= kept.max_bytes
    assert len(kept) == 3
    keep(kept, place(9), stored(b"y" * 10_000))  # too large by itself: the old one goes
    assert kept.find(place(9)) == ()
    assert len(kept) == 2
    keep(kept, place(8))
    keep(kept, place(7))
    assert (len(kept), kept.size) == (0, 0)


def test_dropping_a_url_forgets_the_keys_of_all_who_asked() -> None:
    kept = InMemory(100, None)
    for number, url in [(1, 1), (2, 1), (3, 3)]:
        keep(kept, place(number, url), stored())
    kept.drop(b"url 1")
    kept.drop(b"url 2")
    assert [bool(kept.find(place(number))) for number in (1, 2, 3)] == [False, False, True]
    assert len(kept) == 1


def test_what_began_before_a_url_was_dropped_is_not_kept_and_what_began_after_is() -> None:
    kept = InMemory(100, None)
    before, other = kept.begin(place(1)), kept.begin(place(2))
    kept.drop(b"url 1")
    after = kept.begin(place(1))
    kept.update(place(1), before, lambda old: (stored(b"old"),))
    assert kept.find(place(1)) == ()
    kept.update(place(1), after, lambda old: (stored(b"new"),))
    kept.update(place(2), other, lambda old: (stored(),))
    assert kept.find(place(1))[0].body == b"new"
    assert len(kept) == 2
    for one, where in ((before, place(1)), (after, place(1)), (other, place(2))):
        kept.end(where, one)
        kept.end(where, one)
    assert kept._begun == {}


def test_clearing_forgets_all_and_keeps_nothing_that_is_on_its_way() -> None:
    kept = InMemory(100, None)
    keep(kept, place(1), stored())
    begun = kept.begin(place(2))
    kept.clear()
    kept.update(place(2), begun, lambda old: (stored(),))
    kept.end(place(2), begun)
    assert (len(kept), kept.size) == (0, 0)


def test_a_change_is_made_again_if_another_thread_was_faster() -> None:
    kept = InMemory(100, None)
    begun = kept.begin(place(1))
    one, two = stored(b"1"), stored(b"2")
    seen: list[Variants] = []

    def change(old: Variants) -> Variants:
        if not seen:
            keep(kept, place(1), one)
        seen.append(old)
        return (*old, two)

    kept.update(place(1), begun, change)
    assert seen == [(), (one,)]
    assert kept.find(place(1)) == (one, two)


def test_a_change_to_nothing_or_to_the_same_is_none() -> None:
    kept = InMemory(100, None)
    keep(kept, place(1))
    assert len(kept) == 0
    one = stored()
    keep(kept, place(1), one)
    before = kept.find(place(1))
    keep(kept, place(1), one)
    assert kept.find(place(1)) is before
