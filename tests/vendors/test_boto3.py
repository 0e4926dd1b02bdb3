"""boto3 against moto's server, and against a vendor that throttles as AWS does."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from resilient import Verdict, fallback, retry, throttled
from resilient.testing import FakeClock, RecordedSteps, ScriptedVendor
from tests.vendors.judging import judged

pytestmark = [
    pytest.mark.vendor,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def client_of(service: str, url: str, **config: Any) -> Any:
    boto3 = pytest.importorskip("boto3")
    config_module = pytest.importorskip("botocore.config")
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id="AKIDTEST",
        aws_secret_access_key="not-a-secret",
        config=config_module.Config(**config),
    )


ONCE = {"retries": {"total_max_attempts": 1}}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The URL of moto's server."""
    server_module = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_healthy_client_is_left_alone(moto: str, steps: RecordedSteps) -> None:
    s3 = client_of("s3", moto)
    where = {"LocationConstraint": "eu-central-1"}

    @retry
    @throttled("1000/s")
    def keep(name: str, content: bytes) -> bytes:
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
        s3.put_object(Bucket=name, Key="a", Body=content)
        return s3.get_object(Bucket=name, Key="a")["Body"].read()

    assert keep("a-bucket", b"content") == b"content"
    assert steps.kinds() == []
    assert keep.resilient.stats()["exchanges"] == {"127.0.0.1": 3}


def test_what_does_not_exist_is_the_callers_mistake(moto: str) -> None:
    s3, table = client_of("s3", moto), client_of("dynamodb", moto)
    missing = [
        lambda: s3.get_object(Bucket="no-such-bucket", Key="a"),
        lambda: s3.head_bucket(Bucket="no-such-bucket"),
        lambda: table.get_item(TableName="nowhere", Key={"id": {"S": "1"}}),
        lambda: s3.get_object(Bucket="no-such-bucket", Key=None),
        lambda: table.no_such_operation(),
    ]
    assert [judged(read).outcome.verdict for read in missing] == [Verdict.MISTAKE] * len(missing)


def test_a_condition_that_does_not_hold_is_not_repeated(moto: str, steps: RecordedSteps) -> None:
    table = client_of("dynamodb", moto)
    table.create_table(
        TableName="once",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )

    @fallback("was there")
    @retry(idempotent=True)
    def put() -> str:
        table.put_item(
            TableName="once",
            Item={"id": {"S": "1"}},
            ConditionExpression="attribute_not_exists(id)",
        )
        return "new"

    assert [put(), put()] == ["new", "was there"]
    assert steps.kinds() == ["fallback"]


def test_a_managed_upload_names_the_failure_below_it(moto: str) -> None:
    s3 = client_of("s3", moto)
    call = judged(lambda: s3.upload_fileobj(io.BytesIO(b"content"), "no-such-bucket", "a"))
    assert call.outcome.verdict is Verdict.MISTAKE


def as_json(status: int, code: str) -> str:
    kind = "content-type=application/x-amz-json-1.0"
    said = f'{{"__type": "com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}}'
    return f"{status} json={said} {kind}"


def as_xml(status: int, code: str) -> str:
    said = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
    return f"{status} body='{said}' content-type=application/xml"


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (400, "ThrottlingException", Verdict.THROTTLED),
        (400, "Throttling", Verdict.THROTTLED),
        (400, "ThrottledException", Verdict.THROTTLED),
        (400, "RequestThrottledException", Verdict.THROTTLED),
        (400, "RequestThrottled", Verdict.THROTTLED),
        (400, "EC2ThrottledException", Verdict.THROTTLED),
        (400, "TooManyRequestsException", Verdict.THROTTLED),
        (400, "ProvisionedThroughputExceededException", Verdict.THROTTLED),
        (400, "TransactionInProgressException", Verdict.THROTTLED),
        (400, "RequestLimitExceeded", Verdict.THROTTLED),
        (400, "BandwidthLimitExceeded", Verdict.THROTTLED),
        (400, "LimitExceededException", Verdict.THROTTLED),
        (400, "PriorRequestNotComplete", Verdict.THROTTLED),
        (503, "ThrottlingException", Verdict.THROTTLED),
        (400, "RequestTimeout", Verdict.TRANSIENT),
        (400, "RequestTimeoutException", Verdict.TRANSIENT),
        (500, "InternalServerError", Verdict.BROKEN),
        (503, "ServiceUnavailable", Verdict.TRANSIENT),
        (400, "ValidationException", Verdict.MISTAKE),
        (400, "ConditionalCheckFailedException", Verdict.MISTAKE),
        (400, "ResourceNotFoundException", Verdict.MISTAKE),
        (400, "UnrecognizedClientException", Verdict.MISTAKE),
        (400, "ExpiredTokenException", Verdict.MISTAKE),
        (403, "AccessDeniedException", Verdict.MISTAKE),
    ],
)
def test_the_codes_of_dynamodb(status: int, code: str, verdict: Verdict) -> None:
    with ScriptedVendor(as_json(status, code)) as vendor:
        table = client_of("dynamodb", vendor.url, **ONCE)
        assert judged(table.list_tables).outcome.verdict is verdict


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (503, "SlowDown", Verdict.THROTTLED),
        (503, "RequestLimitExceeded", Verdict.THROTTLED),
        (503, "ServiceUnavailable", Verdict.TRANSIENT),
        (500, "InternalError", Verdict.BROKEN),
        (400, "RequestTimeout", Verdict.TRANSIENT),
        (403, "RequestTimeTooSkewed", Verdict.MISTAKE),
        (403, "SignatureDoesNotMatch", Verdict.MISTAKE),
        (403, "AccessDenied", Verdict.MISTAKE),
        (404, "NoSuchBucket", Verdict.MISTAKE),
        (409, "OperationAborted", Verdict.MISTAKE),
    ],
)
def test_the_codes_of_s3(status: int, code: str, verdict: Verdict) -> None:
    with ScriptedVendor(as_xml(status, code)) as vendor:
        s3 = client_of("s3", vendor.url, **ONCE)
        assert judged(s3.list_buckets).outcome.verdict is verdict


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        ("legacy", as_json(400, "ThrottlingException")),
        ("legacy", as_json(400, "ProvisionedThroughputExceededException")),
        ("standard", as_json(400, "ThrottlingException")),
        ("standard", as_json(400, "ProvisionedThroughputExceededException")),
        ("standard", as_json(503, "ThrottlingException")),
        # it waits for its own bucket in real time
        ("adaptive", as_json(503, "ThrottlingException")),
    ],
)
def test_throttled_tries_of_botocore_are_not_multiplied(
    mode: str, answer: str, clock: FakeClock, steps: RecordedSteps, sdk_sleeps: list[float]
) -> None:
    own = {"retries": {"total_max_attempts": 3, "mode": mode}}
    with ScriptedVendor(answer) as vendor:
        table = client_of("dynamodb", vendor.url, **own)
        with pytest.raises(Exception, match="Exception"):
            retry(attempts=5)(table.list_tables)()
        assert vendor.calls == 3
    assert "effective attempts 5 × 3 = 15: botocore" in steps.of("amplified")[0].text


def test_a_throttled_request_is_repeated_though_it_is_a_post(clock: FakeClock) -> None:
    ok = '200 json={"TableNames": []} content-type=application/x-amz-json-1.0'
    script = f"{as_json(400, 'ThrottlingException')}, {ok}"
    with ScriptedVendor(script) as vendor:
        table = client_of("dynamodb", vendor.url, **ONCE)
        assert retry(table.list_tables)()["TableNames"] == []
        assert vendor.calls == 2
    assert clock.total > 0


def test_an_unanswered_post_is_not_repeated(clock: FakeClock, steps: RecordedSteps) -> None:
    with ScriptedVendor("reset") as vendor:
        table = client_of("dynamodb", vendor.url, **ONCE)
        with pytest.raises(Exception, match="closed"):
            retry(table.list_tables)()
        assert vendor.calls == 1
    assert steps.kinds() == ["retry_refused"]
