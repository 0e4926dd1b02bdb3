"""Names of cases that are the same in every run and process, as pytest-xdist wants them."""

from __future__ import annotations

import re


def said(value: object) -> str:
    """A value in words, without the address that it has this time."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value), flags=re.IGNORECASE)
