"""What well-known exceptions mean, by name, so that no library is imported for it."""

from __future__ import annotations

import errno
from functools import lru_cache

from resilient.answers import causes_of, sdk_code
from resilient.call import Verdict

# httpx2 goes on where httpx left off: the same names under another one; so do their transports.
_HTTPX = ("httpx", "httpx2")
_HTTPCORE = ("httpcore", "httpcore2")
_SLOW_OR_CUT_OFF = {"TimeoutException", "NetworkError", "RemoteProtocolError", "ProxyError"}
_MISUSE = {
    "InvalidURL",
    "UnsupportedProtocol",
    "LocalProtocolError",
    "CookieConflict",
    "StreamError",
}

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
    "urllib.error": {"ContentTooShortError"},
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
        "ProxyError",
    },
    **dict.fromkeys((*_HTTPX, *_HTTPCORE), _SLOW_OR_CUT_OFF),
    "httplib2.error": {"ServerNotFoundError"},
    "botocore.exceptions": {
        "ConnectionError",
        "HTTPClientError",
        "IncompleteReadError",
        "ChecksumError",
        "FlexibleChecksumError",
        "MetadataRetrievalError",
    },
    "stripe": {"APIConnectionError"},
    "openai": {"APIConnectionError"},
    "anthropic": {"APIConnectionError"},
    "slack_sdk": {"SlackClientNotConnectedError"},
    "google.auth.exceptions": {"TransportError", "TimeoutError"},
    "multiprocessing.context": {"TimeoutError"},
    "concurrent.futures._base": {"TimeoutError"},
}
_THROTTLED = {
    # Their statuses alone don't tell: stripe's may be a 400, PyGithub's is a 403.
    "stripe": {"RateLimitError"},
    "github": {"RateLimitExceededException"},
    "openai": {"RateLimitError"},
    "anthropic": {"RateLimitError"},
}
_BROKEN = {
    "ssl": {"SSLError"},
    "requests.exceptions": {
        "SSLError",
        "JSONDecodeError",
        "ContentDecodingError",
        "TooManyRedirects",
    },
    "urllib3.exceptions": {"SSLError", "DecodeError", "InvalidHeader", "HeaderParsingError"},
    "http.client": {"BadStatusLine", "LineTooLong", "UnknownProtocol"},
    "json.decoder": {"JSONDecodeError"},
    "simplejson.errors": {"JSONDecodeError"},
    "xml.etree.ElementTree": {"ParseError"},
    "botocore.exceptions": {"SSLError", "WaiterError", "PaginationError"},
    "botocore.parsers": {"ResponseParserError"},
    "openai": {"APIError"},
    "anthropic": {"APIError"},
    "stripe": {"APIError"},
    **{module: {"DecodingError", "TooManyRedirects"} for module in _HTTPX},
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
        "UnrewindableBodyError",
    },
    "urllib3.exceptions": {"LocationValueError", "URLSchemeUnknown"},
    "http.client": {"InvalidURL"},
    **dict.fromkeys(_HTTPX, _MISUSE),
    # The roots of the SDKs' own errors: what is not listed above, and has no status, was found
    # wrong before anything was sent (a parameter, a setting, missing credentials).
    "botocore.exceptions": {"BotoCoreError"},
    "boto3.exceptions": {
        "ResourceLoadException",
        "NoVersionFound",
        "UnknownAPIVersionError",
        "ResourceNotExistsError",
        "DynamoDBOperationNotSupportedError",
        "DynamoDBNeedsConditionError",
        "DynamoDBNeedsKeyConditionError",
        "InvalidCrtTransferConfigError",
    },
    "stripe": {"StripeError"},
    "openai": {"OpenAIError"},
    "anthropic": {"AnthropicError"},
    "slack_sdk": {"SlackClientError"},
    "twilio": {"TwilioException"},
    "google.auth.exceptions": {"GoogleAuthError"},
}
_BY_NAME = {
    (module, name): verdict
    for group, verdict in (
        (_TRANSIENT, Verdict.TRANSIENT),
        (_THROTTLED, Verdict.THROTTLED),
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
        ("botocore.exceptions", "ConnectTimeoutError"),
        ("botocore.exceptions", "EndpointConnectionError"),
        *((name, kind) for name in _HTTPX for kind in ("ConnectError", "ConnectTimeout")),
        *((name, "PoolTimeout") for name in _HTTPX),
    }
)
# What these say about an address is the caller's mistake, unless the address came from the vendor.
_BAD_ADDRESS = frozenset(
    {
        ("requests.exceptions", "MissingSchema"),
        ("requests.exceptions", "InvalidSchema"),
        ("requests.exceptions", "InvalidURL"),
        ("urllib3.exceptions", "LocationValueError"),
        ("http.client", "InvalidURL"),
        *((name, kind) for name in _HTTPX for kind in ("InvalidURL", "UnsupportedProtocol")),
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
    code = (sdk_code(error) or "").lower()
    if any(word in code for word in _THROTTLING_CODES):
        return Verdict.THROTTLED
    if code in _PASSING_CODES:
        return Verdict.TRANSIENT
    if type(error) is OSError and error.errno in _UNREACHABLE:
        return Verdict.TRANSIENT
    # What these say is what happened; the libraries above them only wrap it.
    for link in causes_of(error, contexts=False):
        if type(link).__module__ in ("http.client", "ssl") or _is(link, _SAID_BY_THE_VENDOR):
            verdict = _verdict_of_types(type(link).__mro__)
            if verdict is not None:
                return verdict
    return _verdict_of_types(type(error).__mro__)


# Two Content-Length that differ. requests raises its own InvalidHeader from it, which otherwise
# complains of a header of the request.
_SAID_BY_THE_VENDOR = frozenset({("urllib3.exceptions", "InvalidHeader")})

# botocore lists its throttling codes in data/_retry.json and retries/standard.py; all of them
# contain one of these words.
_THROTTLING_CODES = (
    "throttl",
    "toomanyrequests",
    "requestlimitexceeded",
    "bandwidthlimitexceeded",
    "provisionedthroughputexceeded",
    "slowdown",
    "priorrequestnotcomplete",
    "transactioninprogress",
    "limitexceededexception",
    "rate_limit",
    "ratelimit",
)
# Codes that mean a passing fault though they come with a status below 500, or with none: of AWS
# (botocore, retries/standard.py), of the event streams of Bedrock, and of Slack, which answers 200.
_PASSING_CODES = frozenset(
    {
        "requesttimeout",
        "requesttimeoutexception",
        "internalserverexception",
        "modelstreamerrorexception",
        "serviceunavailableexception",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
    }
)


def never_left(error: BaseException | None) -> bool:
    """Does the error say that there was no connection, so that no request was sent?"""
    return error is not None and any(
        _is(link, _NO_CONNECTION) for link in causes_of(error, contexts=False)
    )


def is_bad_address(error: BaseException) -> bool:
    """Does it complain of a URL? After a redirect, the vendor's Location was that URL."""
    return _is(error, _BAD_ADDRESS)


def is_summary(error: BaseException) -> bool:
    """Does it only say that a library's own retries were in vain? The last answer says more."""
    kind = type(error)
    return (kind.__module__, kind.__name__) == ("requests.exceptions", "RetryError")


def _is(error: BaseException, names: frozenset[tuple[str, str]]) -> bool:
    return any((kind.__module__, kind.__name__) in names for kind in type(error).__mro__)
