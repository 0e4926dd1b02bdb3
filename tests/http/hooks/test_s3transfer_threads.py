"""boto3's managed transfers, which work on threads of their own, against a loopback S3."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from resilient.call import Call, Gate, current
from resilient.errors import DeadlineExceeded, RateLimited
from resilient.http import observe
from tests.http.loopback import LOCAL, opened

pytestmark = [pytest.mark.vendor, pytest.mark.usefixtures("observing")]

MEGABYTE = 1024 * 1024
DATA = bytes(range(256)) * (13 * MEGABYTE // 256)  # two parts of 5 MB and one of 3 MB


boto3 = pytest.importorskip("boto3")
BotoCoreError = pytest.importorskip("botocore.exceptions").BotoCoreError
Config = pytest.importorskip("botocore.config").Config


class Bucket(BaseHTTPRequestHandler):
    """What a multipart upload and a ranged download need of S3."""

    protocol_version = "HTTP/1.1"
    objects: ClassVar[dict[str, bytes]] = {}
    parts: ClassVar[dict[int, bytes]] = {}
    # Guards `busy` (statuses to answer with before anything else).
    lock = threading.Lock()
    busy: ClassVar[list[int]] = []

    def handle_expect_100(self) -> bool:
        with self.lock:
            refused = self.busy.pop() if self.busy else None
        if refused is None:
            return super().handle_expect_100()
        self.close_connection = True
        self.answer(status=refused)
        return False

    def do_POST(self) -> None:
        self.body()
        if "uploadId" not in self.path:
            self.answer(b"<R><UploadId>1</UploadId></R>")
        else:
            self.objects[self.path.partition("?")[0]] = b"".join(
                self.parts[number] for number in sorted(self.parts)
            )
            self.answer(b"<R><ETag>1</ETag></R>")

    def do_PUT(self) -> None:
        data = self.body()
        number = re.search("partNumber=([0-9]+)", self.path)
        if number:
            self.parts[int(number[1])] = data
        else:
            self.objects[self.path] = data
        self.answer(headers={"ETag": "1"})

    def do_HEAD(self) -> None:
        self.answer(self.objects[self.path])

    def do_GET(self) -> None:
        data = self.objects[self.path]
        first, last = re.findall("[0-9]+", self.headers["Range"] + f"-{len(data) - 1}")[:2]
        told = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        self.answer(data[int(first) : int(last) + 1], status=206, headers=told)

    def body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        # aws-chunked, without its trailing checksums
        data = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue
        return data

    def answer(
        self, data: bytes = b"", *, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {
            "ETag": "1",
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def client_at(port: int) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=f"http://{LOCAL}:{port}",
        region_name="us-east-1",
        aws_access_key_id="invented",
        aws_secret_access_key="invented",
        config=Config(
            s3={"addressing_style": "path"},
            retries={"total_max_attempts": 2, "mode": "standard"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@pytest.fixture
def s3() -> Iterator[Any]:
    for cleared in (Bucket.objects, Bucket.parts, Bucket.busy):
        cleared.clear()
    with ThreadingHTTPServer((LOCAL, 0), Bucket) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        with contextlib.closing(client_at(server.server_port)) as client:
            yield client
        server.shutdown()
        serving.join()


@pytest.fixture
def transfer() -> Any:
    transfers = pytest.importorskip("boto3.s3.transfer")
    return transfers.TransferConfig(
        multipart_threshold=5 * MEGABYTE,
        multipart_chunksize=5 * MEGABYTE,
        max_concurrency=4,
        preferred_transfer_client="classic",
    )


class Counting(Gate):
    """Counts the requests that ask it, and refuses with `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked = 0
        self.answers = 0
        self.error = error
        self.lock = threading.Lock()

    def next_request(self, call: Call) -> None:
        with self.lock:
            self.asked += 1
        if self.error is not None:
            raise self.error

    def answered(self, call: Call, exchange: Any) -> None:
        with self.lock:
            self.answers += 1


def test_every_request_of_a_transfer_is_admitted_filed_and_told_of(
    s3: Any, transfer: Any, tmp_path: Path
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(DATA)
    gate = Counting()
    with opened(gates=(gate,), deadline=60) as call:
        s3.upload_file(str(source), "bucket", "key", Config=transfer)
        uploaded = [exchange.method for exchange in call.exchanges]
        s3.download_file("bucket", "key", str(target), Config=transfer)
    assert target.read_bytes() == DATA
    assert sorted(uploaded) == ["POST", "POST", "PUT", "PUT", "PUT"]
    downloaded = [exchange.method for exchange in call.exchanges[5:]]
    assert downloaded.count("GET") == 3
    assert set(downloaded) <= {"HEAD", "GET"}
    assert {exchange.status for exchange in call.exchanges} <= {200, 206}
    assert gate.answers == len(call.exchanges)
    assert gate.asked == len(call.exchanges) - 1  # the first came with the call's admission
    assert observe.errors == 0


def test_a_transfer_outside_a_call_is_left_alone(s3: Any, transfer: Any, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    with opened() as call:
        pass
    s3.upload_file(str(tmp_path / "source"), "bucket", "key", Config=transfer)
    assert not call.exchanges
    assert Bucket.objects["/bucket/key"] == DATA


def test_a_refusal_on_one_of_the_threads_reaches_the_caller_as_it_is(
    s3: Any, transfer: Any, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(DATA)
    refusal = RateLimited("vendor: no room", retry_after=3)
    gate = Counting(refusal)
    with (
        opened(gates=(gate,), admitted=False) as call,
        pytest.raises(RateLimited) as caught,
    ):
        s3.put_object(Bucket="bucket", Key="key", Body=b"small")
    assert caught.value is refusal
    assert gate.asked == 1  # botocore did not try again
    assert not call.exchanges


def test_a_deadline_reaches_the_threads(s3: Any, transfer: Any, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    with opened(deadline=-1) as call, pytest.raises(DeadlineExceeded):
        s3.upload_file(str(tmp_path / "source"), "bucket", "key", Config=transfer)
    assert not call.exchanges
    assert not Bucket.parts


def test_the_deadline_cuts_off_a_vendor_that_hangs_in_its_interim_answer() -> None:
    over = threading.Event()

    def answer(listener: socket.socket) -> None:
        with listener.accept()[0] as line:
            line.recv(65536)
            line.sendall(b"HTTP/1.1 1")
            over.wait(60)

    with socket.create_server((LOCAL, 0)) as listener:
        answering = threading.Thread(target=answer, args=(listener,))
        answering.start()
        started = time.monotonic()
        with contextlib.closing(client_at(listener.getsockname()[1])) as client:
            with opened(deadline=2) as call, pytest.raises((OSError, BotoCoreError)):
                client.put_object(Bucket="bucket", Key="key", Body=b"small")
        assert time.monotonic() - started < 20
        assert [exchange.status for exchange in call.exchanges] == [None]
        over.set()
        answering.join()


def test_a_try_of_botocores_own_shows_as_an_exchange(s3: Any) -> None:
    Bucket.busy.append(503)
    with opened() as call:
        s3.put_object(Bucket="bucket", Key="key", Body=b"small")
    assert [exchange.status for exchange in call.exchanges] == [503, 200]
    assert Bucket.objects["/bucket/key"] == b"small"
    assert observe.errors == 0


class Task:
    """As much of a task as BoundedExecutor needs; `work` runs on its thread."""

    transfer_id = 1

    def __init__(self, work: Any) -> None:
        self.work = work

    def __call__(self, *_: object) -> Any:
        return self.work()


@pytest.fixture
def executor() -> Iterator[Any]:
    futures = pytest.importorskip("s3transfer.futures")
    made = futures.BoundedExecutor(max_size=10, max_num_threads=2)
    yield made
    made.shutdown()


def test_a_task_runs_with_the_call_it_was_submitted_in_and_leaves_none_behind(
    executor: Any,
) -> None:
    with opened() as call:
        assert executor.submit(Task(current.get)).result() is call
    assert [executor.submit(Task(current.get)).result() for _ in range(4)] == [None] * 4


def test_a_task_submitted_by_a_task_belongs_to_the_same_call(executor: Any) -> None:
    with opened() as call:
        inner = executor.submit(Task(lambda: executor.submit(Task(current.get)))).result()
        assert inner.result() is call


def test_a_task_that_runs_when_its_call_has_ended_runs_in_none(executor: Any) -> None:
    go_on = threading.Event()
    for _ in range(2):  # both threads are busy
        executor.submit(Task(lambda: go_on.wait(30)))
    with opened():
        late = executor.submit(Task(current.get))
    go_on.set()
    assert late.result() is None


def test_a_task_that_fails_leaves_no_call_behind(executor: Any) -> None:
    def fail() -> None:
        raise ValueError("as it was")

    with opened():
        failing = [executor.submit(Task(fail)) for _ in range(4)]
        for future in failing:
            with pytest.raises(ValueError, match="as it was"):
                future.result()
    assert [executor.submit(Task(current.get)).result() for _ in range(4)] == [None] * 4
