"""loguru's records without secrets: as a text, as a copy, and as the JSON of `serialize=True`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from resilient.diagnostics.masking import Clean, mask, masked

# json.dumps would make an encoder for each line. What is masked can't hold itself.
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class MaskedError(NamedTuple):
    """Stands in for `record["exception"]`: its text is masked, and its traceback is in the text."""

    type: type[BaseException] | None
    value: str
    traceback: None = None


def masked_text(text: str, record: Mapping[str, Any]) -> str:
    """The text of a record, or its message, without secrets; never raises.

    The message of a dump is masked already, and may be long.
    """
    extra = record.get("extra")
    dump = extra.get("resilient_stats") if type(extra) is dict else None
    clean = getattr(dump, "text", "") if isinstance(dump, Clean) else ""
    if not clean or clean != record.get("message"):
        return mask(text)
    if text == clean:
        return clean
    head, message, tail = text.partition(clean)
    return f"{mask(head)}{message}{mask(tail)}"


def masked_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of loguru's record without secrets."""
    return {
        **record,
        "message": masked_text(str(record["message"]), record),
        "extra": masked(dict(record["extra"])),
        "exception": _masked_error(record),
    }


def _masked_error(record: Mapping[str, Any]) -> MaskedError | None:
    error = record["exception"]
    return None if error is None else MaskedError(error.type, masked(str_of(error.value)))


def str_of(value: object) -> str:
    """The text of an exception, also of one that has none."""
    try:
        return str(value)
    except Exception:
        return f"<unprintable {type(value).__name__}>"


def as_json(text: str, record: Mapping[str, Any]) -> str:
    """The line that loguru's `serialize=True` gives, each text in it masked.

    text: the line as it would be without `serialize`.
    """
    error = record["exception"]
    extra = masked(dict(record["extra"]))
    dump = extra.pop("resilient_stats", None) if isinstance(extra, dict) else None
    parts = {
        "elapsed": {"repr": str(record["elapsed"]), "seconds": record["elapsed"].total_seconds()},
        "exception": error
        and {
            "type": None if error.type is None else error.type.__name__,
            "value": mask(str_of(error.value)),
            "traceback": bool(error.traceback),
        },
        "file": {"name": record["file"].name, "path": record["file"].path},
        "function": record["function"],
        "level": {
            "icon": record["level"].icon,
            "name": record["level"].name,
            "no": record["level"].no,
        },
        "line": record["line"],
        "message": masked_text(str(record["message"]), record),
        "module": record["module"],
        "name": record["name"],
        "process": {"id": record["process"].id, "name": record["process"].name},
        "thread": {"id": record["thread"].id, "name": record["thread"].name},
        "time": {"repr": str(record["time"]), "timestamp": record["time"].timestamp()},
        "extra": extra,
    }
    if dump is None:
        return _encode({"text": masked_text(text, record), "record": parts}) + "\n"
    made = dump.json() if isinstance(dump, Clean) else _encode(dump)
    line = _encode({"text": masked_text(text, record), "record": parts})
    # What ends the line so far is the end of extra, record and line.
    comma = ", " if extra else ""
    return f'{line[:-3]}{comma}"resilient_stats": {made}}}}}}}\n'
