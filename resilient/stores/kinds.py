"""The types beyond JSON that shared stores keep: times, numbers, bytes, containers, and classes
of the user's own that are no more than their fields (dataclasses, NamedTuples, Enums).

A class is found again by module and name, and has to be of its kind. Its constructor is not run, as
with copy and pickle: what was stored had been through it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import importlib
import pathlib
import sys
import zoneinfo
from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Any
from uuid import UUID

from resilient.stores.tags import Unreadable, Unstorable, register, register_reader

_COPYING = ("__reduce__", "__reduce_ex__")
_LOSSY = "it would come back without its type"


def described(value: Any) -> tuple[str, Any]:
    """Tag and content of a value of no registered type.

    Raises: Unstorable.
    """
    kind = type(value)
    if isinstance(value, enum.Enum):
        return "enum", [*_address(kind), _member_of(value)]
    if dataclasses.is_dataclass(kind):
        return "dataclass", [*_address(kind), _fields_of(value)]
    if isinstance(value, tuple) and _is_named_tuple(kind):
        if getattr(value, "__dict__", None):
            raise Unstorable(kind, "it has attributes that are no fields")
        return "namedtuple", [*_address(kind), list(kind._fields), list(value)]
    raise Unstorable(kind, _why_not(kind))


def _why_not(kind: type) -> str:
    builtin = next((base for base in kind.__mro__ if base.__module__ == "builtins"), object)
    return _LOSSY if builtin is not object else "it is neither JSON nor a registered type"


# Classes, by their names.


def _address(kind: type) -> list[str]:
    try:
        found = _class_at(kind.__module__, kind.__qualname__)
    except Unreadable:
        found = None
    if found is not kind:
        raise Unstorable(kind, "its class can't be found by its name")
    return [kind.__module__, kind.__qualname__]


def _class_at(module: str, name: str) -> Any:
    try:
        home = sys.modules.get(module) or importlib.import_module(module)
        return functools.reduce(getattr, name.split("."), home)
    except Exception as error:
        raise Unreadable("a class in it is not there") from error


def _member_of(value: enum.Enum) -> list[Any]:
    kind = type(value)
    if kind.__members__.get(value.name) is value:
        return ["name", value.name]
    return ["value", value.value]  # flags that are combined have no name of their own


def _enum(content: Any) -> enum.Enum:
    module, name, (how, which) = content
    kind = _class_at(module, name)
    if not (isinstance(kind, type) and issubclass(kind, enum.Enum)):
        raise Unreadable("a class in it is no Enum any more")
    return kind[which] if how == "name" else kind(which)


def _is_named_tuple(kind: type) -> bool:
    fields = getattr(kind, "_fields", None)
    return isinstance(fields, tuple) and all(isinstance(name, str) for name in fields)


def _named_tuple(content: Any) -> Any:
    module, name, fields, values = content
    kind = _class_at(module, name)
    if not (isinstance(kind, type) and issubclass(kind, tuple) and _is_named_tuple(kind)):
        raise Unreadable("a class in it is no NamedTuple any more")
    if list(kind._fields) != fields or len(values) != len(fields):  # type: ignore[attr-defined]
        raise Unreadable("a class in it has other fields by now")
    return tuple.__new__(kind, values)


def _fields_of(value: Any) -> dict[str, Any]:
    kind = type(value)
    _new_instance(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if any(name not in names and not _may_be_lost(kind, name) for name in _attributes_of(value)):
        raise Unstorable(kind, "it has attributes that are no fields")
    if any(getattr(kind, name) is not getattr(object, name) for name in _COPYING):
        raise Unstorable(kind, "it says by itself how it is to be copied")
    try:
        return {name: getattr(value, name) for name in names}
    except AttributeError:
        raise Unstorable(kind, "one of its fields is not set") from None


def _attributes_of(value: Any) -> list[str]:
    names = list(getattr(value, "__dict__", ()))
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        names += [
            slot for slot in ((slots,) if isinstance(slots, str) else slots) if hasattr(value, slot)
        ]
    return names


def _may_be_lost(kind: type, name: str) -> bool:
    # What can be computed again, and two notes that Python makes.
    return isinstance(getattr(kind, name, None), functools.cached_property) or name in (
        "__weakref__",
        "__dict__",
        "__orig_class__",
    )


def _new_instance(kind: type) -> Any:
    try:
        return object.__new__(kind)
    except TypeError:
        raise Unstorable(kind, _LOSSY) from None


def _dataclass(content: Any) -> Any:
    module, name, values = content
    kind = _class_at(module, name)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise Unreadable("a class in it is no dataclass any more")
    if {field.name for field in dataclasses.fields(kind)} != values.keys():
        raise Unreadable("a class in it has other fields by now")
    made: Any = object.__new__(kind)
    for field, value in values.items():
        object.__setattr__(made, field, value)
    return made


# Times.


def _zone(zone: dt.tzinfo | None) -> Any:
    if zone is None:
        return None
    if type(zone) is dt.timezone:
        return [zone.utcoffset(None), zone.tzname(None)]
    if type(zone) is zoneinfo.ZoneInfo and zone.key:
        return zone.key
    raise Unstorable(type(zone), "a time zone has to be a datetime.timezone, or a ZoneInfo by key")


def _of_zone(content: Any) -> dt.tzinfo | None:
    if content is None:
        return None
    if isinstance(content, str):
        return zoneinfo.ZoneInfo(content)
    offset, name = content
    unnamed = dt.timezone(offset)
    return unnamed if unnamed.tzname(None) == name else dt.timezone(offset, name)


def _moment(value: dt.datetime | dt.time) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo)]


def _datetime(content: Any) -> dt.datetime:
    text, fold, zone = content
    return dt.datetime.fromisoformat(text).replace(fold=fold, tzinfo=_of_zone(zone))


def _time(content: Any) -> dt.time:
    text, fold, zone = content
    return dt.time.fromisoformat(text).replace(fold=fold, tzinfo=_of_zone(zone))


def _text64(value: bytes | bytearray) -> str:
    return b64encode(value).decode("ascii")


register(dt.datetime, "datetime", _moment, _datetime)
register(dt.date, "date", dt.date.isoformat, dt.date.fromisoformat)
register(dt.time, "time", _moment, _time)
register(
    dt.timedelta,
    "timedelta",
    lambda value: [value.days, value.seconds, value.microseconds],
    lambda content: dt.timedelta(*content),
)
register(Decimal, "decimal", str, Decimal)
register(UUID, "uuid", str, UUID)
register(bytes, "bytes", _text64, b64decode)
register(bytearray, "bytearray", _text64, lambda text: bytearray(b64decode(text)))
register(tuple, "tuple", list, tuple)
register(set, "set", list, set)
register(frozenset, "frozenset", list, frozenset)
register(
    complex,
    "complex",
    lambda value: [value.real, value.imag],
    lambda content: complex(*content),
)
for _kind in (
    pathlib.PurePosixPath,
    pathlib.PureWindowsPath,
    pathlib.PosixPath,
    pathlib.WindowsPath,
):
    register(_kind, _kind.__name__, str, _kind)
register_reader("enum", _enum)
register_reader("namedtuple", _named_tuple)
register_reader("dataclass", _dataclass)
