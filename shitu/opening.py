"""What a workspace opens when it is first used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Generic, Protocol, TypeVar, overload


class Opener(Protocol):
    """Who opens things, one thread at a time, until it is closed."""

    @property
    def _opening(self) -> AbstractContextManager[Any]:
        """Held by the thread that opens something."""

    def _require_open(self) -> None:
        """Raises Closed."""


_Owner = TypeVar("_Owner", bound=Opener)
_Opened = TypeVar("_Opened")


class opened(Generic[_Owner, _Opened]):  # noqa: N801 - used as `cached_property` is
    """An attribute that is made when it is first asked for: once, whoever asks at the same time.

    It is kept in the object's `__dict__`, from where it can be removed to be made anew.

    Raises:
        Closed: its owner was closed.
    """

    def __init__(self, make: Callable[[_Owner], _Opened]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type[_Owner], name: str) -> None:
        self._name = name

    @overload
    def __get__(self, owner: None, kind: type[_Owner]) -> opened[_Owner, _Opened]: ...

    @overload
    def __get__(self, owner: _Owner, kind: type[_Owner]) -> _Opened: ...

    def __get__(
        self, owner: _Owner | None, kind: type[_Owner]
    ) -> _Opened | opened[_Owner, _Opened]:
        if owner is None:
            return self
        kept = owner.__dict__
        with owner._opening:
            owner._require_open()
            if self._name not in kept:
                kept[self._name] = self._make(owner)
            found: _Opened = kept[self._name]
            return found
