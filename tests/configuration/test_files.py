from __future__ import annotations

import re
from pathlib import Path

import pytest

from resilient.configuration import checking, files
from resilient.configuration.environment import read_environment
from resilient.configuration.settings import Given
from resilient.errors import ConfigurationError

GOOD = """\
store = "redis://user:secret@host"
mode = "observe"

[services.github]
enabled = false
retry.attempts = 1

[functions."github.repos".retry]
budget = "none"
"""


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        checking.check(files.parse(text.encode(), "a.toml"))
    return str(caught.value)


def test_a_file_is_a_flat_table_of_values_with_their_lines() -> None:
    said = files.parse(GOOD.encode(), "a.toml")
    checking.check(said)
    assert said == {
        ("store",): Given("redis://user:secret@host", "a.toml:1"),
        ("mode",): Given("observe", "a.toml:2"),
        ("services", "github", "enabled"): Given(False, "a.toml:5"),
        ("services", "github", "retry", "attempts"): Given(1, "a.toml:6"),
        ("functions", "github.repos", "retry", "budget"): Given(None, "a.toml:9"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('mode = "observe"\nmood = 1', "a.toml:2: mood: there is no such setting; did you mean mo"),
        ("\nmode = 3", "a.toml:2: mode=3: use 'enforce' or 'observe'."),
        ("enabled = 1", "a.toml:1: enabled=1: use True or False."),
        ("publish = 'no'", "a.toml:1: publish='no': use True or False"),
        ("store_timeout = -1", "a.toml:1: store_timeout=-1: use a finite time"),
        ("services = 3", "a.toml:1: services: use a table"),
        ("[services]\ngithub = 3", "a.toml:2: services.github: use a table"),
        ("[services.github]\nretry = 3", "a.toml:2: services.github.retry: it is neither mode nor"),
        (
            "[services.github]\n\nretri.attempts = 3",
            "a.toml:3: services.github.retri: there is no such policy; did you mean retry?",
        ),
        (
            "[services.github.retry]\nmax_wait = 3\natempts = 3",
            "a.toml:3: services.github.retry.atempts: there is no such option; did you mean attem",
        ),
        (
            "[services.github.retry]\nmax_wait = 3\nattempts = 0",
            "a.toml:3: services.github.retry.attempts: retry(attempts=0): use a whole number",
        ),
        (
            '[functions."github.repos".throttled]\nrates = [\n  "10/s", "x"]',
            'a.toml:2: functions."github.repos".throttled.rates: ',
        ),
        (
            '[services.github.retry]\non = "OSError"',
            "a.toml:2: services.github.retry.on: retry(on='OSError'): use exception classes",
        ),
        (
            '[services.github.service]\nname = "gitlab"',
            "a.toml:2: services.github.service.name: there is no such option; it is by this",
        ),
        ("[services.x.breaker]\nwindow = 2020-01-01", "a.toml:2: services.x.breaker.window: "),
        ('[services.x.throttled]\nkey = "user"', "a.toml:2: services.x.throttled.key: "),
        ("mode = \n", "a.toml:1: it is no TOML: "),
        ('a = "b', "a.toml:1: it is no TOML: "),
        ("[services\n", "a.toml:1: it is no TOML: "),
    ],
)
def test_what_is_wrong_is_refused_with_file_line_and_key(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


@pytest.mark.parametrize(
    "text",
    [
        "throttled.adaptive = false",
        "throttled.reserve = 0.5",
        "throttled.cost = 500",
        "throttled.calls = 10",
        "throttled.period = 10",
        'throttled.rates = "100/hour"',
        'throttled.pace = "spread"',
        "breaker.reset_timeout = 1000",
        "breaker.max_reset_timeout = 2",
        'breaker.fail_max = "none"',
        'breaker.failure_rate = "none"',
        "service.hard_deadline = true",
        "service.context = { team = 'x' }",
        "cached.respect_headers = false",
        "cached.stale_if_error = 60",
        "retry.wait = [1, 2, 4]",
        "fallback.alternatives = [[]]",
        "bulkhead.limit = 3",
    ],
)
def test_what_only_the_code_can_complete_is_accepted(text: str) -> None:
    checking.check(files.parse(f"[services.github]\n{text}".encode(), "a.toml"))


def test_no_text_of_a_refusal_shows_a_store() -> None:
    assert "secret" not in refusal(GOOD.replace("retry.attempts", "retry.atempts"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"mode = 'observe'\n\xff", "a.toml:2: it is no UTF-8 text."),
        (b"a = " + b"[" * 100_000, "a.toml"),
    ],
    ids=["bytes", "depth"],
)
def test_what_is_no_document_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        files.parse(data, "a.toml")


def test_windows_may_have_written_it() -> None:
    text = "\ufeffmode = 'observe'\r\nenabled = false\r\n"
    said = files.parse(text.encode(), "a.toml")
    assert said["enabled",] == Given(False, "a.toml:2")


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (files.MOST_BYTES + 1))
    with pytest.raises(ConfigurationError, match=r"large.toml: it is larger than 1 MiB"):
        files.read(str(large))
    with pytest.raises(ConfigurationError, match=r"none.toml: it can't be read \(No such file"):
        files.read(str(tmp_path / "none.toml"))
    with pytest.raises(ConfigurationError, match="can't be read"):
        files.read("a\0b")


def test_the_readme_s_file_and_variables_are_good() -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    checking.check(files.parse(example.encode(), "README.md"))
    variables = dict(re.findall(r"^(RESILIENT_\w+)='?([^' \n]+)", text, re.MULTILINE))
    assert len(variables) == 4
    checking.check(read_environment(variables, checking.policy_kinds()))
