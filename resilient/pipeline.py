"""A stack of policies becomes one wrapper around a function.

Decorators do not nest wrappers: each contributes a Policy, and decorating a decorated function
makes a new wrapper with the policies of both. The handlers of a stack form one chain, bound once at
decoration:

    wrapper → policy → policy → … → function

The wrapper (`wrapping`) opens the Call and hands it down the chain; on the way back it counts what
happened. `rebinding` gives it another chain when the configuration says so.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import (
    Any,
    ClassVar,
    Concatenate,
    ParamSpec,
    Protocol,
    TypeVar,
    cast,
    overload,
)

from resilient import options
from resilient.call import Call, Target
from resilient.errors import ConfigurationError, OrderWarning
from resilient.forking import keep_forkable
from resilient.function_stats import FunctionStats
from resilient.handle import Handle, file, name_of, unwrapped
from resilient.http import observe
from resilient.registry import registry
from resilient.stack import oddities, put_on_top
from resilient.wrapping import Handler, Shortcut, enabled, innermost, wrapper_for

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
_S = TypeVar("_S", contravariant=True)

AS_WRITTEN: Mapping[str, Any] = {}
"""Facts of a target that nothing overrides."""


class Policy:
    """One kind of resilience. The object is its own state: functions decorated with it share it.

    Subclasses set `kind` and `rank` (the recommended place in a stack, outermost lowest) and
    implement `bind`. Permits are given back in `finally`, for BaseException too.
    """

    kind: ClassVar[str]
    rank: ClassVar[int]
    passes_hits: ClassVar[bool] = False
    """Has this policy nothing to do for a call that a cache further in can answer?"""
    mode: str = "enforce"
    made_with: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    """What the policy was made with, as it was given."""

    def __new__(cls, *given: Any, **chosen: Any) -> Any:
        if (given or chosen) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__}() takes no arguments")
        made = super().__new__(cls)
        if given or chosen:
            made.made_with = given, chosen
        return made

    def bind(self, proceed: Handler, target: Target) -> Handler:
        """The handler that applies this policy to `target` and goes on with `proceed`."""
        raise NotImplementedError

    def shortcut(self, target: Target) -> Shortcut | None:
        """What answers a call without any Call being made; None if this policy can't.

        Only asked if every policy further out `passes_hits`. It appends to `target.spared`.
        """
        return None

    def check(self, function: Callable[..., Any]) -> None:
        """Raise ConfigurationError if this policy can't serve `function`."""

    def settings(self) -> Mapping[str, object]:
        """The options in force, by name, for `explain`."""
        return {}

    def figures(self, target: Target) -> Mapping[str, object]:
        """What the policy knows of a function now, as plain data for its stats."""
        return {}

    def observes(self, call: Call) -> bool:
        """Is this policy only to record what it would have done to `call`?"""
        return call.target.observing or self.mode == "observe"

    def renew_in_child(self) -> None:
        """In a forked child: take back what the threads left behind held. Locks are open again."""

    def is_elsewhere(self, default: object) -> bool:
        """Was it to share in the default store, which is `default` by now, and shares in another?

        Then it is made anew.
        """
        return False

    def take_over(self, old: Any) -> None:
        """Go on with what `old` knows, whose place in a stack this one is about to take.

        Both differ in their options alone, and some calls still end with the old one. This one may
        take over from several.
        """

    def unfold(self) -> Sequence[Policy]:
        """The policies that this one stands for, outermost first."""
        return (self,)

    def bundled(self, service: str | None) -> None:
        """A service of that name has taken this policy into its bundle."""

    def __call__(self, function: Callable[P, R], /) -> Decorated[P, R]:
        return decorate(function, self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={_shown(value)}" for name, value in self.settings().items())
        return f"{self.kind}({shown})"


class Decorated(Protocol[P, R_co]):
    """A function as the decorators return it: the same signature, and the handle `resilient`."""

    resilient: Handle

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: type, /) -> Decorated[P, R_co]: ...

    @overload
    def __get__(
        self: Decorated[Concatenate[_S, Q], R_co], instance: _S, owner: type | None = None, /
    ) -> Decorated[Q, R_co]: ...


def decorate(function: Callable[P, R], *policies: Policy, stacklevel: int = 3) -> Decorated[P, R]:
    """Put policies on top of a function, decorated or not.

    stacklevel: whose line an OrderWarning names, as in warnings.warn.
    """
    if isinstance(function, (staticmethod, classmethod)):
        inner = decorate(function.__func__, *policies, stacklevel=stacklevel + 1)
        return cast("Decorated[P, R]", type(function)(inner))
    _refuse_what_cannot_work(function, policies)
    below = _handle_of(function)
    plain = below.function if below is not None else function
    old = cast("tuple[Policy, ...]", below.written) if below is not None else ()
    stack = old
    for policy in reversed(policies):
        stack = put_on_top(policy, stack)
    for policy in policies:
        for member in policy.unfold():
            member.check(plain)
    known = set(oddities(old))
    for oddity in oddities(stack):
        if oddity not in known:
            name = name_of(plain)
            warnings.warn(f"{name}: {oddity}", OrderWarning, stacklevel=stacklevel)
    return cast("Decorated[P, R]", _wrapped(plain, stack, looks=function))


def policy_or_decorated(
    kind: Callable[..., Policy], label: str, given: tuple[Any, ...], chosen: Mapping[str, Any]
) -> Any:
    """What a public decorator does: `@breaker` decorates, `breaker(…)` makes a policy.

    given: positional arguments; a single function among them means the bare form.
    """
    bare = len(given) == 1 and not chosen and _is_decoration(given[0])
    if bare:
        return decorate(given[0], kind(), stacklevel=4)
    options.known(chosen, kind, label)
    try:
        inspect.signature(kind).bind(*given, **chosen)
    except TypeError as error:
        raise ConfigurationError(f"{label}(…): {error}; see help({label}).") from None
    return kind(*given, **chosen)


def _wrapped(
    function: Callable[..., Any], policies: tuple[Policy, ...], looks: Callable[..., Any]
) -> Callable[..., Any]:
    """The wrapper of a stack.

    looks: whose name and attributes it takes over; an old wrapper may have got some from others.
    """
    _observe_once()
    target = target_of(function, policies)
    stats = registry.stats_of(target.service, target.name)
    handler, shortcut = chain(policies, target, stats)
    wrapper, rebind = wrapper_for(handler, shortcut, target, stats)
    functools.update_wrapper(wrapper, looks)
    wrapper.__wrapped__ = function  # type: ignore[attr-defined]  # a function's own attribute
    handle = Handle(target, policies, stats)
    handle.wrapper = wrapper
    handle.rebind = rebind
    stats.handle = weakref.ref(handle)
    wrapper.resilient = handle  # type: ignore[attr-defined]  # a function's own attribute
    file(handle)
    return wrapper


def chain(
    policies: Sequence[Policy], target: Target, stats: FunctionStats
) -> tuple[Handler, Shortcut | None]:
    """Bind a stack to a target."""
    target.saved, target.spared, target.missed = stats.saved, stats.spared, stats.missed
    target.http_saved, target.http_missed = stats.http_saved, stats.http_missed
    handler = innermost(target)
    for policy in reversed(policies):
        handler = policy.bind(handler, target)
        keep_forkable(policy)
    return handler, _shortcut_of(policies, target)


@functools.cache
def _observe_once() -> None:
    """Hook into HTTP with the first decoration; who removes the hooks later is left alone."""
    observe.install()


def _shortcut_of(policies: Sequence[Policy], target: Target) -> Shortcut | None:
    for policy in policies:
        if not policy.passes_hits:
            return policy.shortcut(target)
    return None


def target_of(
    function: Callable[..., Any],
    policies: Sequence[Policy],
    overridden: Mapping[str, Any] = AS_WRITTEN,
) -> Target:
    facts: dict[str, Any] = {"service": getattr(unwrapped(function), "__module__", None)}
    facts["service"] = facts["service"] or "__main__"
    for policy in reversed(policies):
        facts.update(getattr(policy, "identity", {}))
    facts.update(overridden)
    return Target(function, name=name_of(function), **facts)


def _handle_of(function: Callable[..., Any]) -> Handle | None:
    """The handle of a wrapper of ours.

    functools.wraps copies __dict__, so our handle shows through foreign decorators too. Taking
    their stack over would silently drop them: the handle must be this very function's.
    """
    handle = getattr(function, "resilient", None)
    return handle if isinstance(handle, Handle) and handle.wrapper is function else None


def _is_decoration(value: object) -> bool:
    """Is this what stands below a bare decorator, be it a thing that can't be decorated?"""
    if isinstance(value, (staticmethod, classmethod, property)):
        return True
    if isinstance(value, type):  # of an exception: somebody means on=
        return not issubclass(value, BaseException)
    return callable(value) and not isinstance(value, Policy)


def _refuse_what_cannot_work(function: Any, policies: Sequence[Policy]) -> None:
    kind = policies[0].kind if policies else "resilient"
    if isinstance(function, type):
        raise ConfigurationError(f"@{kind} on the class {function.__name__}: decorate its methods.")
    if isinstance(function, property):
        raise ConfigurationError(f"@{kind} on a property: put @property above @{kind}.")
    if not callable(function):
        raise ConfigurationError(f"@{kind} on {function!r}: it decorates functions only.")
    plain = unwrapped(function)
    called = plain if inspect.isroutine(plain) else getattr(plain, "__call__", plain)  # noqa: B004
    name = name_of(function)
    if inspect.iscoroutinefunction(called):
        raise ConfigurationError(
            f"@{kind} on async def {name}: resilient runs synchronous functions only; decorate "
            "the synchronous function that makes the request, and call it in a thread."
        )
    if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
        raise ConfigurationError(
            f"@{kind} on the generator {name}: its body would run after the policies are done; "
            "decorate the function that fetches one page, or return a list."
        )


def _shown(value: object) -> str:
    if callable(value) and not isinstance(value, type):
        return str(getattr(value, "__name__", type(value).__name__))
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, tuple) and value and all(isinstance(kind, type) for kind in value):
        return " | ".join(kind.__name__ for kind in value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return repr(value)


__all__ = [
    "Decorated",
    "Handle",
    "Handler",
    "Policy",
    "Shortcut",
    "decorate",
    "enabled",
    "oddities",
    "policy_or_decorated",
]
