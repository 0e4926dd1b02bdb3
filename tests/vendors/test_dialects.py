"""What only one vendor does: its codes, its bodies, its headers, as its SDK hands them on."""

from __future__ import annotations

from typing import Any

import pytest

from resilient import Verdict, retry, throttled
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.vendors.judging import judged
from tests.vendors.sdks import ANTHROPIC, GITHUB, OPENAI, SLACK, STRIPE

pytestmark = [
    pytest.mark.vendor,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


# Slack answers 200 to a refusal, and tells it in the body


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("ratelimited", Verdict.THROTTLED),
        ("rate_limited", Verdict.THROTTLED),
        ("internal_error", Verdict.TRANSIENT),
        ("fatal_error", Verdict.TRANSIENT),
        ("service_unavailable", Verdict.TRANSIENT),
        ("request_timeout", Verdict.TRANSIENT),
        ("invalid_auth", Verdict.MISTAKE),
        ("not_authed", Verdict.MISTAKE),
        ("channel_not_found", Verdict.MISTAKE),
        ("missing_scope", Verdict.MISTAKE),
    ],
)
def test_slack_tells_the_failure_in_a_200(code: str, verdict: Verdict) -> None:
    with ScriptedVendor(f'200 json={{"ok": false, "error": "{code}"}}') as vendor:
        assert judged(SLACK.reading(vendor.url)).outcome.verdict is verdict


def test_slack_names_its_wait_in_the_response_of_the_error(clock: FakeClock) -> None:
    limited = '429 retry-after=30 json={"ok": false, "error": "ratelimited"}'
    with ScriptedVendor(f"{limited}, {SLACK.healthy}") as vendor:
        assert retry(SLACK.reading(vendor.url))() is True
        assert vendor.calls == 2
    assert clock.total >= 30


def test_a_message_that_may_have_been_posted_is_not_posted_again(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    with ScriptedVendor("reset") as vendor:
        with pytest.raises(Exception):
            retry(SLACK.reading(vendor.url))()
        assert vendor.calls == 1
    assert steps.kinds() == ["retry_refused"]


# Stripe


def test_a_rate_limit_of_stripe_is_one_with_status_400_too() -> None:
    pytest.importorskip("stripe")
    answer = '400 json={"error": {"code": "rate_limit", "message": "too many"}}'
    with ScriptedVendor(answer) as vendor:
        call = judged(STRIPE.reading(vendor.url))
    assert call.outcome.verdict is Verdict.THROTTLED


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409])
def test_a_refused_charge_of_stripe_is_the_callers(status: int) -> None:
    answer = f'{status} json={{"error": {{"type": "card_error", "message": "no"}}}}'
    with ScriptedVendor(answer) as vendor:
        call = judged(STRIPE.reading(vendor.url))
    assert call.outcome.verdict is Verdict.MISTAKE


def test_a_charge_is_repeated_under_its_idempotency_key(clock: FakeClock) -> None:
    stripe = pytest.importorskip("stripe")
    with ScriptedVendor('reset, 200 json={"id": "ch_1", "object": "charge"}') as vendor:
        client = stripe.StripeClient(
            "sk_test_not_a_secret",
            base_addresses={"api": vendor.url},
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=5),
        )
        options = {"idempotency_key": "order-7"}

        @retry
        def charge() -> Any:
            return client.v1.charges.create({"amount": 100, "currency": "eur"}, options)

        assert charge().id == "ch_1"
        keys = {request.headers["Idempotency-Key"] for request in vendor.requests}
        assert (vendor.calls, keys) == (2, {"order-7"})


def test_the_module_level_client_of_stripe_is_seen_too(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stripe = pytest.importorskip("stripe")
    with ScriptedVendor(f"429 retry-after=9, {STRIPE.healthy}") as vendor:
        monkeypatch.setattr(stripe, "api_base", vendor.url)
        monkeypatch.setattr(stripe, "api_key", "sk_test_not_a_secret")
        monkeypatch.setattr(stripe, "max_network_retries", 0)
        retry(lambda: stripe.Customer.retrieve("cus_1"))()
        assert vendor.calls == 2
    assert clock.total >= 9


# GitHub


def test_github_refuses_with_a_403_and_its_reset_is_waited_for(clock: FakeClock) -> None:
    quota = "x-ratelimit-limit=60 x-ratelimit-remaining=0 x-ratelimit-reset=now+40"
    limited = f'403 json={{"message": "API rate limit exceeded for user ID 1."}} {quota}'
    with ScriptedVendor(f"{limited}, {GITHUB.healthy}") as vendor:
        read = retry(throttled("1000/s", max_wait=60)(GITHUB.reading(vendor.url)))
        assert read() == "octocat"
        assert vendor.calls == 2
    assert clock.total >= 39


def test_retry_alone_waits_for_githubs_reset(clock: FakeClock) -> None:
    quota = "x-ratelimit-limit=60 x-ratelimit-remaining=0 x-ratelimit-reset=now+40"
    limited = f'403 json={{"message": "API rate limit exceeded for user ID 1."}} {quota}'
    with ScriptedVendor(f"{limited}, {GITHUB.healthy}") as vendor:
        assert retry(GITHUB.reading(vendor.url))() == "octocat"
        assert vendor.calls == 2
    assert clock.total >= 39


def test_a_secondary_limit_of_github_is_told_by_its_message_alone() -> None:
    secondary = "You have exceeded a secondary rate limit. Please wait a few minutes."
    with ScriptedVendor(f'403 json={{"message": "{secondary}"}}') as vendor:
        call = judged(GITHUB.reading(vendor.url))
    assert call.outcome.verdict is Verdict.THROTTLED


def test_bad_credentials_of_github_are_not_tried_again(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    pytest.importorskip("github")
    with ScriptedVendor('401 json={"message": "Bad credentials"}') as vendor:
        with pytest.raises(Exception, match="Bad credentials"):
            retry(GITHUB.reading(vendor.url))()
        assert vendor.calls == 1
    assert steps.kinds() == []


@pytest.mark.usefixtures("clock")
def test_tries_of_pygithub_after_403s_are_not_multiplied(
    steps: RecordedSteps, sdk_sleeps: list[float]
) -> None:
    secondary = '403 json={"message": "You have exceeded a secondary rate limit."}'
    with ScriptedVendor(secondary) as vendor:
        with pytest.raises(Exception):
            retry(attempts=5)(GITHUB.reading(vendor.url, retries=True))()
        assert vendor.calls == 11
    assert "effective attempts 5 × 11 = 55: PyGithub" in steps.of("amplified")[0].text


# Models: they speak through httpx


def test_a_used_up_budget_of_requests_is_waited_for(clock: FakeClock) -> None:
    quota = (
        "x-ratelimit-limit-requests=60 x-ratelimit-remaining-requests=0 "
        "x-ratelimit-reset-requests=6m0s"
    )
    with ScriptedVendor(f"{OPENAI.healthy} {quota}, {OPENAI.healthy}") as vendor:
        read = throttled("1000/s", max_wait=600)(OPENAI.reading(vendor.url))
        read()
        read()
        assert vendor.calls == 2
    assert clock.total >= 359


@pytest.mark.parametrize("sdk", [OPENAI, ANTHROPIC], ids=["openai", "anthropic"])
def test_an_overloaded_model_is_tried_again(sdk: Any, clock: FakeClock) -> None:
    overloaded = '529 json={"type": "error", "error": {"type": "overloaded_error"}}'
    with ScriptedVendor(f"{overloaded}, {sdk.healthy}") as vendor:
        retry(sdk.reading(vendor.url))()
        assert vendor.calls == 2


def test_a_prompt_is_sent_again_after_a_refusal_and_only_then(
    clock: FakeClock, steps: RecordedSteps
) -> None:
    openai = pytest.importorskip("openai")
    done = '200 json={"id": "1", "object": "response", "created_at": 1, "output": []}'
    with ScriptedVendor(f"429 retry-after=3, {done}") as vendor:
        client = openai.OpenAI(api_key="x", base_url=vendor.url, max_retries=0)

        @retry
        def ask() -> Any:
            return client.responses.create(model="m", input="hello")

        assert ask().id == "1"
        vendor.reset(f"500, {done}")
        with pytest.raises(openai.InternalServerError):
            ask()
        assert vendor.calls == 1
    assert steps.kinds() == ["retry", "retry_refused"]
