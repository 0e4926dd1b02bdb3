"""Classes as users have them, to be kept in shared stores and found there again."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Color(enum.Enum):
    RED = 1
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: float = 0.0


@dataclass
class Issue:
    number: int
    title: str
    labels: list[str] = field(default_factory=list)
    parent: Issue | None = None

    made = 0

    def __post_init__(self) -> None:
        Issue.made += 1


@dataclass(frozen=True)
class Frozen:
    color: Color
    hidden: int = field(default=0, init=False, compare=False)

    @functools.cached_property
    def name(self) -> str:
        return self.color.name


@dataclass
class Slotted:
    __slots__ = ("a", "b")
    a: int
    b: tuple[int, ...]


@dataclass
class Box(Generic[T]):
    content: T


@dataclass
class Chatty:
    a: int

    def __post_init__(self) -> None:
        self.extra: Any = object()


@dataclass
class Failed(Exception):
    code: int


@dataclass
class Copied:
    a: int

    def __reduce__(self) -> Any:
        return Copied, (1,)
