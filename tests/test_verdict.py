"""What outcomes mean, with the real errors of requests, urllib3, urllib and http.client."""

from __future__ import annotations

import email.message
import errno
import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import requests
import urllib3
from requests.adapters import HTTPAdapter

import resilient
from resilient.call import Call, Exchange, Outcome, Target, Verdict
from resilient.errors import (
    BreakerOpen,
    BulkheadFull,
    ConfigurationError,
    DeadlineExceeded,
    RateLimited,
)
from resilient.pipeline import Handler, Policy
from resilient.repeating import had_no_effect, is_repeatable
from resilient.testing import FakeClock, ScriptedVendor, fake_clock
from resilient.verdict import forget_rule, judge, rule
from tests.ids import said

OK, MISTAKE, TRANSIENT = Verdict.OK, Verdict.MISTAKE, Verdict.TRANSIENT
BROKEN, THROTTLED, REFUSED = Verdict.BROKEN, Verdict.THROTTLED, Verdict.REFUSED


@pytest.fixture(autouse=True)
def clock() -> Iterator[FakeClock]:
    with fake_clock() as clock:
        yield clock


class Judging(Policy):
    """Swallows what a call came to, and keeps what it meant."""

    kind = "judging"
    rank = 9

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.repeatable: list[bool] = []
        self.without_effect: list[bool] = []

    def bind(self, proceed: Handler, target: Target) -> Handler:
        def handler(call: Call) -> Any:
            try:
                return proceed(call)
            except Exception as error:
                resilient.verdict.judge_error(call, error)
            finally:
                self.outcomes.append(call.outcome)
                self.repeatable.append(is_repeatable(call))
                self.without_effect.append(had_no_effect(call))

        return handler


def judged(function: Callable[[], object]) -> Judging:
    """A call of this function, judged."""
    judging = Judging()
    judging(function)()
    return judging


def outcome_of(function: Callable[[], object]) -> Outcome:
    return judged(function).outcomes[0]


def raising(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


def checked(url: str) -> object:
    response = requests.get(url, timeout=5)
    response.raise_for_status()
    return response.json()


def returned(url: str) -> requests.Response:
    return requests.get(url, timeout=5)


def swallowed(url: str) -> None:
    requests.get(url, timeout=5)


def parsed(url: str) -> object:
    return requests.get(url, timeout=5).json()


def by_urllib(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            body: bytes = response.read()
            return body
    except urllib.error.HTTPError as error:
        error.close()  # or it warns of a socket left open
        raise


def by_urllib3(url: str) -> bytes:
    with urllib3.PoolManager(retries=False, timeout=5) as pool:
        return pool.request("GET", url).data


def by_http_client(url: str) -> bytes:
    connection = http.client.HTTPConnection(url.removeprefix("http://").strip("/"), timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read()
    finally:
        connection.close()


# The table of DESIGN.md, row by row


@pytest.mark.parametrize("use", [checked, returned, swallowed, parsed, by_urllib3])
@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("429", THROTTLED),
        ("403 X-RateLimit-Remaining=0", THROTTLED),
        ("403 retry-after=60", THROTTLED),
        ("503 X-RateLimit-Remaining=0", THROTTLED),
        ("500", BROKEN),
        ("501", BROKEN),
        ("408", TRANSIENT),
        ("502", TRANSIENT),
        ("503", TRANSIENT),
        ("503 retry-after=60", TRANSIENT),
        ("504", TRANSIENT),
    ],
)
def test_a_failed_answer_means_the_same_however_the_function_deals_with_it(
    script: str, verdict: Verdict, use: Callable[[str], object]
) -> None:
    with ScriptedVendor(f"{script} body='<html>an error page</html>'") as vendor:
        outcome = outcome_of(lambda: use(vendor.url))
    status = int(script[:3])
    assert (outcome.verdict, outcome.status, outcome.reason) == (verdict, status, str(status))
    assert outcome.retry_after == (60 if "retry-after" in script else None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422])
def test_a_mistake_counts_only_if_it_is_raised(status: int) -> None:
    with ScriptedVendor(f"{status} body='<html></html>'") as vendor:
        assert outcome_of(lambda: checked(vendor.url))[::3] == (MISTAKE, status)
        assert outcome_of(lambda: by_urllib(vendor.url))[::3] == (MISTAKE, status)
        assert outcome_of(lambda: parsed(vendor.url))[::3] == (MISTAKE, status)
        assert outcome_of(lambda: returned(vendor.url)).verdict is OK
        assert outcome_of(lambda: swallowed(vendor.url)).verdict is OK


@pytest.mark.parametrize("script", ["200", "204", "302", "304"])
def test_answers_below_400_are_fine(script: str) -> None:
    with ScriptedVendor(script) as vendor:
        got = outcome_of(lambda: requests.get(vendor.url, timeout=5, allow_redirects=False))
    assert got is resilient.call.FINE


def test_the_last_exchange_of_an_attempt_decides() -> None:
    with ScriptedVendor("503, 200") as vendor:
        assert outcome_of(lambda: [swallowed(vendor.url), swallowed(vendor.url)]).verdict is OK
    with ScriptedVendor("200, 503") as vendor:
        got = outcome_of(lambda: [swallowed(vendor.url), swallowed(vendor.url)])
    assert got.verdict is TRANSIENT


CLIENTS = [returned, by_urllib, by_urllib3, by_http_client]


@pytest.mark.parametrize("use", CLIENTS)
@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        ("timeout", TRANSIENT),
        ("stall json={}", TRANSIENT),
        ("reset", TRANSIENT),
        ("close", TRANSIENT),
        ("truncated body='only half of this is sent'", TRANSIENT),
        ("garbage", BROKEN),
    ],
)
def test_a_fault_on_the_wire_means_the_same_under_every_client(
    script: str, verdict: Verdict, use: Callable[[str], object]
) -> None:
    with ScriptedVendor(script) as vendor:
        assert outcome_of(lambda: use(vendor.url)).verdict is verdict


@pytest.mark.parametrize("use", CLIENTS)
def test_a_refused_connection_is_transient(use: Callable[[str], object]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert outcome_of(lambda: use(f"http://127.0.0.1:{port}/")).verdict is TRANSIENT


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (requests.ConnectTimeout(), TRANSIENT),
        (requests.ReadTimeout(), TRANSIENT),
        (requests.exceptions.ChunkedEncodingError(), TRANSIENT),
        (requests.exceptions.ProxyError(), TRANSIENT),
        (requests.exceptions.SSLError(), BROKEN),
        (requests.exceptions.ContentDecodingError(), BROKEN),
        (requests.TooManyRedirects(), BROKEN),
        (requests.exceptions.MissingSchema(), MISTAKE),
        (requests.exceptions.InvalidURL(), MISTAKE),
        (urllib3.exceptions.LocationParseError("x"), MISTAKE),
        (urllib3.exceptions.NameResolutionError("h", None, socket.gaierror()), TRANSIENT),  # type: ignore[arg-type]
        (http.client.IncompleteRead(b""), TRANSIENT),
        (http.client.RemoteDisconnected(), TRANSIENT),
        (socket.gaierror(-2, "name unknown"), TRANSIENT),
        (urllib.error.URLError(ConnectionRefusedError()), TRANSIENT),
        (OSError(errno.ENETUNREACH, "unreachable"), TRANSIENT),
        (OSError(errno.ENOSPC, "disk full"), BROKEN),
        (ConnectionResetError(), TRANSIENT),
        (TimeoutError(), TRANSIENT),
        (EOFError(), TRANSIENT),
        (ssl.SSLCertVerificationError(), BROKEN),
        (ssl.SSLEOFError(), TRANSIENT),
        (requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLEOFError())), TRANSIENT),
        (json.JSONDecodeError("bad", "", 0), BROKEN),
        (ValueError(), BROKEN),
        (RuntimeError(), BROKEN),
        (TypeError(), MISTAKE),
        (KeyError(), MISTAKE),
        (AttributeError(), MISTAKE),
        (NameError(), MISTAKE),
        (ZeroDivisionError(), MISTAKE),
        (AssertionError(), MISTAKE),
        (PermissionError(), MISTAKE),
    ],
    ids=lambda value: repr(value) if isinstance(value, Exception) else None,
)
def test_well_known_errors(error: Exception, verdict: Verdict) -> None:
    assert judge(error).verdict is verdict


def test_a_handshake_that_fails_is_broken() -> None:
    with ScriptedVendor("200") as vendor:  # it speaks no TLS
        outcome = outcome_of(lambda: requests.get(vendor.url.replace("http:", "https:"), timeout=5))
    assert outcome.verdict is BROKEN


def test_an_error_page_that_is_no_json_is_judged_by_its_status() -> None:
    with ScriptedVendor("503 retry-after=7 body='<html>down</html>'") as vendor:
        assert outcome_of(lambda: parsed(vendor.url)) == Outcome(TRANSIENT, "503", 7.0, 503)
    with ScriptedVendor("200 body='<html>login</html>'") as vendor:
        assert outcome_of(lambda: parsed(vendor.url)).verdict is BROKEN


def test_a_bug_met_after_a_failed_answer_is_judged_by_the_answer() -> None:
    with ScriptedVendor("502 json={}") as vendor:
        assert outcome_of(lambda: parsed(vendor.url)["name"]).status == 502  # type: ignore[index]
    with ScriptedVendor("200 json={}") as vendor:
        assert outcome_of(lambda: parsed(vendor.url)["name"]).verdict is MISTAKE  # type: ignore[index]


@pytest.mark.parametrize(("status", "verdict"), [(429, THROTTLED), (500, BROKEN), (503, TRANSIENT)])
def test_retries_in_vain_of_requests_itself_are_judged_by_the_last_answer(
    status: int, verdict: Verdict
) -> None:
    def fetch() -> None:
        with requests.Session() as session:
            retries = urllib3.Retry(2, status_forcelist=[status], respect_retry_after_header=False)
            session.mount("http://", HTTPAdapter(max_retries=retries))
            session.get(vendor.url, timeout=5)

    with ScriptedVendor(f"{status} retry-after=9") as vendor:
        outcome = outcome_of(fetch)
        assert vendor.calls == 3
    assert outcome == Outcome(verdict, str(status), 9.0, status)
    assert judge(requests.exceptions.RetryError()).verdict is TRANSIENT


# What SDKs' errors carry


class SdkError(Exception):
    """An error with the attributes of some vendor's SDK."""

    def __init__(self, **facts: object) -> None:
        super().__init__("failed")
        vars(self).update(facts)


class Answer:
    def __init__(self, status_code: object, headers: Mapping[str, str] | None = None) -> None:
        self.status_code = status_code
        self.headers = headers or {}


def message(**fields: str) -> email.message.Message:
    headers = email.message.Message()
    for name, value in fields.items():
        headers[name.replace("_", "-")] = value
    return headers


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"status_code": 503}, (TRANSIENT, 503, None)),
        ({"http_status": 404}, (MISTAKE, 404, None)),
        ({"status": 500}, (BROKEN, 500, None)),
        ({"code": 502}, (TRANSIENT, 502, None)),
        ({"code": http.HTTPStatus.TOO_MANY_REQUESTS}, (THROTTLED, 429, None)),
        ({"status": 429, "headers": {"retry-after": "5"}}, (THROTTLED, 429, 5.0)),
        ({"code": 429, "headers": message(Retry_After="5")}, (THROTTLED, 429, 5.0)),
        ({"status": 403, "headers": {"x-ratelimit-remaining": "0"}}, (THROTTLED, 403, None)),
        ({"response": Answer(429, {"Retry-After": "6"})}, (THROTTLED, 429, 6.0)),
        ({"response": Answer(404)}, (MISTAKE, 404, None)),
        ({"status_code": 429, "retry_after": 8}, (THROTTLED, 429, 8.0)),
        ({"status_code": 200}, (BROKEN, 200, None)),
        ({"status": 20003, "code": 503}, (TRANSIENT, 503, None)),
        ({"status": "open"}, (BROKEN, None, None)),
        ({"status": True}, (BROKEN, None, None)),
        ({"code": "rate_limit"}, (THROTTLED, None, None)),
        ({"code": "card_declined", "http_status": 402}, (MISTAKE, 402, None)),
        ({"response": {"error": "ratelimited"}}, (THROTTLED, None, None)),
    ],
    ids=said,
)
def test_errors_of_sdks_are_read_by_the_attributes_they_carry(
    facts: dict[str, object], expected: tuple[object, ...]
) -> None:
    outcome = judge(SdkError(**facts))
    assert (outcome.verdict, outcome.status, outcome.retry_after) == expected


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        ("Throttling", 400, THROTTLED),
        ("ThrottlingException", 400, THROTTLED),
        ("TooManyRequestsException", 400, THROTTLED),
        ("ProvisionedThroughputExceededException", 400, THROTTLED),
        ("RequestLimitExceeded", 503, THROTTLED),
        ("SlowDown", 503, THROTTLED),
        ("ServiceUnavailable", 503, TRANSIENT),
        ("InternalError", 500, BROKEN),
        ("AccessDenied", 403, MISTAKE),
        ("NoSuchKey", 404, MISTAKE),
    ],
)
def test_errors_in_the_form_of_botocore(code: str, status: int, verdict: Verdict) -> None:
    meta = {"HTTPStatusCode": status, "HTTPHeaders": {"retry-after": "3"}}
    if verdict is MISTAKE:  # a 403 with one would be a rate limit
        meta["HTTPHeaders"] = {}
    error = SdkError(response={"Error": {"Code": code}, "ResponseMetadata": meta})
    asked = None if verdict is MISTAKE else 3.0
    assert judge(error) == Outcome(verdict, str(status), asked, status)


def test_an_error_is_judged_by_what_it_was_raised_from() -> None:
    def explicit() -> None:
        try:
            checked(vendor.url)
        except requests.HTTPError as error:
            raise SdkError from error

    def implicit() -> None:
        try:
            checked(vendor.url)
        except requests.HTTPError:
            raise SdkError  # noqa: B904

    with ScriptedVendor("503") as vendor:
        assert outcome_of(explicit).status == outcome_of(implicit).status == 503
    assert judge(SdkError(reason=ConnectionResetError())).verdict is TRANSIENT
    circle = SdkError()
    circle.__cause__ = SdkError()
    circle.__cause__.__cause__ = circle
    assert judge(circle).verdict is BROKEN


@pytest.mark.parametrize("explicit", [True, False])
def test_a_cause_is_followed_where_no_exchange_was_seen(explicit: bool) -> None:
    def fetch() -> None:
        try:
            raise ConnectionResetError
        except ConnectionResetError as error:
            if explicit:
                raise SdkError from error
            raise SdkError  # noqa: B904  # the context is what is tested

    assert outcome_of(fetch) == Outcome(TRANSIENT, "ConnectionResetError")


def test_a_cause_that_was_suppressed_is_not_followed() -> None:
    def fetch() -> None:
        try:
            raise ConnectionResetError
        except ConnectionResetError:
            raise SdkError from None

    assert outcome_of(fetch).verdict is BROKEN


def test_retry_after_as_a_date_is_relative_to_the_vendors_own_clock() -> None:
    date = "Thu, 01 Jan 2026 00:00:00 GMT"
    later = "Thu, 01 Jan 2026 00:02:00 GMT"
    error = SdkError(response=Answer(503, {"Retry-After": later, "Date": date}))
    assert judge(error).retry_after == 120
    # Without a Date it is relative to ours, which fake_clock starts at that very moment.
    assert judge(SdkError(response=Answer(503, {"Retry-After": later}))).retry_after == 120
    past = SdkError(response=Answer(503, {"Retry-After": date, "Date": later}))
    assert judge(past).retry_after == 0
    assert judge(SdkError(response=Answer(503, {"Retry-After": "soon"}))).retry_after is None


def test_the_header_of_the_last_exchange_serves_an_error_that_has_none() -> None:
    def fetch() -> None:
        swallowed(vendor.url)
        raise SdkError(status_code=429)

    with ScriptedVendor("429 retry-after=11") as vendor:
        assert outcome_of(fetch) == Outcome(THROTTLED, "429", 11.0, 429)


# Refusals of our own


@pytest.mark.parametrize("kind", [BreakerOpen, RateLimited, BulkheadFull, DeadlineExceeded])
def test_refusals_are_recognized_however_they_are_wrapped(kind: type[resilient.Refused]) -> None:
    refusal = kind("refused", retry_after=4.0)
    wrapped = SdkError()
    wrapped.__cause__ = requests.ConnectionError(refusal)
    in_context = SdkError(status_code=503)
    in_context.__context__ = refusal
    expected = Outcome(REFUSED, kind.__name__, 4.0)
    assert judge(refusal) == expected
    assert judge(requests.ConnectionError(refusal)) == expected
    assert judge(urllib.error.URLError(refusal)) == expected  # type: ignore[arg-type]
    assert judge(SdkError(kwargs={"error": refusal})) == expected  # as botocore keeps it
    assert judge(wrapped) == expected
    # What was being handled meanwhile may be an older story.
    assert judge(in_context).verdict is TRANSIENT


@pytest.mark.parametrize("use", CLIENTS)
def test_a_deadline_met_before_a_request_is_a_refusal_under_every_client(
    use: Callable[[str], object], clock: FakeClock
) -> None:
    def late() -> None:
        clock.advance(2)
        use(vendor.url)

    judging = Judging()
    with ScriptedVendor("200") as vendor:
        with pytest.raises(DeadlineExceeded):
            resilient.service("v", deadline=1)(raise_what(judging, late))()
        assert vendor.calls == 0
    assert judging.outcomes[0].verdict is REFUSED


def raise_what(judging: Judging, function: Callable[[], object]) -> Callable[[], object]:
    """The function, its error judged on the way."""

    class Passing(Policy):
        kind = "passing"
        rank = 9

        def bind(self, proceed: Handler, target: Target) -> Handler:
            def handler(call: Call) -> Any:
                try:
                    return proceed(call)
                except Exception as error:
                    judging.outcomes.append(resilient.verdict.judge_error(call, error))
                    raise

            return handler

    return Passing()(function)


# Rules


# What an answer has caused is not the caller's mistake


def test_two_lengths_in_one_answer_speak_against_the_vendor() -> None:
    with ScriptedVendor("200 content-length=1 content-length=2") as vendor:
        judging = judged(lambda: requests.get(vendor.url, timeout=5))
    assert judging.outcomes[0] == Outcome(BROKEN, "InvalidHeader")


def test_a_header_of_the_request_that_can_not_be_sent_is_a_mistake() -> None:
    def fetch() -> None:
        requests.get(vendor.url, timeout=5)
        requests.get(vendor.url, timeout=5, headers={"X-Name": "a\nb"})

    with ScriptedVendor("200") as vendor:
        assert outcome_of(fetch) == Outcome(MISTAKE, "InvalidHeader")


@pytest.mark.parametrize(
    "location", ["http://", "http://[", "nowhere://x/", "http://:80x/"], ids=repr
)
def test_a_redirect_to_nowhere_speaks_against_the_vendor(location: str) -> None:
    with ScriptedVendor(f"302 location='{location}'") as vendor:
        assert outcome_of(lambda: requests.get(vendor.url, timeout=5)).verdict is BROKEN


def test_an_address_of_the_callers_own_is_a_mistake_after_a_good_answer() -> None:
    def fetch() -> None:
        requests.get(vendor.url, timeout=5)
        requests.get("http://[", timeout=5)

    with ScriptedVendor("200") as vendor:
        assert outcome_of(fetch) == Outcome(MISTAKE, "InvalidURL")


@pytest.mark.parametrize("status", [521, 522, 523, 524])
def test_an_origin_out_of_reach_of_cloudflare_is_transient(status: int) -> None:
    assert judge(SdkError(status_code=status)).verdict is TRANSIENT


# Codes of SDKs, and the beginning of a body


class CodedError(Exception):
    def __init__(self, code: object, status: int | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        ("RequestTimeout", 400, TRANSIENT),
        ("request_timeout", 200, TRANSIENT),
        ("service_unavailable", None, TRANSIENT),
        ("RequestTimeout", 500, BROKEN),
        ("RequestTimeTooSkewed", 403, MISTAKE),
        ("TransactionInProgressException", 400, THROTTLED),
        ("rateLimitExceeded", 403, THROTTLED),
        (17, 400, MISTAKE),
    ],
)
def test_a_code_explains_a_status_that_does_not_tell(
    code: object, status: int | None, verdict: Verdict
) -> None:
    assert judge(CodedError(code, status)).verdict is verdict


def test_the_code_in_the_data_of_a_response_is_read() -> None:
    class SlackLike:
        def __init__(self, error: str) -> None:
            self.data = {"ok": False, "error": error}
            self.headers = {"Retry-After": "8"}
            self.status_code = 200

    limited = judge(SdkError(response=SlackLike("ratelimited")))
    assert (limited.verdict, limited.retry_after) == (THROTTLED, 8)
    assert judge(SdkError(response=SlackLike("fatal_error"))).verdict is TRANSIENT


def refused_with(body: bytes, status: int) -> Exchange:
    exchange = Exchange("GET", "127.0.0.1", 0.0)
    exchange.status = status
    exchange.headers = {"Content-Type": "application/json"}
    exchange.excerpt = body
    return exchange


def test_the_beginning_of_a_body_tells_a_refusal_for_rate() -> None:
    throttling = b'{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException"}'
    error = SdkError(status_code=400)
    assert judge(error, [refused_with(throttling, 400)]).verdict is THROTTLED
    assert (
        judge(error, [refused_with(b'{"__type": "ValidationException"}', 400)]).verdict is MISTAKE
    )
    # the body of another answer than the one that the error is about
    assert judge(error, [refused_with(throttling, 403)]).verdict is MISTAKE


def test_a_refusal_without_retry_after_is_over_when_the_quota_is_back() -> None:
    headers = {
        "X-RateLimit-Limit": "60",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": "25",
    }
    outcome = judge(SdkError(response=Answer(429, headers)))
    assert (outcome.verdict, outcome.retry_after) == (THROTTLED, 25)
    assert judge(SdkError(response=Answer(500, headers))).retry_after is None


class QuotaError(Exception):
    pass


class DailyQuotaError(QuotaError):
    pass


@pytest.fixture
def _no_rules() -> Iterator[None]:
    yield
    for kind in (QuotaError, DailyQuotaError, TimeoutError, OSError):
        forget_rule(kind)


@pytest.mark.usefixtures("_no_rules")
class TestRules:
    def test_a_rule_comes_before_everything_else(self) -> None:
        error = QuotaError()
        error.status_code = 404  # type: ignore[attr-defined]
        assert judge(error).verdict is MISTAKE
        resilient.rule(QuotaError, TRANSIENT)
        assert judge(error) == Outcome(TRANSIENT, "QuotaError")
        forget_rule(QuotaError)
        assert judge(error).verdict is MISTAKE

    def test_the_most_derived_class_wins(self) -> None:
        rule(DailyQuotaError, MISTAKE)
        rule(QuotaError, THROTTLED)
        assert judge(DailyQuotaError()).verdict is MISTAKE
        assert judge(QuotaError()).verdict is THROTTLED

    def test_a_function_decides_or_passes_on(self) -> None:
        def by_text(error: QuotaError) -> Verdict | Outcome | None:
            return {"wait": Outcome(THROTTLED, "told", 5.0), "bug": MISTAKE}.get(str(error))

        rule(QuotaError, by_text)
        assert judge(QuotaError("wait")) == Outcome(THROTTLED, "told", 5.0)
        assert judge(QuotaError("bug")).verdict is MISTAKE
        assert judge(QuotaError("else")).verdict is BROKEN
        rule(DailyQuotaError, lambda error: None)
        assert judge(DailyQuotaError("bug")).verdict is MISTAKE

    def test_a_rule_that_raises_is_passed_over(self) -> None:
        rule(QuotaError, lambda error: error.nothing)  # type: ignore[attr-defined]
        assert judge(QuotaError()).verdict is BROKEN

    @pytest.mark.parametrize("said", [8, 8.5])
    def test_the_wait_that_an_error_asks_for_travels_along(self, said: float) -> None:
        rule(QuotaError, THROTTLED)
        error = QuotaError()
        error.retry_after = said  # type: ignore[attr-defined]
        assert judge(error).retry_after == said
        error.retry_after = -1  # type: ignore[attr-defined]
        assert judge(error).retry_after is None

    def test_no_rule_reaches_our_own_refusals(self) -> None:
        rule(OSError, TRANSIENT)
        assert judge(DeadlineExceeded("over")).verdict is REFUSED
        assert judge(OSError()).verdict is TRANSIENT
        with pytest.raises(ConfigurationError, match=r"rule\(DeadlineExceeded, …\): .*REFUSED"):
            rule(DeadlineExceeded, TRANSIENT)

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ((KeyboardInterrupt, TRANSIENT), "rule(KeyboardInterrupt, …): use Exception"),
            (("QuotaError", TRANSIENT), "rule('QuotaError', …): use Exception"),
            ((QuotaError, "transient"), "rule(…, 'transient'): use a Verdict"),
        ],
    )
    def test_a_rule_that_makes_no_sense_is_refused(
        self, given: tuple[Any, Any], named: str
    ) -> None:
        with pytest.raises(ConfigurationError) as refused:
            rule(*given)
        assert str(refused.value).startswith(named)


# Objects that fight back


class Hostile(Exception):
    """Every attribute that a verdict looks at raises."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("response", "status", "status_code", "code", "headers", "reason", "kwargs"):
            raise RuntimeError(name)
        return super().__getattribute__(name)


class ArgsRaise(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError


class BadHeaders(dict[str, str]):
    def get(self, *_: object) -> Any:
        raise RuntimeError


def test_hostile_errors_are_broken_or_judged_by_the_exchange() -> None:
    def fail(error: Exception) -> Callable[[], object]:
        def fetch() -> None:
            swallowed(vendor.url)
            raise error

        return fetch

    assert judge(Hostile()) == Outcome(BROKEN, "Hostile")
    assert judge(ArgsRaise()) == Outcome(BROKEN, "ArgsRaise")
    with ScriptedVendor("503") as vendor:
        assert outcome_of(fail(Hostile())).status == 503
        assert outcome_of(fail(ArgsRaise())).status == 503
    bad = SdkError(response=Answer(503, BadHeaders(a="b")))
    assert judge(bad).verdict is TRANSIENT
    hostile = Hostile()
    hostile.__cause__ = ConnectionResetError()
    assert judge(hostile).verdict is TRANSIENT


def test_a_hostile_result_is_no_failure() -> None:
    class Lazy:
        @property
        def headers(self) -> object:
            raise RuntimeError

    class Odd:
        headers = 5
        status_code = 503

    class OnlyGet:
        def get(self, *_: object) -> str:
            return "5"

    class NoResponse:
        status_code = 503

    assert outcome_of(lambda: Lazy()).verdict is OK
    assert outcome_of(lambda: Odd()).verdict is TRANSIENT
    assert outcome_of(lambda: NoResponse()).verdict is OK
    error = SdkError(response=Answer(503, OnlyGet()))  # type: ignore[arg-type]
    assert judge(error) == Outcome(TRANSIENT, "503", None, 503)


# What may be sent again


@pytest.mark.parametrize(
    ("method", "script", "again"),
    [
        ("GET", "500", True),
        ("PUT", "timeout", True),
        ("DELETE", "reset", True),
        ("POST", "500", False),
        ("POST", "502", False),
        ("POST", "504", False),
        ("POST", "timeout", False),
        ("POST", "close", False),
        ("POST", "200", False),
        ("PATCH", "500", False),
        ("POST", "429", True),
        ("POST", "503", True),
        ("POST", "400", True),
    ],
)
def test_what_may_have_had_an_effect_is_not_repeatable(
    method: str, script: str, again: bool
) -> None:
    with ScriptedVendor(script) as vendor:
        judging = judged(lambda: requests.request(method, vendor.url, timeout=5))
        assert judging.repeatable == [again]
        key = {"Idempotency-Key": "7"}
        judging = judged(lambda: requests.request(method, vendor.url, timeout=5, headers=key))
        assert judging.repeatable == [True]
    had_none = script in ("429", "503", "400")
    assert judging.without_effect == [had_none]


def test_a_request_without_a_connection_had_no_effect() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    judging = judged(lambda: requests.post(url, timeout=5))
    assert judging.outcomes[0].verdict is TRANSIENT
    assert judging.repeatable == judging.without_effect == [True]


def test_a_connection_refused_earlier_says_nothing_about_a_post_that_hung() -> None:
    def order() -> None:
        try:
            raise ConnectionRefusedError
        except ConnectionRefusedError:
            requests.post(vendor.url, timeout=5)

    with ScriptedVendor("timeout") as vendor:
        assert judged(order).repeatable == [False]


def test_one_post_that_worked_makes_an_attempt_unrepeatable() -> None:
    def order() -> None:
        requests.post(vendor.url, timeout=5)
        checked(vendor.url)

    with ScriptedVendor("201, 429") as vendor:
        judging = judged(order)
    assert judging.outcomes[0].verdict is THROTTLED
    assert judging.repeatable == [False]


def test_exchanges_can_be_judged_without_a_call() -> None:
    exchange = Exchange("GET", "localhost", 0.0)
    assert judge(ValueError(), [exchange]).verdict is BROKEN
    exchange.status, exchange.headers = 429, {"Retry-After": "2"}
    assert judge(ValueError(), [exchange]) == Outcome(THROTTLED, "429", 2.0, 429)
