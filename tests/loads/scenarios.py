"""The loads: a server, the threads that call it, and what has to hold."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import requests

from resilient import throttled
from resilient.policies.throttled import Throttled
from tests.loads.aws import boto3_load
from tests.loads.dialects import DIALECTS
from tests.loads.driving import US, Client, Work, client, drive
from tests.loads.figures import Figures, figures_of
from tests.loads.pauses import pause_ends
from tests.loads.quotas import QuotaSpec
from tests.loads.server import ServerSpec
from tests.loads.vendors import NGINX, Vendor, running, running_nginx

THREADS = 8
RATE = "100 per 2 s"
FIXED = QuotaSpec("fixed", 100, 2.0)
SLIDING = QuotaSpec("sliding", 100, 2.0)
LEARNING = 10.0
"""Seconds in which a rate that no header tells may be looked for."""

Aims = Callable[[Figures], None]


@dataclass(frozen=True)
class Load:
    """run: takes seconds. seconds: how long by default, after what it takes to get there."""

    name: str
    group: str
    run: Callable[[str, float], Figures]
    seconds: float = 10.0


def full(one: Figures) -> None:
    """No 429, and the quota used."""
    one.no_429()
    one.use(0.95)
    one.all_pass()


def learned(one: Figures) -> None:
    """One 429 at most, while the quota is not known yet."""
    one.one_429()
    one.aim(not one.refused, f"{one.refused} calls refused by @throttled; aim: none")


def shared(one: Figures) -> None:
    """What others leave is used, too."""
    learned(one)
    one.use(0.9)


def few(one: Figures, use: float) -> None:
    """Few 429s once there was time to find the rate, and that rate used."""
    share = one.late / max(1, one.sent - one.early)
    one.notes.append(f"{share:.1%} of the requests turned away after {LEARNING:g} s")
    one.aim(share < 0.05, f"{share:.1%} of them turned away; aim: under 5 %")
    one.use(use)


def plain(vendor: Vendor, http: Client, policy: Throttled) -> list[Work]:
    """Each thread calls one function that sends one request."""
    return [policy(http.get)] * THREADS


def with_requests(vendor: Vendor, http: Client, policy: Throttled) -> list[Work]:
    """As `plain`, with a requests.Session a thread."""

    @policy
    def fetch(session: requests.Session) -> None:
        session.get(vendor.url, headers={"X-Client": US}).raise_for_status()

    return [partial(fetch, requests.Session()) for _ in range(THREADS)]


def paging(vendor: Vendor, http: Client, policy: Throttled) -> list[Work]:
    """Each call sends 1 to 7 requests."""

    def pages() -> None:
        for _ in range(random.randint(1, 7)):
            http.get()

    return [policy(pages)] * THREADS


def _load(
    name: str,
    seconds: float,
    *,
    spec: ServerSpec,
    aims: Aims,
    rates: Sequence[str] = (),
    works: Callable[[Vendor, Client, Throttled], list[Work]] = plain,
) -> Figures:
    with running(spec) as vendor, client(vendor.port) as http:
        driven = drive(works(vendor, http, throttled(*rates)), seconds)
        figures = figures_of(name, driven, vendor.hits(), spec.quotas[0])
    aims(figures)
    return figures


def _find_rate(
    name: str, seconds: float, *, spec: ServerSpec | None, quota: QuotaSpec, aims: Aims
) -> Figures:
    """Learn without headers; only what comes after LEARNING is measured. spec None: nginx."""
    if spec is None and NGINX is None:
        return Figures(name, seconds, skipped="nginx is not installed (Debian: nginx-light)")
    server = running(spec) if spec else running_nginx(round(quota.rate), quota.burst)
    with server as vendor, client(vendor.port) as http:
        driven = drive(plain(vendor, http, throttled()), LEARNING + seconds)
        driven.began += LEARNING
        figures = figures_of(
            name, driven, vendor.hits(), quota, later=lambda hit: hit.at >= driven.began
        )
    found = (figures.used or 0.0) * quota.rate
    figures.notes.append(f"{found:.1f} requests/s admitted of {quota.rate:g} allowed")
    figures.whole = None
    aims(figures)
    return figures


def _resources(name: str, seconds: float, *, named: bool) -> Figures:
    """Two resources of one service: a small quota must not hold up the large one.

    Half of the threads search (10 per 2 s), the others read (100 per 2 s), through one policy.
    """
    names = ("search", "core") if named else ("", "")
    small = QuotaSpec("fixed", 10, 2.0, path="/search", resource=names[0])
    large = QuotaSpec("fixed", 100, 2.0, path="/core", resource=names[1])
    spec = ServerSpec((small, large), dialect="x-delta-float")
    policy = throttled()
    with running(spec) as vendor, client(vendor.port) as http:

        @policy
        def search() -> int:
            return http.get("/search")

        @policy
        def read() -> int:
            return http.get("/core")

        driven = drive([search, read] * (THREADS // 2), seconds)
        hits = vendor.hits()
        figures = figures_of(name, driven, hits, large)
        other = figures_of(name, driven, hits, small)
    figures.notes.append(
        f"of the small quota {other.used or 0:.1%} used, 429s {other.early} and {other.late} later"
    )
    figures.early += other.early
    figures.late += other.late
    figures.aim(figures.early <= 2, f"{figures.early} early 429s; aim: one per quota at most")
    figures.aim(not figures.late, f"{figures.late} answers 429 after the first window; aim: none")
    figures.use(0.95)
    return figures


def _all() -> list[Load]:
    def load(group: str, name: str, **options: object) -> None:
        loads.append(Load(f"{group}-{name}", group, partial(_load, **options)))  # type: ignore[arg-type]

    loads: list[Load] = []
    shapes = {
        "fixed-start": ServerSpec((replace(FIXED, age=0.0),)),
        "fixed-early": ServerSpec((replace(FIXED, age=0.35),)),
        "fixed-late": ServerSpec((replace(FIXED, age=0.85),)),
        "fixed-any": ServerSpec((FIXED,)),
        "first": ServerSpec((replace(FIXED, kind="first"),)),
        "sliding": ServerSpec((SLIDING,)),
        "fixed-slow": ServerSpec((replace(FIXED, age=0.5),), before=0.03),
        "sliding-slow": ServerSpec((SLIDING,), before=0.015, after=0.015),
    }
    for name, spec in shapes.items():
        load("told", name, spec=spec, aims=full, rates=(RATE,))
    for dialect in DIALECTS[1:]:
        # Half a second from where whole seconds round exactly.
        fixed = replace(FIXED, fraction=0.5)
        for shape, quota in (("fixed", fixed), ("sliding", SLIDING)):
            spec = ServerSpec((quota,), dialect)
            load("learned", f"{dialect}-{shape}", spec=spec, aims=learned)
    spec = ServerSpec((FIXED,), "ietf")
    load("learned", "requests-fixed", spec=spec, aims=learned, works=with_requests)
    slow = ServerSpec((FIXED,), "x-delta-float", "ceil", before=0.015, after=0.015)
    load("learned", "slow-fixed", spec=slow, aims=learned)
    load("learned", "slow-sliding", spec=replace(slow, quotas=(SLIDING,)), aims=learned)
    for shape, quota in (("fixed", FIXED), ("sliding", SLIDING)):
        for spending in ("evenly", "bursts"):
            spec = ServerSpec((quota,), "x-delta-float", spends=0.5, spending=spending)
            name = f"{shape}-{spending}"
            load("shared", f"told-{name}", spec=spec, aims=shared, rates=(RATE,))
            load("shared", f"learned-{name}", spec=spec, aims=shared)
    for name in ("fixed-any", "sliding", "sliding-slow"):
        load("paging", name, spec=shapes[name], aims=full, rates=(RATE,), works=paging)
    for named in (True, False):
        name = "resources-named" if named else "resources-unnamed"
        loads.append(Load(name, "resources", partial(_resources, named=named)))
    bucket = QuotaSpec("bucket", 50, 1.0)
    # Without a burst, two requests that come a moment too close are one too many.
    for name, quota, use in (("", bucket, 0.3), ("-burst", replace(bucket, burst=5), 0.7)):
        found = partial(_find_rate, quota=quota, aims=partial(few, use=use))
        loads.append(Load(f"nginx{name}", "silent", partial(found, spec=None)))
        loads.append(Load(f"bucket{name}", "silent", partial(found, spec=ServerSpec((quota,)))))
    spec, aims = ServerSpec((FIXED,)), partial(few, use=0.5)
    window = partial(_find_rate, quota=FIXED, aims=aims, spec=spec)
    loads.append(Load("silent-fixed", "silent", window))
    for name, burst in (("boto3-steady", 4), ("boto3-burst", 19)):
        loads.append(Load(name, "boto3", partial(boto3_load, burst=burst), seconds=30))
    loads.append(Load("pause-untold", "pauses", pause_ends))
    loads.append(Load("pause-told", "pauses", partial(pause_ends, rates=(RATE,))))
    return loads


LOADS = {load.name: load for load in _all()}
assert not LOADS.keys() & {load.group for load in LOADS.values()}  # or a name would mean several
