"""Vendors' SDKs as people use them, pointed at a server on the loopback.

Each is imported by the test that needs it: most runs of the tests leave them out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

Read = Callable[[], Any]
"""One request for something to read, through the SDK."""

OWN_TIMEOUT = 5


@dataclass(frozen=True)
class Sdk:
    """One SDK.

    build: (url, retries) -> Read; retries=False turns its own off, True leaves them as they come.
    healthy: an answer that the SDK takes for a good one, as a script.
    client, option: how an amplification names it.
    method: what its request for something to read is sent with.
    """

    name: str
    packages: tuple[str, ...]
    build: Callable[[str, bool], Read]
    healthy: str
    client: str = ""
    option: str = ""
    method: str = "GET"

    def reading(self, url: str, *, retries: bool = False) -> Read:
        """A function that reads something of the vendor at `url`."""
        for package in self.packages:
            pytest.importorskip(package)
        return self.build(url, retries)


def _boto3(url: str, retries: bool) -> Read:
    import boto3
    from botocore.config import Config

    own: dict[str, Any] = {} if retries else {"retries": {"total_max_attempts": 1}}
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="not-a-secret",
        config=Config(connect_timeout=OWN_TIMEOUT, read_timeout=OWN_TIMEOUT, **own),
    )
    return lambda: client.list_buckets()


def _github(url: str, retries: bool) -> Read:
    import github

    own: dict[str, Any] = {} if retries else {"retry": None}
    client = github.Github(
        base_url=url,
        auth=github.Auth.Token("not-a-secret"),
        timeout=OWN_TIMEOUT,
        seconds_between_requests=None,
        seconds_between_writes=None,
        **own,
    )
    return lambda: client.get_user("octocat").login


def _stripe(url: str, retries: bool) -> Read:
    import stripe

    client = stripe.StripeClient(
        "sk_test_not_a_secret",
        base_addresses={"api": url},
        max_network_retries=2 if retries else 0,
        http_client=stripe.RequestsClient(timeout=OWN_TIMEOUT),
    )
    return lambda: client.v1.customers.retrieve("cus_1").id


def _slack(url: str, retries: bool) -> Read:
    from slack_sdk import WebClient
    from slack_sdk.http_retry.builtin_handlers import (
        ConnectionErrorRetryHandler,
        RateLimitErrorRetryHandler,
        ServerErrorRetryHandler,
    )

    handlers: list[Any] = []
    if retries:
        handlers = [
            ConnectionErrorRetryHandler(max_retry_count=2),
            RateLimitErrorRetryHandler(max_retry_count=2),
            ServerErrorRetryHandler(max_retry_count=2),
        ]
    client = WebClient(
        token="xoxb-not-a-secret",
        base_url=f"{url}/",
        timeout=OWN_TIMEOUT,
        retry_handlers=handlers,
    )
    return lambda: client.users_list()["ok"]


def _openai(url: str, retries: bool) -> Read:
    import openai

    own: dict[str, Any] = {} if retries else {"max_retries": 0}
    client = openai.OpenAI(api_key="not-a-secret", base_url=url, timeout=OWN_TIMEOUT, **own)
    return lambda: client.models.retrieve("some-model").id


def _anthropic(url: str, retries: bool) -> Read:
    import anthropic

    own: dict[str, Any] = {} if retries else {"max_retries": 0}
    client = anthropic.Anthropic(api_key="not-a-secret", base_url=url, timeout=OWN_TIMEOUT, **own)
    return lambda: client.models.retrieve("some-model").id


def _requests(url: str, retries: bool) -> Read:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    session = requests.Session()
    if retries:
        again = Retry(total=2, status_forcelist=[429, 500, 503])
        session.mount("http://", HTTPAdapter(max_retries=again))

    def read() -> Any:
        response = session.get(url, timeout=OWN_TIMEOUT)
        response.raise_for_status()
        return response.json()

    return read


def _plain_httpx(package: str) -> Callable[[str, bool], Read]:
    def build(url: str, _: bool) -> Read:
        httpx = pytest.importorskip(package)
        client = httpx.Client(timeout=OWN_TIMEOUT)

        def read() -> Any:
            response = client.get(url)
            response.raise_for_status()
            return response.json()

        return read

    return build


_USER = '{"login": "octocat", "url": "/users/octocat", "id": 1}'
_BUCKETS = "<ListAllMyBucketsResult><Buckets></Buckets></ListAllMyBucketsResult>"

BOTO3 = Sdk(
    "boto3",
    ("boto3",),
    _boto3,
    f"200 body='{_BUCKETS}' content-type=application/xml",
    client="botocore",
    option='Config(retries={"total_max_attempts": 1})',
)
GITHUB = Sdk(
    "PyGithub",
    ("github",),
    _github,
    f"200 json={_USER}",
    client="PyGithub",
    option="Github(retry=None)",
)
STRIPE = Sdk(
    "stripe",
    ("stripe",),
    _stripe,
    '200 json={"id": "cus_1", "object": "customer"}',
    client="stripe",
    option="max_network_retries=0",
)
SLACK = Sdk(
    "slack_sdk",
    ("slack_sdk",),
    _slack,
    '200 json={"ok": true}',
    client="slack_sdk",
    option="WebClient(retry_handlers=[])",
    method="POST",
)
OPENAI = Sdk(
    "openai",
    ("openai",),
    _openai,
    '200 json={"id": "some-model", "object": "model", "created": 1, "owned_by": "a vendor"}',
    client="openai",
    option="max_retries=0",
)
ANTHROPIC = Sdk(
    "anthropic",
    ("anthropic",),
    _anthropic,
    '200 json={"id": "some-model", "type": "model", "display_name": "M", '
    '"created_at": "2026-01-01T00:00:00Z"}',
    client="anthropic",
    option="max_retries=0",
)
REQUESTS = Sdk(
    "requests",
    ("requests",),
    _requests,
    "200 json=[]",
    client="urllib3 (in an adapter of requests)",
    option="HTTPAdapter(max_retries=0)",
)
HTTPX = Sdk("httpx", ("httpx",), _plain_httpx("httpx"), "200 json=[]")
HTTPX2 = Sdk("httpx2", ("httpx2",), _plain_httpx("httpx2"), "200 json=[]")

RETRYING = (BOTO3, GITHUB, STRIPE, SLACK, OPENAI, ANTHROPIC, REQUESTS)
"""Those that repeat failed requests by themselves, or can be told to."""

ALL = (*RETRYING, HTTPX, HTTPX2)


def by_name(sdk: Sdk) -> str:
    """The id of a parametrized test."""
    return sdk.name
