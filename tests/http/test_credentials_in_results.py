"""What a policy learns of the credentials of a call, over loopback HTTP and in every library."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import http.client
import http.cookiejar
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import requests_cache
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.auth import HTTPDigestAuth

from resilient.call import Call, Target
from resilient.http import credentials, observe
from resilient.keys import KeyMaker
from resilient.pipeline import Handler, Policy
from tests.http.loopback import LOCAL, OK, Vendor

pytestmark = pytest.mark.usefixtures("observing")

MakeVendor = Callable[..., Vendor]
TOKEN = "s3cr3t-0123456789"
HEADER = "the Authorization header"


class Watching(Policy):
    """Remembers of each call what it was told of credentials."""

    kind = "watching"
    rank = 2

    def __init__(self) -> None:
        self.told: list[str | None] = []

    def bind(self, proceed: Handler, target: Target) -> Handler:
        target.watches_credentials = True
        key_of = KeyMaker(target.function)

        def handler(call: Call) -> Any:
            call.cache_key = key_of(call)
            try:
                return proceed(call)
            finally:
                self.told.append(call.credential)

        return handler


@pytest.fixture
def watching() -> Watching:
    return Watching()


@pytest.fixture
def server(vendor: MakeVendor) -> Iterator[Vendor]:
    yield vendor()
    assert observe.errors == 0


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(params=["httpx", "httpx2"])
def httpx(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# The same request in each library


def by_requests(url: str, headers: dict[str, str]) -> None:
    assert requests.get(url, headers=headers, timeout=20).text == "ok"


def by_urllib(url: str, headers: dict[str, str]) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        assert answer.read() == b"ok"


def by_urllib3(url: str, headers: dict[str, str]) -> None:
    with urllib3.PoolManager() as pool:
        assert pool.request("GET", url, headers=headers).data == b"ok"


def by_http_client(url: str, headers: dict[str, str]) -> None:
    host, _, path = url.partition("://")[2].partition("/")
    with contextlib.closing(http.client.HTTPConnection(host)) as connection:
        connection.request("GET", f"/{path}", headers=headers)
        assert connection.getresponse().read() == b"ok"


def by_httplib2(url: str, headers: dict[str, str]) -> None:
    httplib2 = pytest.importorskip("httplib2")
    with contextlib.closing(httplib2.Http()) as http_:
        assert http_.request(url, headers=headers)[1] == b"ok"


def by_httpx(url: str, headers: dict[str, str], name: str = "httpx") -> None:
    library = pytest.importorskip(name)
    assert library.get(url, headers=headers, trust_env=False).text == "ok"


def by_httpx2(url: str, headers: dict[str, str]) -> None:
    by_httpx(url, headers, "httpx2")


every_library = pytest.mark.parametrize(
    "send",
    [by_requests, by_urllib, by_urllib3, by_http_client, by_httplib2, by_httpx, by_httpx2],
)


@every_library
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("authorization", HEADER),
        ("X-API-Key", "the X-Api-Key header"),
        ("Private-Token", "the Private-Token header"),
        ("Cookie", "the Cookie header"),
    ],
)
def test_a_header_is_told_unless_its_secret_is_an_argument(
    send: Callable[..., None], name: str, kind: str, watching: Watching, server: Vendor
) -> None:
    @watching
    def with_its_own() -> None:
        send(server.url, {name: TOKEN})

    @watching
    def with_one_given(token: str) -> None:
        send(server.url, {name: token})

    with_its_own()
    with_one_given(TOKEN)
    with_one_given(token="another")
    assert watching.told == [kind, None, None]


@every_library
def test_a_key_in_the_query_is_told_unless_it_is_an_argument(
    send: Callable[..., None], watching: Watching, server: Vendor
) -> None:
    @watching
    def of_its_own() -> None:
        send(f"{server.url}?page=1&api_key={TOKEN}", {})

    @watching
    def of_a_key(key: str) -> None:
        send(f"{server.url}?page=1&api_key={key}", {})

    @watching
    def of_a_url(url: str) -> None:
        send(url, {})

    of_its_own()
    of_a_key(TOKEN)
    of_a_url(f"{server.url}?page=1&api_key={TOKEN}")
    assert watching.told == ["the parameter api_key of the URL", None, None]


@every_library
def test_a_request_without_a_credential_tells_nothing(
    send: Callable[..., None], watching: Watching, server: Vendor
) -> None:
    @watching
    def plain(page: int) -> None:
        send(f"{server.url}?page={page}&pageToken=x", {"Idempotency-Key": "1"})

    plain(1)
    assert watching.told == [None]


# What only requests has


def test_a_header_that_an_auth_object_sets_is_told_whatever_its_name(
    watching: Watching, server: Vendor, session: requests.Session
) -> None:
    def signed(token: str) -> Callable[[requests.PreparedRequest], requests.PreparedRequest]:
        def sign(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["X-Pizza"] = token
            return request

        return sign

    @watching
    def of_its_own() -> None:
        session.get(server.url, auth=signed(TOKEN))

    @watching
    def of_one_given(token: str) -> None:
        session.get(server.url, auth=signed(token))

    of_its_own()
    of_one_given(TOKEN)
    assert watching.told == ["the X-Pizza header", None]


def test_a_session_whose_token_changes_covers_nothing_as_an_argument_either(
    watching: Watching, server: Vendor, session: requests.Session
) -> None:
    @watching
    def of_everybody() -> str:
        return session.get(server.url).text

    @watching
    def of(given: requests.Session) -> str:
        return given.get(server.url).text

    of_everybody()
    session.headers.update(bearer("one"))
    of_everybody()
    of(session)
    session.headers.update(bearer("two"))
    of(session)
    assert watching.told == [None, HEADER, HEADER, HEADER]


def test_a_headers_dict_covers_what_it_held_when_the_call_began(
    watching: Watching, server: Vendor
) -> None:
    @watching
    def get(headers: dict[str, str]) -> str:
        headers.setdefault("Authorization", f"Bearer {TOKEN}")
        return requests.get(server.url, headers=headers, timeout=20).text

    get(bearer("mine"))
    get({})
    assert watching.told == [None, HEADER]


def test_basic_auth_is_told_unless_user_and_password_are_arguments(
    watching: Watching, server: Vendor
) -> None:
    @watching
    def own() -> str:
        return requests.get(server.url, auth=("bob", TOKEN), timeout=20).text

    @watching
    def half(user: str) -> str:
        return requests.get(server.url, auth=(user, TOKEN), timeout=20).text

    @watching
    def whole(auth: tuple[str, str]) -> str:
        return requests.get(server.url, auth=auth, timeout=20).text

    @watching
    def in_url(url: str) -> str:
        return requests.get(url, timeout=20).text

    own()
    half("bob")
    whole(("bob", TOKEN))
    in_url(server.url.replace("://", f"://bob:{TOKEN}@"))
    assert watching.told == [HEADER, HEADER, None, None]


def test_the_users_netrc_is_told(
    watching: Watching, server: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {LOCAL} login bob password {TOKEN}")
    monkeypatch.setenv("NETRC", str(netrc))

    @watching
    def get() -> str:
        return requests.get(server.url, timeout=20).text

    get()
    assert b"Authorization: Basic" in server.heads[0]
    assert watching.told == [HEADER]


def test_digest_is_told_although_user_and_password_are_arguments(
    watching: Watching, vendor: MakeVendor
) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(
            OK
            if b"Authorization: Digest" in head
            else b"HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n"
            b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n\r\n'
        )

    server = vendor(answer)

    @watching
    def get(user: str, password: str) -> str:
        return requests.get(server.url, auth=HTTPDigestAuth(user, password), timeout=20).text

    assert get("bob", TOKEN) == "ok"
    assert watching.told == [HEADER]


def test_cookies_are_told_unless_their_values_are_arguments(
    watching: Watching, server: Vendor, session: requests.Session
) -> None:
    @watching
    def get(cookies: dict[str, str]) -> str:
        return session.get(server.url, cookies=cookies).text

    get({"sid": TOKEN})
    session.cookies.set("sid", "of the session")
    get({"theme": "dark"})
    assert watching.told == [None, "the Cookie header"]


def test_a_cookie_that_the_vendor_has_set_meanwhile_is_told(
    watching: Watching, vendor: MakeVendor
) -> None:
    answered = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: sid=1234567\r\n\r\n")
    server = vendor(lambda line, _: line.sendall(answered))

    @watching
    def log_in_and_get(password: str) -> None:
        with requests.Session() as session:
            session.post(server.url, data={"password": password})
            session.get(server.url)

    log_in_and_get(TOKEN)
    assert watching.told == ["the Cookie header"]


def test_a_redirect_is_seen_hop_by_hop(watching: Watching, vendor: MakeVendor) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        moved = b"HTTP/1.1 302 Found\r\nLocation: /new?sig=%s\r\nContent-Length: 0\r\n\r\n"
        line.sendall(moved % TOKEN.encode() if head.startswith(b"GET / ") else OK)

    server = vendor(answer)

    @watching
    def get() -> str:
        return requests.get(server.url, timeout=20).text

    get()
    assert watching.told == ["the parameter sig of the URL"]


def test_what_an_adapter_adds_is_told(
    watching: Watching, server: Vendor, session: requests.Session
) -> None:
    class Adding(HTTPAdapter):
        def add_headers(self, request: requests.PreparedRequest, **kwargs: Any) -> None:
            request.headers["X-Api-Key"] = TOKEN

    session.mount("http://", Adding())

    @watching
    def get() -> str:
        return session.get(server.url).text

    get()
    assert watching.told == ["the X-Api-Key header"]


def test_an_answer_that_was_never_sent_for_tells_its_credential_too(
    watching: Watching, session: requests.Session
) -> None:
    class Canned(BaseAdapter):
        def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
            response = requests.Response()
            response.status_code = 200
            response.request = request
            response._content = b"ok"
            return response

        def close(self) -> None:
            pass

    session.mount("http://", Canned())

    @watching
    def get(token: str | None = None) -> str:
        return session.get("http://x.example/", headers=bearer(token or TOKEN)).text

    get()
    get(TOKEN)
    assert watching.told == [HEADER, None]


def test_what_a_session_of_requests_cache_answers_by_itself_tells_its_credential_too(
    watching: Watching, server: Vendor
) -> None:
    with requests_cache.CachedSession(backend="memory", match_headers=True) as session:

        @watching
        def get(token: str | None = None) -> str:
            return session.get(server.url, headers=bearer(token or TOKEN)).text

        get()
        get()
        get(TOKEN)
    assert len(server.heads) == 1
    assert watching.told == [HEADER, HEADER, None]


def test_a_prepared_request_by_name_is_seen(
    watching: Watching, server: Vendor, session: requests.Session
) -> None:
    @watching
    def get() -> str:
        request = requests.Request("GET", server.url, headers=bearer(TOKEN)).prepare()
        return session.send(request=request).text

    get()
    assert watching.told == [HEADER]


def test_the_password_of_a_proxy_is_no_credential(watching: Watching, server: Vendor) -> None:
    proxy = server.url.replace("://", f"://bob:{TOKEN}@")

    @watching
    def get() -> str:
        return requests.get("http://x.example/", proxies={"http": proxy}, timeout=20).text

    get()
    assert b"Proxy-Authorization: Basic" in server.heads[0]
    assert watching.told == [None]


# Client certificates


@pytest.fixture
def mutual(vendor: MakeVendor, certificate: Path, tls: ssl.SSLContext) -> Vendor:
    """A vendor that wants a client certificate."""
    tls.load_verify_locations(certificate)
    tls.verify_mode = ssl.CERT_REQUIRED
    made: Vendor = vendor(tls=tls)
    return made


def test_a_client_certificate_is_told_unless_its_path_is_an_argument(
    watching: Watching, mutual: Vendor, certificate: Path, session: requests.Session
) -> None:
    session.verify = str(certificate)

    @watching
    def own() -> str:
        return session.get(mutual.url, cert=str(certificate)).text

    @watching
    def of(path: str) -> str:
        return session.get(mutual.url, cert=path or None).text

    own()
    of(str(certificate))
    session.cert = (str(certificate), str(certificate))
    of("")
    assert watching.told == ["the client certificate", None, "the client certificate"]
    assert observe.errors == 0


def test_a_client_certificate_of_urllib3_is_told(
    watching: Watching, mutual: Vendor, certificate: Path
) -> None:
    options = {"cert_file": str(certificate), "ca_certs": str(certificate)}

    @watching
    def get() -> None:
        with urllib3.PoolManager(**options) as pool:
            assert pool.request("GET", mutual.url).data == b"ok"

    get()
    assert watching.told == ["the client certificate"]


# What httpx and urllib have of their own


def test_a_client_of_httpx_tells_what_it_adds(
    watching: Watching, server: Vendor, httpx: Any
) -> None:
    with (
        httpx.Client(auth=("bob", TOKEN), verify=False, trust_env=False) as with_auth,
        httpx.Client(cookies={"sid": TOKEN}, verify=False, trust_env=False) as with_cookies,
        httpx.Client(params={"key": TOKEN}, verify=False, trust_env=False) as with_key,
    ):

        @watching
        def get(number: int) -> str:
            text: str = (with_auth, with_cookies, with_key)[number].get(server.url).text
            return text

        @watching
        def of(user: str, password: str) -> str:
            text: str = with_auth.get(server.url, auth=(user, password)).text
            return text

        for number in range(3):
            get(number)
        of("ann", "pw")
    assert watching.told == [HEADER, "the Cookie header", "the parameter key of the URL", None]


def test_a_mock_transport_of_httpx_tells_too(watching: Watching, httpx: Any) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text="ok"))
    with httpx.Client(transport=transport, headers=bearer(TOKEN)) as client:

        @watching
        def get() -> str:
            text: str = client.get("http://x.example/").text
            return text

        get()
    assert watching.told == [HEADER]


def test_what_an_opener_of_urllib_adds_is_told(watching: Watching, vendor: MakeVendor) -> None:
    def answer(line: socket.socket, head: bytes) -> None:
        line.sendall(
            OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: sid=1\r\n\r\n")
            if b"Authorization: Basic" in head or head.startswith(b"GET /cookie")
            else b"HTTP/1.1 401 Who?\r\nContent-Length: 0\r\n"
            b'WWW-Authenticate: Basic realm="r"\r\n\r\n'
        )

    server = vendor(answer)
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, server.url, "bob", TOKEN)
    with_password = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    jar = http.cookiejar.CookieJar()
    with_jar = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    @watching
    def get(path: str) -> None:
        opener = with_jar if path else with_password
        with opener.open(server.url + path) as answer:
            assert answer.read() == b"ok"

    get("cookie")
    get("cookie")
    get("")
    assert watching.told == [None, "the Cookie header", HEADER]


# Objects, nested calls, threads


def test_a_method_does_not_cover_the_token_of_its_object(
    watching: Watching, server: Vendor
) -> None:
    class Client:
        token = "one"

        @watching
        def get(self, page: int) -> str:
            return requests.get(server.url, headers=bearer(self.token), timeout=20).text

        @watching
        def get_as(self, token: str) -> str:
            return requests.get(server.url, headers=bearer(token), timeout=20).text

    client = Client()
    client.get(1)
    client.token = "two"
    client.get(1)
    client.get_as("two")
    assert watching.told == [HEADER, HEADER, None]


def test_an_object_that_is_its_value_covers_what_it_held_when_the_call_began(
    watching: Watching, server: Vendor
) -> None:
    @dataclasses.dataclass
    class Client:
        token: str

        @watching
        def get(self, renewed: bool = False) -> str:
            if renewed:
                self.token = "another"
            return requests.get(server.url, headers=bearer(self.token), timeout=20).text

    client = Client(TOKEN)
    client.get()
    client.get(renewed=True)
    client.get()
    assert watching.told == [None, HEADER, None]


def test_the_default_of_a_parameter_is_part_of_the_key(watching: Watching, server: Vendor) -> None:
    @watching
    def get(token: str = TOKEN) -> str:
        return requests.get(server.url, headers=bearer(token), timeout=20).text

    get()
    assert watching.told == [None]


def test_a_nested_call_tells_those_around_that_do_not_know_the_secret(
    watching: Watching, server: Vendor
) -> None:
    outer, deaf = Watching(), Watching()

    @watching
    def get(token: str) -> str:
        return requests.get(server.url, headers=bearer(token), timeout=20).text

    @outer
    def report(token: str | None = None) -> str:
        return get(token or TOKEN)

    @deaf
    def nothing(token: str) -> str:
        return report()

    report()
    report(TOKEN)
    nothing(TOKEN)
    assert watching.told == [None, None, None]
    assert outer.told == [HEADER, None, HEADER]
    assert deaf.told == [None]


def test_a_call_after_a_credential_starts_afresh(watching: Watching, server: Vendor) -> None:
    @watching
    def get(headers: dict[str, str], token: str) -> str:
        return requests.get(server.url, headers={**headers, **bearer(token)}, timeout=20).text

    get({"X-Api-Key": "k"}, "one")
    get({}, "one")
    assert watching.told == [None, None]


def test_a_failed_request_is_told_as_well(watching: Watching, vendor: MakeVendor) -> None:
    server = vendor(lambda line, _: line.shutdown(socket.SHUT_RDWR))

    @watching
    def get() -> str:
        return requests.get(server.url, headers=bearer(TOKEN), timeout=20).text

    with pytest.raises(requests.ConnectionError):
        get()
    assert watching.told == [HEADER]


def test_what_a_thread_with_the_calls_context_sends_is_told(
    watching: Watching, server: Vendor, in_thread: Callable[..., threading.Thread]
) -> None:
    @watching
    def get() -> None:
        context = contextvars.copy_context()
        send = in_thread(lambda: context.run(by_requests, server.url, bearer(TOKEN)))
        send.join()

    get()
    assert watching.told == [HEADER]


# What it costs, and what may go wrong


def test_nobody_looks_for_credentials_where_nobody_watches(
    watching: Watching, server: Vendor, httpx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf(Policy):
        kind = "deaf"
        rank = 2

        def bind(self, proceed: Handler, target: Target) -> Handler:
            return proceed

    kept = http.client.HTTPConnection(server.url.partition("://")[2].strip("/"))

    def send() -> None:
        kept.request("GET", "/", headers=bearer(TOKEN))
        kept.getresponse().read()

    watching(send)()  # the connection, which is kept alive, remembers nothing of it
    assert watching.told == [HEADER]
    looked: list[str] = []
    monkeypatch.setattr(credentials, "credentials_of", lambda url, *_: looked.append(url))

    @Deaf()
    def get() -> None:
        send()
        by_requests(server.url, bearer(TOKEN))
        by_httpx(server.url, bearer(TOKEN), httpx.__name__)

    get()
    kept.close()
    assert looked == []


@pytest.mark.parametrize("send", [by_requests, by_urllib, by_httpx])
def test_what_cannot_be_read_counts_as_a_credential_and_the_request_goes_on(
    send: Callable[..., None],
    watching: Watching,
    vendor: MakeVendor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(credentials, "credentials_of", broken)
    server = vendor()

    @watching
    def get(token: str) -> None:
        send(server.url, bearer(token))

    get(TOKEN)
    assert watching.told == ["what could not be read of a request"]
    assert observe.errors > 0
