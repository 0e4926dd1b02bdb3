"""Reading header fields: names in any case, values as sent, malformed ones count as absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime

_NUMBER = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30})?")


def value_of(headers: Mapping[str, str], name: str) -> str | None:
    """One field's value, None if there is none."""
    value = headers.get(name)
    if value is None:
        # A plain dict, as botocore keeps it, knows only one spelling.
        wanted = name.lower()
        value = next((v for k, v in headers.items() if str(k).lower() == wanted), None)
    return value if isinstance(value, str) else None


def number_of(text: str | None) -> float | None:
    """A number of 0 or more, as digits and perhaps a fraction."""
    # float() takes more: "1_000", "1e3", digits of any script.
    match = _NUMBER.fullmatch(text.strip()) if isinstance(text, str) else None
    return float(match[0]) if match else None


def date_of(text: str | None) -> float | None:
    """Unix seconds of an HTTP-date (RFC 9110 5.6.7)."""
    try:
        date = parsedate_to_datetime(text or "")
        # The asctime form names no zone: all HTTP-dates are in GMT.
        return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
