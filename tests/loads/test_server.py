"""The server and the clients of the loads: what they count is the truth."""

from __future__ import annotations

import http.client
import json
import socket
import time

import pytest

from tests.loads.driving import US, Driven, TurnedAway, client
from tests.loads.figures import Figures, figures_of, line_of
from tests.loads.quotas import QuotaSpec
from tests.loads.running import chosen, side_by_side
from tests.loads.scenarios import LOADS, Load
from tests.loads.server import OTHER, ServerSpec
from tests.loads.vendors import Hit, running
from tests.real_time import real_time


def test_the_server_enforces_its_quota_tells_of_it_and_logs_the_truth() -> None:
    large, small = QuotaSpec("fixed", 9, 60.0, age=0.0), QuotaSpec("sliding", 2, 60.0, path="/s")
    spec = ServerSpec((small, large), "x-delta-ceil", "ceil")
    assert ServerSpec.from_json(spec.to_json()) == spec
    with running(spec) as vendor:
        connection = http.client.HTTPConnection("127.0.0.1", vendor.port)
        answers = []
        for path, key in [("/s", "a"), ("/s", "a"), ("/s", "a"), ("/s", "b"), ("/x", "a")]:
            headers = {"X-Client": "us", "X-Ticket": path + key, "Authorization": key}
            connection.request("POST", path, body=b"{}", headers=headers)
            response = connection.getresponse()
            response.read()
            told = response.headers
            answers.append((response.status, told["X-RateLimit-Remaining"], told["Retry-After"]))
        connection.close()
        hits = vendor.hits()
    assert answers == [
        (200, "1", None),
        (200, "0", None),
        (429, "0", "60"),
        (200, "1", None),  # each credential has its own
        (200, "8", None),
    ]
    assert [hit.admitted for hit in hits] == [True, True, False, True, True]
    assert [hit.ticket for hit in hits] == ["/sa", "/sa", "/sa", "/sb", "/xa"]
    assert abs(hits[-1].at - time.monotonic()) < 5  # one clock for all processes


@real_time
@pytest.mark.parametrize("spending", ["evenly", "bursts"])
def test_the_other_client_spends_its_share(spending: str) -> None:
    quota = QuotaSpec("fixed", 100, 0.2, age=0.5)
    with running(ServerSpec((quota,), spends=0.5, spending=spending)) as vendor:
        with client(vendor.port) as http:
            http.get()
        time.sleep(0.45)
        hits = vendor.hits()
    others = [hit for hit in hits if hit.client == OTHER]
    per_window = [sum(hit.window == window for hit in others) for window in (0, 1, 2)]
    if spending == "bursts":
        assert per_window[1] == 50
        assert len({round(hit.at, 2) for hit in others if hit.window == 1}) <= 2
    else:
        assert 15 <= per_window[0] <= 35  # half of that window was over
        assert 40 <= per_window[1] <= 60


def test_an_error_in_the_manner_of_aws_is_a_400_with_a_code() -> None:
    quota = QuotaSpec("bucket", 1, 60.0)
    with running(ServerSpec((quota,), protocol="aws")) as vendor:
        connection = http.client.HTTPConnection("127.0.0.1", vendor.port)
        answers = []
        for _ in range(2):
            connection.request("POST", "/", body=b"{}")
            response = connection.getresponse()
            answers.append((response.status, json.load(response)))
        connection.close()
    assert answers[0] == (200, {})
    assert answers[1][0] == 400
    assert answers[1][1]["__type"] == "ThrottlingException"


@real_time
def test_the_server_takes_its_time_before_and_after_it_counts() -> None:
    with running(ServerSpec(before=0.04, after=0.04)) as vendor, client(vendor.port) as http:
        started = time.monotonic()
        for _ in range(6):
            http.get()
        took = time.monotonic() - started
        (first, *_, last) = vendor.hits()
    assert 0.05 < took < 2
    assert started < first.at < last.at < started + took


def test_figures_tell_refusals_by_window_and_the_share_that_was_used() -> None:
    quota = QuotaSpec("fixed", 20, 0.2, age=0.5)
    # A request each 2.5 ms, from the middle of a window on.
    windows = [int((0.1 + 0.0025 * number) / 0.2) for number in range(240)]
    hits = [
        Hit(0.0025 * number, US, "/", windows[:number].count(window) < 20, window)
        for number, window in enumerate(windows)
    ]
    refused = sum(not hit.admitted for hit in hits)
    driven = Driven(0.0, 0.6, len(hits), refused, errors={"TurnedAway: HTTP 429": refused})
    one = figures_of("impatient", driven, hits, quota)
    assert one.calls == one.sent == len(hits)
    assert one.failed == one.early + one.late == sum(not hit.admitted for hit in hits)
    assert one.early
    assert one.late
    assert one.whole == 1.0
    assert one.used is not None
    assert 1.0 <= one.used <= 1.34  # the cut windows at both ends were emptied as well
    one.no_429()
    one.one_429()
    one.all_pass()
    assert len(one.missed) == 4
    assert line_of(one).count("MISSED") == 4


def test_a_client_that_is_turned_away_raises_and_goes_on_with_its_connection() -> None:
    with running(ServerSpec((QuotaSpec("sliding", 1, 60.0),))) as vendor:
        with client(vendor.port) as http:
            assert http.get() == 200
            for _ in range(2):
                with pytest.raises(TurnedAway, match="429"):
                    http.get()
        assert [hit.admitted for hit in vendor.hits()] == [True, False, False]


def test_loads_are_chosen_by_name_and_by_group() -> None:
    assert [load.name for load in chosen(["pause-untold", "told-sliding", "pauses"])] == [
        "pause-untold",
        "told-sliding",
        "pause-told",
    ]
    with pytest.raises(KeyError):
        chosen(["no such load"])
    # A process started for one load must never start several.
    assert all(chosen([name]) == [load] for name, load in LOADS.items())


def test_a_load_that_crashes_is_an_aim_missed() -> None:
    broken = Load("no-such-load", "none", lambda name, seconds: Figures(name, seconds))
    (figures,) = side_by_side([broken], seconds=1)
    assert figures.missed
    assert "no-such-load" in figures.missed[0]


@real_time
@pytest.mark.stress
def test_the_server_is_faster_than_any_of_its_clients() -> None:
    calls = 4000
    request = b"GET / HTTP/1.1\r\nHost: loads\r\nX-Client: us\r\n\r\n"
    quota = QuotaSpec("sliding", 10**9, 2.0)
    with running(ServerSpec((quota,), "x-delta-float")) as vendor:
        with socket.create_connection(("127.0.0.1", vendor.port), timeout=10) as connection:
            started = time.monotonic()
            for _ in range(calls):
                connection.sendall(request)
                connection.recv(4096)
            took = time.monotonic() - started
    assert calls / took > 2000
