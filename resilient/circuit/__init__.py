"""pybreaker.CircuitBreaker made safe: a drop-in with the same constructor, states, listeners,
storages, exclusions and error texts.

What is different, and why:

- The function runs outside the lock. pybreaker holds its RLock meanwhile, so that threads queue and
  two nested breakers can deadlock.
- Listeners run outside the lock as well, one event at a time and in order; one that raises is
  counted and does not replace the call's result.
- Ctrl-C and exits are never counted.
- In half-open, at most `probes` calls are under way. One that has not come back after
  `reset_timeout` gives up its place, so that it can't jam the circuit.
- An excluded exception does not close a half-open circuit. In a closed one it resets the failures
  in a row, as pybreaker does.
- Every class counts as an exclusion, those with a metaclass too; a predicate that raises excludes
  nothing.
- Results that come in after the circuit has changed its state no longer count.
- Durations use the monotonic clock; the storage's `opened_at` stays Unix time for other processes.
- A storage that raises is counted, and the breaker goes on with what it last knew.

It can also open on a failure rate or a slow-call rate over a window, and stay open for longer with
each failed probe; both are off unless asked for.

breaker     the circuit of one process
checking    what a user gives it, checked
forcing     an operator's hand on it
sharing     the circuit of several workers, over a store of resilient.sharing
mirror      what such a breaker knows of the others, and tells them
"""

from resilient.circuit.breaker import CircuitBreaker
from resilient.circuit.health import Health
from resilient.circuit.states import PROBING, RAMPING, STILL_OPEN, Admission

__all__ = ["PROBING", "RAMPING", "STILL_OPEN", "Admission", "CircuitBreaker", "Health"]
