"""What an answer says about the vendor's limits."""

from __future__ import annotations

import http.client
import io
import json
from collections.abc import Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPHeaderDict

from resilient.http.dialects.moments import YEAR
from resilient.http.ratelimit import AMBIGUOUS, NOTHING, Limits, Window, read_limits
from resilient.testing import fake_clock

NOW = 1_767_225_600.0
CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("ratelimit_headers.json").read_text("utf-8")
)


def date(moment: float) -> str:
    return formatdate(moment, usegmt=True)


def read(
    headers: Mapping[str, str], status: int = 200, body: bytes | str = b"", url: str | None = None
) -> Limits:
    return read_limits(status, headers, body, url=url, now=NOW)


# The collection of cases: one a line, with the answers that are right.


def is_same(read: float | bool | None, wanted: float | bool | None) -> bool:
    if isinstance(wanted, bool) or wanted is None or read is None:
        return read is wanted
    return read == pytest.approx(wanted, abs=1e-6)


def of_case(case: dict[str, Any]) -> Limits:
    return read_limits(
        case["status"],
        case["headers"],
        case.get("body") or "",
        url=case["url"],
        now=case["now_epoch"],
    )


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_every_field_of_every_collected_case_is_read(case: dict[str, Any]) -> None:
    limits = of_case(case)
    read = {
        "limit": limits.limit,
        "remaining": limits.remaining,
        "reset_in_s": limits.reset_in,
        "retry_after_s": limits.retry_after,
        "policy_window_s": limits.period,
        "throttled": limits.throttled,
        "wait_s": limits.wait,
    }
    wanted = {**case["expect"], "throttled": case["throttled"], "wait_s": case["wait_s"]}
    assert set(read) == set(wanted)
    for field, value in read.items():
        right = [wanted[field], *case["accept"].get(field, [])]
        assert any(is_same(value, one) for one in right), f"{field}: {value} is not in {right}"


SEVERAL = [case for case in CASES if case.get("windows")]


@pytest.mark.parametrize("case", SEVERAL, ids=[case["id"] for case in SEVERAL])
def test_every_window_of_every_collected_case_is_read(case: dict[str, Any]) -> None:
    windows = of_case(case).windows
    assert len(windows) == len(case["windows"])
    for wanted in case["windows"]:
        names = {wanted["name"]} | ({""} if wanted["name"] == "rate" else set())
        assert any(
            window.name in names
            and is_same(window.limit, wanted["limit"])
            and is_same(window.remaining, wanted["remaining"])
            and is_same(window.reset_in, wanted["reset_in_s"])
            and is_same(window.period, wanted["window_s"])
            and window.counts_requests is (wanted.get("unit", "requests") == "requests")
            for window in windows
        ), f"{wanted} is not in {windows}"


# Vendors that are not in the collection; the values are made up.

VENDORS: dict[str, tuple[dict[str, str], list[tuple[object, ...]]]] = {
    "Riot": (
        {
            "X-App-Rate-Limit": "20:1,100:120",
            "X-App-Rate-Limit-Count": "1:1,90:120",
            "X-Method-Rate-Limit": "2000:60",
            "X-Method-Rate-Limit-Count": "3:60",
        },
        [("app", 100, 10, None, 120), ("app", 20, 19, None, 1), ("method", 2000, 1997, None, 60)],
    ),
    "Docker Hub": (
        {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "76;w=21600"},
        [("", 100, 76, None, 21600)],
    ),
    "HubSpot": (
        {
            "X-HubSpot-RateLimit-Daily": "250000",
            "X-HubSpot-RateLimit-Daily-Remaining": "249999",
            "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
            "X-HubSpot-RateLimit-Max": "100",
            "X-HubSpot-RateLimit-Remaining": "9",
        },
        [("hubspot", 100, 9, None, 10), ("day", 250000, 249999, None, 86400)],
    ),
    "Imgur": (
        {
            "X-RateLimit-UserLimit": "500",
            "X-RateLimit-UserRemaining": "5",
            "X-RateLimit-UserReset": str(int(NOW + 300)),
            "X-RateLimit-ClientLimit": "12500",
            "X-RateLimit-ClientRemaining": "12000",
        },
        [("user", 500, 5, 300, None), ("client", 12500, 12000, None, None)],
    ),
    "Trello": (
        {
            "X-Rate-Limit-Api-Token-Interval-Ms": "10000",
            "X-Rate-Limit-Api-Token-Max": "100",
            "X-Rate-Limit-Api-Token-Remaining": "99",
            "X-Rate-Limit-Api-Key-Interval-Ms": "10000",
            "X-Rate-Limit-Api-Key-Max": "300",
            "X-Rate-Limit-Api-Key-Remaining": "299",
        },
        [("api token", 100, 99, None, 10), ("api key", 300, 299, None, 10)],
    ),
    "Contentful": (
        {
            "X-Contentful-RateLimit-Hour-Limit": "36000",
            "X-Contentful-RateLimit-Hour-Remaining": "35000",
            "X-Contentful-RateLimit-Second-Limit": "10",
            "X-Contentful-RateLimit-Second-Remaining": "0",
            "X-Contentful-RateLimit-Reset": "1",
        },
        [("second", 10, 0, 1, 1), ("hour", 36000, 35000, None, 3600)],
    ),
    "Salesforce": (
        {"Sforce-Limit-Info": "api-usage=25/5000, per-app-api-usage=17/250(appName=sample)"},
        [("per-app-api-usage", 250, 233, None, None), ("api-usage", 5000, 4975, None, None)],
    ),
    "Meta": (
        {"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":31.5}'},
        [("app", 100, 68.5, None, None, False)],
    ),
    "Meta by use case": (
        {
            "X-Business-Use-Case-Usage": '{"17": [{"type": "ads_insights", "call_count": 100, '
            '"total_cputime": 2, "total_time": 5, "estimated_time_to_regain_access": 7}]}'
        },
        [("ads_insights", 100, 0, 420, None, False)],
    ),
    "Etsy": (
        {
            "x-limit-per-second": "10",
            "x-remaining-this-second": "9",
            "x-limit-per-day": "10000",
            "x-remaining-today": "100",
        },
        [("day", 10000, 100, None, 86400), ("second", 10, 9, None, 1)],
    ),
    "Azure Resource Graph": (
        {"x-ms-user-quota-remaining": "3", "x-ms-user-quota-resets-after": "00:00:05"},
        [("ms user quota", None, 3, 5, None)],
    ),
    "Cerebras": (
        {
            "x-ratelimit-limit-requests-day": "14400",
            "x-ratelimit-remaining-requests-day": "400",
            "x-ratelimit-reset-requests-day": "33011.38",
            "x-ratelimit-limit-tokens-minute": "60000",
            "x-ratelimit-remaining-tokens-minute": "59000",
            "x-ratelimit-reset-tokens-minute": "11.3",
        },
        [
            ("requests day", 14400, 400, 33011.38, 86400),
            ("tokens minute", 60000, 59000, 11.3, 60, False),
        ],
    ),
    "Spring Cloud Gateway": (
        {
            "X-RateLimit-Remaining": "7",
            "X-RateLimit-Burst-Capacity": "20",
            "X-RateLimit-Replenish-Rate": "10",
            "X-RateLimit-Requested-Tokens": "1",
        },
        [("", 20, 7, None, None)],
    ),
    "The Odds API": (
        {"x-requests-remaining": "450", "x-requests-used": "50", "x-requests-last": "1"},
        [("requests", 500, 450, None, None)],
    ),
    "Strava": (
        {"X-RateLimit-Limit": "200,2000", "X-RateLimit-Usage": "10,100"},
        [("", 200, 190, None, None), ("", 2000, 1900, None, None)],
    ),
    "Klaviyo": (
        {
            "RateLimit-Limit": "3, 3;w=1, 60;w=60",
            "RateLimit-Remaining": "2",
            "RateLimit-Reset": "1",
        },
        [("", 3, 2, 1, 1), ("", 60, None, None, 60)],
    ),
    "Amazon's Selling Partner API, a rate": (
        {"x-amzn-RateLimit-Limit": "0.5"},
        [("amzn", 0.5, None, None, 1)],
    ),
    "Heroku": ({"RateLimit-Remaining": "2400"}, [("", None, 2400, None, None)]),
    "Flask-Limiter, as text": (
        {"X-RateLimit-Limit": "100 per 15 minute", "X-RateLimit-Remaining": "99"},
        [("", 100, 99, None, 900)],
    ),
    "Crates": ({"X-RateLimit-Limit": "60/minute"}, [("", 60, None, None, 60)]),
}


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_vendor_outside_the_collection_is_read_by_the_same_grammar(vendor: str) -> None:
    headers, wanted = VENDORS[vendor]
    windows = read(headers).windows
    assert [tuple(window) for window in windows] == [
        (*window, True) if len(window) == 5 else window for window in wanted
    ]
    lowered = {name.lower(): value for name, value in headers.items()}  # HTTP/2
    assert read(lowered).windows == windows


def test_where_nothing_is_said_the_answer_is_a_shared_one() -> None:
    assert read({}) is NOTHING
    assert read({"Content-Type": "application/json", "Date": date(NOW)}) is NOTHING
    assert read({"Date": date(NOW)}, 404) is NOTHING
    assert read({}, 200, b'{"data": 1}') is NOTHING
    assert Limits(False, None, 0.0, ()) == NOTHING
    assert (NOTHING.limit, NOTHING.remaining, NOTHING.reset_in, NOTHING.period) == (None,) * 4


# How headers come.

GITHUB = {
    "Date": date(NOW),
    "X-RateLimit-Limit": "5000",
    "X-RateLimit-Remaining": "0",
    "X-RateLimit-Reset": str(int(NOW + 30)),
    "X-RateLimit-Resource": "search",
}


def of_http_client(headers: Mapping[str, str]) -> http.client.HTTPMessage:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return http.client.parse_headers(io.BytesIO(lines.encode("latin-1") + b"\r\n"))


class OfHttpx:
    """As httpx.Headers keeps them."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.raw = [(name.encode(), value.encode()) for name, value in headers.items()]


KINDS: list[Callable[[Mapping[str, str]], Any]] = [
    dict,
    lambda headers: {name.upper(): value for name, value in headers.items()},
    CaseInsensitiveDict,
    HTTPHeaderDict,
    of_http_client,
    OfHttpx,
]


@pytest.mark.parametrize(
    "kind", KINDS, ids=["dict", "upper", "requests", "urllib3", "http.client", "httpx"]
)
def test_the_headers_of_every_library_are_read(kind: Callable[[Mapping[str, str]], Any]) -> None:
    wanted = Limits(False, None, 30.0, (Window("search", 5000, 0, 30, None),), "search")
    for _ in range(2):  # the second time by the plan that the first has made
        assert read_limits(200, kind(GITHUB), now=0) == wanted
    assert read_limits(200, kind({"Server": "x"})) is NOTHING


def test_a_name_on_several_lines_counts_as_joined_by_commas() -> None:
    message = http.client.HTTPMessage()
    for name, value in [("X-RateLimit-Limit", "1000"), ("X-RateLimit-Limit", "100")]:
        message[name] = value
    for name, value in [("X-RateLimit-Remaining", "990"), ("x-ratelimit-remaining", "3")]:
        message[name] = value
    joined = {"X-RateLimit-Limit": "1000, 100", "X-RateLimit-Remaining": "990, 3"}
    assert read(message) == read(joined)  # type: ignore[arg-type]
    assert read(joined).windows[0] == Window("", 100, 3, None, None)


def test_values_that_are_no_text_count_as_absent() -> None:
    for value in (0, None, ["0"], {}):
        headers: Any = {"X-RateLimit-Remaining": value, "X-RateLimit-Limit": "5"}
        assert read(headers).remaining is None
        assert read(headers).limit == 5


@pytest.mark.parametrize("headers", [None, 5, "text", object()])
def test_what_is_no_mapping_says_nothing_but_a_429_is_one_all_the_same(headers: Any) -> None:
    assert read(headers, 200) == NOTHING
    assert read(headers, 429).throttled


def test_headers_that_raise_say_nothing_but_a_429_is_one_all_the_same() -> None:
    class Broken(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            raise RuntimeError

    headers = Broken({"Retry-After": "3"})
    assert read(headers, 503) == NOTHING
    assert read(headers, 429) == Limits(True, None, None, ())


# Retry-After and waiting.


def test_retry_after_as_a_date_counts_from_the_vendors_own_clock() -> None:
    headers = {"retry-after": date(NOW + 30), "date": date(NOW)}
    for ours in (NOW - 9000, NOW, NOW + 9000):  # however wrong it is
        assert read_limits(503, headers, now=ours).retry_after == 30


def test_retry_after_as_a_date_counts_from_our_clock_where_the_vendor_gives_none() -> None:
    with fake_clock(unix=NOW + 10):
        assert read_limits(503, {"Retry-After": date(NOW + 30)}).retry_after == 20


def test_the_finer_of_two_asked_waits_counts_and_a_malformed_one_hides_nothing() -> None:
    assert read({"Retry-After": "2", "retry-after-ms": "1500"}, 429).retry_after == 1.5
    assert read({"Retry-After": "2", "retry-after-ms": "soon"}, 429).retry_after == 2
    assert read({"Retry-After": "?", "X-RateLimit-Retry-After": "9"}, 429).retry_after == 9


def test_a_vendor_may_ask_for_days_and_not_for_years() -> None:
    assert read({"Retry-After": "261858"}, 429).retry_after == 261858
    assert read({"Retry-After": "99999999"}, 429).retry_after is None


EMPTY = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9", "X-RateLimit-Limit": "60"}


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "3"}, 3),
        (503, {"Retry-After": "3"}, 3),
        (202, {"Retry-After": "3"}, 3),
        (429, EMPTY, 9),
        (429, EMPTY | {"Retry-After": "3"}, 3),
        (429, EMPTY | {"Retry-After": "0"}, 9),
        (429, {"Retry-After": "0"}, 0),
        (429, {"X-RateLimit-Reset": "9"}, 9),
        (429, {}, None),
        (200, EMPTY, 9),
        (404, EMPTY, 9),
        (200, EMPTY | {"X-RateLimit-Remaining": "1"}, 0),
        (429, EMPTY | {"X-RateLimit-Remaining": "1"}, None),  # another limit was hit
        (200, {"X-RateLimit-Remaining": "0"}, None),
        (200, {}, 0),
    ],
)
def test_the_least_wait_before_the_next_request(
    status: int, headers: dict[str, str], wait: float | None
) -> None:
    assert read(headers, status).wait == wait


def test_a_wait_that_only_the_body_names_counts_before_the_reset() -> None:
    limits = read(EMPTY, 429, '{"retry_after": 4}')
    assert (limits.wait, limits.retry_after, limits.reset_in) == (4, None, 9)
    assert read(EMPTY, 200, '{"retry_after": 4}').wait == 9


# What is a refusal for rate.


@pytest.mark.parametrize(
    ("status", "headers", "throttled"),
    [
        (429, {}, True),
        (420, {}, True),
        (529, {}, True),
        (403, {}, False),
        (403, EMPTY, True),
        (403, {"Retry-After": "60"}, True),  # GitHub's secondary limit
        (403, EMPTY | {"X-RateLimit-Remaining": "5"}, False),
        (503, EMPTY, True),
        (503, {"Retry-After": "60"}, False),  # an outage
        (503, {"x-amz-retry-after": "1500"}, False),
        (503, {"x-envoy-ratelimited": "true"}, True),
        (418, {}, False),
        (418, {"Retry-After": "300"}, True),  # Binance's ban
        (400, {"x-amzn-ErrorType": "ThrottlingException:http://internal"}, True),
        (400, {"x-amzn-ErrorType": "ValidationException"}, False),
        (400, EMPTY, False),
        (500, EMPTY, False),
        (200, EMPTY, False),
        (404, EMPTY, False),
        (404, {"Retry-After": "60"}, False),
    ],
)
def test_a_refusal_for_rate_is_told_from_other_answers(
    status: int, headers: dict[str, str], throttled: bool
) -> None:
    assert read(headers, status).throttled is throttled


CODE = '{"error": {"errors": [{"reason": "rateLimitExceeded"}]}}'


@pytest.mark.parametrize("status", sorted(AMBIGUOUS))
def test_an_error_code_in_the_body_settles_an_ambiguous_status(status: int) -> None:
    assert read({}, status, CODE).throttled
    assert read({}, status, CODE.encode()).throttled


@pytest.mark.parametrize("status", [200, 301, 401, 404, 409, 422, 502, 504])
def test_an_error_code_in_any_other_body_does_not(status: int) -> None:
    assert not read({}, status, CODE.replace("error", "data")).throttled


def test_where_vendors_document_a_503_as_throttling_it_is_one() -> None:
    asked = {"Retry-After": "30"}
    assert read(asked, 503, url="https://contoso.sharepoint.com/_api").throttled
    assert read(asked, 503, url="https://user:x@graph.microsoft.com:443/v1").throttled
    assert not read(asked, 503, url="https://notsharepoint.com/").throttled
    assert not read(asked, 503, url="https://evil.example/?x=https://a.sharepoint.com/").throttled
    assert not read({}, 503, url="https://contoso.sharepoint.com/").throttled


def test_a_refusal_for_the_whole_account_is_marked() -> None:
    assert read({"X-RateLimit-Scope": "global", "Retry-After": "1"}, 429).is_global
    assert read({"X-RateLimit-Global": "true", "Retry-After": "1"}, 429).is_global
    assert not read({"X-RateLimit-Scope": "shared", "Retry-After": "1"}, 429).is_global
    assert not read({"X-RateLimit-Scope": "global", **EMPTY}, 200).is_global


def test_the_resource_that_an_answer_names_is_the_name_of_its_window() -> None:
    limits = read({**EMPTY, "X-RateLimit-Bucket": "abcd"})
    assert limits.scope == limits.windows[0].name == "abcd"


def test_a_cached_answer_tells_nothing_of_the_quota() -> None:
    assert read({**EMPTY, "Age": "120"}) is NOTHING
    assert read({**EMPTY, "Age": "0"}).remaining == 0
    assert read({**EMPTY, "Age": "old"}).remaining == 0
    assert read({**EMPTY, "Age": "120", "Retry-After": "5"}, 429).wait == 5


def test_a_reset_in_milliseconds_is_known_by_what_else_the_answer_tells() -> None:
    told = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "60000"}
    assert read(told, 429).reset_in == 60000
    assert read({**told, "Retry-After": "60"}, 429).reset_in == 60
    assert read({**told, "X-RateLimit-Period": "60"}, 429).reset_in == 60
    assert read({**told, "X-RateLimit-Period": "86400"}, 429).reset_in == 60000
    assert read(told, 429, url="https://api.tiendanube.com/v1/1/products").reset_in == 60
    told["X-RateLimit-Reset"] = "60000s"
    assert read({**told, "Retry-After": "60"}, 429).reset_in == 60000


# Hostile input.

NAMES = st.sampled_from(
    sorted({name for case in CASES for name in case["headers"]})
    + [name for headers, _ in VENDORS.values() for name in headers]
) | st.text(max_size=30)
VALUES = st.sampled_from(
    sorted({value for case in CASES for value in case["headers"].values()})
) | st.text('0123456789-.,;:="/ rtqwGMTZs{}[]', max_size=40)


def is_sound(limits: Limits) -> bool:
    times = [limits.retry_after, limits.wait, *(window.reset_in for window in limits.windows)]
    return all(moment is None or 0 <= moment <= YEAR for moment in times) and all(
        (window.remaining is None or window.remaining >= 0)
        and (window.limit is None or 0 <= window.limit < 1e30)
        and (window.period is None or window.period > 0)
        for window in limits.windows
    )


@settings(deadline=None)
@given(
    st.dictionaries(NAMES, VALUES, max_size=12),
    st.sampled_from([0, 200, 301, 400, 403, 418, 429, 500, 503, 999]),
    st.binary(max_size=50) | st.text(max_size=50) | st.sampled_from(["", CODE]),
    st.text(max_size=20) | st.none(),
)
@example({"Date": "Mon, 01 Jan 0001 00:00:00 GMT", "X-RateLimit-Reset": "1767225630"}, 200, b"", "")
def test_no_answer_makes_the_reader_raise_or_leave_its_bounds(
    headers: dict[str, str], status: int, body: bytes | str, url: str | None
) -> None:
    limits = read_limits(status, headers, body, url=url, now=NOW)
    assert is_sound(limits)
    assert limits.throttled or status != 429


LARGE = 2**20


@pytest.mark.parametrize(
    "value",
    [
        *["9" * LARGE, "a" * LARGE, "1," * (LARGE // 2), '"' * LARGE, '"a";r=1,' * (LARGE // 8)],
        *["1;w=1," * (LARGE // 6), "a=1/2," * (LARGE // 6), "1s" * (LARGE // 2), " " * LARGE],
        *["[" * LARGE, '{"a":' * (LARGE // 5), "<" * LARGE, "retry after " * (LARGE // 12)],
        # as long as is looked at
        *["1," * 2000, '"a";r=1,' * 500, "a=1/2," * 600, "1;w=1," * 600, '{"a":' * 800, "a" * 4000],
        *['"' * 4000, "a;" * 2000, "limit" * 800, ("limit" * 19 + "=1,") * 40, ">a" * 2000],
    ],
    ids=lambda value: f"{value[:8]}… {len(value)}",
)
def test_large_values_cost_little(value: str) -> None:
    """In more than linear time this would not end before the run's own limit."""
    names = ["Retry-After", "RateLimit", "RateLimit-Policy", "X-RateLimit-Limit", "X-App-Usage"]
    names += ["X-RateLimit-Remaining", "X-RateLimit-Used", "X-RateLimit-Reset", "Date", "Age"]
    headers = dict.fromkeys(names, value)
    for status in (200, 403, 429):
        assert is_sound(read_limits(status, headers, value, url=value, now=NOW))


@pytest.mark.parametrize("piece", ["limit", "remaining-", "x-ratelimit-", "a", "-", "retryafter"])
def test_many_and_long_names_cost_little(piece: str) -> None:
    headers = {f"{piece * 3}{number}-remaining": "5, 4, 3" for number in range(5000)}
    headers |= {piece * LARGE: "1"}
    assert is_sound(read_limits(200, headers, now=NOW))
