from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient.diagnostics.dashboard import Access, Dashboard, Live
from resilient.diagnostics.dashboard.view import key_of
from resilient.registry import Registry
from tests.diagnostics.dashboard.conftest import OPERATOR, TOKENS, Client, MakeClient

FUNCTION = f"/function/{key_of('github', 'repos')}"
PAGES = ["/", "/data.json", FUNCTION]


@pytest.fixture(autouse=True)
def _looked(busy: Registry, live: Live) -> None:
    live.look()


@pytest.mark.parametrize("path", [*PAGES, "/style.css", "/nowhere", "/login"])
def test_every_answer_is_safe_to_show(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_is_known_is_not_sent_again(client: Client, live: Live, path: str) -> None:
    first = client.get(path)
    assert first.headers["Cache-Control"] == "no-store"
    tag = first.headers["ETag"]
    again = client.get(path, HTTP_IF_NONE_MATCH=f'"other", {tag}')
    assert (again.status, again.text, again.headers["ETag"]) == (304, "", tag)
    assert "Content-Type" not in again.headers
    live.look()
    assert client.get(path, HTTP_IF_NONE_MATCH=tag).status == 200


def test_the_tag_of_an_operators_page_does_not_serve_a_viewer(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    client.log_in(OPERATOR)
    tag = client.get(FUNCTION).headers["ETag"]
    client.log_in(TOKENS["viewer"])
    assert client.get(FUNCTION, HTTP_IF_NONE_MATCH=tag).status == 200


@pytest.mark.parametrize("path", [*PAGES, "/style.css"])
def test_head_says_what_get_would_send(client: Client, path: str) -> None:
    got, head = client.get(path), client.get(path, method="HEAD")
    assert head.text == ""
    assert head.headers["Content-Length"] == str(len(got.text.encode()))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(client: Client, method: str) -> None:
    got = client.get("/", method=method)
    assert (got.status, got.headers["Allow"]) == (405, "GET, HEAD")


def test_files_are_kept_by_browsers_until_they_change(client_of: MakeClient) -> None:
    client = client_of(TOKENS)
    page = client.get().text
    address = page.partition('href="/style.css')[2].partition('"')[0]
    assert address.startswith("?v=")
    got = client.get(f"/style.css{address}")
    assert (got.status, got.headers["Content-Type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in got.headers["Cache-Control"]


def test_all_addresses_lie_below_where_it_is_mounted(client: Client) -> None:
    for path in ("/", FUNCTION):
        page = client.get(path, SCRIPT_NAME="/a<b>").text
        assert 'href="/a%3Cb%3E/' in page
        assert 'href="/s' not in page
    got = client.get("", SCRIPT_NAME="/board")
    assert (got.status, got.headers["Location"]) == (308, "/board/")
    got = client.get("/login", SCRIPT_NAME="//evil.example")
    assert got.headers["Location"] == "/evil.example/"


@pytest.mark.parametrize(
    "path", ["/x", "/function/", "/function/../x", f"{FUNCTION}/x", "/function/" + "f" * 16, "//"]
)
def test_what_is_not_there_is_404(client: Client, path: str) -> None:
    assert client.get(path).status == 404


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"CONTENT_LENGTH": ""}, 411),
        ({"CONTENT_LENGTH": "-1"}, 411),
        ({"CONTENT_LENGTH": "5000"}, 413),
        ({"CONTENT_LENGTH": "9" * 40}, 413),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
    ],
    ids=str,
)
def test_a_form_that_is_none_is_refused(changes: dict[str, str], status: int) -> None:
    # Not through the validator: some servers let such lengths through.
    got: list[str] = []
    board = Dashboard(Live(Registry()), Access(TOKENS))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/login",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(b"token=x"),
        "CONTENT_LENGTH": "7",
        "wsgi.url_scheme": "http",
    }
    board(environ | changes, lambda status, *_: got.append(status))
    assert int(got[0][:3]) == status


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=1&" * 500, b"", b"token", b"%zz=%"])
def test_a_form_of_rubbish_is_a_wrong_token_at_most(client_of: MakeClient, body: bytes) -> None:
    changes = {"CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    assert client_of(TOKENS).post(form={}, **changes).status in (400, 401)


def test_programs_get_the_figures_and_no_stories(client: Client) -> None:
    got = client.get("/data.json")
    assert got.headers["Content-Type"] == "application/json"
    data = json.loads(got.text)
    repos, pay = data["functions"]
    assert (repos["service"], repos["calls"], repos["state"]) == ("github", 1_300, "quiet")
    assert pay["outcomes"]["refused"] == 4
    assert "story" not in got.text


def test_an_error_of_ours_is_not_shown(
    client: Client, live: Live, monkeypatch: pytest.MonkeyPatch, records: list[dict[str, Any]]
) -> None:
    def broken() -> None:
        raise RuntimeError("what nobody may see")

    monkeypatch.setattr(live, "snapshot", broken)
    got = client.get()
    assert got.status == 500
    assert "nobody" not in got.text
    assert "RuntimeError" in records[0]["text"]
    assert "nobody" not in str(records)


def test_who_looked_at_what_is_logged(client_of: MakeClient, records: list[dict[str, Any]]) -> None:
    client = client_of(TOKENS)
    client.get()
    client.log_in("a wrong token, really", REMOTE_ADDR="10.0.0.9")
    client.log_in(OPERATOR)
    tag = client.get(f"{FUNCTION}?q=sk_live_{'a' * 24}").headers["ETag"]
    client.get(f"{FUNCTION}?q=sk_live_{'a' * 24}", HTTP_IF_NONE_MATCH=tag)
    client.get("/style.css")
    assert [(one["level"].name, one["message"]) for one in records] == [
        ("INFO", "dashboard: 127.0.0.1 GET / 401"),
        ("WARNING", "dashboard: 10.0.0.9 POST /login 401"),
        ("INFO", "dashboard: 127.0.0.1 (operator) POST /login 303"),
        ("INFO", f"dashboard: 127.0.0.1 (operator) GET {FUNCTION} 200"),
        ("DEBUG", f"dashboard: 127.0.0.1 (operator) GET {FUNCTION} 304"),
        ("DEBUG", "dashboard: 127.0.0.1 GET /style.css 200"),
    ]
    assert records[3]["extra"]["dashboard"]["role"] == "operator"
    for secret in (OPERATOR, "a wrong token", "sk_live_"):
        assert secret not in str(records)


def test_the_log_is_not_written_by_who_asks(client: Client, records: list[dict[str, Any]]) -> None:
    client.get("/\n2026-01-01 | ERROR | all is lost {x} <red>\x1b[31m" + "x" * 9_000)
    (record,) = records
    assert "\n" not in record["message"]
    assert "\x1b" not in record["message"]
    assert len(record["message"]) < 400


@given(
    path=st.text(st.characters(max_codepoint=255), max_size=30),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    host=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20),
    cookie=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60),
)
def test_no_request_breaks_it(path: str, query: str, host: str, cookie: str) -> None:
    got: list[str] = []
    for tokens in (None, TOKENS):
        board = Dashboard(Live(Registry()), Access(tokens))
        environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": f"/{path}",
            "QUERY_STRING": query,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": host,
            "HTTP_COOKIE": cookie,
            "HTTP_AUTHORIZATION": f"Bearer {cookie}",
            "SCRIPT_NAME": f"/{path}",
        }
        board(environ, lambda status, *_: got.append(status))
    assert all(int(status[:3]) < 500 for status in got)
