"""What shared state is called."""

from __future__ import annotations

import subprocess
import sys

import pytest

from resilient.call import Target
from resilient.errors import ConfigurationError
from resilient.sharing.naming import SharedName, hashed, readable


def target(name: str = "repos", module: str = "shop.github") -> Target:
    def function() -> None:
        pass

    function.__module__ = module
    return Target(function, service="github", name=name)


def test_a_policy_is_called_as_its_user_says() -> None:
    name = SharedName("throttled", "github-api")
    assert name.of(target()) == "throttled:github-api"
    assert name.of(target(module="shop.elsewhere")) == "throttled:github-api"


def test_one_that_a_service_bundles_is_called_like_the_service() -> None:
    name = SharedName("breaker", None)
    name.bundle("github")
    assert name.of(target("issues")) == name.of(target(module="other")) == "breaker:github"


def test_others_are_called_like_their_first_function() -> None:
    name = SharedName("retry", None)
    assert name.of(target("repos")) == name.of(target("issues")) == "retry:github.repos"


def test_it_is_called_as_when_it_first_decorated_something_be_there_a_store_or_not() -> None:
    name = SharedName("throttled", None)
    name.decorates(target("repos"))
    assert name.of(target("issues")) == "throttled:github.repos"


def test_one_with_other_options_is_called_like_the_one_whose_place_it_takes() -> None:
    old, new = SharedName("throttled", None), SharedName("throttled", None)
    old.decorates(target("repos"))
    new.take_over(old)
    assert new.of(target("issues")) == "throttled:github.repos"
    old.bundle("github")
    bundled, given = SharedName("throttled", None), SharedName("throttled", "mine")
    bundled.take_over(old)
    given.take_over(old)
    assert bundled.of(target("issues")) == "throttled:github"
    assert given.of(target("issues")) == "throttled:mine"


def test_a_nameless_one_that_two_modules_share_is_refused() -> None:
    name = SharedName("throttled", None)
    name.of(target(module="shop.github"))
    with pytest.raises(ConfigurationError, match=r"shop\.github too.* throttled\(name="):
        name.of(target(module="shop.cron"))


@pytest.mark.parametrize("given", ["", "  ", 3, b"name"])
def test_a_name_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(ConfigurationError, match=r"breaker\(name="):
        SharedName("breaker", given)


def test_an_odd_name_is_hashed() -> None:
    assert readable("github.repos:v1_a-b") == "github.repos:v1_a-b"
    for odd in ("two words", "ümlaut", "x" * 101, "line\nbreak", "{tag}"):
        assert readable(odd) == hashed(odd)


def test_equal_values_of_other_types_are_told_apart() -> None:
    values = ["1", 1, 1.0, True, b"1", None, (1,), ("1",), ((1,), 2), (1, (2,))]
    assert len({hashed(value) for value in values}) == len(values)


def test_a_value_can_not_be_read_from_its_name() -> None:
    assert "tenant" not in hashed("tenant-7")


def test_what_every_process_would_call_otherwise_is_refused() -> None:
    for value in (object(), [1], {1: 2}, (1, object())):
        with pytest.raises(ConfigurationError, match="return text, bytes, numbers, or tuples"):
            hashed(value)


def test_a_value_is_called_the_same_in_another_process() -> None:
    code = "from resilient.sharing.naming import hashed; print(hashed(('tenant', 7, 1.5, None)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashed(("tenant", 7, 1.5, None))


def test_the_cache_s_key_makes_names_that_others_can_not_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = hashed("tenant")
    monkeypatch.setenv("RESILIENT_CACHE_KEY", "k" * 100)
    assert hashed("tenant") != without
