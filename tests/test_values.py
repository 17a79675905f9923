"""Frozen dataclasses behave as those of the standard library do, but for a shorter repr."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, asdict, field, fields, replace

import pytest

from regbot.values import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A value, as any in regbot."""

    street: str
    number: int = 1
    notes: list[str] = field(default_factory=list, compare=False)
    key: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        return f"{self.street} {self.number}"


@dataclass(frozen=True, slots=True)
class Flat(Place):
    """A value that has more than another."""

    floor: int = 0

    def __post_init__(self) -> None:
        if self.floor < 0:
            raise ValueError("below the ground")


def test_fields_are_given_by_position_or_name_and_have_defaults():
    place = Place("Elm", key="k")
    assert (place.street, place.number, place.notes, place.key) == ("Elm", 1, [], "k")
    assert Place("Elm").notes is not Place("Elm").notes
    assert place.label == "Elm 1"
    with pytest.raises(TypeError, match=r"Place\.__init__"):
        Place()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Place("Elm", town="Y")  # type: ignore[call-arg]


def test_equal_values_count_once():
    assert Place("Elm", 2, ["a"]) == Place("Elm", 2, ["b"])
    assert Place("Elm", 2) != Place("Elm", 3)
    assert Place("Elm") != Flat("Elm")
    assert Place("Elm") != "Elm"
    assert {Place("Elm", 2), Place("Elm", 2), Place("Ash", 2)} == {Place("Elm", 2), Place("Ash", 2)}


def test_nothing_can_be_changed_or_added():
    place = Place("Elm")
    for name in ("street", "town"):
        with pytest.raises(FrozenInstanceError):
            setattr(place, name, "Ash")
    with pytest.raises(FrozenInstanceError):
        del place.street
    assert not hasattr(place, "__dict__")


def test_a_value_is_shown_as_it_is_made_without_what_is_hidden_or_as_by_default():
    assert repr(Flat("Elm", 2, key="secret")) == "Flat(street='Elm', number=2)"
    assert repr(Flat("Elm", 1, ["a"], floor=3)) == "Flat(street='Elm', notes=['a'], floor=3)"
    assert eval(repr(Flat("Elm", floor=3))) == Flat("Elm", floor=3)


def test_a_value_that_has_more_checks_itself():
    assert Flat("Elm", floor=3).label == "Elm 1"
    with pytest.raises(ValueError, match="below"):
        Flat("Elm", floor=-1)


def test_the_tools_of_the_standard_library_work():
    flat = Flat("Elm", 2, floor=3)
    assert replace(flat, number=4) == Flat("Elm", 4, floor=3)
    assert [each.name for each in fields(flat)] == ["street", "number", "notes", "key", "floor"]
    assert asdict(Place("Elm"))["street"] == "Elm"
    assert copy.deepcopy(flat) == flat == pickle.loads(pickle.dumps(flat))
    match flat:
        case Flat(street, number):
            assert (street, number) == ("Elm", 2)


def test_a_method_of_the_class_itself_stays():
    @dataclass(frozen=True, slots=True)
    class Quiet:
        secret: str

        def __repr__(self) -> str:
            return "Quiet()"

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Quiet)

        def __hash__(self) -> int:
            return 1

    assert (repr(Quiet("a")), Quiet("a") == Quiet("b")) == ("Quiet()", True)


def test_what_is_not_supported_is_refused_when_the_class_is_made():
    for odd in (field(init=False, default=1), field(default=1, kw_only=True), field(hash=False)):
        with pytest.raises(TypeError, match="odd"):
            dataclass(frozen=True, slots=True)(
                type("Odd", (), {"__annotations__": {"odd": int}, "odd": odd})
            )
    with pytest.raises(TypeError, match="__hash__"):
        dataclass(frozen=True, slots=True)(type("Equal", (), {"__eq__": lambda *_: True}))
