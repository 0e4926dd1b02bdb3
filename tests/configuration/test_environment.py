from __future__ import annotations

import pytest

from resilient.configuration.checking import check, policy_kinds
from resilient.configuration.environment import capitals, read_environment
from resilient.configuration.settings import Given, Path
from resilient.errors import ConfigurationError

Cases = list[tuple[str, str, Path, object]]

CASES: Cases = [
    ("RESILIENT_STORE", "redis://host", ("store",), "redis://host"),
    ("RESILIENT_STORE", "none", ("store",), None),
    ("RESILIENT_STORE_TIMEOUT", "0.5", ("store_timeout",), 0.5),
    ("RESILIENT_PUBLISH", "no", ("publish",), False),
    ("RESILIENT_MODE", "Observe", ("mode",), "observe"),
    ("RESILIENT_ENABLED", "0", ("enabled",), False),
    ("RESILIENT_ENABLED", "yes", ("enabled",), True),
    ("RESILIENT_GITHUB__MODE", "observe", ("named", "GITHUB", "mode"), "observe"),
    ("RESILIENT_GIT_HUB__REPOS__ENABLED", "off", ("named", "GIT_HUB__REPOS", "enabled"), False),
    (
        "RESILIENT_GITHUB__THROTTLED__RATES",
        '["100/hour"]',
        ("named", "GITHUB", "throttled", "rates"),
        ["100/hour"],
    ),
    (
        "RESILIENT_GITHUB__THROTTLED__RATES",
        "100/hour",
        ("named", "GITHUB", "throttled", "rates"),
        "100/hour",
    ),
    (
        "RESILIENT_GITHUB__REPOS__RETRY__ATTEMPTS",
        "1",
        ("named", "GITHUB__REPOS", "retry", "attempts"),
        1,
    ),
    ("RESILIENT_A__RETRY__BUDGET", "none", ("named", "A", "retry", "budget"), None),
    ("RESILIENT_RETRY__MODE", "observe", ("named", "RETRY", "mode"), "observe"),
]


@pytest.mark.parametrize(("name", "text", "path", "value"), CASES)
def test_a_variable_says_one_thing(name: str, text: str, path: Path, value: object) -> None:
    said = read_environment({name: text}, policy_kinds())
    assert said == {path: Given(value, name)}
    check(said)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("RESILIENT_MODE", "off", "RESILIENT_MODE: mode='off': use 'enforce' or 'observe'."),
        ("RESILIENT_ENABLED", "maybe", "RESILIENT_ENABLED: enabled='maybe': use True or False."),
        ("RESILIENT_PUBLISH", "x", "RESILIENT_PUBLISH: publish='x': use True or False"),
        ("RESILIENT_STORE_TIMEOUT", "x", "RESILIENT_STORE_TIMEOUT: store_timeout='x': use seconds"),
        ("RESILIENT_A__THROTLED__RATES", "1/s", "RESILIENT_A__THROTLED__RATES: throtled is no pol"),
        ("RESILIENT_A__RETRY__ATEMPTS", "1", "RESILIENT_A__RETRY__ATEMPTS: A.retry.atempts: there"),
        ("RESILIENT_A__RETRY__ATTEMPTS", "x", "RESILIENT_A__RETRY__ATTEMPTS: A.retry.attempts: re"),
        ("RESILIENT___", "1", "RESILIENT___: "),
        ("RESILIENT__RETRY__ATTEMPTS", "1", "RESILIENT__RETRY__ATTEMPTS: "),
    ],
)
def test_a_wrong_one_is_refused_by_its_name(name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check(read_environment({name: text}, policy_kinds()))
    assert str(caught.value).startswith(said)


def test_variables_of_others_and_empty_ones_say_nothing() -> None:
    variables = {"RESILIENT_CACHE_KEY": "x", "RESILIENT_MODE": "", "PATH": "/bin", "A__B": "1"}
    assert read_environment(variables, policy_kinds()) == {}


def test_names_are_spelled_in_capitals() -> None:
    assert capitals("git-hub.v2") == "GIT_HUB_V2"
