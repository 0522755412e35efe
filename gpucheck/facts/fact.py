"""One value that was seen, with its source, or the reason why there is none."""

from __future__ import annotations

import typing
from dataclasses import field
from typing import Any, Generic, TypeVar

from gpucheck.record import record

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
NOT_LOOKED_AT = "not looked at"


@record
class Fact(Generic[T_co]):
    """One value that was seen, or the reason why there is none.

    Attributes:
        value: What was seen; None when it could not be determined.
        source: Where it was read: a file, a function of a library, a package's metadata.
        missing: Why there is no value; None when there is one.
        raw: The text as it was found, where it differs from the value.
    """

    value: T_co | None = None
    source: str | None = None
    missing: str | None = None
    raw: str | None = None

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.missing is None


def seen(value: T, source: str, raw: str | None = None) -> Fact[T]:
    """Return a fact that was read from ``source``."""
    return Fact(value=value, source=source, raw=raw)


def absent(reason: str, source: str | None = None, raw: str | None = None) -> Fact[Any]:
    """Return a fact without a value, and why."""
    return Fact(missing=reason, source=source, raw=raw)


def _unread() -> Fact[Any]:
    return absent(NOT_LOOKED_AT)


def unread() -> Any:
    """Return the default of a facts field: nobody has looked yet."""
    return field(default_factory=_unread)


def blank(kind: type[T], reason: str, **known: Any) -> T:
    """Return an instance of a facts class whose facts are all missing for one reason."""
    hints = typing.get_type_hints(kind)
    values = {name: absent(reason) for name, hint in hints.items() if (typing.get_origin(hint) or hint) is Fact}
    return kind(**{**values, **known})
