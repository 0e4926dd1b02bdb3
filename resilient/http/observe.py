"""Sees the HTTP that a call makes, and keeps it inside the call's time.

Each HTTP library has its hooks in a module of `resilient.http.hooks`:

    http.client         under requests, urllib3, urllib, httplib2, botocore and most vendor SDKs
    requests, botocore  hand out a refusal of ours as it is
    requests-cache      tells what an answer of its own was asked for with
    httpx, httpx2       their sync transports, and the sockets of httpcore below them
    s3transfer          carries the call to the threads of boto3's managed transfers

What a library gets where it lets us:

    library              default timeout     deadline                         seen
    requests             yes                 each step, body too              each exchange
    urllib3 1 and 2      yes                 each step, body too              each exchange
    urllib.request       yes                 each step, body too              each exchange
    httplib2             yes                 each step, body too              each exchange
    botocore             has its own (60 s)  each step, body too              each exchange
    httpx, httpx2        has its own (5 s)   each step, pool and body too     each exchange
    httpcore by itself   yes                 each step, body too              no
    MockTransport, WSGITransport of httpx    before they are asked            each exchange

"Yes" means that a request whose timeout is None gets the service's; none is ever lengthened. No
library lets us bound the look-up of a host's name, or more than one address of it each: functions
that hang there need `hard_deadline=True`. Not seen: pycurl, gRPC, the AWS Common Runtime, urllib3's
experimental HTTP/2, async clients, transports for httpx that don't send through its own, and mocks
that put themselves in the place of what is hooked.

httpx, httpx2, httplib2, requests-cache, botocore and s3transfer are never imported from here. They
get their hooks when they are loaded, be it inside a decorated function.

Outside a decorated call a hook is one look at a ContextVar. A hook that fails is counted in
`errors` and told once; the request goes on without it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from types import ModuleType

from resilient.http.hooks import (
    environment,
    http_client,
    httpx_transports,
    patches,
    requests_session,
    s3transfer_threads,
)
from resilient.http.hooks.later import Watch

_WHEN_LOADED: dict[str, Callable[[ModuleType], Iterable[patches.Hook]]] = {
    "botocore.httpsession": requests_session.botocore_hooks,
    "httpcore": httpx_transports.socket_hooks,
    "httpcore2": httpx_transports.socket_hooks,
    "httplib2": http_client.httplib2_hooks,
    "httpx": httpx_transports.transport_hooks,
    "httpx2": httpx_transports.transport_hooks,
    "requests_cache.session": requests_session.requests_cache_hooks,
    "s3transfer.futures": s3transfer_threads.hooks,
}

# _lock guards _patches and the patched classes, and whether `_watch` is on.
_lock = threading.Lock()
_patches: list[patches.Patch] = []


def install() -> None:
    """Start observing; does nothing if that has been done."""
    with _lock:
        if _patches:
            return
        patches.count_afresh()
        patches.patch(http_client.hooks(), _patches)
        patches.patch(requests_session.hooks(), _patches)
        patches.patch(environment.hooks(), _patches)
        _watch.start()
    _watch.catch_up()


def uninstall() -> None:
    """Stop observing, and leave the patches of others in place."""
    with _lock:
        _watch.stop()
        while _patches:
            _patches.pop().remove()


def is_installed() -> bool:
    """Is HTTP observed?"""
    return bool(_patches)


def __getattr__(name: str) -> int:
    if name == "errors":  # how often a hook has failed since `install`
        return patches.errors
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _hook_into(module: ModuleType) -> None:
    with _lock:
        if _patches:  # else it was loaded while we were being uninstalled
            patches.patch(_WHEN_LOADED[module.__name__](module), _patches)


def _loaded(module: ModuleType) -> None:
    patches.unheard(_hook_into, module)


_watch = Watch(_WHEN_LOADED, _loaded)
