"""What the exceptions of SDKs mean, whatever else is known of the call: by their names alone."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from resilient import Verdict
from resilient.known_errors import never_left
from resilient.verdict import judge

pytestmark = [pytest.mark.vendor, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

MISTAKE, TRANSIENT = Verdict.MISTAKE, Verdict.TRANSIENT
BROKEN, THROTTLED = Verdict.BROKEN, Verdict.THROTTLED

HTTPX = {
    "ConnectTimeout": TRANSIENT,
    "ReadTimeout": TRANSIENT,
    "WriteTimeout": TRANSIENT,
    "PoolTimeout": TRANSIENT,
    "ConnectError": TRANSIENT,
    "ReadError": TRANSIENT,
    "WriteError": TRANSIENT,
    "CloseError": TRANSIENT,
    "ProxyError": TRANSIENT,
    "RemoteProtocolError": TRANSIENT,
    "LocalProtocolError": MISTAKE,
    "UnsupportedProtocol": MISTAKE,
    "InvalidURL": MISTAKE,
    "CookieConflict": MISTAKE,
    "DecodingError": BROKEN,
    "TooManyRedirects": BROKEN,
}
HTTPCORE = {
    name: HTTPX[name]
    for name in (
        "ConnectTimeout",
        "ReadTimeout",
        "WriteTimeout",
        "PoolTimeout",
        "ConnectError",
        "ReadError",
        "WriteError",
        "ProxyError",
        "RemoteProtocolError",
    )
}
MEANINGS: dict[str, dict[str, Verdict]] = {
    "httpx": HTTPX,
    "httpx2": HTTPX,
    "httpcore": HTTPCORE,
    "httpcore2": HTTPCORE,
    "botocore.exceptions": {
        "ConnectTimeoutError": TRANSIENT,
        "ReadTimeoutError": TRANSIENT,
        "EndpointConnectionError": TRANSIENT,
        "ConnectionClosedError": TRANSIENT,
        "ResponseStreamingError": TRANSIENT,
        "ProxyConnectionError": TRANSIENT,
        "HTTPClientError": TRANSIENT,
        "IncompleteReadError": TRANSIENT,
        "ChecksumError": TRANSIENT,
        "FlexibleChecksumError": TRANSIENT,
        "MetadataRetrievalError": TRANSIENT,
        "SSLError": BROKEN,
        "WaiterError": BROKEN,
        "PaginationError": BROKEN,
        "ParamValidationError": MISTAKE,
        "MissingParametersError": MISTAKE,
        "UnknownParameterError": MISTAKE,
        "NoCredentialsError": MISTAKE,
        "PartialCredentialsError": MISTAKE,
        "CredentialRetrievalError": MISTAKE,
        "NoRegionError": MISTAKE,
        "InvalidRegionError": MISTAKE,
        "ProfileNotFound": MISTAKE,
        "ConfigNotFound": MISTAKE,
        "UnknownServiceError": MISTAKE,
        "UnknownEndpointError": MISTAKE,
        "EndpointResolutionError": MISTAKE,
        "InvalidRetryModeError": MISTAKE,
        "SSOTokenLoadError": MISTAKE,
        "UnauthorizedSSOTokenError": MISTAKE,
        "NoAuthTokenError": MISTAKE,
        "OperationNotPageableError": MISTAKE,
        "UnseekableStreamError": MISTAKE,
    },
    "botocore.parsers": {"ResponseParserError": BROKEN},
    "stripe": {
        "APIConnectionError": TRANSIENT,
        "RateLimitError": THROTTLED,
        "APIError": BROKEN,
        "AuthenticationError": MISTAKE,
        "PermissionError": MISTAKE,
        "IdempotencyError": MISTAKE,
        "InvalidRequestError": MISTAKE,
        "CardError": MISTAKE,
        "SignatureVerificationError": MISTAKE,
        "StripeError": MISTAKE,
    },
    "stripe.oauth_error": {"InvalidGrantError": MISTAKE, "InvalidClientError": MISTAKE},
    "openai": {
        "APITimeoutError": TRANSIENT,
        "APIConnectionError": TRANSIENT,
        "RateLimitError": THROTTLED,
        "APIError": BROKEN,
        "APIResponseValidationError": BROKEN,
        "OpenAIError": MISTAKE,
        "LengthFinishReasonError": MISTAKE,
        "ContentFilterFinishReasonError": MISTAKE,
    },
    "anthropic": {
        "APITimeoutError": TRANSIENT,
        "APIConnectionError": TRANSIENT,
        "RateLimitError": THROTTLED,
        "APIError": BROKEN,
        "APIResponseValidationError": BROKEN,
        "AnthropicError": MISTAKE,
    },
    "slack_sdk.errors": {
        "SlackClientNotConnectedError": TRANSIENT,
        "SlackClientError": MISTAKE,
        "SlackRequestError": MISTAKE,
        "SlackObjectFormationError": MISTAKE,
        "SlackClientConfigurationError": MISTAKE,
        "BotUserAccessError": MISTAKE,
    },
    "github": {
        "RateLimitExceededException": THROTTLED,
        "RateLimitExceededExceedsMaxWait": THROTTLED,
    },
    "twilio.base.exceptions": {"TwilioException": MISTAKE},
    "google.auth.exceptions": {
        "TransportError": TRANSIENT,
        "TimeoutError": TRANSIENT,
        "RefreshError": MISTAKE,
        "DefaultCredentialsError": MISTAKE,
    },
    "urllib3.exceptions": {
        "ConnectTimeoutError": TRANSIENT,
        "ReadTimeoutError": TRANSIENT,
        "NewConnectionError": TRANSIENT,
        "NameResolutionError": TRANSIENT,
        "ProtocolError": TRANSIENT,
        "IncompleteRead": TRANSIENT,
        "InvalidChunkLength": TRANSIENT,
        "ProxyError": TRANSIENT,
        "SSLError": BROKEN,
        "DecodeError": BROKEN,
        "InvalidHeader": BROKEN,
        "LocationParseError": MISTAKE,
        "URLSchemeUnknown": MISTAKE,
        "ProxySchemeUnknown": MISTAKE,
    },
}


def bare(kind: Any) -> Any:
    """An exception as if raised, without what its constructor asks for."""
    return kind.__new__(kind)


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        pytest.param(module, name, verdict, id=f"{module}.{name}")
        for module, meanings in MEANINGS.items()
        for name, verdict in meanings.items()
    ],
)
def test_the_meaning_of_an_exception(module: str, name: str, verdict: Verdict) -> None:
    kind = getattr(pytest.importorskip(module), name, None)
    if kind is None:
        pytest.skip(f"this version of {module} has no {name}")
    assert judge(bare(kind)).verdict is verdict


@pytest.mark.parametrize(
    "module",
    ["openai", "anthropic", "stripe", "slack_sdk.errors", "httpx", "httpx2", "botocore.exceptions"],
)
def test_no_exception_of_a_known_sdk_is_unheard_of(module: str) -> None:
    namespace = vars(pytest.importorskip(module))
    own = {
        kind
        for kind in list(namespace.values())  # openai's loads its parts when they are looked at
        if isinstance(kind, type)
        and issubclass(kind, Exception)
        and not issubclass(kind, Warning)
        and kind.__module__.startswith(module.partition(".")[0])
    }
    # With an answer, or as the root of the others.
    told_by_status = {"HTTPError", "HTTPStatusError", "RequestError", "TransportError"}
    told_by_status |= {"ProtocolError", "SSEError", "ClientError", "EventStreamError"}
    unknown = {
        kind.__name__
        for kind in own
        if kind.__name__ not in told_by_status
        and judge(bare(kind)).verdict is BROKEN
        and not any(MEANINGS.get(module, {}).get(above.__name__) for above in kind.__mro__)
    }
    assert unknown <= {"UndefinedModelAttributeError", "MissingServiceIdError"} | webhooks(unknown)


def webhooks(names: set[str]) -> set[str]:
    """Errors of checks that send nothing."""
    return {name for name in names if "Webhook" in name}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(400, MISTAKE), (401, MISTAKE), (404, MISTAKE), (409, MISTAKE), (429, THROTTLED),
     (500, BROKEN), (502, TRANSIENT), (503, TRANSIENT), (504, TRANSIENT)],
)  # fmt: skip
def test_errors_of_twilio_and_google_are_judged_by_their_status(
    status: int, verdict: Verdict
) -> None:
    twilio = pytest.importorskip("twilio.base.exceptions")
    google = pytest.importorskip("google.api_core.exceptions")
    assert judge(twilio.TwilioRestException(status, "/x", "no")).verdict is verdict
    assert judge(google.from_http_status(status, "no")).verdict is verdict


def test_a_retry_of_google_that_ran_out_of_time_is_judged_by_its_last_failure() -> None:
    google = pytest.importorskip("google.api_core.exceptions")
    error = google.RetryError("timed out", google.ServiceUnavailable("no"))
    error.__cause__ = error.cause
    assert judge(error).verdict is TRANSIENT


def test_an_upload_that_failed_for_good_is_judged_by_its_last_failure() -> None:
    boto3 = pytest.importorskip("boto3.exceptions")
    botocore = pytest.importorskip("botocore.exceptions")
    error = boto3.RetriesExceededError(botocore.ReadTimeoutError(endpoint_url="x"))
    assert judge(error).verdict is TRANSIENT


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("throttlingException", THROTTLED),
        ("internalServerException", TRANSIENT),
        ("modelStreamErrorException", TRANSIENT),
        ("serviceUnavailableException", TRANSIENT),
    ],
)
def test_an_event_stream_of_aws_that_breaks_has_a_code_and_no_status(
    code: str, verdict: Verdict
) -> None:
    botocore = pytest.importorskip("botocore.exceptions")
    said = {"Error": {"Code": code, "Message": "no"}}
    assert judge(botocore.EventStreamError(said, "InvokeModel")).verdict is verdict


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("httpx", "ConnectError"),
        ("httpx", "ConnectTimeout"),
        ("httpx", "PoolTimeout"),
        ("httpx2", "ConnectError"),
        ("httpx2", "ConnectTimeout"),
        ("httpx2", "PoolTimeout"),
        ("botocore.exceptions", "EndpointConnectionError"),
        ("botocore.exceptions", "ConnectTimeoutError"),
        ("urllib3.exceptions", "NewConnectionError"),
    ],
)
def test_without_a_connection_nothing_was_sent(module: str, name: str) -> None:
    pytest.importorskip(module)
    assert never_left(bare(getattr(importlib.import_module(module), name)))
