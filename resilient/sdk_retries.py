"""Which client retries by itself below @retry, and the option that turns it off.

Nothing is imported: a client is known by the modules that its error came through, or by being the
only one that the process has loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple

from resilient.answers import causes_of, read


class Client(NamedTuple):
    """A library with retries of its own. option: what turns them off, as it stands in code."""

    name: str
    option: str


_CLIENTS = {
    "botocore": Client("botocore", 'Config(retries={"total_max_attempts": 1})'),
    "stripe": Client("stripe", "max_network_retries=0"),
    "openai": Client("openai", "max_retries=0"),
    "anthropic": Client("anthropic", "max_retries=0"),
    "github": Client("PyGithub", "Github(retry=None)"),
    "slack_sdk": Client("slack_sdk", "WebClient(retry_handlers=[])"),
    "twilio": Client("twilio", "TwilioHttpClient(max_retries=0)"),
    "google.api_core": Client("google-api-core", "retry=None"),
    "google.cloud": Client("google-api-core", "retry=None"),
    "googleapiclient": Client("googleapiclient", "num_retries=0"),
    "azure.core": Client("azure-core", "retry_total=0"),
    "elasticsearch": Client("elasticsearch", "max_retries=0"),
    "opensearchpy": Client("opensearch-py", "max_retries=0"),
    "tenacity": Client("tenacity", "stop=stop_after_attempt(1)"),
    "stamina": Client("stamina", "attempts=1"),
    "retrying": Client("retrying", "stop_max_attempt_number=1"),
    "backoff": Client("backoff", "max_tries=1"),
}
_IN_ADAPTER = Client("urllib3 (in an adapter of requests)", "HTTPAdapter(max_retries=0)")
_URLLIB3 = Client("urllib3", "retries=False")

_ALWAYS_LOADED = frozenset({"backoff"})
"""What resilient itself loads says nothing about the function."""


def who_retries(error: BaseException | None) -> Client | None:
    """The client that has repeated the requests of a failed attempt; None if it can't be told.

    error: what the attempt raised; None if it returned.
    """
    if error is None:
        return _only_one_loaded()
    chain = list(causes_of(error))
    for link in chain:
        # Outermost first: whoever stands above the others repeats what they do.
        for module, _ in _frames_of(link.__traceback__):
            client = _client_of(module)
            if client is not None:
                return client
        client = _client_of(type(link).__module__)
        if client is not None:
            return client
    return _urllib3_in(chain)


def _urllib3_in(chain: list[BaseException]) -> Client | None:
    for link in chain:
        frames = list(_frames_of(link.__traceback__))
        # urlopen calls itself for each retry; an answer keeps the history of its own.
        is_retried = frames.count(("urllib3.connectionpool", "urlopen")) > 1 or _has_history(link)
        if is_retried:
            through_requests = _has_history(link) or any(
                module.partition(".")[0] == "requests" for module, _ in frames
            )
            return _IN_ADAPTER if through_requests else _URLLIB3
    return None


def _has_history(error: BaseException) -> bool:
    answer = read(read(error, "response"), "raw")
    history = read(read(answer, "retries"), "history")
    return isinstance(history, tuple) and len(history) > 0


def _frames_of(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    """(module, function) of each frame that the error came through, outermost first."""
    while trace is not None:
        frame = trace.tb_frame
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        trace = trace.tb_next


def _client_of(module: str) -> Client | None:
    top, _, rest = module.partition(".")
    return _CLIENTS.get(top) or _CLIENTS.get(f"{top}.{rest.partition('.')[0]}")


def _only_one_loaded() -> Client | None:
    loaded = {
        client
        for module, client in _CLIENTS.items()
        if module in sys.modules and module not in _ALWAYS_LOADED
    }
    return loaded.pop() if len(loaded) == 1 else None
