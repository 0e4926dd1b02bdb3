"""What errors and responses carry, whatever SDK they are from: status, headers, code, causes.

Everything is read from other people's objects: a property that raises counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from resilient.call import Exchange
from resilient.http.ratelimit import Limits, read_limits


def causes_of(error: BaseException, *, contexts: bool = True) -> Iterator[BaseException]:
    """The error, what it was raised from, and what wrapped errors hold, each once.

    contexts: also what was being handled when they were raised, which may be an older story.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting and len(seen) < 12:
        link = waiting.pop(0)
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        # requests keeps urllib3's error in args, urllib3 the socket's in `reason`, botocore in
        # the arguments of its message, boto3's transfers in `last_exception`.
        kept = read(link, "kwargs")
        parts = [*link.args, read(link, "reason"), isinstance(kept, dict) and kept.get("error")]
        parts.append(read(link, "last_exception"))
        waiting.extend(part for part in parts if isinstance(part, BaseException))
        waiting.append(link.__cause__)
        if contexts and not link.__suppress_context__:
            waiting.append(link.__context__)


def read(source: object, name: str) -> Any:
    """An attribute of somebody else's object: None if there is none, or if reading it fails."""
    try:
        return getattr(source, name, None)
    except Exception:
        return None


def sdk_code(error: BaseException) -> str | None:
    """What the vendor calls this failure, as an SDK keeps it; None if it says nothing."""
    response = read(error, "response")
    # botocore's response is a mapping; slack_sdk's holds one.
    said = response if isinstance(response, Mapping) else read(response, "data")
    code: object = None
    if isinstance(said, Mapping):
        detail = said.get("Error")
        code = detail.get("Code") if isinstance(detail, Mapping) else said.get("error")
    if not isinstance(code, str):
        code = read(error, "code")
    return code if isinstance(code, str) else None


def status_of_error(error: BaseException) -> int | None:
    """The HTTP status that an SDK's error carries, under any of the usual names."""
    response = read(error, "response")
    if isinstance(response, Mapping):
        meta = response.get("ResponseMetadata")
        if isinstance(meta, Mapping):
            return _as_status(meta.get("HTTPStatusCode"))
    status = status_of_response(response)
    if status is not None:
        return status
    for name in ("status_code", "http_status", "status", "code"):
        status = _as_status(read(error, name))
        if status is not None:
            return status
    return None


def status_of_response(result: object) -> int | None:
    """The status of something that looks like a response: it has headers as well."""
    if read(result, "headers") is None:
        return None
    for name in ("status_code", "status"):
        status = _as_status(read(result, name))
        if status is not None:
            return status
    return None


def _as_status(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return int(value) if 100 <= value <= 599 else None


def headers_of(response: object) -> Mapping[str, str]:
    if isinstance(response, Mapping):
        meta = response.get("ResponseMetadata")
        headers = meta.get("HTTPHeaders") if isinstance(meta, Mapping) else None
    else:
        headers = read(response, "headers")
    # email.message.Message is no Mapping, but reads like one.
    readable = isinstance(headers, Mapping) or (
        callable(read(headers, "get")) and callable(read(headers, "items"))
    )
    return cast("Mapping[str, str]", headers) if readable else {}


def wait_asked(limits: Limits) -> float | None:
    """Seconds to wait: by Retry-After, or after a refusal for rate until the quota is back."""
    if limits.retry_after is None and limits.throttled:
        return limits.wait or None
    return limits.retry_after


def wait_asked_by(error: BaseException, limits: Limits) -> float | None:
    """The same, by an SDK's error too, which may have read it from headers that we don't see."""
    asked = wait_asked(limits)
    said = read(error, "retry_after")
    if asked is None and isinstance(said, (int, float)) and not isinstance(said, bool):
        return float(said) if said >= 0 else None
    return asked


def limits_in(status: int, headers: Mapping[str, str], last: Exchange | None) -> Limits:
    """What an answer says of rates, with what was seen of its body if it was `last`'s."""
    if last is None or last.status != status:
        return read_limits(status, headers)
    # Some vendors are known by their host.
    return read_limits(status, headers, last.excerpt, url=f"https://{last.host}/")
