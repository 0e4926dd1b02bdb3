"""What it costs to mask a typical line, against what loguru takes to format it."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.measure import Comparison, Contender

Function = Callable[[int], object]

LINES = {
    "step": "github.repos: attempt 1 of 4 failed (503), waits 0.8 s",
    "order": "order 123e4567-e89b-12d3-a456-426614174000 placed by user 42 in 12 ms",
    "request": 'https://api.github.com:443 "GET /users/x/repos?page=2&per_page=100 HTTP/1.1" 200 0',
    "sentence": "the token of bob has expired, refreshing it before the next request",
}
_START = "2026-10-01 14:05:10.123 | INFO     | app.orders:place:42 - "


def _mask(line: str) -> Callable[[], Function]:
    def make() -> Function:
        from resilient.diagnostics.masking import mask

        text = f"{_START}{line}\n"
        return lambda number: mask(text)

    return make


def _mask_with_learned(line: str) -> Callable[[], Function]:
    def make() -> Function:
        from resilient.diagnostics.masking import mask
        from resilient.http.learned import learned

        for number in range(100):
            learned.tell(f"a-learned-secret-{number:03}-x{number * 7919}")
        text = f"{_START}{line}\n"
        return lambda number: mask(text)

    return make


def _loguru(line: str) -> Callable[[], Function]:
    """A logger with one sink that writes nothing."""

    def make() -> Function:
        from loguru import logger

        logger.remove()
        logger.add(lambda text: None, format="{time} | {level: <8} | {name}:{line} - {message}")
        return lambda number: logger.info(line)

    return make


GROUPS: dict[str, list[Contender]] = {
    "masking": [
        *(Contender(f"mask: {name}", _mask(line), same=True) for name, line in LINES.items()),
        *(Contender(f"loguru: {name}", _loguru(line), same=True) for name, line in LINES.items()),
    ],
    # By itself, since what is learned makes the others look for it too.
    "masking learned": [
        Contender("mask: 100 learned", _mask_with_learned(LINES["order"]), same=True),
        Contender("loguru: 100 learned", _loguru(LINES["order"]), same=True),
    ],
}
COMPARISONS = [
    *(
        Comparison(f"mask a line: {name}", "loguru", f"mask: {name}", f"loguru: {name}", 1.0)
        for name in LINES
    ),
    Comparison(
        "mask a line: 100 learned", "loguru", "mask: 100 learned", "loguru: 100 learned", 1.0
    ),
]
