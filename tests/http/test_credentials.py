"""What a request authenticates with, and which calls are told of it."""

from __future__ import annotations

import base64
import dataclasses
import enum
import functools
import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from resilient.call import Call, Target
from resilient.http.credentials import (
    credentials_of,
    fingerprint,
    is_watched,
    note_credential,
    note_request,
)
from resilient.keys import frozen

URL = "https://api.example.com/users"
SECRET = "s3cr3t-0123456789"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def digest(*parts: bytes) -> bytes:
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(b"%d:" % len(part) + part)
    return hashed.digest()


def print_of(url: str = URL, headers: Any = (), cert: Any = None) -> bytes | None:
    return fingerprint(credentials_of(url, headers, cert), digest)


# Finding them


@pytest.mark.parametrize(
    ("headers", "kind", "secrets"),
    [
        ({"Authorization": f"Bearer {SECRET}"}, "the Authorization header", (SECRET,)),
        ({"authorization": SECRET}, "the Authorization header", (SECRET,)),
        ({"AUTHORIZATION": basic("bob", "pw")}, "the Authorization header", ("bob", "pw")),
        ({"Authorization": basic("bob", "p:w")}, "the Authorization header", ("bob", "p:w")),
        ({"Authorization": basic(SECRET, "")}, "the Authorization header", (SECRET,)),
        ({"Authorization": "Basic no base64!"}, "the Authorization header", ("no base64!",)),
        ({"Proxy-Authorization": "Bearer x"}, "the Proxy-Authorization header", ("x",)),
        ({"x-api-key": SECRET}, "the X-Api-Key header", (SECRET,)),
        ({b"PRIVATE-TOKEN": b"x"}, "the Private-Token header", ("x",)),
        ({"Cookie": 'b="2"; a=1; c'}, "the Cookie header", ("2", "1", "c")),
        ({"Stripe-Account": "acct_1"}, "the Stripe-Account header", ("acct_1",)),
        ({"X-Auth-Token": 7}, "the X-Auth-Token header", ("7",)),
    ],
)
def test_a_header_is_found_in_any_case_and_its_secrets_are_taken_apart(
    headers: dict[Any, Any], kind: str, secrets: tuple[str, ...]
) -> None:
    (found,) = credentials_of(URL, headers)
    assert (found.kind, found.secrets) == (kind, secrets)
    assert credentials_of(URL, list(headers.items())) == (found,)


def test_what_is_empty_or_harmless_is_no_credential() -> None:
    headers = {"Accept": "*/*", "Authorization": " ", "X-Api-Key": "", "Idempotency-Key": "1"}
    assert credentials_of(f"{URL}?page=2&pageToken=x&token=", headers, None) == ()
    assert print_of(headers=headers) is None


def test_the_url_tells_user_info_and_parameters() -> None:
    found = credentials_of("https://bob:p%40w@x.com/a?api_key=k%2B1&page=2", {})
    assert [(one.kind, one.secrets) for one in found] == [
        ("the user info of the URL", ("bob", "p@w")),
        ("the parameter api_key of the URL", ("k+1",)),
    ]


def test_the_name_of_a_parameter_is_only_shown_if_it_can_be() -> None:
    (found,) = credentials_of(f"https://x.com/?{'x' * 50}%0Atoken=1", {})
    assert found.kind == "a parameter of the URL"


@pytest.mark.parametrize("given_as", [lambda path: path, str, lambda path: (str(path), "its key")])
def test_a_client_certificate_is_found_in_every_form(
    tmp_path: Path, given_as: Callable[[Path], Any]
) -> None:
    path = tmp_path / "client.pem"
    path.write_text("a certificate")
    (found,) = credentials_of(URL, {}, given_as(path))
    assert (found.kind, found.secrets) == ("the client certificate", (str(path),))
    assert "a certificate" not in found.value


def test_a_certificate_that_was_replaced_is_another_credential(tmp_path: Path) -> None:
    path = tmp_path / "client.pem"
    path.write_text("one")
    one = print_of(cert=str(path))
    assert print_of(cert=str(path)) == one
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert print_of(cert=str(path)) not in (one, None)
    path.unlink()
    assert print_of(cert=str(path)) not in (one, None)


@pytest.mark.parametrize("cert", ["no\0path", b"/no/such", ("", ""), 7, ["/a", "/b"]])
def test_a_certificate_that_is_none_does_no_harm(cert: Any) -> None:
    assert print_of(cert=cert) is not None


def test_a_credential_shows_no_secret() -> None:
    found = credentials_of(f"https://u:{SECRET}@x.com/?token={SECRET}", {"Cookie": f"a={SECRET}"})
    assert len(found) == 3
    assert SECRET not in f"{found!r} {found} {found[0]:} {[one.kind for one in found]}"


# Telling them apart


def test_equal_credentials_have_one_fingerprint_in_any_order_and_case() -> None:
    one = print_of(headers={"Authorization": "Bearer a", "X-Api-Key": "b", "Cookie": "c=1; d=2"})
    other = {"cookie": "d=2;  c=1", "x-api-key": "b", "authorization": "Bearer a"}
    assert print_of(headers=CaseInsensitiveDict(other)) == one
    assert print_of(headers=[*other.items(), *other.items()]) == one


def test_other_credentials_have_other_fingerprints() -> None:
    prints = [
        None,
        *(
            print_of(headers=headers)
            for headers in (
                {"Authorization": "Bearer a"},
                {"Authorization": "Bearer A"},
                {"Authorization": "Token a"},
                {"Authorization": "a"},
                {"X-Api-Key": "a"},
                {"X-Auth-Token": "a"},
                {"Cookie": "a=b"},
                {"Cookie": "a=c"},
                {"Cookie": "b=b"},
                {"Authorization": basic("a", "bc")},
                {"Authorization": basic("ab", "c")},
                {"Authorization": "Bearer a", "X-Api-Key": "a"},
            )
        ),
        print_of("https://x.com/?token=a"),
        print_of("https://x.com/?key=a"),
        print_of("https://a@x.com/"),
        print_of("https://a:b@x.com/"),
    ]
    assert len(set(prints)) == len(prints)


def test_a_fingerprint_is_a_keyed_hash_and_nothing_in_clear() -> None:
    seen: list[bytes] = []

    def keyed(*parts: bytes) -> bytes:
        seen.extend(parts)
        return b"hash"

    assert fingerprint(credentials_of(URL, {"X-Api-Key": "\ud800"}), keyed) == b"hash"
    assert all(isinstance(part, bytes) for part in seen)


@given(
    st.lists(st.tuples(st.sampled_from(["Cookie", "Authorization", "X-Key", "A"]), st.text())),
    st.text(),
)
def test_no_header_and_no_url_is_too_strange(headers: list[tuple[str, str]], url: str) -> None:
    for one in credentials_of(url, headers):
        assert one.secrets
        assert all(texts for texts in one.spellings())
    fingerprint(credentials_of(url, headers), digest)


# Telling the calls


def a_call(*args: Any, watches: bool = True, parent: Call | None = None) -> Call:
    call = Call.of(Target(a_call, service="vendor", name="fetch"))
    call.target.watches_credentials = watches
    call.cache_key = frozen(args)
    call.parent = parent
    return call


def told(call: Call, url: str = URL, headers: Any = (), cert: Any = None) -> str | None:
    note_request(call, url, headers, cert)
    return call.credential


BEARER = {"Authorization": f"Bearer {SECRET}"}


def test_a_credential_that_is_no_argument_is_told() -> None:
    call = a_call("bob", 1)
    assert told(call, headers=BEARER) == "the Authorization header"
    assert call.carries == "the Authorization header"


def test_a_request_without_a_credential_tells_nothing() -> None:
    call = a_call("bob")
    assert told(call, headers={"Accept": "*/*"}) is None
    assert call.carries is None


def test_the_first_credential_that_is_no_argument_is_told() -> None:
    call = a_call(SECRET)
    headers = {**BEARER, "X-Api-Key": "other", "Cookie": "a=b"}
    assert told(call, headers=headers) == "the X-Api-Key header"
    assert told(call, "https://x.com/?sig=1") == "the X-Api-Key header"


@dataclasses.dataclass(frozen=True)
class Account:
    name: str
    token: str


class Login(NamedTuple):
    user: str
    password: str


class Token(str, enum.Enum):
    MAIN = SECRET


class MarkedText(str):
    pass


@pytest.mark.parametrize(
    "argument",
    [
        SECRET,
        SECRET.encode(),
        bytearray(SECRET.encode()),
        f" {SECRET}\n",
        f"Bearer {SECRET}",
        MarkedText(SECRET),
        Token.MAIN,
        ["x", (SECRET,)],
        {"x": {"token": SECRET}},
        {SECRET: 1},
        {SECRET},
        frozenset({SECRET}),
        BEARER,
        Account("bob", SECRET),
        [Account("bob", SECRET)],
        Login("bob", SECRET),
        f"https://x.com/?a=1&token={SECRET}",
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_token_among_the_arguments_at_any_depth_is_covered(argument: Any) -> None:
    call = a_call(1, argument)
    assert told(call, headers=BEARER) is None
    assert call.carries == ("the Authorization header", (1,))


@pytest.mark.parametrize(
    "header",
    [
        f"token {SECRET}",
        f"Token token={SECRET}",
        f'Token token="{SECRET}"',
        f"GenieKey {SECRET}",
        f"Api api_key={SECRET}",
        SECRET,
    ],
)
def test_a_token_is_found_behind_its_scheme(header: str) -> None:
    assert told(a_call(SECRET), headers={"Authorization": header}) is None
    assert told(a_call("s3cr3t"), headers={"Authorization": header}) is not None


@pytest.mark.parametrize(
    ("arguments", "is_covered"),
    [
        (("bob", "pw"), True),
        ((("bob", "pw"),), True),
        (({"user": "bob", "password": "pw"},), True),
        (("bob:pw",), True),
        ((basic("bob", "pw"),), True),
        ((basic("bob", "pw").split()[1],), True),
        (("https://bob:pw@x.com/",), True),
        (("bob",), False),
        (("pw",), False),
        (("bobpw",), False),
        (("pw", "Bob"), False),
        ((), False),
    ],
)
def test_basic_auth_takes_user_and_password(arguments: tuple[Any, ...], is_covered: bool) -> None:
    assert (told(a_call(*arguments), headers={"Authorization": basic("bob", "pw")}) is None) == (
        is_covered
    )


def test_an_empty_part_is_not_covered_by_an_empty_argument() -> None:
    assert told(a_call(""), headers={"Authorization": basic(SECRET, "")}) is not None
    assert told(a_call(SECRET), headers={"Authorization": basic(SECRET, "")}) is None
    assert told(a_call(""), headers={"Authorization": basic("", "")}) is not None


def test_a_cookie_takes_all_its_values() -> None:
    cookies = {"Cookie": "sid=abc; user=bob"}
    assert told(a_call({"sid": "abc", "user": "bob"}), headers=cookies) is None
    assert told(a_call("sid=abc; user=bob"), headers=cookies) is None
    assert told(a_call("bob"), headers=cookies) == "the Cookie header"


def test_a_parameter_and_user_info_of_the_url_are_covered_by_the_url_itself() -> None:
    url = "https://bob:p%40w@x.com/?api_key=k%2B1"
    assert told(a_call(url), url) is None
    assert told(a_call("bob", "p@w", "k+1"), url) is None
    assert told(a_call("bob", "p@w"), url) == "the parameter api_key of the URL"
    assert told(a_call("k+1"), url) == "the user info of the URL"


def test_a_number_is_covered_by_a_number() -> None:
    assert told(a_call(440), "https://x.com/?appid=440") is None
    assert told(a_call(True), "https://x.com/?appid=True") is not None
    assert told(a_call(440.0), "https://x.com/?appid=440.0") is not None


def test_a_certificate_is_covered_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "client.pem"
    assert told(a_call(str(path)), cert=(str(path), "key")) is None
    assert told(a_call(path), cert=str(path)) is None
    assert told(a_call(), cert=str(path)) == "the client certificate"


class Client:
    def __init__(self) -> None:
        self.token = SECRET


class Odd(str):
    """Equal to every other, whatever it holds."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    def __hash__(self) -> int:
        return 1


@dataclasses.dataclass(frozen=True)
class Hidden:
    token: str = dataclasses.field(compare=False)


@pytest.mark.parametrize(
    "argument",
    [Client(), Odd(SECRET), Hidden(SECRET), functools.partial(print, SECRET), lambda: SECRET],
    ids=lambda value: type(value).__name__,
)
def test_what_an_equal_key_may_hold_another_token_in_covers_nothing(argument: Any) -> None:
    assert told(a_call(argument), headers=BEARER) == "the Authorization header"


def test_a_call_without_a_key_covers_nothing() -> None:
    call = a_call(SECRET)
    call.args = (SECRET,)
    call.cache_key = None
    assert told(call, headers=BEARER) == "the Authorization header"


def test_what_is_put_into_an_argument_during_the_call_covers_nothing() -> None:
    headers: dict[str, str] = {}
    call = a_call(headers)
    headers.update(BEARER)
    assert told(call, headers=headers) == "the Authorization header"


def test_calls_around_are_told_if_they_watch_and_their_own_key_does_not_cover_it() -> None:
    ambient = a_call("bob")
    deaf = a_call("bob", watches=False, parent=ambient)
    knowing = a_call(SECRET, parent=deaf)
    inner = a_call(("x", SECRET), watches=False, parent=knowing)
    assert is_watched(inner)
    assert not is_watched(a_call(watches=False))
    note_request(inner, URL, BEARER)
    assert [call.credential for call in (inner, knowing, deaf, ambient)] == [
        *(None, None, None),
        "the Authorization header",
    ]
    assert [call.carries for call in (inner, knowing, deaf)] == [
        None,
        ("the Authorization header", (0,)),
        None,
    ]


def test_an_answer_that_rests_on_a_credential_tells_all_around() -> None:
    outer = a_call("bob")
    deaf = a_call(watches=False, parent=outer)
    inner = a_call("bob", parent=deaf)
    note_credential(inner, "the Cookie header")
    note_credential(inner, "the X-Api-Key header")
    for call in (inner, deaf, outer):
        assert call.credential == call.carries == "the Cookie header"


def test_an_answer_that_its_key_covers_tells_those_around_that_do_not_know_the_secret() -> None:
    first = a_call("x", SECRET)
    note_request(first, URL, BEARER)
    ambient = a_call("bob")
    knowing = a_call({"token": SECRET}, parent=ambient)
    again = a_call("x", SECRET, parent=knowing)
    assert first.carries is not None
    note_credential(again, first.carries)
    assert again.credential is None
    assert again.carries == first.carries
    assert knowing.credential is None
    assert knowing.carries == ("the Authorization header", (0,))
    assert ambient.credential == "the Authorization header"


@pytest.mark.parametrize("places", [(), (7,), (0,)], ids=["none", "too many", "no text"])
def test_places_that_hold_no_text_cover_nothing_around(places: tuple[int, ...]) -> None:
    outer = a_call(SECRET)
    note_credential(a_call(Client(), parent=outer), ("the Cookie header", places))
    assert outer.credential == "the Cookie header"


def test_what_is_carried_keeps_in_a_list_as_well() -> None:
    outer = a_call(SECRET)
    carried: Any = ["the Cookie header", [0]]
    note_credential(a_call(SECRET, parent=outer), carried)
    assert outer.credential is None


def test_places_of_several_credentials_add_up() -> None:
    call = a_call("k", 0, SECRET)
    note_request(call, URL, BEARER)
    note_request(call, URL, {"X-Api-Key": "k"})
    assert call.carries == ("the Authorization header", (0, 2))


def test_a_call_keeps_no_secret() -> None:
    call = a_call("bob")
    note_request(call, f"https://u:{SECRET}@x.com/?token={SECRET}", BEARER)
    call.cache_key = None
    assert SECRET not in repr(vars(call))


def test_what_cannot_be_read_is_told_as_a_credential() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    outer = a_call(SECRET)
    inner = a_call(SECRET, parent=outer)
    with pytest.raises(RuntimeError):
        note_request(inner, URL, [("Authorization", Broken())])
    assert inner.credential == outer.credential == "what could not be read of a request"


def test_threads_of_one_call_lose_no_place(in_thread: Callable[..., threading.Thread]) -> None:
    tokens = [f"token-{number}" for number in range(40)]
    call = a_call(*tokens)
    ready = threading.Barrier(4)

    def send(mine: list[str]) -> None:
        ready.wait()
        for token in mine:
            note_request(call, URL, {"X-Api-Key": token})

    threads = [in_thread(functools.partial(send, tokens[start::4])) for start in range(4)]
    for thread in threads:
        thread.join()
    assert call.credential is None
    assert call.carries == ("the X-Api-Key header", tuple(range(40)))


def test_a_key_that_is_deep_and_large_is_searched_without_recursion() -> None:
    key: Any = SECRET
    for _ in range(5000):
        key = (tuple, key)
    call = a_call()
    call.cache_key = (key, *range(5000))
    assert told(call, headers=BEARER) is None
