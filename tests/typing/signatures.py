"""Never run: mypy and pyright read it. A wrong call that one of them lets pass is an error there,
since an ignore comment that silences nothing is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from resilient import breaker, bulkhead, cached, fallback, retry, service, throttled

if TYPE_CHECKING:
    from typing_extensions import assert_type


@service("github", timeout=5, deadline=20)
@fallback([])
@cached(ttl=60, stale_if_error=3600)
@retry(attempts=4)
@breaker(failure_rate=0.5)
@throttled("5000/hour")
def repos(user: str, *, page: int = 1) -> list[str]:
    answer = requests.get(f"https://api.github.com/users/{user}/repos", params={"page": page})
    return [repo["name"] for repo in answer.json()]


def the_stack_keeps_the_signature() -> None:
    assert_type(repos("octocat"), list[str])
    assert_type(repos("octocat", page=2), list[str])
    repos(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    repos()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    repos("octocat", pages=2)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    repos.resilient.explain()
    repos.resilient.cache.clear()


@retry
@breaker
@cached
@bulkhead(4)
def bare(number: int) -> str:
    return str(number)


def the_bare_form_keeps_it_too() -> None:
    assert_type(bare(1), str)
    bare("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


class Client:
    @retry(attempts=2)
    def get(self, number: int) -> str:
        return str(number)

    @staticmethod
    @cached(ttl=1)
    def name(number: int) -> str:
        return str(number)


def methods_bind_as_usual(client: Client) -> None:
    assert_type(client.get(1), str)
    client.get("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    client.get()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    assert_type(Client.get(client, 1), str)
    assert_type(Client.name(1), str)


github = service("github", breaker(fail_max=3), throttled("10/s"), timeout=5)


@github
def bundled(number: int) -> str:
    return str(number)


def a_bundle_keeps_the_signature() -> None:
    assert_type(bundled(1), str)
    bundled("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert_type(github.call(len, "four"), int)


def options_are_checked() -> None:
    retry(attempts="3")  # type: ignore[call-overload]  # pyright: ignore
    breaker(fail_maximum=3)  # type: ignore[call-overload]  # pyright: ignore
