"""Who may see a result: options, functions of the arguments, and what is shown of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from resilient import cached
from resilient.call import Call, Target
from resilient.errors import ConfigurationError
from resilient.keys import Uncacheable
from resilient.results.scopes import asked_by, checked_scope, digest_here
from resilient.testing import RecordedSteps
from tests.ids import said
from tests.results.conftest import Counted


def of_user(user: Any, path: str = "/") -> str:
    return f"{path} of {user}"


def call_with(*args: Any, **kwargs: Any) -> Call:
    return Call.of(Target(of_user, service="s", name="n"), *args, **kwargs)


@pytest.mark.parametrize("scope", ["shop", b"shop", 7, of_user, None, lambda: 1], ids=said)
def test_names_and_functions_are_scopes(scope: Any) -> None:
    assert checked_scope(scope, "cached(scope=…)") is scope


@pytest.mark.parametrize("scope", ["", True, 1.5, ["secret-tenant"], str, object()], ids=said)
def test_what_can_not_be_meant_is_refused_and_not_shown(scope: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"cached\(scope=…\)") as raised:
        cached(ttl=1, scope=scope)
    assert "secret-tenant" not in str(raised.value)


def test_a_function_is_given_the_calls_arguments_however_spelled() -> None:
    who = asked_by(lambda user, path: user, of_user, digest_here)
    assert who(call_with("ann")) == who(call_with(user="ann", path="/x"))
    assert who(call_with("ann")) != who(call_with("bob"))


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (1, True), ("a", b"a"), (("a", "b"), "ab"), (0, False)], ids=str
)
def test_names_of_other_types_are_other_users(one: Any, other: Any) -> None:
    who = asked_by(lambda user, path: user, of_user, digest_here)
    assert who(call_with(one)) != who(call_with(other))


def test_nobody_and_what_is_no_value_are_refused() -> None:
    who = asked_by(lambda user, path: user, of_user, digest_here)
    with pytest.raises(Uncacheable, match="names nobody"):
        who(call_with(None))
    with pytest.raises(Uncacheable, match="not the same in another process"):
        who(call_with(object()))


def test_a_function_that_takes_other_arguments_is_refused_at_decoration() -> None:
    with pytest.raises(ConfigurationError, match="scope"):
        cached(ttl=1, scope=lambda a, b, c: a)(of_user)


def test_a_scope_that_raises_costs_nobody_the_answer_and_shows_nothing(
    steps: RecordedSteps,
) -> None:
    def broken() -> str:
        raise LookupError("tenant-4711")

    origin = Counted(1, 2)
    fetch = cached(ttl=10, scope=broken)(origin)
    assert [fetch(), fetch()] == [1, 2]
    assert ["LookupError" in step.text for step in steps] == [True]
    assert "tenant-4711" not in steps[0].text


def test_a_digest_tells_where_a_part_ends() -> None:
    assert digest_here(b"ab", b"c") != digest_here(b"a", b"bc")
    assert digest_here(b"a") == digest_here(b"a")


@pytest.mark.parametrize("swap", [False, True], ids=["as it is", "swapped"])
def test_invalidating_reaches_the_asking_user_alone(swap: bool) -> None:
    user = ["ann"]
    ask: Callable[[], int]
    origin = Counted(*range(10))
    ask = fetch = cached(ttl=10, scope=lambda: user[0])(origin)
    assert ask() == 0
    user[0] = "bob"
    assert ask() == 1
    user[0] = "ann" if swap else "bob"
    fetch.resilient.cache.invalidate()
    assert ask() == 2
    user[0] = "bob" if swap else "ann"
    assert ask() == (1 if swap else 0)
