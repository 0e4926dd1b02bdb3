from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import resilient
from resilient import (
    BreakerOpen,
    ConfigurationError,
    RateLimited,
    breaker,
    bulkhead,
    cached,
    configure,
    fallback,
    pipeline,
    retry,
    service,
    throttled,
)
from resilient.sharing import opening
from resilient.testing import FakeClock, RecordedSteps
from tests.configuration.conftest import WriteFile
from tests.threads import StartThread


def failing() -> None:
    raise ConnectionError("no route")


def named(name: str, function: Callable[..., Any] = lambda: "fresh") -> Callable[..., Any]:
    """A function of its own with that name."""

    def run(*args: Any) -> Any:
        return function(*args)

    run.__qualname__ = run.__name__ = name
    return run


def test_a_service_s_options_hold_for_all_its_functions_and_the_function_s_own_go_first() -> None:
    github = service("github", retry(attempts=4))
    repos, users = github(named("repos")), github(named("users"))
    configure(
        services={"github": {"retry": {"attempts": 2, "max_wait": 7}}},
        functions={"github.repos": {"retry": {"attempts": 1}}},
    )
    assert repos.resilient.policy("retry").attempts == 1
    assert repos.resilient.policy("retry").max_wait == 7
    assert users.resilient.policy("retry").attempts == 2


def test_what_is_decorated_later_is_overridden_too() -> None:
    configure(services={"github": {"retry": {"attempts": 1}}})
    tries = []

    @service("github")
    @retry(attempts=4, wait=0)
    def repos() -> None:
        tries.append(1)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        repos()
    assert len(tries) == 1


def test_other_services_and_other_options_stay_as_they_are() -> None:
    repos = service("github")(retry(attempts=4, max_wait=3)(named("repos")))
    other = service("gitlab")(retry(attempts=4)(named("repos")))
    before = other.resilient.policies
    configure(services={"github": {"retry": {"attempts": 1}}})
    assert repos.resilient.policy("retry").max_wait == 3
    assert other.resilient.policies == before


def test_functions_that_shared_a_policy_share_the_one_that_takes_its_place() -> None:
    github = service("github", bulkhead(5), breaker())
    repos, users = github(named("repos")), github(named("users"))
    configure(services={"github": {"bulkhead": {"limit": 2}}})
    later = github(named("later"))
    assert repos.resilient.policy("bulkhead") is users.resilient.policy("bulkhead")
    assert repos.resilient.policy("bulkhead") is later.resilient.policy("bulkhead")
    assert repos.resilient.breaker is users.resilient.breaker
    configure(functions={"github.users": {"bulkhead": {"limit": 1}}})
    assert repos.resilient.policy("bulkhead").limit == 2
    assert users.resilient.policy("bulkhead").limit == 1


def test_taking_it_back_brings_back_the_policies_of_the_code() -> None:
    repos = service("github", retry(attempts=4))(named("repos"))
    before = repos.resilient.policies
    configure(services={"github": {"retry": {"attempts": 1}}}, mode="observe")
    configure(services=None)
    assert repos.resilient.policies == before
    assert "observes" in str(repos.resilient)
    configure(mode=None)
    assert "observes" not in str(repos.resilient)


def test_rates_take_the_place_of_calls_and_period(clock: FakeClock) -> None:
    repos = service("github")(throttled(calls=5, period=1, max_wait=0)(named("repos")))
    configure(services={"github": {"throttled": {"rates": ["2/hour"]}}})
    assert [repos(), repos()] == ["fresh", "fresh"]
    with pytest.raises(RateLimited):
        repos()
    configure(services={"github": {"throttled": {"calls": 3}}})
    assert [str(rate) for rate in repos.resilient.policy("throttled").rates] == ["3/s"]


def test_a_call_goes_by_what_is_in_force_when_it_starts(in_thread: StartThread) -> None:
    entered, go_on = threading.Event(), threading.Event()
    tries: list[int] = []

    @service("github")
    @retry(attempts=2, wait=0)
    def repos() -> None:
        tries.append(1)
        entered.set()
        go_on.wait(10)
        raise ConnectionError

    def call() -> None:
        with pytest.raises(ConnectionError):
            repos()

    thread = in_thread(call)
    assert entered.wait(10)
    configure(functions={"github." + repos.resilient.name: {"retry": {"attempts": 1}}})
    go_on.set()
    thread.join(10)
    assert len(tries) == 2
    call()
    assert len(tries) == 3


@pytest.mark.parametrize("level", ["all", "service", "function"])
def test_switched_off_a_function_is_called_directly(level: str) -> None:
    repos = service("github")(fallback(None)(named("repos", failing)))
    off: dict[str, dict[str, Any]] = {
        "all": {"enabled": False},
        "service": {"services": {"github": {"enabled": False}}},
        "function": {"functions": {"github.repos": {"enabled": False}}},
    }
    configure(**off[level])
    with pytest.raises(ConnectionError) as caught:
        repos()
    assert not hasattr(caught.value, "__notes__")
    configure(enabled=None, services=None, functions=None)
    assert repos() is None


def test_a_switch_that_was_off_for_the_service_may_be_on_for_a_function() -> None:
    github = service("github", fallback(None))
    repos, users = github(named("repos", failing)), github(named("users", failing))
    configure(
        services={"github": {"enabled": False}}, functions={"github.repos": {"enabled": True}}
    )
    assert repos() is None
    with pytest.raises(ConnectionError):
        users()


def test_observe_makes_everything_only_record(steps: RecordedSteps) -> None:
    repos = service("github")(fallback("stand-in")(named("repos", failing)))
    configure(mode="observe")
    with pytest.raises(ConnectionError):
        repos()
    assert "would_fallback" in [step.kind for step in steps]
    configure(functions={"github.repos": {"mode": "enforce"}})
    assert repos() == "stand-in"


def test_enforce_takes_back_what_the_service_in_the_code_says() -> None:
    repos = service("github", mode="observe")(fallback("stand-in")(named("repos", failing)))
    configure(services={"github": {"mode": "enforce"}})
    assert repos() == "stand-in"


def test_an_option_of_the_service_itself_can_be_overridden() -> None:
    repos = service("github", retry(), timeout=5)(named("repos"))
    configure(services={"github": {"service": {"timeout": 2, "context": {"team": "x"}}}})
    assert repos.resilient._target.timeout == 2
    assert repos.resilient._target.context == {"team": "x"}


def test_what_can_not_be_is_refused_whole_and_nothing_changes() -> None:
    repos = service("github")(retry(attempts=4)(throttled("5/s")(named("repos"))))
    configure(services={"github": {"retry": {"attempts": 3}}})
    before = repos.resilient.policies
    with pytest.raises(ConfigurationError, match=r"configure\(\): throttled.reserve of github.rep"):
        configure(
            mode="observe",
            services={"github": {"retry": {"attempts": 1}, "throttled": {"reserve": 0.5}}},
        )
    assert repos.resilient.policies == before
    assert "observes" not in str(repos.resilient)


def test_the_option_to_blame_is_named_among_several() -> None:
    repos = service("github")(throttled("5/s")(named("repos")))
    with pytest.raises(ConfigurationError, match=r"throttled.reserve of github.repos"):
        configure(services={"github": {"throttled": {"max_wait": 3, "reserve": 0.5}}})
    assert repos() == "fresh"


def test_what_does_not_fit_a_later_function_leaves_it_as_written_and_is_told(
    steps: RecordedSteps,
) -> None:
    configure(services={"github": {"throttled": {"reserve": 0.5}}})
    for _ in range(2):
        repos = service("github")(throttled("5/s")(named("repos")))
        assert repos() == "fresh"
    told = [step.text for step in steps if step.kind == "degraded"]
    assert len(told) == 1
    assert "throttled.reserve of github.repos" in told[0]
    assert told[0].endswith("The options in the code stay in force.")


def test_explain_shows_what_is_overridden_and_where(write: WriteFile) -> None:
    repos = service("github")(retry(attempts=4)(named("repos")))
    path = write("[services.github]\n\nretry.attempts = 1\nbreaker.probes = 3\n")
    configure(file=path, functions={"github.repos": {"mode": "observe"}})
    text = str(repos.resilient)
    assert "  retry(attempts=1, " in text
    assert "  overridden: retry(attempts) by resilient.toml:3" in text
    assert "  overridden: mode by configure()\n" in text
    assert "breaker" not in text


def test_a_decorator_on_top_builds_on_what_was_written() -> None:
    repos = retry(attempts=4)(named("repos"))
    module = repos.resilient.service
    configure(services={module: {"retry": {"attempts": 1}}})
    assert repos.resilient.policy("retry").attempts == 1
    more = fallback(None)(repos)
    configure(services=None)
    assert more.resilient.policy("retry").attempts == 4


def test_the_environment_goes_before_the_file_and_the_file_before_the_code(
    write: WriteFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    repos = service("git-hub")(retry()(named("repos")))

    def attempts() -> object:
        return repos.resilient.policy("retry").attempts

    configure(services={"git-hub": {"retry": {"attempts": 5}}})
    assert attempts() == 5
    configure(file=write('[services."git-hub".retry]\nattempts = 6\n'))
    assert attempts() == 6
    monkeypatch.setenv("RESILIENT_GIT_HUB__RETRY__ATTEMPTS", "7")
    configure()
    assert attempts() == 7
    configure(functions={"git-hub.repos": {"retry": {"attempts": 8}}})
    assert attempts() == 8
    monkeypatch.setenv("RESILIENT_GIT_HUB__REPOS__RETRY__ATTEMPTS", "9")
    configure()
    assert attempts() == 9


def test_a_wrong_variable_is_told_once_and_keeps_no_program_from_starting(
    steps: RecordedSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESILIENT_GITHUB__RETRY__ATEMPTS", "7")
    configure(mode="observe")
    configure(mode=None)
    (told,) = [step.text for step in steps if step.kind == "degraded"]
    assert told.startswith("configuration by the environment refused: RESILIENT_GITHUB__RETRY__ATE")


def quota_of_three() -> Callable[..., Any]:
    repos: Callable[..., Any] = throttled("3/min", max_wait=0)(named("repos"))
    return service("github")(repos)


def admitted(function: Callable[..., Any]) -> int:
    """How many calls go before one is refused, or five have gone."""
    for count in range(5):
        try:
            function()
        except RateLimited:
            return count
    return 5


def test_a_shared_quota_is_the_same_one_when_options_are_overridden(clock: FakeClock) -> None:
    configure(store="memory://overridden")
    repos = quota_of_three()
    repos()
    configure(services={"github": {"throttled": {"max_waiting": 5}}})
    assert admitted(repos) == 2


def test_workers_that_hear_of_the_store_at_different_times_share_one_quota(
    clock: FakeClock,
) -> None:
    before = quota_of_three()
    configure(store="memory://heard-of")
    after = quota_of_three()
    after()
    assert admitted(before) == 2


@pytest.mark.parametrize(
    ("make", "asks", "option"),
    [(breaker, "circuits", {"fail_max": 7}), (retry, "budgets", {"attempts": 7})],
    ids=["breaker", "retry"],
)
def test_what_is_shared_keeps_its_name_when_options_are_overridden(
    make: Callable[..., Any],
    asks: str,
    option: dict[str, int],
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    state = opening.open_state(f"memory://named-{asks}")
    names: list[str] = []
    kind = type(state._raw)
    ask = getattr(kind, asks)

    def noted(*given: Any) -> Any:
        names.extend(report.name for report in given[-1])
        return ask(*given)

    monkeypatch.setattr(kind, asks, noted)
    repos = service("github")(make(store=state)(named("repos")))
    repos()
    state.step_now()
    configure(services={"github": {make.__name__: option}})
    repos()
    state.step_now()
    assert len(names) > 1
    assert len(set(names)) == 1


def test_a_store_becomes_the_default_one_and_goes_again() -> None:
    configure(store="memory://configured", store_timeout=1.5)
    state = opening.default_state()
    assert state is not None
    assert state.bound == 1.5
    configure(store=None)
    assert opening.default_state() is None
    with pytest.raises(ConfigurationError) as caught:
        configure(store="ftp://user:secret@host", mode="observe")
    assert str(caught.value).startswith("configure(): store: ")
    assert "secret" not in str(caught.value)
    assert opening.default_state() is None


def test_what_is_no_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="mode='off'"):
        configure(mode="off")
    with pytest.raises(ConfigurationError, match="use the path of a TOML file"):
        configure(file=3)  # type: ignore[arg-type]  # the point of the test
    with pytest.raises(ConfigurationError, match="it can't be read"):
        configure(file="nowhere.toml")
    with pytest.raises(ConfigurationError, match=r"services.github: use a table"):
        configure(services={"github": 3})  # type: ignore[dict-item]  # the point of the test
    with pytest.raises(ConfigurationError, match="services: use a table, with names as keys"):
        configure(services={3: {}})  # type: ignore[dict-item]  # the point of the test


def test_a_bad_file_takes_back_what_came_with_it(write: WriteFile) -> None:
    repos = service("github")(retry(attempts=4)(named("repos")))
    with pytest.raises(ConfigurationError, match=r"resilient.toml:1: moed: "):
        configure(file=write("moed = 3"), services={"github": {"retry": {"attempts": 1}}})
    assert repos.resilient.policy("retry").attempts == 4


def test_the_operator_s_file_goes_before_that_of_the_code(
    write: WriteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repos = service("github")(retry()(named("repos")))
    theirs = write("services.github.retry.attempts = 7")
    monkeypatch.setenv("RESILIENT_CONFIG", str(theirs))
    ours = tmp_path / "ours.toml"
    ours.write_text("services.github.retry.attempts = 8")
    configure(file=ours)
    assert repos.resilient.policy("retry").attempts == 7
    monkeypatch.setenv("RESILIENT_CONFIG", "")
    configure()
    assert repos.resilient.policy("retry").attempts == 3


def test_code_may_give_what_no_file_can() -> None:
    repos = service("github")(retry()(named("repos")))
    configure(services={"github": {"retry": {"on": OSError}}})
    assert repos.resilient.policy("retry").on == (OSError,)


def test_a_policy_of_the_user_s_own_can_be_overridden() -> None:
    class Tag(pipeline.Policy):
        kind = "tag"
        rank = 9

        def __init__(self, word: str) -> None:
            self.word = word

        def bind(self, proceed: pipeline.Handler, target: Any) -> pipeline.Handler:
            return lambda call: f"{self.word} {proceed(call)}"

    repos = service("github")(Tag("a")(named("repos")))
    assert repos() == "a fresh"
    configure(services={"github": {"tag": {"word": "b"}}})
    assert repos() == "b fresh"
    with pytest.raises(ConfigurationError, match=r"tag.wrod: there is no such option; did you mea"):
        configure(services={"github": {"tag": {"wrod": "b"}}})


def test_a_policy_without_options_takes_none() -> None:
    class Bare(pipeline.Policy):
        kind = "bare"

    with pytest.raises(TypeError, match=r"Bare\(\) takes no arguments"):
        Bare(3)


def test_kept_results_survive_a_change_of_their_freshness_and_of_other_policies(
    clock: FakeClock,
) -> None:
    runs: list[int] = []
    repos = service("github")(cached(ttl=60)(retry()(named("repos", runs.append))))
    repos(1)
    configure(services={"github": {"retry": {"attempts": 1}}})
    repos(1)
    configure(services={"github": {"cached": {"ttl": 120}}})
    repos(1)
    assert runs == [1]
    configure(services=None)
    repos(1)
    assert runs == [1]


def test_the_last_good_results_survive_a_change() -> None:
    answers = iter([7])
    last_good = fallback(resilient.fallback.last_good())
    repos = service("github")(last_good(retry(attempts=1)(named("repos", lambda: next(answers)))))
    assert repos() == 7
    configure(services={"github": {"retry": {"max_wait": 3}}})
    assert repos() == 7


@pytest.mark.stress
def test_calls_of_many_threads_go_on_while_it_changes(in_thread: StartThread) -> None:
    github = service("github", throttled("1000000/s"), breaker(), bulkhead(50))
    repos = github(cached(ttl=60)(named("repos", lambda number: number)))
    users = github(named("users", lambda number: number))
    over = threading.Event()
    wrong: list[BaseException] = []

    def call() -> None:
        number = 0
        while not over.is_set():
            number += 1
            try:
                assert repos(number % 7) == number % 7
                assert users(number) == number
            except BaseException as error:
                wrong.append(error)
                return

    for _ in range(8):
        in_thread(call)
    for number in range(150):
        configure(
            services={"github": {"bulkhead": {"limit": 50 + number % 3}}},
            functions={"github.repos": {"enabled": number % 4 != 0}},
            mode="observe" if number % 5 == 0 else None,
        )
        service("github")(named(f"more{number}"))()
    over.set()
    assert not wrong


def test_what_was_admitted_before_a_change_counts_after_it(clock: FakeClock) -> None:
    repos = service("github")(throttled("3/minute", max_wait=0)(named("repos")))
    assert [repos(), repos()] == ["fresh", "fresh"]
    configure(services={"github": {"throttled": {"rates": ["4/minute"]}}})
    assert [repos(), repos()] == ["fresh", "fresh"]
    with pytest.raises(RateLimited):
        repos()
    configure(services=None)
    with pytest.raises(RateLimited):
        repos()
    clock.advance(60)
    assert [repos(), repos(), repos()] == ["fresh", "fresh", "fresh"]
    with pytest.raises(RateLimited):
        repos()


def test_what_was_admitted_of_a_key_counts_after_a_change(clock: FakeClock) -> None:
    by_user = throttled("1/minute", max_wait=0, key=lambda user: user)
    repos = service("github")(by_user(named("repos", str)))
    assert repos("a") == "a"
    configure(services={"github": {"throttled": {"max_waiting": 3}}})
    assert repos("b") == "b"
    with pytest.raises(RateLimited):
        repos("a")


def test_a_pause_that_the_vendor_asked_for_survives_a_change(clock: FakeClock) -> None:
    class TooMany(Exception):
        status = 429
        headers = {"Retry-After": "30"}  # noqa: RUF012

    def refuse() -> None:
        raise TooMany

    repos = service("github")(throttled("9/minute", max_wait=0)(named("repos", refuse)))
    with pytest.raises(TooMany):
        repos()
    configure(services={"github": {"throttled": {"rates": ["99/minute"]}}})
    with pytest.raises(RateLimited, match="30 s"):
        repos()


def test_a_throttle_goes_over_to_the_store_that_becomes_the_default() -> None:
    repos = service("github")(throttled("3/minute", max_wait=0)(named("repos")))
    local = repos.resilient.policy("throttled")
    configure(store="memory://goes-over")
    shared = repos.resilient.policy("throttled")
    assert shared.settings()["store"] == "memory:goes-over"
    assert repos() == "fresh"
    configure(store=None)
    assert repos.resilient.policy("throttled") is local


def test_a_longer_period_counts_what_the_shorter_one_still_remembers(clock: FakeClock) -> None:
    repos = service("github")(throttled("5/s", max_wait=0)(named("repos")))
    repos()
    clock.advance(2)
    repos()
    configure(services={"github": {"throttled": {"rates": ["3/minute"]}}})
    assert [repos(), repos()] == ["fresh", "fresh"]
    with pytest.raises(RateLimited):
        repos()


def test_a_policy_s_alerts_still_find_its_functions() -> None:
    from resilient.diagnostics.alerts.gauges import stacks_of
    from resilient.diagnostics.alerts.readings import groups_of
    from resilient.diagnostics.alerts.rules import rule_of

    github = service("alerted", retry(attempts=2))
    repos = github(named("repos"))
    configure(services={"alerted": {"service": {"timeout": 2}, "retry": {"attempts": 1}}})
    repos()
    rule = rule_of(
        {"failure_rate": 0.5},
        on=github,
        breaker_open=False,
        unusual=False,
        over=60,
        hold=0,
        cooldown=60,
        min_calls=1,
    )
    groups = groups_of(rule, [("alerted", "repos")], stacks_of(resilient.registry))
    assert list(groups.values()) == [(("alerted", "repos"),)]


def test_an_open_breaker_stays_open_and_an_isolated_one_isolated(clock: FakeClock) -> None:
    github = service("github", breaker(fail_max=2))
    repos, users = github(named("repos", failing)), github(named("users", failing))
    for call in (repos, users):
        with pytest.raises(ConnectionError):
            call()
    configure(services={"github": {"breaker": {"reset_timeout": 20}}})
    with pytest.raises(BreakerOpen, match=r"open for 2\d"):
        repos()
    configure(services=None)
    with pytest.raises(BreakerOpen):
        users()
    repos.resilient.breaker.isolate()
    configure(functions={"github.repos": {"breaker": {"reset_timeout": 1}}})
    clock.advance(500)
    with pytest.raises(BreakerOpen, match="isolated"):
        repos()


def test_the_retry_budget_goes_on(clock: FakeClock) -> None:
    repos = service("budgeted")(retry(attempts=2, wait=0, budget=0.01)(named("repos", failing)))
    for _ in range(20):
        with pytest.raises(ConnectionError):
            repos()
    assert repos.resilient.stats()["retries"] == 10
    configure(services={"budgeted": {"retry": {"attempts": 3}}})
    with pytest.raises(ConnectionError):
        repos()
    assert repos.resilient.stats()["retries"] == 10


def test_a_function_that_was_changed_costs_no_frame_more_in_the_end(clock: FakeClock) -> None:
    def handler() -> str:
        code = repos.__code__
        cells = dict(zip(code.co_freevars, repos.__closure__, strict=True))
        name: str = cells["handler"].cell_contents.__name__
        return name

    repos: Any = service("github")(retry()(named("repos")))
    configure(services={"github": {"retry": {"attempts": 1}}})
    repos()
    assert handler() == "switch"
    clock.advance(6)
    assert repos() == "fresh"
    assert handler() == "handler"


@pytest.mark.parametrize("value", [10**400, float("nan"), b"x", {1: 2}, [[]], "\ud800", object()])
@pytest.mark.parametrize("name", ["file", "store", "store_timeout", "mode", "enabled", "services"])
def test_nothing_but_our_own_error_comes_of_nonsense(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError):
        configure(**{name: value})


def test_to_and_fro_counts_each_admission_once(clock: FakeClock) -> None:
    clock.advance(0.1234567)
    repos = service("github")(throttled("9/minute", max_wait=0)(named("repos")))
    for attempts in (5, None, 6, None):
        repos()
        said = {"github": {"throttled": {"max_waiting": attempts}}} if attempts else None
        configure(services=said)
        clock.advance(0.3)
    assert repos.resilient.throttle.remaining == 5
