"""boto3 against a server that throttles as AWS does: its own adaptive mode, and resilient."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from resilient import retry, throttled
from tests.loads.driving import Work, drive
from tests.loads.figures import Figures, figures_of
from tests.loads.quotas import QuotaSpec
from tests.loads.server import ServerSpec
from tests.loads.vendors import Vendor, running

THREADS = 8
QUOTA = QuotaSpec("bucket", 20, 1.0)


def boto3_load(name: str, seconds: float, *, burst: int) -> Figures:
    """Both in turn, each against a server of its own; the line of the table is resilient's.

    burst: how many more than one request the server's bucket holds.
    """
    quota = replace(QUOTA, burst=burst)
    if find_spec("boto3") is None:
        return Figures(name, seconds, skipped="boto3 is not installed")
    adaptive = _load(f"{name} adaptive", seconds, quota, adaptive=True)
    ours = _load(name, seconds, quota, adaptive=False)
    per_second = ours.sent / seconds, adaptive.sent / seconds
    ours.notes.append(
        f"{per_second[0]:.1f} requests/s, of them {_admitted(ours) / seconds:.1f} admitted; "
        f"{ours.failed + ours.refused} of {ours.calls} calls failed"
    )
    ours.notes.append(
        f"botocore's adaptive mode: {per_second[1]:.1f} requests/s, of them "
        f"{_admitted(adaptive) / seconds:.1f} admitted; {adaptive.failed} of {adaptive.calls} "
        "calls failed"
    )
    ours.aim(
        per_second[0] <= per_second[1],
        f"{per_second[0]:.1f} requests/s; aim: at most the adaptive mode's {per_second[1]:.1f}",
    )
    failed = ours.failed + ours.refused
    ours.aim(
        failed <= adaptive.failed,
        f"{failed} calls failed; aim: {adaptive.failed} of the adaptive mode at most",
    )
    return ours


def _admitted(one: Figures) -> int:
    return one.sent - one.early - one.late


def _load(name: str, seconds: float, quota: QuotaSpec, *, adaptive: bool) -> Figures:
    with running(ServerSpec((quota,), protocol="aws")) as vendor:
        kms = _client(vendor, adaptive=adaptive)
        work: Work = kms.list_keys
        if not adaptive:
            work = retry()(throttled()(kms.list_keys))
        driven = drive([work] * THREADS, seconds)
        kms.close()
        return figures_of(name, driven, vendor.hits(), quota)


def _client(vendor: Vendor, *, adaptive: bool) -> Any:
    import boto3
    from botocore.config import Config

    # Without retries of its own, so that those of resilient are all there are.
    retries = {"mode": "adaptive"} if adaptive else {"mode": "standard", "total_max_attempts": 1}
    return boto3.client(
        "kms",
        endpoint_url=vendor.url,
        region_name="eu-west-1",
        aws_access_key_id="invented",
        aws_secret_access_key="invented",
        config=Config(retries=retries, max_pool_connections=THREADS),
    )
