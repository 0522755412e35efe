"""Frozen dataclasses that cost little to define: the doctor defines fifty before it can start.

`dataclasses.dataclass(frozen=True)` compiles six functions for every class, 0.7 ms each (measured); here all
classes share theirs. `dataclasses.fields`, `replace` and `is_dataclass` work as usual. Imports nothing of ours.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):
        """Only type checkers listen to it."""
        return lambda decorator: decorator


C = TypeVar("C")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def record(kind: type[C]) -> type[C]:
    """Make a class a frozen dataclass."""
    # dataclass searches every annotation that is text for ClassVar and the like; ours have none.
    texts = dict(kind.__dict__.get("__annotations__", {}))  # noqa: RUF063 - inspect costs milliseconds
    kind.__annotations__ = dict.fromkeys(texts, object)
    made = dataclass(init=False, repr=False, eq=False, kw_only=True)(kind)
    made.__annotations__ = texts
    for name, text in texts.items():
        made.__dataclass_fields__[name].type = text  # type: ignore[attr-defined]
    for name in ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__"):
        setattr(made, name, getattr(_Shared, name))
    return made


class _Shared:
    """The methods that all records share."""

    __dataclass_fields__: dict[str, Any]

    def __init__(self, *given: Any, **named: Any) -> None:
        shape = self.__dataclass_fields__
        values = {**dict(zip(shape, given)), **named}  # noqa: B905 - too many are told below
        if len(given) > len(shape) or not values.keys() <= shape.keys():
            unknown = ", ".join(sorted(values.keys() - shape.keys())) or "too many values"
            raise TypeError(f"{type(self).__name__} has no such field: {unknown}")
        for name, item in shape.items():
            if name not in values:
                values[name] = item.default if item.default_factory is MISSING else item.default_factory()
                if values[name] is MISSING:
                    raise TypeError(f"{type(self).__name__} needs {name!r}")
        self.__dict__.update(values)

    def _values(self) -> tuple[Any, ...]:
        return tuple(self.__dict__[name] for name in self.__dataclass_fields__)

    def __repr__(self) -> str:
        pairs = zip(self.__dataclass_fields__, _Shared._values(self), strict=True)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in pairs)})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return _Shared._values(self) == _Shared._values(other)

    def __hash__(self) -> int:
        return hash(_Shared._values(self))

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")
