from __future__ import annotations

import pytest

from resilient.http.secret_names import is_credential, says_who


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "AUTHORIZATION", "Proxy-Authorization", "X-Authorization", "Cookie"),
        *("X-API-Key", "api-key", "apikey", "X-ApiKey", "DD-API-KEY", "DD-APPLICATION-KEY"),
        *("X-Auth-Token", "X-Access-Token", "Private-Token", "JOB-TOKEN", "X-Vault-Token"),
        *("X-Amz-Security-Token", "Ocp-Apim-Subscription-Key", "X-Auth-Key", "X-Functions-Key"),
        *("X-RapidAPI-Key", "X-Goog-Api-Key", "xi-api-key", "x-key", "X-Client-Secret"),
        *("X-Hub-Signature-256", "CB-ACCESS-KEY", "KC-API-PASSPHRASE", "X-Auth", "X-Session-Id"),
    ],
)
def test_a_header_that_holds_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_credential(name)
    assert says_who(name)


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "key", "token", "access_token", "accessToken", "auth", "sig"),
        *("signature", "X-Amz-Signature", "X-Amz-Credential", "AWSAccessKeyId", "client_secret"),
        *("password", "password2", "pwd", "jwt", "api_sig", "appid", "sid", "PHPSESSID"),
        *("jsessionid", "auth[token]", "session", "hmac", "otp", "db_pass"),
    ],
)
def test_a_parameter_that_holds_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_credential(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Accept", "Host", "User-Agent", "Content-Type", "If-None-Match", "Range", "Date", ""),
        *("Idempotency-Key", "X-Idempotency-Key", "Sec-WebSocket-Key", "X-Request-Id"),
        *("page", "q", "pageToken", "next_token", "nextPageToken", "continuation-token"),
        *("sync_token", "sort_key", "partitionKey", "token_count", "max_tokens", "keyword"),
        *("monkey", "x-monkey", "compass", "design", "author", "tokenizer", "key_id", "state"),
    ],
)
def test_what_names_no_secret_is_no_credential(name: str) -> None:
    assert not is_credential(name)
    assert not says_who(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Stripe-Account", "X-Tenant-Id", "OpenAI-Organization", "X-Account-ID", "Sudo"),
        *("X-On-Behalf-Of", "X-Forwarded-User", "X-MS-Client-Principal", "X-User-Id", "user"),
        *("Api-Username", "X-Redmine-Switch-User", "Dropbox-API-Select-User", "X-PW-UserEmail"),
        *("X-Scope-OrgID", "X-Grafana-Org-Id", "login-customer-id", "OpenAI-Project", "X-Team"),
        *("X-Forwarded-Client-Cert", "X-SSL-Client-S-DN", "X-Honeycomb-Team", "X-MAL-CLIENT-ID"),
    ],
)
def test_a_header_may_say_whose_data_is_asked_for_without_a_secret(name: str) -> None:
    assert says_who(name)
    assert not is_credential(name)


@pytest.mark.parametrize("name", ["X-Session", "X-Sid", "Bearer", "License-Key", "Client-Key"])
def test_a_header_that_no_log_should_show_says_who_asks(name: str) -> None:
    assert says_who(name)


@pytest.mark.parametrize(
    "name", ["User-Agent", "X-Superuser-Mode", "X-Steam", "X-Cyborg", "X-Valid", "X-B3-TraceId"]
)
def test_what_only_sounds_like_somebody_is_nobody(name: str) -> None:
    assert not says_who(name)


def test_a_name_of_any_length_is_known_by_its_end() -> None:
    assert is_credential("x" * 100_000 + "_token")
    assert not is_credential("token_" + "x" * 100_000)
