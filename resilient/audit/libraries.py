"""Which libraries and SDKs call vendors, by what names, and whether they time out by themselves.

The defaults are those of each library's documentation; where it is silent, its source.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Library(NamedTuple):
    """How one library sends requests.

    functions: dotted names that send. clients: dotted names that make a client.
    sends: methods of a client that send, None for all but the quiet ones.
    quiet: methods that send nothing.
    times_out: has it a timeout unless told otherwise?
    timeout_at: the timeout's place among the arguments of a function, or of a `.method`.
    timeout_names: keywords of a constructor or call that settle the timeout.
    clients_time_out: does a client's constructor take a timeout?
    is_fluent: what its sending methods return goes on sending; what the others return always does.
    """

    name: str
    functions: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    sends: frozenset[str] | None = None
    quiet: frozenset[str] = frozenset()
    times_out: bool = True
    timeout_at: Mapping[str, int] = MappingProxyType({})
    timeout_names: tuple[str, ...] = ("timeout",)
    clients_time_out: bool = True
    is_fluent: bool = False


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def _names(module: str, names: str) -> frozenset[str]:
    return frozenset(f"{module}.{name}" for name in words(names))


VERBS = words("get post put patch delete head options request")

_QUIET = words(
    "close copy with_options with_raw_response with_streaming_response can_paginate "
    "get_paginator get_waiter generate_presigned_url generate_presigned_post "
    "construct_event verify_header items keys values"
)

REQUESTS = Library(
    "requests",
    functions=_names("requests", " ".join(VERBS)),
    clients=_names("requests", "Session session")
    | _names("requests_cache", "CachedSession")
    | _names("requests_oauthlib", "OAuth1Session OAuth2Session")
    | _names("requests_toolbelt.sessions", "BaseUrlSession"),
    sends=VERBS | {"send"},
    times_out=False,
    # Session.request(method, url, params, data, headers, cookies, files, auth, timeout)
    timeout_at={".request": 8},
    clients_time_out=False,
)

URLLIB = Library(
    "urllib",
    functions=_names("urllib.request", "urlopen urlretrieve"),
    clients=_names("urllib.request", "build_opener OpenerDirector"),
    sends=frozenset({"open"}),
    times_out=False,
    timeout_at={"urllib.request.urlopen": 2, ".open": 2},
    clients_time_out=False,
)

HTTP_CLIENT = Library(
    "http.client",
    clients=_names("http.client", "HTTPConnection HTTPSConnection"),
    sends=frozenset({"request", "connect", "endheaders"}),
    times_out=False,
    timeout_at={"http.client.HTTPConnection": 2},
)

URLLIB3 = Library(
    "urllib3",
    functions=_names("urllib3", "request"),
    clients=_names(
        "urllib3",
        "PoolManager ProxyManager HTTPConnectionPool HTTPSConnectionPool connection_from_url "
        "proxy_from_url",
    ),
    sends=words("request urlopen request_encode_url request_encode_body"),
    times_out=False,
)

HTTPLIB2 = Library(
    "httplib2",
    clients=_names("httplib2", "Http"),
    sends=frozenset({"request"}),
    times_out=False,
    timeout_at={"httplib2.Http": 1},
)


def _httpx(module: str) -> Library:
    return Library(
        module,
        functions=_names(module, " ".join([*VERBS, "stream"])),
        clients=_names(module, "Client AsyncClient"),
        sends=VERBS | {"send", "stream"},
    )


HTTP_LIBRARIES = (
    REQUESTS,
    URLLIB,
    HTTP_CLIENT,
    URLLIB3,
    HTTPLIB2,
    _httpx("httpx"),
    _httpx("httpx2"),
)

_BOTO = Library(
    "boto3",
    clients=_names("boto3", "client resource") | _names("boto3.session.Session", "client resource"),
    quiet=_QUIET | {"get_available_subresources"},
    timeout_names=("timeout", "config"),
)
_TWILIO = Library(
    "twilio",
    clients=_names("twilio.rest", "Client TwilioClient"),
    quiet=_QUIET,
    # TwilioHttpClient(timeout=None)
    times_out=False,
    timeout_names=("timeout", "http_client"),
)
_SENDGRID = Library(
    "sendgrid",
    clients=_names("sendgrid", "SendGridAPIClient sendgrid.SendGridAPIClient"),
    quiet=_QUIET,
    # python_http_client.Client(timeout=None)
    times_out=False,
)
_GITHUB = Library(
    "github",
    clients=_names("github", "Github GithubIntegration"),
    quiet=_QUIET,
    is_fluent=True,
)
_DISCOVERY = Library(
    "googleapiclient",
    clients=_names("googleapiclient.discovery", "build build_from_document"),
    sends=frozenset({"execute", "next_chunk"}),
    is_fluent=True,
)
_GOOGLE_CLOUD = Library("google.cloud", quiet=_QUIET | {"bucket", "blob"}, is_fluent=True)
_AZURE = Library(
    "azure",
    quiet=_QUIET | words("get_blob_client get_container_client get_queue_client"),
    is_fluent=True,
)


def _sdk(name: str, clients: str, module: str = "") -> Library:
    return Library(name, clients=_names(module or name, clients), quiet=_QUIET)


SDKS = (
    _BOTO,
    _TWILIO,
    _SENDGRID,
    _GITHUB,
    _DISCOVERY,
    _GOOGLE_CLOUD,
    _AZURE,
    _sdk("stripe", "StripeClient"),
    _sdk("openai", "OpenAI AzureOpenAI AsyncOpenAI AsyncAzureOpenAI Client"),
    _sdk("anthropic", "Anthropic AsyncAnthropic AnthropicBedrock AnthropicVertex Client"),
    _sdk("slack_sdk", "WebClient WebhookClient web.WebClient webhook.WebhookClient"),
    _sdk("slack", "WebClient WebhookClient"),
    _sdk("google.genai", "Client"),
    _sdk("google.generativeai", "GenerativeModel"),
    _sdk("gitlab", "Gitlab")._replace(is_fluent=True),
    _sdk("jira", "JIRA")._replace(is_fluent=True),
    _sdk("notion_client", "Client"),
    _sdk("cohere", "Client ClientV2"),
    _sdk("groq", "Groq"),
    _sdk("mistralai", "Mistral"),
    _sdk("hubspot", "HubSpot Client"),
    _sdk("atlassian", "Jira Confluence Bitbucket"),
    _sdk("mailchimp_marketing", "Client"),
    _sdk("mailchimp_transactional", "Client"),
    _sdk("zenpy", "Zenpy")._replace(is_fluent=True),
    _sdk("simple_salesforce", "Salesforce")._replace(is_fluent=True),
    _sdk("tweepy", "API Client"),
    _sdk("square", "Square"),
    Library("resend", quiet=_QUIET),
    Library("braintree", quiet=_QUIET),
    Library("shopify", quiet=_QUIET),
)

_BY_FUNCTION = {name: library for library in HTTP_LIBRARIES for name in library.functions}
_BY_CLIENT = {name: library for library in (*HTTP_LIBRARIES, *SDKS) for name in library.clients}
# SDKs whose classes or modules send by themselves: stripe.Charge.create(…)
_STATIC = {
    library.name: library
    for library in SDKS
    if library.name in ("stripe", "openai", "resend", "braintree", "shopify")
}
_SENDING_MODULES = words(
    "chat completions embeddings images audio moderations models files responses batches"
)

# The same thing by another name.
_ALIASES = (
    (re.compile(r"^(?:pip\._vendor|botocore\.vendored|six\.moves)\."), ""),
    (re.compile(r"^requests\.(?:api|sessions)\."), "requests."),
    (re.compile(r"^httpx(2?)\._(?:api|client)\."), r"httpx\1."),
    (re.compile(r"^urllib3\.(?:poolmanager|connectionpool)\."), "urllib3."),
    (re.compile(r"^requests_cache\.session\."), "requests_cache."),
    (re.compile(r"^boto3\.(?:Session|session\.Session)\."), "boto3.session.Session."),
    (re.compile(r"^botocore\.session\.(?:get_session|Session)\.create_client$"), "boto3.client"),
    (re.compile(r"^github\.MainClass\."), "github."),
    (re.compile(r"^slack_sdk\.(?:web|webhook)(?:\.client)?\."), "slack_sdk."),
)

_POLICIES = words("service fallback cached retry breaker throttled bulkhead")

_FACTORY = re.compile(r"\.from_\w+$")

ROOTS = frozenset(
    name.partition(".")[0]
    for library in (*HTTP_LIBRARIES, *SDKS)
    for name in (library.name, *library.functions, *library.clients)
) | {"botocore", "pip", "resilient", "six", "ssl"}
"""What a file imports, one of them, that there is something to say about."""


MAKERS = {name.rpartition(".")[2] for name in _BY_CLIENT} | _POLICIES
"""By what names clients and policies are made."""


def canonical(path: str) -> str:
    """The documented name of something imported."""
    for pattern, name in _ALIASES:
        path = pattern.sub(name, path)
    return path


def client_of(path: str) -> Library | None:
    """The library whose client a call of this makes."""
    path = _FACTORY.sub("", path)
    found = _BY_CLIENT.get(path)
    if found is None and path.endswith("Client"):
        if path.startswith("google.cloud."):
            return _GOOGLE_CLOUD
        if path.startswith("azure."):
            return _AZURE
    return found


def function_of(path: str) -> Library | None:
    """The library that sends a request when this is called."""
    found = _BY_FUNCTION.get(path)
    if found is not None:
        return found
    root, *middle = path.split(".")
    last = middle.pop() if middle else ""
    library = _STATIC.get(root)
    if library is None or not middle or last in library.quiet or not last[:1].islower():
        return None
    is_resource = middle[-1][:1].isupper() and not middle[-1].endswith(("Error", "Client"))
    is_resource = is_resource and middle[-1] not in ("Webhook", "WebhookSignature")
    return library if is_resource or middle[0] in _SENDING_MODULES else None


def is_sending(library: Library, chain: str) -> bool:
    """Does a client send when this, hanging on it, is called?"""
    method = chain.rpartition(".")[2]
    if library.sends is not None:
        # Not session.cookies.get; but google's service.files().list().execute.
        return method in library.sends and (library.is_fluent or method == chain)
    # A boto3 resource's classes, Bucket("name"), only name things.
    return bool(method) and method not in library.quiet and method[:1].islower()


def is_policy(path: str) -> bool:
    """Is this one of resilient's decorators?"""
    return path.startswith("resilient.") and path.rpartition(".")[2] in _POLICIES
