"""What counts as a call of a vendor, and whether it can wait for ever."""

from __future__ import annotations

import pytest

from tests.audit.conftest import Look, rules

BOTH = ["RES001", "RES002"]
UNDECORATED = ["RES001"]


def ids(found: list[str]) -> list[str]:
    return sorted(one.partition(":")[2] for one in found)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import requests\ndef f(): requests.get(u)", BOTH),
        ("import requests as r\ndef f(): r.post(u)", BOTH),
        ("from requests import get as g\ndef f(): g(u)", BOTH),
        ("from requests.api import get\ndef f(): get(u)", BOTH),
        ("import requests\ndef f(): requests.get(u, timeout=3)", UNDECORATED),
        ("import requests\ndef f(**more): requests.get(u, **more)", UNDECORATED),
        ("import requests\ndef f(): requests.get(u, timeout=None)", BOTH),
        ("import requests\ndef f(): requests.get(u, timeout=(3, None))", BOTH),
        ("import requests\ndef f(): requests.get(u, timeout=(None, 3))", UNDECORATED),
        ("import requests\nT = None\ndef f(): requests.get(u, timeout=T)", BOTH),
        ("import requests\ndef f(t=None): requests.get(u, timeout=t)", UNDECORATED),
        ("import requests\ndef f(): return requests.codes.ok", []),
        ("import requests\ndef f(): requests.Session()", []),
        ("import requests\ns = requests.Session()\ndef f(): s.get(u)", BOTH),
        ("import requests\ns = requests.Session()\ndef f(): s.cookies.get('a')", []),
        ("import requests\ns = requests.Session()\ndef f(): s.headers.get('a')", []),
        ("import requests\ndef f():\n with requests.Session() as s: s.get(u)", BOTH),
        ("import requests\ndef f(s: requests.Session): s.get(u)", BOTH),
        ("import requests\ndef f(s: 'requests.Session | None' = None): s.get(u)", BOTH),
        ("import requests, typing\ndef f(s: typing.Optional[requests.Session]): s.get(u)", BOTH),
        ("import requests\ndef f(s=None):\n s = s or requests.Session()\n s.get(u)", BOTH),
        ("import requests\ndef f(http=requests): http.get(u)", BOTH),
        ("import requests\ndef f(requests): requests.get(u)", []),
        ("def f(session): session.get(u)", []),
        ("import requests\ndef make(): return requests.Session()\ndef f(): make().get(u)", BOTH),
        ("import requests\ndef f(m): getattr(requests, m)(u)", BOTH),
        ("import requests\ns = requests.Session()\ndef f(m): getattr(s, m)(u)", BOTH),
        ("import requests\ndef f(m): {'a': requests.get}[m](u)", BOTH),
        ("import requests\ndef f(): (lambda: requests.get(u))()", BOTH),
        ("import requests\ndef f(): return [requests.get(u) for u in us]", BOTH),
        ("import requests\ndef f(pool): pool.submit(requests.get, u)", BOTH),
        ("import requests\ndef f(pool): pool.submit(requests.get, u, timeout=3)", UNDECORATED),
        (
            "import requests, functools\nget = functools.partial(requests.get, timeout=3)\n"
            "def f(): get(u)",
            UNDECORATED,
        ),
        ("import importlib\nr = importlib.import_module('requests')\ndef f(): r.get(u)", BOTH),
        (
            "try:\n import requests\nexcept ImportError:\n requests = None\n"
            "def f(): requests.get(u)",
            BOTH,
        ),
        ("import requests_cache\ns = requests_cache.CachedSession()\ndef f(): s.get(u)", BOTH),
        ("import httpx\ndef f(): httpx.get(u)", UNDECORATED),
        ("import httpx\ndef f(): httpx.get(u, timeout=None)", BOTH),
        ("import httpx\nc = httpx.Client(timeout=None)\ndef f(): c.get(u)", BOTH),
        ("import httpx\nc = httpx.Client(timeout=httpx.Timeout(None))\ndef f(): c.get(u)", BOTH),
        ("import httpx\nc = httpx.Client(timeout=None)\ndef f(): c.get(u, timeout=3)", UNDECORATED),
        ("import httpx\nc = httpx.AsyncClient()\nasync def f(): await c.get(u)", []),
        ("import requests\nasync def f(): requests.get(u, timeout=3)", UNDECORATED),
        ("import httpx\nc = httpx.AsyncClient()\nasync def f(): await all(c.get(u))", []),
        ("import asyncio, requests\nasync def f(): await asyncio.to_thread(requests.get, u)", BOTH),
        ("from requests import *\ndef f(): get(u)", BOTH),
        ("from os import *\ndef f(): get(u)", []),
        (
            "import requests\nclass A:\n t = None\n def f(self): requests.get(u, timeout=self.t)",
            BOTH,
        ),
        ("import urllib.request\ndef f(): urllib.request.urlopen(u)", BOTH),
        ("from urllib import request\ndef f(): request.urlopen(u, None, 3)", UNDECORATED),
        ("from urllib.parse import quote\ndef f(): quote(u)", []),
        ("from six.moves.urllib.request import urlopen\ndef f(): urlopen(u)", BOTH),
        (
            "import socket\nfrom urllib.request import urlopen\nsocket.setdefaulttimeout(3)\n"
            "def f(): urlopen(u)",
            UNDECORATED,
        ),
        ("import urllib3\ndef f(): urllib3.PoolManager().request('GET', u)", BOTH),
        ("import urllib3\ndef f(): urllib3.PoolManager(timeout=3).request('GET', u)", UNDECORATED),
        ("import http.client as h\ndef f(): h.HTTPSConnection(a).request('GET', u)", BOTH),
        (
            "from http import client\ndef f(): client.HTTPConnection(a, 80, 3).request('GET', u)",
            UNDECORATED,
        ),
        ("import httplib2\ndef f(): httplib2.Http().request(u)", BOTH),
        ("import boto3\ndef f(): boto3.client('s3').put_object()", UNDECORATED),
        (
            "import boto3\nx = boto3.Session(profile_name=p)\ndef f(): x.client('s3').put_object()",
            UNDECORATED,
        ),
        ("import boto3\ndef f(): boto3.client('s3').generate_presigned_url('a')", []),
        ("import boto3\ndef f(): boto3.client('s3').get_paginator('a').paginate()", UNDECORATED),
        ("import boto3\ndef f(): return boto3.resource('s3').Bucket('b')", []),
        ("import boto3\ndef f(): boto3.resource('s3').Bucket('b').upload_file(p)", UNDECORATED),
        (
            "import boto3\ndef f():\n r = boto3.client('s3').head_object()\n return r.get('a')",
            UNDECORATED,
        ),
        ("import stripe\ndef f(): stripe.Charge.create(amount=1)", UNDECORATED),
        ("import stripe\ndef f(): stripe.checkout.Session.create()", UNDECORATED),
        ("import stripe\ndef f(): stripe.Webhook.construct_event(p, s, k)", []),
        ("import stripe\ndef f(): raise stripe.error.CardError()", []),
        (
            "from openai import OpenAI\nc = OpenAI()\ndef f(): c.chat.completions.create()",
            UNDECORATED,
        ),
        ("import openai\ndef f(): openai.chat.completions.create()", UNDECORATED),
        ("from openai import OpenAI\nc = OpenAI(timeout=None)\ndef f(): c.models.list()", BOTH),
        ("import anthropic\ndef f(): anthropic.Anthropic().messages.create()", UNDECORATED),
        (
            "from slack_sdk import WebClient\ndef f(): WebClient(token=t).chat_postMessage()",
            UNDECORATED,
        ),
        ("from slack_sdk.web.client import WebClient as W\ndef f(): W().api_test()", UNDECORATED),
        ("from twilio.rest import Client\nc = Client(a, b)\ndef f(): c.messages.create()", BOTH),
        (
            "from twilio.rest import Client\nc = Client(a, http_client=h)\n"
            "def f(): c.messages.create()",
            UNDECORATED,
        ),
        (
            "from github import Github\ndef f():\n r = Github(t).get_repo(n)\n r.create_issue(x)",
            UNDECORATED,
        ),
        ("import sendgrid\ndef f(): sendgrid.SendGridAPIClient(k).send(m)", BOTH),
        (
            "from google.cloud import storage\n"
            "def f(): storage.Client().bucket(b).blob(n).upload_from_string(s)",
            UNDECORATED,
        ),
        (
            "from google.cloud import storage\n"
            "c = storage.Client.from_service_account_json(p)\ndef f(): c.list_buckets()",
            UNDECORATED,
        ),
        (
            "from googleapiclient.discovery import build\ns = build('drive')\n"
            "def f(): s.files().list().execute()",
            UNDECORATED,
        ),
        (
            "from googleapiclient.discovery import build\ns = build('drive')\n"
            "def f(): s.files().list()",
            [],
        ),
    ],
)
def test_what_sends_is_found_whatever_it_is_called(
    look: Look, code: str, expected: list[str]
) -> None:
    assert ids(rules(look(code))) == expected


def test_a_session_is_followed_through_the_attributes_of_an_object(look: Look) -> None:
    found = look(
        """\
        import requests
        class Base:
            def __init__(self):
                self.session = requests.Session()
            @property
            def other(self):
                return self.session
        class Api(Base):
            def get(self):
                return self.session.get("u")
            def again(self):
                return self.other.get("u")
        def use():
            Api().session.get("u")
        """
    )
    assert rules(found) == [f"{line}:{rule}" for line in (10, 12, 14) for rule in BOTH]
    assert [one.function for one in found[::2]] == ["Api.get", "Api.again", "use"]


@pytest.mark.parametrize(
    "given",
    [
        "s.timeout = 3",
        "s.request = functools.partial(s.request, timeout=3)",
        "s.mount('https://', Adapter(timeout=3))",
    ],
)
def test_a_session_may_get_its_timeout_later(look: Look, given: str) -> None:
    start = "import functools, requests\ns = requests.Session()\n"
    assert ids(rules(look(f"{start}{given}\ndef f(): s.get(u)"))) == UNDECORATED


def test_a_session_class_of_their_own_may_have_a_timeout(look: Look) -> None:
    start = "import requests\nclass S(requests.Session):\n def request(self, *a, **k):\n  "
    use = "\ndef f(): S().get(u)"
    timed = f"{start}k.setdefault('timeout', 3)\n  return super().request(*a, **k){use}"
    assert "RES002" not in ids(rules(look(timed)))
    assert "RES002" in ids(rules(look(f"{start}return 1{use}")))


def test_a_session_from_another_file_is_known(look: Look) -> None:
    vendors = "import requests\nsession = requests.Session()\n"
    assert (
        ids(rules(look("from vendors import session\ndef f(): session.get(u)", vendors=vendors)))
        == BOTH
    )
    assert (
        ids(rules(look("from . import vendors\ndef f(): vendors.session.get(u)", vendors=vendors)))
        == BOTH
    )
    assert (
        ids(rules(look("import vendors as v\ndef f(): v.session.get(u)", vendors=vendors))) == BOTH
    )


def test_files_that_import_each_other_are_no_endless_story(look: Look) -> None:
    other = "import requests\nfrom app import x\ny = x\n"
    assert (
        rules(look("import requests\nfrom other import y\nx = y\ndef f(): x.get(u)", other=other))
        == []
    )


def test_a_file_may_import_from_a_hundred_others(look: Look) -> None:
    names = [f"vendor{number}" for number in range(100)]
    others = dict.fromkeys(names, "import httpx\nclient = httpx.Client()\n")
    code = "".join(f"from {name} import client as {name}\n" for name in names)
    uses = "".join(f" {name}.get(u)\n" for name in names)
    assert ids(rules(look(f"{code}def f():\n{uses}", **others))) == UNDECORATED


def test_messages_never_show_arguments(look: Look) -> None:
    found = look(
        "from openai import OpenAI\ndef f(): OpenAI(api_key='hunter2').models.list('hunter2')"
    )
    assert "hunter2" not in str(found)
    assert found[0].message == "openai.OpenAI.models.list called undecorated"


def test_one_finding_a_function_names_all_that_it_calls(look: Look) -> None:
    (found,) = look("import httpx\ndef f():\n httpx.get(u)\n httpx.post(u)\n httpx.get(u)")
    assert (found.line, found.message) == (3, "httpx.get and httpx.post called undecorated")


def test_what_runs_on_import_is_told_apart(look: Look) -> None:
    (found,) = look("import httpx\nhttpx.get(u)")
    assert (found.function, found.message) == ("<module>", "httpx.get called on import")
    assert found.remedy.startswith("Move it into a function.")


def test_columns_count_characters(look: Look) -> None:
    (found,) = look("import httpx\ndef f(): x = 'äöü€'; httpx.get(u)")
    assert found.column == 22
