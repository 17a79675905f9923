"""Frozen dataclasses that are quick to make.

The standard library compiles eight methods of each frozen class, which takes 0.6 ms. A
command that starts makes some 150 of them, and would spend a fifth of its time on that.
Here three methods are compiled when they are first used, and the others are shared.
A value is shown without the fields that have their default.
Fields have to be of the plain kind: ``init``, ``kw_only`` and ``hash`` are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["dataclass"]

_T = TypeVar("_T")


def _dataclass(*, frozen: bool = False, slots: bool = False) -> Callable[[type[_T]], type[_T]]:
    """As ``dataclasses.dataclass``, which makes those that are not frozen and slotted."""
    if frozen and slots:
        return _frozen
    return dataclasses.dataclass(frozen=frozen, slots=slots)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _dataclass


def _frozen(plain: type[_T]) -> type[_T]:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(plain)
    for each in dataclasses.fields(made):
        if not each.init or each.kw_only or each.hash is not None:
            raise TypeError(
                f"{plain.__name__}.{each.name}: init, kw_only and hash are not known here"
            )
    if "__eq__" in vars(plain) and not vars(plain).get("__hash__"):
        raise TypeError(f"{plain.__name__} has an __eq__ and no __hash__ of its own")
    methods = {
        "__init__": _late(made, "__init__"),
        "__eq__": _late(made, "__eq__"),
        "__hash__": _late(made, "__hash__"),
        "__repr__": _repr,
        "__setattr__": _refuse,
        "__delattr__": _refuse,
        "__setstate__": _set_state,
    }
    for name, method in methods.items():
        if name not in vars(plain):
            setattr(made, name, method)
    return made  # type: ignore[no-any-return]


def _late(made: Any, name: str) -> Callable[..., Any]:  # noqa: ANN401 - any class
    """A method that compiles what it stands for, and is replaced by it."""

    def method(self: object, *values: object, **named: object) -> object:
        compiled = _compile(made, name)
        if getattr(made, name) is method:
            setattr(made, name, compiled)
        return compiled(self, *values, **named)

    return method


def _compile(made: Any, name: str) -> Callable[..., Any]:  # noqa: ANN401 - any class
    fields = [field for field in dataclasses.fields(made) if field.init]
    names = {"MISSING": MISSING, **dict(_names(made, fields))}
    exec("\n".join(_SOURCES[name](made, fields)), names)  # noqa: S102 - of the class alone
    method: Callable[..., Any] = names[name]
    method.__qualname__ = f"{made.__qualname__}.{name}"
    return method


def _names(made: type, fields: Sequence[Field[Any]]) -> Iterator[tuple[str, Any]]:
    """What the source refers to."""
    for field in fields:
        yield f"set_{field.name}", getattr(made, field.name).__set__
        yield f"default_{field.name}", field.default
        yield f"make_{field.name}", field.default_factory


def _init(made: type, fields: Sequence[Field[Any]]) -> Iterator[str]:
    """``__init__``, which sets each slot."""
    yield f"def __init__({', '.join(['self', *map(_parameter, fields)])}):"
    for field in fields:
        name, value = field.name, field.name
        if field.default_factory is not MISSING:
            value = f"make_{name}() if {name} is MISSING else {name}"
        yield f" set_{name}(self, {value})"
    yield " self.__post_init__()" if hasattr(made, "__post_init__") else " pass"


def _eq(_made: type, fields: Sequence[Field[Any]]) -> Iterator[str]:
    """``__eq__``, which compares the values of the fields."""
    mine, others = _values("self", fields), _values("other", fields)
    yield "def __eq__(self, other):"
    yield " same = other.__class__ is self.__class__"
    yield f" return {mine} == {others} if same else NotImplemented"


def _hash(_made: type, fields: Sequence[Field[Any]]) -> Iterator[str]:
    """``__hash__`` of the values of the fields."""
    yield "def __hash__(self):"
    yield f" return hash({_values('self', fields)})"


_SOURCES = {"__init__": _init, "__eq__": _eq, "__hash__": _hash}


def _values(it: str, fields: Sequence[Field[Any]]) -> str:
    """A tuple of the fields that count in a comparison."""
    return f"({''.join(f'{it}.{field.name},' for field in fields if field.compare)})"


def _parameter(field: Field[Any]) -> str:
    if field.default is not MISSING:
        return f"{field.name}=default_{field.name}"
    return f"{field.name}=MISSING" if field.default_factory is not MISSING else field.name


def _repr(self: Any) -> str:  # noqa: ANN401 - any class
    """The call that makes the value, without what is as it is by default."""
    shown = [
        f"{field.name}={getattr(self, field.name)!r}"
        for field in dataclasses.fields(self)
        if field.repr and getattr(self, field.name) != _default(field)
    ]
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _default(field: Field[Any]) -> object:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _refuse(self: object, name: str, *_value: object) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__name__}.{name} can't be changed")


def _set_state(self: object, state: tuple[None, dict[str, Any]]) -> None:
    """Fill a copy, for copy and pickle."""
    for name, value in state[1].items():
        object.__setattr__(self, name, value)
