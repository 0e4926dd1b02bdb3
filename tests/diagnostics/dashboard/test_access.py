from __future__ import annotations

import threading
from typing import Any

import pytest

from resilient import ConfigurationError
from resilient.diagnostics.dashboard import access
from resilient.diagnostics.dashboard.access import (
    FAILURES,
    FAILURES_IN_TOTAL,
    LASTS,
    PERIOD,
    Access,
    Denied,
    Limits,
    is_loopback,
)
from resilient.testing import FakeClock
from tests.diagnostics.dashboard.conftest import OPERATOR, TOKENS, VIEWER, Client, MakeClient
from tests.threads import REAL_LIMIT, StartThread

LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8765"}


@pytest.mark.parametrize(
    "changes",
    [
        {"HTTP_HOST": "127.0.0.1"},
        {"HTTP_HOST": "[::1]:80", "REMOTE_ADDR": "::1"},
        {"HTTP_HOST": "LocalHost"},
        {"HTTP_HOST": "app.localhost:5000"},
        {"REMOTE_ADDR": "127.8.9.1"},
        {"REMOTE_ADDR": "::ffff:127.0.0.1"},
    ],
    ids=str,
)
def test_this_machine_needs_no_token(changes: dict[str, str]) -> None:
    assert Access().admit(LOCAL | changes).role == "operator"


@pytest.mark.parametrize(
    "changes",
    [
        *({"REMOTE_ADDR": "10.0.0.1"}, {"REMOTE_ADDR": "::2"}, {"REMOTE_ADDR": ""}),
        *({"REMOTE_ADDR": "::ffff:10.0.0.1"}, {"REMOTE_ADDR": "localhost.evil.example"}),
        *({"HTTP_X_FORWARDED_FOR": "127.0.0.1"}, {"HTTP_VIA": "1.1 proxy"}),
        *({"HTTP_FORWARDED": "for=127.0.0.1"}, {"HTTP_X_REAL_IP": "127.0.0.1"}),
        *(
            {"HTTP_HOST": "evil.example"},
            {"HTTP_HOST": ""},
            {"HTTP_HOST": "127.0.0.1.evil.example"},
        ),
        *({"HTTP_HOST": "localhost.evil.example:80"}, {"HTTP_HOST": "[::1].evil.example"[:0]}),
        *({"HTTP_HOST": "evil.example#localhost"}, {"HTTP_HOST": "0.0.0.0"}),
    ],
    ids=str,
)
def test_others_do_not_get_in_without_tokens(changes: dict[str, str]) -> None:
    with pytest.raises(Denied) as denied:
        Access().admit(LOCAL | changes)
    assert denied.value.status == 403


def test_with_tokens_this_machine_needs_one_too(client_of: MakeClient) -> None:
    # A proxy in front makes all requests come from here.
    got = client_of(TOKENS).get()
    assert (got.status, got.headers["WWW-Authenticate"]) == (401, 'Bearer realm="resilient"')
    assert 'name="token"' in got.text


@pytest.mark.parametrize(("token", "role"), [(OPERATOR, "operator"), (VIEWER, "viewer")])
def test_a_token_gives_its_role(client_of: MakeClient, token: str, role: str) -> None:
    client = client_of(TOKENS)
    got = client.log_in(token, SCRIPT_NAME="/board")
    assert (got.status, got.headers["Location"]) == (303, "/board/")
    cookie = got.headers["Set-Cookie"]
    assert cookie.endswith(f"; Path=/board; Max-Age={LASTS}; HttpOnly; SameSite=Strict")
    assert token not in cookie
    assert f"Log out ({role})" in client.get().text


def test_a_role_may_have_several_tokens(client_of: MakeClient) -> None:
    client = client_of({"viewer": ["the-old-token-16", "the-new-token-16"]})
    for token in ("the-old-token-16", "the-new-token-16"):
        assert client.log_in(token).status == 303


@pytest.mark.parametrize(
    "changes", [{"wsgi.url_scheme": "https"}, {"HTTP_X_FORWARDED_PROTO": "https"}], ids=str
)
def test_the_cookie_is_secure_where_the_connection_is(
    client_of: MakeClient, changes: dict[str, Any]
) -> None:
    got = client_of(TOKENS).log_in(VIEWER, **changes)
    assert got.headers["Set-Cookie"].endswith("; Secure")


def test_a_program_may_give_its_token_with_each_request(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    assert client.get("/data.json", HTTP_AUTHORIZATION=f"Bearer {VIEWER}").status == 200
    assert client.get("/data.json", HTTP_AUTHORIZATION="Bearer wrong").status == 401
    assert client.get("/data.json", HTTP_AUTHORIZATION=f"Basic {VIEWER}").status == 401


def test_one_is_logged_out_after_a_while_or_by_oneself(
    client_of: MakeClient, clock: FakeClock
) -> None:
    client = client_of(TOKENS)
    client.log_in(VIEWER)
    clock.advance(LASTS - 1)
    assert client.get().status == 200
    clock.advance(2)
    assert client.get().status == 401
    client.log_in(VIEWER)
    assert (
        client.post(form={"leave": "1"}).headers["Set-Cookie"].startswith("resilient_dashboard=;")
    )
    assert client.get().status == 401


def test_a_cookie_holds_after_a_restart_and_in_other_workers(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    client.log_in(OPERATOR)
    other = client_of(TOKENS)
    other.cookie = client.cookie
    assert other.get().status == 200
    new_token = client_of({**TOKENS, "operator": "another-token-of-operators"})
    new_token.cookie = client.cookie
    assert new_token.get().status == 401


def test_a_cookie_that_was_changed_opens_nothing(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    client.log_in(VIEWER)
    good = client.cookie
    name, _, value = good.partition("=")
    expires, nonce, sign = value.split(".")
    later = str(int(expires) + 1)
    for forged in (
        *(f"{later}.{nonce}.{sign}", f"{expires}.{nonce}.{'0' * 64}", f"{expires}.{sign}"),
        *("", ".", "..", "x.y.z", f"{expires}.{nonce}.", f"-1.{nonce}.{sign}", "٣.a.b"),
        *(f"{'9' * 5_000}.{nonce}.{sign}", f"{expires}.{nonce}.{sign[:-1]}ä"),
    ):
        client.cookie = f"{name}={forged}"
        assert client.get().status == 401, forged
    for broken in ('a="', "=;=;", f"{name}", "\x00", f"{name}={value}" + "; x" * 9_000):
        client.cookie = broken
        assert client.get().status in (200, 401)
    client.cookie = f'theirs={{"a": "b, c"}}; =; [x]; {good}; after'
    assert client.get().status == 200


def wrong(client: Client, address: str = "10.0.0.1") -> int:
    return client.log_in("a wrong token, really", REMOTE_ADDR=address).status


def test_wrong_tokens_are_limited_for_each_client(client_of: MakeClient, clock: FakeClock) -> None:
    client = client_of(TOKENS)
    assert [wrong(client) for _ in range(FAILURES)] == [401] * FAILURES
    got = client.log_in(OPERATOR, REMOTE_ADDR="10.0.0.1")
    assert (got.status, got.headers["Retry-After"]) == (429, str(int(PERIOD)))
    assert client.log_in(OPERATOR, REMOTE_ADDR="10.0.0.2").status == 303
    clock.advance(PERIOD)
    assert client.log_in(OPERATOR, REMOTE_ADDR="10.0.0.1").status == 303


def test_a_program_that_guesses_is_limited_as_the_form_is(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    guess = {"HTTP_AUTHORIZATION": "Bearer a-wrong-token-really"}
    answers = [client.get(**guess).status for _ in range(FAILURES + 1)]
    assert answers == [401] * FAILURES + [429]


def test_wrong_tokens_are_limited_in_total_and_who_is_in_stays_in(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    client.log_in(OPERATOR)
    for number in range(FAILURES_IN_TOTAL):
        assert wrong(client, f"10.1.{number}.1") == 401
    assert wrong(client, "10.2.0.1") == 429
    assert client.get().status == 200


def test_wrong_tokens_that_come_at_once_are_limited_too(
    in_thread: StartThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    doorkeeper = Access({"operator": OPERATOR})
    is_equal = access.hmac.compare_digest
    all_here = threading.Barrier(20)
    statuses: list[int] = []

    def compare(one: bytes, other: bytes) -> bool:
        all_here.wait(REAL_LIMIT)
        return is_equal(one, other)

    def guess() -> None:
        with pytest.raises(Denied) as denied:
            doorkeeper.role_of("a wrong token, really", "10.0.0.1")
        statuses.append(denied.value.status)

    monkeypatch.setattr(access.hmac, "compare_digest", compare)
    for thread in [in_thread(guess) for _ in range(20)]:
        thread.join()
    assert sorted(statuses) == [401] * FAILURES + [429] * (20 - FAILURES)


@pytest.mark.parametrize("path", ["/{}", "/login/{}", "/?token={}"])
def test_a_token_in_an_address_is_not_logged(
    client_of: MakeClient, records: list[dict[str, Any]], path: str
) -> None:
    client = client_of(TOKENS)
    for token in (OPERATOR, VIEWER):
        client.get(path.format(token), HTTP_REFERER=f"http://localhost/{token}")
        assert token not in repr(records[-1])
    assert len(records) == 2


def test_one_network_of_ipv6_is_one_client() -> None:
    limits = Limits()
    for number in range(FAILURES):
        limits.count(f"2001:db8::{number:x}", is_wrong=True)
    assert limits.count("2001:db8::ffff", is_wrong=False) > 0
    assert limits.count("2001:db8:0:1::1", is_wrong=False) <= 0


def test_the_memory_of_wrong_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_CLIENTS", 20)
    limits = Limits()
    for number in range(1_000):
        limits.count(f"10.0.{number // 256}.{number % 256}", is_wrong=True)
        limits.count("not an address" * number, is_wrong=True)
    assert len(limits._by_client) == 20
    assert len(limits._all) == FAILURES_IN_TOTAL


@pytest.mark.parametrize(
    "tokens",
    [
        *({}, [], "token", {"admin": "a" * 20}, {"viewer": "short"}, {"viewer": ""}),
        *({"viewer": None}, {"viewer": [None]}, {"viewer": []}, {"viewer": 12345678901234567890}),
        *({"viewer": " " + "a" * 20}, {"viewer": "a" * 20, "operator": "a" * 20}),
    ],
    ids=str,
)
def test_tokens_that_can_not_be_are_refused_without_being_shown(tokens: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^dashboard\(tokens\): ") as error:
        Access(tokens)
    assert "aaa" not in str(error.value)


@pytest.mark.parametrize("host", ["", "localhost.", "127.0.0.1x", "0", "127.1", "::ffff:10.0.0.1"])
def test_what_is_not_surely_this_machine_is_not(host: str) -> None:
    assert not is_loopback(host)
