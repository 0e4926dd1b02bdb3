"""What @throttled makes of servers that enforce their quotas: one load for each promise.

`python -m tests.loads` has them all, and the options to tune with.
"""

from __future__ import annotations

from tests.loads.figures import HEADER, line_of
from tests.loads.running import side_by_side
from tests.loads.scenarios import LOADS

CHOSEN = (
    "told-fixed-any",
    "told-sliding",
    "learned-x-epoch-ceil-fixed",
    "learned-ietf-sliding",
    "shared-learned-fixed-evenly",
    "paging-fixed-any",
    "nginx",
    "boto3-steady",
)


def print_loads(seconds: float) -> None:
    """Print their table; each is measured for so many seconds."""
    print(f"\n{HEADER}", flush=True)
    for figures in side_by_side([LOADS[name] for name in CHOSEN], seconds=seconds):
        print(line_of(figures), flush=True)
