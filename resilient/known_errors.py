"""What well-known exceptions mean, by name, so that no library is imported for it."""

from __future__ import annotations

import errno
from functools import lru_cache

from resilient.answers import causes_of, sdk_code
from resilient.call import Verdict

_TRANSIENT = {
    "builtins": {"ConnectionError", "TimeoutError", "BrokenPipeError", "EOFError"},
    "socket": {"gaierror", "herror"},
    # The peer hung up during the handshake or later: no sign of a bad certificate.
    "ssl": {"SSLEOFError", "SSLZeroReturnError", "SSLSyscallError"},
    "http.client": {
        "RemoteDisconnected",
        "IncompleteRead",
        "CannotSendRequest",
        "ResponseNotReady",
    },
    "requests.exceptions": {
        "ConnectionError",
        "Timeout",
        "ChunkedEncodingError",
        "RetryError",
    },
    "urllib3.exceptions": {
        "TimeoutError",
        "NewConnectionError",
        "ProtocolError",
        "IncompleteRead",
    },
    "httpx": {"TimeoutException", "NetworkError", "RemoteProtocolError"},
    "httpcore": {"TimeoutException", "NetworkError", "RemoteProtocolError"},
    "botocore.exceptions": {
        "ConnectionError",
        "HTTPClientError",
        "ConnectTimeoutError",
        "ReadTimeoutError",
        "IncompleteReadError",
    },
    "stripe": {"APIConnectionError"},
    "openai": {"APIConnectionError"},
    "multiprocessing.context": {"TimeoutError"},
    "concurrent.futures._base": {"TimeoutError"},
}
_BROKEN = {
    "ssl": {"SSLError"},
    "requests.exceptions": {
        "SSLError",
        "JSONDecodeError",
        "ContentDecodingError",
        "TooManyRedirects",
    },
    "urllib3.exceptions": {"SSLError", "DecodeError"},
    "http.client": {"BadStatusLine", "LineTooLong", "UnknownProtocol"},
    "json.decoder": {"JSONDecodeError"},
    "simplejson.errors": {"JSONDecodeError"},
    "xml.etree.ElementTree": {"ParseError"},
    "botocore.exceptions": {"SSLError", "ResponseParserError"},
    "botocore.parsers": {"ResponseParserError"},
    "httpx": {"DecodingError", "TooManyRedirects"},
}
_MISTAKE = {
    "builtins": {
        "TypeError",
        "AttributeError",
        "NameError",
        "LookupError",
        "ImportError",
        "AssertionError",
        "NotImplementedError",
        "ArithmeticError",
        "RecursionError",
        "SyntaxError",
        "UnicodeError",
        "FileNotFoundError",
        "PermissionError",
        "IsADirectoryError",
        "NotADirectoryError",
        "FileExistsError",
    },
    "requests.exceptions": {
        "MissingSchema",
        "InvalidSchema",
        "InvalidURL",
        "InvalidHeader",
        "InvalidJSONError",
        "InvalidProxyURL",
        "URLRequired",
    },
    "urllib3.exceptions": {"LocationValueError", "URLSchemeUnknown"},
    "http.client": {"InvalidURL"},
    "httpx": {"InvalidURL", "UnsupportedProtocol"},
    "botocore.exceptions": {
        "ParamValidationError",
        "NoCredentialsError",
        "PartialCredentialsError",
        "NoRegionError",
    },
}
_BY_NAME = {
    (module, name): verdict
    for group, verdict in (
        (_TRANSIENT, Verdict.TRANSIENT),
        (_BROKEN, Verdict.BROKEN),
        (_MISTAKE, Verdict.MISTAKE),
    )
    for module, names in group.items()
    for name in names
}

_NO_CONNECTION = frozenset(
    {
        ("builtins", "ConnectionRefusedError"),
        ("socket", "gaierror"),
        ("urllib3.exceptions", "NewConnectionError"),
        ("urllib3.exceptions", "ConnectTimeoutError"),
        ("requests.exceptions", "ConnectTimeout"),
        ("httpx", "ConnectError"),
        ("httpx", "ConnectTimeout"),
        ("botocore.exceptions", "ConnectTimeoutError"),
        ("botocore.exceptions", "EndpointConnectionError"),
    }
)
_UNREACHABLE = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.EHOSTDOWN}
)


@lru_cache(maxsize=512)
def _verdict_of_types(ancestry: tuple[type, ...]) -> Verdict | None:
    """What the most derived well-known type among these means."""
    for ancestor in ancestry:
        top = ancestor.__module__.partition(".")[0]
        for module in (ancestor.__module__, top):
            verdict = _BY_NAME.get((module, ancestor.__name__))
            if verdict is not None:
                return verdict
    return None


def verdict_of_type(error: BaseException) -> Verdict | None:
    """What the error's type or its SDK's code says; None if neither is known."""
    code = sdk_code(error)
    if code is not None and any(word in code.lower() for word in _THROTTLING_CODES):
        return Verdict.THROTTLED
    if type(error) is OSError and error.errno in _UNREACHABLE:
        return Verdict.TRANSIENT
    # What http.client and ssl say is what happened; the libraries above them only wrap it.
    for link in causes_of(error, contexts=False):
        if type(link).__module__ in ("http.client", "ssl"):
            verdict = _verdict_of_types(type(link).__mro__)
            if verdict is not None:
                return verdict
    return _verdict_of_types(type(error).__mro__)


# botocore lists its throttling codes in data/_retry.json; all of them contain one of these words.
_THROTTLING_CODES = (
    "throttl",
    "toomanyrequests",
    "requestlimitexceeded",
    "bandwidthlimitexceeded",
    "provisionedthroughputexceeded",
    "slowdown",
    "priorrequestnotcomplete",
    "limitexceededexception",
    "rate_limit",
    "ratelimited",
)


def never_left(error: BaseException | None) -> bool:
    """Does the error say that there was no connection, so that no request was sent?"""
    return error is not None and any(
        (kind.__module__, kind.__name__) in _NO_CONNECTION
        for link in causes_of(error, contexts=False)
        for kind in type(link).__mro__
    )


def is_summary(error: BaseException) -> bool:
    """Does it only say that a library's own retries were in vain? The last answer says more."""
    kind = type(error)
    return (kind.__module__, kind.__name__) == ("requests.exceptions", "RetryError")
