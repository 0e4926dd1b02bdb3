"""@fallback: what the caller gets when all else failed."""

from __future__ import annotations

import copy
import copyreg
import functools
import inspect
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, ParamSpec, Protocol, TypeVar, cast

from resilient import options
from resilient.call import FINE, Call, Target, current
from resilient.errors import ConfigurationError
from resilient.keys import Handover
from resilient.pipeline import Decorated, Handler, Policy, decorate
from resilient.results.last_good import LastGood, Memory
from resilient.verdict import PLAIN_TYPES, judge_error, judge_result

P = ParamSpec("P")
R = TypeVar("R")

Answer = Callable[[Call, "Exception | None"], Any]
"""What one alternative does about a failed call; it raises if it has no answer."""


class NoAnswer(Exception):
    """An alternative has nothing to give: the next one's turn. The text says why."""


class _Function:
    """Calls an alternative as a part of the failed call.

    Its requests are seen, and bounded by what the call may still take; but they don't go to the
    vendor whose quota the function keeps, so they have a Call of their own without its gates.
    """

    def __init__(self, alternative: Callable[..., Any], target: Target) -> None:
        self._hand_on = Handover(alternative, target.function, offers_error=True)
        self._target = Target(
            alternative,
            service=target.service,
            name=target.name,
            observing=target.observing,
            context=target.context,
        )

    def answer(self, call: Call, error: Exception | None) -> Any:
        inner = Call.of(self._target, *call.args, **call.kwargs)
        inner.parent = call
        token = current.set(inner)
        try:
            result = self._hand_on(call, error)
        finally:
            current.reset(token)
            inner.closed = True
            for exchange in inner.exchanges:
                call.add_exchange(exchange)
        if type(result) not in PLAIN_TYPES:
            # Only what it returned counts: an alternative may well make do with a failed request.
            inner.exchanges = ()
            if judge_result(inner, result) is not FINE:
                raise NoAnswer(inner.outcome.reason)
        return result


class _Value:
    """Hands out copies of a value, so that no caller can corrupt it."""

    def __init__(self, value: Any) -> None:
        self._value = value
        self._is_plain = _is_unchangeable(value)

    def answer(self, call: Call, error: Exception | None) -> Any:
        return self._value if self._is_plain else copy.deepcopy(self._value)


class Fallback(Policy):
    """See `fallback`."""

    kind = "fallback"
    rank = 1
    passes_hits = True

    def __init__(
        self,
        *alternatives: object,
        on: type[Exception] | Sequence[type[Exception]] = Exception,
        mode: str = "enforce",
    ) -> None:
        if not alternatives:
            raise ConfigurationError(
                "fallback(): say what the caller gets instead, such as @fallback(None) or "
                "@fallback([])."
            )
        for alternative in alternatives:
            _refuse_what_cannot_answer(alternative)
        self.alternatives = alternatives
        self.on = options.exception_types(on, "fallback(on)")
        if not self.on:
            raise ConfigurationError(
                "fallback(on=()): it would answer nothing; name exceptions, or leave it out."
            )
        self.mode = options.choice(mode, "fallback(mode)", ("enforce", "observe"))

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the targets of this policy are told before any policy is bound."""
        has_memory = any(isinstance(alternative, LastGood) for alternative in self.alternatives)
        return {"watches_credentials": True} if has_memory else {}

    def settings(self) -> Mapping[str, object]:
        return {"alternatives": [_shown(a) for a in self.alternatives], "on": self.on}

    def __call__(
        self,
        function: Callable[P, R] = cast("Any", None),  # noqa: B008
        /,
        *args: NoReturn,
        **kwargs: NoReturn,
    ) -> Decorated[P, R]:
        fit = callable(function) or isinstance(function, (classmethod, staticmethod, property))
        if args or kwargs or not fit:
            name = _shown(self.alternatives[0])
            raise ConfigurationError(
                f"fallback({name}) was called like a function. If {name} stands under a bare "
                "@fallback, write @fallback(…) and say what the caller gets instead, such as "
                "@fallback(None)."
            )
        return decorate(function, self)

    def check(self, function: Callable[..., Any]) -> None:
        for alternative in self.alternatives:
            if isinstance(alternative, LastGood):
                alternative.check(function)
            if not callable(alternative):
                continue
            try:
                Handover(alternative, function, offers_error=True)
            except TypeError as error:
                raise ConfigurationError(
                    f"fallback({_shown(alternative)}) can't take the arguments of "
                    f"{_shown(function)}{inspect.signature(function)}: {error}. Give it the same "
                    "parameters (and `error`, if it wants the exception)."
                ) from None

    def take_over(self, old: Fallback) -> None:
        self._memories = old._memories

    @functools.cached_property
    def _memories(self) -> weakref.WeakValueDictionary[tuple[int, int], Memory]:
        """By the ids of a last_good and of a function. The handlers hold them."""
        return weakref.WeakValueDictionary()

    def _memory_of(self, chosen: LastGood, function: Callable[..., Any]) -> Memory:
        known = self._memories.get((id(chosen), id(function)))
        return known or self._memories.setdefault(
            (id(chosen), id(function)), Memory(chosen, function)
        )

    def bind(self, proceed: Handler, target: Target) -> Handler:
        memories: list[Memory] = []
        answers: list[tuple[str, Answer]] = []
        for alternative in self.alternatives:
            if isinstance(alternative, LastGood):
                memories.append(self._memory_of(alternative, target.function))
                answers.append(("with the last good result", _remembered_by(memories[-1])))
            elif callable(alternative):
                name = f"with {_shown(alternative)}()"
                answers.append((name, _Function(alternative, target).answer))
            else:
                answers.append(("with its fallback value", _Value(alternative).answer))
        types = self.on
        answers_results = Exception in types

        def handler(call: Call) -> Any:
            for memory in memories:
                memory.begin(call)
            try:
                result = proceed(call)
            except types as caught:
                error: Exception = caught  # type: ignore[assignment]  # options allow no others
            else:
                if call.outcome is FINE:
                    if memories and not call.rests_on_degraded:
                        for memory in memories:
                            memory.keep(call, result)
                    return result
                if call.degraded or not answers_results:
                    return result
                return self._answer(call, answers, None, result)
            try:
                return self._answer(call, answers, error, None)
            finally:
                del error  # its traceback holds this frame

        return handler

    def _answer(
        self,
        call: Call,
        answers: Sequence[tuple[str, Answer]],
        error: Exception | None,
        result: Any,
    ) -> Any:
        """The first alternative that works; without one, what the function came to."""
        outcome = call.outcome if error is None else judge_error(call, error)
        if self.observes(call):
            call.report("would_fallback", f"would answer {answers[0][0]} after {outcome.reason}")
            answers = ()
        for name, answer in answers:
            try:
                given = answer(call, error)
            except Exception as failed:
                why = str(failed) if isinstance(failed, NoAnswer) else type(failed).__name__
                call.report("fallback_failed", f"could not answer {name} ({why})")
                continue
            call.degrade()
            call.report("fallback", f"answered {name} after {outcome.reason}")
            return given
        if error is not None:
            raise error
        return result


def _remembered_by(memory: Memory) -> Answer:
    def answer(call: Call, error: Exception | None) -> Any:
        good = memory.answer(call)
        if good is None:
            raise NoAnswer("none is kept")
        return good[0]

    return answer


def _refuse_what_cannot_answer(alternative: object) -> None:
    name = _shown(alternative)
    if alternative is LastGood:
        raise ConfigurationError("fallback(fallback.last_good): write fallback.last_good().")
    if isinstance(alternative, type):
        raise ConfigurationError(
            f"fallback({name}): a class would be called with the function's arguments; write "
            f"{name}() for the value, or a function."
        )
    if isinstance(alternative, Policy):
        raise ConfigurationError(
            f"fallback({alternative.kind}(…)): a policy is no answer; put @{alternative.kind} "
            "below @fallback."
        )
    if inspect.isgenerator(alternative):
        raise ConfigurationError(
            "fallback(<generator>): it would be used up by the first call; write a list, or a "
            "function."
        )
    called: object = alternative
    while isinstance(called, functools.partial):
        called = called.func
    if callable(called) and not inspect.isroutine(called):
        called = called.__call__
    if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
        raise ConfigurationError(
            f"fallback({name}): an async function can't answer here; use a synchronous one."
        )


def _is_unchangeable(value: Any) -> bool:
    """Has it no state that a caller could change? What can't be copied counts as such."""
    try:
        if copy.deepcopy(value) is value:
            return True
        make, given, *state = value.__reduce_ex__(4)
    except Exception:
        return True
    # A bare object() that stands for "nothing" is told by its identity: a copy would not be it.
    is_bare = make is copyreg.__newobj__ and given == (type(value),)  # type: ignore[attr-defined]
    return is_bare and all(part is None or part == {} for part in state)


def _shown(value: object) -> str:
    if isinstance(value, LastGood):
        return repr(value)
    if callable(value):
        return str(getattr(value, "__name__", type(value).__name__))
    return type(value).__name__ if value is not None else "None"


class _Decorator(Protocol):
    """`fallback`, for type checkers: there, options that do not exist are errors already."""

    @property
    def last_good(self) -> type[LastGood]: ...

    def __call__(
        self,
        *alternatives: object,
        on: type[Exception] | Sequence[type[Exception]] = Exception,
        mode: str = "enforce",
    ) -> Fallback: ...


def _with_last_good(decorator: Callable[..., Fallback]) -> _Decorator:
    decorator.last_good = LastGood  # type: ignore[attr-defined]  # a function's own attribute
    return cast("_Decorator", decorator)


@_with_last_good
def fallback(
    *alternatives: object,
    on: type[Exception] | Sequence[type[Exception]] = Exception,
    mode: str = "enforce",
    **unknown: object,
) -> Fallback:
    """Answer with the first alternative that works when the call has failed for good.

    alternatives: values (copied, so that no caller can corrupt them) or functions, which get the
        call's own arguments in their order and, if they have a parameter `error`, what was raised
        (None if a failed response was returned). `fallback.last_good(max_age)` answers with the
        last good result for the same arguments (with `scope=`: for the same user).
    on: the exceptions that are answered; others pass. A failed response that was returned is
        answered unless `on` is narrowed. Ctrl-C and exits always pass.
    mode: "observe" lets everything pass and records what would have been answered.

    If every alternative fails, the caller gets the original error.
    """
    options.known(unknown, Fallback, "fallback")
    return Fallback(*alternatives, on=on, mode=mode)
