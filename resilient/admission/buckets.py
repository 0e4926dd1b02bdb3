"""The vendor's quotas, and which function spends which."""

from __future__ import annotations

from resilient.admission.answer import Answer, News
from resilient.admission.bucket import MAX_WAIT, Bucket

MOST = 64
"""Quotas that are kept in mind for one credential; the oldest go first."""

_FORGET_AFTER = 300.0
"""Seconds after its reset that a quota is kept in mind."""

_WORTH_TELLING = 1.0
"""Seconds of a pause that nobody was refused for."""

Key = tuple[str, str, str, str]
"""Host, resource, name and limit: vendors that name nothing are told apart by the last."""


class Buckets:
    """All guarded by the lock of a Quota.

    shared: are there other workers, whose spending a store counts?
    """

    __slots__ = ("_shared", "_spends", "_told_of_cap", "all")

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self.all: dict[Key, Bucket] = {}
        self._spends: dict[str, dict[Key, Bucket]] = {}
        self._told_of_cap = False

    def of(self, who: str) -> list[Bucket]:
        """What a function spends; one that was not heard of yet, whatever nobody has named."""
        known = self._spends.get(who)
        if known is not None:
            return list(known.values())
        return [bucket for (_, scope, *_), bucket in self.all.items() if not scope]

    def keys_of(self, who: str, now: float) -> list[Key]:
        """Those that a function spends and that are in force, by key."""
        known = self._spends.get(who)
        of_it = self.all if known is None else known
        return [
            key
            for key, bucket in of_it.items()
            if bucket.due > now and (known is not None or not key[1])
        ]

    @property
    def is_one_for_all(self) -> bool:
        """Has no function been heard of?"""
        return not self._spends

    def binding(self, who: str, now: float) -> Bucket | None:
        """The one that will hold a function back first."""
        known = [bucket for bucket in self.of(who) if bucket.due > now]
        empty = [bucket for bucket in known if bucket.left <= 0]
        if empty:
            return max(empty, key=lambda bucket: bucket.due)
        return min(known, key=lambda bucket: bucket.share_left, default=None)

    def learn(self, answer: Answer, strangers: int, news: list[News]) -> None:
        """Hear what an answer tells. strangers: requests under way that no bucket counts."""
        spends = self._spends.setdefault(answer.who, {})
        heard: set[Key] = set()
        for name, told, counts_requests in answer.windows:
            if told.resets_at is not None and told.resets_at > answer.at + MAX_WAIT:
                told = told._replace(resets_at=answer.at + MAX_WAIT)
                self.tell_of_cap(news)
            key = (answer.host, answer.scope, name, str(told.limit or ""))
            bucket = self.all.get(key)
            if bucket is None:
                bucket = self.all[key] = Bucket(
                    name or answer.scope,
                    told,
                    counts_requests=counts_requests,
                    strangers=strangers,
                    shared=self._shared,
                )
            else:
                bucket.learn(told)
            spends[key] = bucket
            heard.add(key)
            forecast = bucket.forecast(answer.at)
            if forecast is not None:
                news.append(News("forecast", of=str(bucket), forecast=forecast))
            if told.remaining <= 0 and told.resets_at is not None and not answer.wait:
                pause = bucket.due - answer.at
                if pause >= _WORTH_TELLING:
                    self._tell_of_pause(bucket, pause, news)
        for key in [key for key, bucket in spends.items() if bucket.due <= answer.sent]:
            if key not in heard:
                del spends[key]

    def hold(self, answer: Answer, until: float, now: float, news: list[News]) -> None:
        """Nothing is left of what an answer's wait is for."""
        first = (answer.host, answer.scope, answer.windows[0][0])
        mine = self.of(answer.who)
        for key, bucket in self.all.items():
            if key[:3] == first and bucket in mine:
                bucket.hold(until)
                self._tell_of_pause(bucket, until - now, news)

    def tell_of_cap(self, news: list[News]) -> None:
        """The vendor asked for more than anybody waits; told once."""
        if not self._told_of_cap:
            self._told_of_cap = True
            news.append(News("capped", MAX_WAIT))

    def forget(self, now: float) -> None:
        """Drop what has not been told of for long, and the oldest of too many."""
        surplus = len(self.all) - MOST
        for key, bucket in list(self.all.items()):
            is_old = bucket.due + _FORGET_AFTER < now or bucket.told_at + MAX_WAIT < now
            if (is_old or surplus > 0) and not bucket.ramp.under_way:
                del self.all[key]
                surplus -= 1
                for who, spends in list(self._spends.items()):
                    spends.pop(key, None)
                    if not spends:
                        del self._spends[who]

    def _tell_of_pause(self, bucket: Bucket, seconds: float, news: list[News]) -> None:
        if seconds > 0 and not bucket.is_told_of:
            bucket.is_told_of = True
            is_scoped = len(self.all) > 1 and bucket.is_named
            news.append(News("paused", seconds, str(bucket), is_scoped=is_scoped))
