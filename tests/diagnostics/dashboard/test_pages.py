from __future__ import annotations

import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest

from resilient.call import Outcome, Verdict, listeners
from resilient.diagnostics.dashboard import Live
from resilient.diagnostics.dashboard.history import Window
from resilient.diagnostics.dashboard.overview import Wish, wish_of
from resilient.diagnostics.dashboard.plots import latency_plot, rate_plot, spark
from resilient.diagnostics.dashboard.stories import Told
from resilient.diagnostics.dashboard.view import Now, Source, key_of
from resilient.registry import Registry
from resilient.testing import FakeClock
from resilient.testing.secrets import assert_no_secrets
from tests.diagnostics.conftest import MakeCall
from tests.diagnostics.dashboard.conftest import OPERATOR, TOKENS, VIEWER, Client, MakeClient

VOID = {"meta", "link", "input", "wbr", "path", "rect"}
SECRET = "sk_" + "live_" + "4eC39HqLyjWDarjtT1zdp7dc"


class Page(HTMLParser):
    """The elements of a page; that they are closed, labeled and known is checked on the way."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == [], "something is not closed"
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids)), "an id is there twice"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(client: Client, path: str = "/") -> Page:
    got = client.get(path)
    assert got.status == 200
    page = Page(got.text)
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    assert {"style", "iframe", "object", "base"}.isdisjoint(tag for tag, _ in page.elements)
    assert all(script.get("src", "").startswith("/script.js") for script in page.all("script"))
    return page


@pytest.fixture
def call_all(live: Live, registry: Registry, make_call: MakeCall, clock: FakeClock) -> None:
    """Two services: one that is fine, and one of which half fails."""
    live.look()
    registry.stats_of("github", "repos").durations += [0.05] * 100
    pay = registry.stats_of("stripe", "pay")
    pay.durations += [2.0] * 10
    for _ in range(5):
        call = make_call(service="stripe", name="pay")
        call.outcome = Outcome(Verdict.BROKEN, "500")
        call.report("failed", "failed (500)")
        pay.record(call, OSError())
    clock.advance(10)
    live.look()


def test_the_overview_tells_where_to_look(client: Client, call_all: None) -> None:
    page = page_of(client)
    assert "1 failing" in page.text
    rows = re.findall(r'<tr id="f.*?</tr>', client.get().text)
    assert [re.sub("<[^>]*>", " ", row).split()[0] for row in rows] == ["stripe.", "github."]
    assert "50.0 %" in rows[0]
    assert "failing" in rows[0]
    assert "fine" in rows[1]
    assert "Most failing" in page.text


def test_a_page_is_made_for_keyboards_screen_readers_and_phones(
    client: Client, call_all: None
) -> None:
    for path in ("/", f"/function/{key_of('stripe', 'pay')}"):
        page = page_of(client, path)
        assert page.all("html")[0]["lang"] == "en"
        assert page.all("meta")[1] == {
            "name": "viewport",
            "content": "width=device-width, initial-scale=1",
        }
        assert len(page.all("h1")) == len(page.all("main")) == 1
        # In a table, something is a heading of whatever else there is.
        assert len(page.all("table")) <= len([one for one in page.all("th") if "scope" in one])
        assert page.all("a")[0] == {"class": "skip", "href": "#main"}
        for svg in page.all("svg"):
            assert svg.get("aria-label") or svg.get("aria-hidden") == "true"
        for field in page.all("input"):
            assert field.get("type") == "hidden" or field.get("aria-label")
        for table in page.all("div"):
            if table.get("class") == "wide":
                assert table["tabindex"] == "0"
                assert table["aria-label"]


def test_a_browser_without_scripts_loads_the_page_again(client: Client, call_all: None) -> None:
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in client.get().text


def test_without_calls_the_page_says_what_to_do(client: Client) -> None:
    assert "dump_every(60)" in page_of(client).text


def test_the_page_of_a_function_has_its_figures_and_the_stories(
    client: Client, call_all: None
) -> None:
    page = page_of(client, f"/function/{key_of('stripe', 'pay')}")
    assert "stripe.pay" in page.text
    assert len(page.all("details")) == 5
    assert "failed (500)" in page.text
    assert "failed: failed" not in page.text
    assert "10 in all" in page.text


def test_viewers_see_figures_but_no_stories(client_of: MakeClient, call_all: None) -> None:
    client = client_of(TOKENS)
    path = f"/function/{key_of('stripe', 'pay')}"
    client.log_in(VIEWER)
    page = page_of(client, path)
    assert not page.all("details")
    assert "failed (500)" not in page.text
    assert "10 in all" in page.text
    client.log_in(OPERATOR)
    assert page_of(client, path).all("details")


def test_what_breakers_did_and_what_alerts_told_is_shown(
    client: Client, live: Live, call_all: None, make_call: MakeCall
) -> None:
    call = make_call(service="stripe", name="pay")
    call.report("breaker_opened", "breaker opened for 30 s: 5 of 6 calls failed")
    listeners.announce("alert", "stripe.pay", "failure rate 50 %", condition="failure_rate")
    live.look()
    page = page_of(client)
    assert "stripe.pay: breaker opened for 30 s" in page.text
    assert "stripe.pay: failure rate 50 %" in page.text
    assert client.get().text.count('<th class="left" scope="col">When</th>') == 2
    listeners.announce("all_clear", "stripe.pay", "all clear", condition="failure_rate")
    assert "over" in page_of(client).text
    assert "breaker opened" in page_of(client, f"/function/{key_of('stripe', 'pay')}").text


def test_an_alert_of_many_processes_is_shown_once(
    client: Client, live: Live, call_all: None
) -> None:
    newest = Told(
        at=1_000.0,
        service="shop",
        function="order",
        call="",
        kind="alert",
        text="50 % of calls failed",
        process="1",
        condition="failure_rate",
    )
    live.stories.add(newest)
    live.stories.add(newest._replace(at=900.0, process="2", text="40 % of calls failed"))
    live.stories.add(newest._replace(process="3", kind="all_clear", text="all clear"))
    live.stories.add(newest._replace(process="3", condition="breaker_open", text="it is open"))
    live.look()
    page = page_of(client)
    assert "shop.order: 50 % of calls failed (the newest of 2 processes)" in page.text
    assert "40 %" not in page.text
    for told in ("shop.order: all clear", "shop.order: it is open"):
        assert told in page.text


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (Now(["open", "closed"]), "down"),
        (Now(["isolated"]), "down"),
        (Now(["half-open"]), "probing"),
        (Now((), {"paused_until": 2e9, "limit": 10, "remaining": 0, "waiting": 3}), "paused"),
        (Now((), {"limit": 5_000, "remaining": 4_000, "resets_at": 2e9}), "fine"),
    ],
    ids=str,
)
def test_a_state_is_told_by_word_sign_and_color(
    client: Client, live: Live, call_all: None, now: Now, state: str
) -> None:
    live._now = {("github", "repos"): now}
    live._looks += 1
    row = re.search(f'<tr id="f{key_of("github", "repos")}".*?</tr>', client.get().text)
    assert row is not None
    assert re.search(rf'<b aria-hidden="true">.</b>{state}', row[0])
    page_of(client, f"/function/{key_of('github', 'repos')}")


HOSTILE = "</script><script>alert(1)</script>'\"&amp;\u202e\x1b[31m"


def test_names_of_all_kinds_are_shown_as_text(
    client: Client, live: Live, registry: Registry, make_call: MakeCall
) -> None:
    for service, name in ((HOSTILE, HOSTILE), ("", "main"), ("\udc80", "x" * 5_000), ("a.b", "c")):
        stats = registry.stats_of(service, name)
        stats.durations += [0.1]
        call = make_call(service=service, name=name)
        call.outcome = Outcome(Verdict.BROKEN, HOSTILE)
        call.report("failed", HOSTILE)
        call.report("breaker_opened", HOSTILE)
        stats.record(call, OSError())
    listeners.announce("alert", HOSTILE, HOSTILE, condition=HOSTILE)
    live.look()
    pages = ["/", *(f"/function/{data}" for data in _keys(live)), f"/?q={HOSTILE}&sort={HOSTILE}"]
    for path in pages:
        page = page_of(client, path)
        assert "\u202e" not in page.text
        assert "\x1b" not in page.text
        assert len(page.all("script")) == 1
        assert max(map(len, page.text.split())) < 1_000


def _keys(live: Source) -> list[str]:
    functions = live.snapshot()["functions"]
    return [key_of(data["service"], data["function"]) for data in functions]


def test_no_secret_is_shown_whatever_it_got_into(
    client: Client, live: Live, registry: Registry, make_call: MakeCall
) -> None:
    stats = registry.stats_of(SECRET, SECRET)
    stats.durations += [0.1]
    call = make_call(service=SECRET, name=SECRET)
    call.outcome = Outcome(Verdict.BROKEN, f"token={SECRET}")
    call.report("failed", f"key {SECRET} is bad")
    call.report("breaker_opened", f"for {SECRET}")
    stats.record(call, OSError())
    listeners.announce("alert", SECRET, f"for {SECRET}", condition=SECRET)
    live.look()
    for path in ("/", f"/function/{_keys(live)[0]}", "/data.json", f"/?q={SECRET[:9]}"):
        assert_no_secrets(client.get(path).text.replace(SECRET[:9], ""), secrets=[SECRET])
    # Nor does a search tell how it begins.
    assert "No function is like that" in client.get(f"/?q={SECRET[:9]}").text


@pytest.fixture
def thousand(live: Live, registry: Registry, clock: FakeClock) -> None:
    live.look()
    for _ in range(3):
        for number in range(1_000):
            stats = registry.stats_of(f"vendor{number % 50}", f"function{number}")
            stats.durations += [0.001 * (number + 1)]
        clock.advance(10)
        live.look()


def test_a_thousand_functions_are_shown_by_the_hundred(client: Client, thousand: None) -> None:
    page = page_of(client, "/?sort=name&page=2")
    assert "Page 2 of 10" in page.text
    assert len([row for row in page.all("tr") if (row.get("id") or "").startswith("f")]) == 100
    assert "Page 10 of 10" in page_of(client, "/?page=99999").text
    found = page_of(client, "/?q=function99")
    assert "vendor49.function99" in found.text
    one = page_of(client, f"/?service={key_of('vendor7')}&sort=p95")
    rows = [row for row in one.all("tr") if (row.get("id") or "").startswith("f")]
    assert len(rows) == 20
    assert rows[0]["id"] == f"f{key_of('vendor7', 'function957')}"


@pytest.mark.stress
def test_a_thousand_functions_are_fast(client: Client, live: Live, thousand: None) -> None:
    began = time.perf_counter()
    for _ in range(5):
        client.get()
    assert (time.perf_counter() - began) / 5 < 0.5


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ({}, Wish()),
        ({"sort": ["p95"], "q": [" x "], "page": ["3"]}, Wish("p95", "x", "", 3)),
        ({"sort": ["drop"], "page": ["0"], "service": ["<"]}, Wish()),
        ({"page": ["9" * 50], "service": ["0" * 16]}, Wish(service="0" * 16)),
        ({"page": ["٣"], "q": ["a" * 500]}, Wish(find="a" * 100)),
    ],
    ids=str,
)
def test_an_address_asks_for_what_it_may(query: dict[str, list[str]], wish: Wish) -> None:
    assert wish_of(query) == wish


WINDOWS = [Window(0, 0, 0, 0, 0)] * 60 + [Window(5, 1, 0.1, 0.2, 0.4)] * 60


def test_a_plot_says_in_words_what_it_shows() -> None:
    plot = latency_plot(WINDOWS, 1_700_000_000.0, 10.0)
    assert "p95 last 200 ms, lowest 200 ms, highest 200 ms" in plot
    assert "calls last 0.5/s, lowest 0/s, highest 0.5/s" in rate_plot(WINDOWS, 1.7e9, 10.0)
    assert plot.count("<title>") == 60
    Page(plot)


@pytest.mark.parametrize(
    "window",
    [Window(1, 0, 1e-9, 1e-9, 1e-9), Window(1e12, 1e12, 1e6, 1e6, 1e6), Window(0, 0, 0, 0, 0)],
    ids=str,
)
def test_plots_hold_numbers_of_all_sizes(window: Window) -> None:
    for drawn in (
        *(latency_plot([window] * 120, 1.7e9, 10.0), rate_plot([window] * 120, 0.0, 10.0)),
        *(spark([window] * 120), latency_plot([window] * 120, 1e18, 10.0)),
    ):
        assert "nan" not in drawn
        assert "inf" not in drawn
        Page(drawn)


def test_a_line_has_a_gap_where_nobody_called() -> None:
    values: list[Any] = [*WINDOWS[60:62], WINDOWS[0], WINDOWS[60]]
    path = spark(values).partition(' d="')[2].partition('"')[0]
    assert path.count("M") == 2


def test_what_turns_bad_is_read_out(client: Client, call_all: None) -> None:
    [head] = page_of(client).all("h1")
    assert head["aria-live"] == "polite"
