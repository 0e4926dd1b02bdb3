"""Which client has retried below a function, told from its error alone."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3

from resilient import sdk_retries
from resilient.sdk_retries import who_retries
from resilient.testing import ScriptedVendor


def running_in(module: str, source: str, **names: Any) -> Callable[[], object]:
    """The function `run` of this source, as if it stood in `module`."""
    namespace: dict[str, Any] = {"__name__": module, **names}
    exec(source, namespace)
    run: Callable[[], object] = namespace["run"]
    return run


def raised_by(function: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as raised:
        function()
    return raised.value


def name_of(error: BaseException | None) -> str | None:
    client = who_retries(error)
    return client and client.name


RAISES = "def run(): raise ValueError"
CALLS = "def run(): inner()"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("botocore.client", "botocore"),
        ("stripe._http_client", "stripe"),
        ("openai._base_client", "openai"),
        ("anthropic._base_client", "anthropic"),
        ("github.Requester", "PyGithub"),
        ("slack_sdk.web.base_client", "slack_sdk"),
        ("twilio.http.http_client", "twilio"),
        ("google.api_core.retry.retry_unary", "google-api-core"),
        ("google.cloud.storage.blob", "google-api-core"),
        ("azure.core.pipeline", "azure-core"),
        ("tenacity", "tenacity"),
        ("google.protobuf", None),
        ("stripes", None),
        ("application.stripe", None),
    ],
)
def test_a_client_is_known_by_the_modules_that_its_error_came_through(
    module: str, name: str | None
) -> None:
    assert name_of(raised_by(running_in(module, RAISES))) == name


def test_the_outermost_client_is_the_one_to_tell() -> None:
    inner = running_in("openai._base_client", RAISES)
    assert name_of(raised_by(running_in("tenacity", CALLS, inner=inner))) == "tenacity"


def test_a_client_is_found_behind_an_error_of_the_functions_own() -> None:
    inner = running_in("stripe._http_client", RAISES)

    def fetch() -> None:
        try:
            inner()
        except ValueError as error:
            raise KeyError("no customer") from error

    assert name_of(raised_by(fetch)) == "stripe"


def test_an_error_without_a_traceback_is_known_by_its_class() -> None:
    kind = type("APIConnectionError", (Exception,), {"__module__": "openai"})
    assert name_of(kind()) == "openai"


def test_urllib3_is_told_where_it_has_retried_and_not_where_it_has_not() -> None:
    def get(retries: int) -> None:
        policy = urllib3.Retry(retries, status_forcelist=[503], backoff_factor=0)
        with urllib3.PoolManager() as pool:
            pool.request("GET", vendor.url, retries=policy, timeout=5)

    with ScriptedVendor("503") as vendor:
        assert name_of(raised_by(lambda: get(2))) == "urllib3"
        assert name_of(raised_by(lambda: get(0))) is None
        vendor.reset("reset")
        assert name_of(raised_by(lambda: get(2))) == "urllib3"


def test_an_answer_that_urllib3_gave_up_on_keeps_the_history_of_its_tries() -> None:
    policy = urllib3.Retry(2, status_forcelist=[503], backoff_factor=0, raise_on_status=False)

    def get() -> None:
        with requests.Session() as session:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=policy))
            session.get(vendor.url, timeout=5).raise_for_status()

    with ScriptedVendor("503") as vendor:
        assert name_of(raised_by(get)) == "urllib3 (in an adapter of requests)"
        assert vendor.calls == 3


def test_without_an_error_a_client_is_told_if_it_is_the_only_one_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in sdk_retries._CLIENTS:
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert who_retries(None) is None
    monkeypatch.setitem(sys.modules, "stripe", types.ModuleType("stripe"))
    assert name_of(None) == "stripe"
    monkeypatch.setitem(sys.modules, "openai", types.ModuleType("openai"))
    assert who_retries(None) is None
