"""The storage of a breaker. It may fail: then the breaker goes on with what it last knew."""

from __future__ import annotations

from functools import partial
from typing import Any

import pybreaker
from pybreaker import STATE_CLOSED

from resilient.call import listeners as step_listeners
from resilient.circuit.listening import TellingBreaker


class StoredBreaker(TellingBreaker):
    """A breaker that survives its storage. `_lock` guards that and every field here."""

    _last_state = STATE_CLOSED
    storage_errors = 0

    # What the storage's counters are taken for when it can't be read.
    _failed_in_a_row = 0
    _probes_succeeded = 0

    @property
    def current_state(self) -> str:
        """The state in the storage; the last one known if the storage can't be read."""
        try:
            state: str = self._state_storage.state
        except Exception as error:
            self._tell_storage_error(error)
            return self._last_state
        self._last_state = state
        return state

    @property
    def fail_counter(self) -> int:
        """Failures in a row."""
        return int(self._stored("counter", self._failed_in_a_row))

    def _inc_counter(self) -> None:
        self._store("increment_counter")

    def _stored(self, field: str, otherwise: Any) -> Any:
        """A field of the storage, or `otherwise` if it can't be read."""
        try:
            return getattr(self._state_storage, field)
        except Exception as error:
            self._tell_storage_error(error)
            return otherwise

    def _store(self, step: str, *values: Any) -> None:
        """Set a field of the storage, or call one of its methods."""
        try:
            if values:
                setattr(self._state_storage, step, values[0])
            else:
                getattr(self._state_storage, step)()
        except Exception as error:
            self._tell_storage_error(error)

    def _tell_storage_error(self, error: Exception) -> None:
        self.storage_errors += 1
        if self.storage_errors == 1:
            kind = type(error).__name__
            text = f"the breaker's storage failed ({kind}); it goes on with what it last knew"
            label = self.name or self._label
            self._note(partial(step_listeners.announce, "degraded", label, text))


class _BytesClient:
    """A Redis client whose answers are bytes, also if it was made with decode_responses=True."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def get(self, key: str) -> Any:
        value = self._client.get(key)
        return value.encode() if isinstance(value, str) else value

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def readable(storage: Any) -> Any:
    """pybreaker's Redis storage decodes what a client with decode_responses has decoded already."""
    is_redis = isinstance(storage, pybreaker.CircuitRedisStorage)
    if is_redis and not isinstance(storage._redis, _BytesClient):
        storage._redis = _BytesClient(storage._redis)
    return storage
