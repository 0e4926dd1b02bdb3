from __future__ import annotations

from typing import Any

import pytest

from resilient import breaker, retry, service
from resilient.diagnostics.alerts import alert, webhook
from resilient.diagnostics.alerts.rules import Scope
from resilient.errors import ConfigurationError


@retry
def decorated() -> None: ...


def plain() -> None: ...


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "nothing to watch for"),
    ({"failure_rate": 20}, r"failure_rate=20\): .*write 0.2"),
    ({"failure_rate": "high"}, r"failure_rate='high'\)"),
    ({"error_rate": 0}, r"error_rate=0\)"),
    ({"quota_left": True}, r"quota_left=True\)"),
    ({"latency_p95": 0}, r"latency_p95=0\)"),
    ({"latency_p99": "fast"}, r"latency_p99='fast'\).*write"),
    ({"retries_amplified": 1}, r"retries_amplified=1\): .*such as 1.5"),
    ({"retries_amplified": True}, r"retries_amplified=True\)"),
    ({"retries_amplified": float("nan")}, r"retries_amplified=nan\)"),
    ({"breaker_open": 1}, r"breaker_open=1\): use True or False"),
    ({"unusual": "yes"}, r"unusual='yes'\): use True or False"),
    ({"unusual": True, "over": 0}, r"over=0\)"),
    ({"unusual": True, "cooldown": "0s"}, r"cooldown=0"),
    ({"unusual": True, "hold": -1}, r"hold=-1\)"),
    ({"unusual": True, "min_calls": 0}, r"min_calls=0\)"),
    ({"unusual": True, "on": ""}, r"on=''\): use a pattern"),
    ({"unusual": True, "on": []}, r"on=\(\)\)"),
    ({"unusual": True, "on": 7}, r"on=7\): use a pattern"),
    ({"unusual": True, "on": plain}, r"on=plain\): decorate it first"),
    ({"unusual": True, "to": "https://hooks.slack.com/s3cr3t"}, r"got a str: write to=webhook"),
    ({"unusual": True, "to": 5}, r"got a int"),
    ({"unusual": True, "to": [print, dict]}, r"got a class, dict"),
]


@pytest.mark.parametrize(("options", "says"), WRONG, ids=lambda one: str(one)[:40])
def test_what_cannot_be_watched_is_refused_with_a_remedy(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as raised:
        alert(**options)
    assert "s3cr3t" not in str(raised.value)


def test_a_pattern_means_functions_or_services() -> None:
    scope = Scope(("github.*", "stripe", "*.Client.pay", "odd[1]"), (), (("me", "too"),))
    assert scope.takes(("odd[1]", "name"))
    assert scope.takes(("github", "repos"))
    assert scope.takes(("stripe", "pay"))
    assert scope.takes(("adyen", "Client.pay"))
    assert scope.takes(("me", "too"))
    assert not scope.takes(("githubs", "repos"))
    assert not scope.takes(("me", "not"))


def test_a_rule_says_what_it_watches() -> None:
    vendor = service("vendor", breaker())
    rule = alert(on=[vendor, decorated, "github.*"], failure_rate=0.2, unusual=True)
    assert repr(rule) == (
        "<alert on github.*, vendor, tests.diagnostics.alerts.test_rules.decorated: "
        "failure_rate=0.2, unusual=True>"
    )


def test_short_times_are_looked_at_more_often() -> None:
    assert alert(failure_rate=0.2).rule.interval == 10
    assert alert(failure_rate=0.2, hold="4s").rule.interval == 2
    assert alert(failure_rate=0.2, over="1s", hold=0).rule.interval == 1


def test_a_webhook_is_a_receiver_and_hides_its_address() -> None:
    hook = webhook("https://hooks.slack.com/services/T0/B0/s3cr3t-path", shape="slack")
    assert alert(failure_rate=0.2, to=hook).receivers == (hook,)
    assert repr(hook) == "webhook('https://hooks.slack.com/…', shape='slack')"
