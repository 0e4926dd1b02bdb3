from __future__ import annotations

import textwrap

import pytest

from tests.audit.conftest import Look, rules

RETRIES = {
    "returned, slept in the handler": """
        for attempt in range(3):
            try:
                return get(u)
            except Exception:
                time.sleep(1)
        """,
    "the last failure is raised": """
        for attempt in range(3):
            try:
                return get(u)
            except Exception:
                if attempt == 2:
                    raise
                time.sleep(2 ** attempt)
        """,
    "while true and break": """
        while True:
            try:
                r = get(u)
                break
            except Exception:
                continue
        """,
    "a condition that changes": """
        r = None
        while r is None:
            try:
                r = get(u)
            except Exception:
                pass
        """,
    "counted down": """
        left = 3
        while left:
            try:
                return get(u)
            except Exception:
                left -= 1
        """,
    "success in the else": """
        for delay in (1, 2, 4):
            try:
                r = get(u, timeout=delay)
            except Exception:
                time.sleep(delay)
            else:
                return r
        """,
    "by status, good": """
        while True:
            r = get(u)
            if r.status_code == 200:
                return r
            time.sleep(1)
        """,
    "by status, bad": """
        while True:
            r = get(u)
            if r.status_code in (429, 503):
                time.sleep(1)
                continue
            return r
        """,
    "by status, gone on": """
        for attempt in range(3):
            r = get(u)
            if not r.ok:
                continue
            return r
        """,
    "suppressed": """
        for attempt in range(3):
            with contextlib.suppress(Exception):
                return get(u)
        """,
    "a helper of the file": """
        for attempt in range(3):
            try:
                return fetch()
            except Exception:
                time.sleep(1)
        """,
    "within a loop over things": """
        for u in us:
            for attempt in range(3):
                try:
                    get(u)
                    break
                except Exception:
                    time.sleep(1)
        """,
}

OTHERS = {
    "things of which some fail": """
        for u in us:
            try:
                r = get(u)
                if not r: break
            except Exception:
                continue
        """,
    "made from the thing": """
        for n in range(9):
            url = f"{u}/{n}"
            try:
                if not get(url): break
            except Exception:
                continue
        """,
    "another mirror each time": """
        for mirror in mirrors:
            try:
                return get(mirror)
            except Exception:
                time.sleep(1)
        """,
    "a failure ends it": """
        while True:
            try:
                r = get(u)
            except Exception:
                return None
            if r.done: break
        """,
    "a worker": """
        while True:
            job = queue.get()
            try:
                get(u, data=job)
            except Exception:
                log(job)
        """,
    "pages with a pause": """
        while u:
            r = get(u)
            if r.status_code != 200:
                break
            u = r.next
            time.sleep(1)
        """,
    "polled": """
        while True:
            r = get(u)
            if r.json()["done"]:
                return r
            time.sleep(1)
        """,
    "defined in the loop": """
        for attempt in range(3):
            try:
                def later(): return get(u)
                return later
            except Exception:
                continue
        """,
}


def in_function(body: str) -> str:
    start = "import time\nfrom httpx import get\ndef fetch(): return get(u)\ndef f():\n"
    return start + textwrap.indent(textwrap.dedent(body).lstrip("\n"), "    ")


@pytest.mark.parametrize("body", RETRIES.values(), ids=RETRIES)
def test_a_loop_that_repeats_a_failed_request_is_found(look: Look, body: str) -> None:
    assert [one for one in rules(look(in_function(body))) if "RES003" in one][0:2] != []


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_another_loop_is_none(look: Look, body: str) -> None:
    assert [one for one in rules(look(in_function(body))) if "RES003" in one] == []


def test_a_loop_is_told_once_at_its_own_line(look: Look) -> None:
    found = rules(look(in_function(RETRIES["within a loop over things"])))
    assert found == ["3:RES001", "6:RES003", "8:RES001"]


def test_a_loop_around_a_decorated_function_is_none(look: Look) -> None:
    body = in_function(RETRIES["a helper of the file"]).replace("def fetch", "@retry\ndef fetch")
    assert rules(look(f"from resilient import retry\n{body}")) == []
