"""Edits of manifests and configs: what was not touched keeps its exact form."""

import json

from hypothesis import given
from hypothesis import strategies as st

from regbot.lua.edits import with_edits
from regbot.units import go_form

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["2021-01-01T00:00:00Z", "2021-01-01T00:00:00.500+02:00"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def seen_by_lua(value):
    """A JSON value after its way through Lua tables and back."""
    if isinstance(value, dict):
        return {key: seen_by_lua(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [seen_by_lua(item) for item in value] or {}
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return go_form(value) if isinstance(value, str) else value


def without_nulls_in_lists(value):
    if isinstance(value, dict):
        return {key: without_nulls_in_lists(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nulls_in_lists(item) for item in value if item is not None]
    return value


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_without_an_edit_everything_is_the_same(data):
    data = without_nulls_in_lists(data)
    result = with_edits(data, seen_by_lua(data))
    assert json.dumps(result) == json.dumps(data)


def edited(data, change):
    view = seen_by_lua(json.loads(json.dumps(data)))
    change(view)
    return with_edits(data, view)


def test_one_field_is_changed_and_the_others_stay():
    data = {"z": 1, "created": "2021-01-01T00:00:00.000Z", "none": None, "big": 2**60 + 1, "a": []}

    def change(view):
        view["z"] = 2

    assert json.dumps(edited(data, change)) == json.dumps({**data, "z": 2})


def test_a_field_can_go_and_come():
    def change(view):
        del view["a"]
        view["c"] = {"x": [1]}
        view["looked at"] = {}

    assert edited({"a": 1, "b": 2}, change) == {"b": 2, "c": {"x": [1]}}


def test_an_element_can_be_taken_out_of_the_middle():
    layers = [{"digest": str(n), "none": None} for n in range(4)]

    def change(view):
        del view["layers"][1]

    assert edited({"layers": layers}, change) == {"layers": [layers[0], layers[2], layers[3]]}


def test_a_list_and_an_object_can_be_emptied():
    def change(view):
        view["list"] = {}
        view["object"] = {}

    assert edited({"list": [1], "object": {"a": 1}}, change) == {"list": [], "object": {}}


def test_a_changed_time_goes_back_to_rfc_3339():
    def change(view):
        view["created"] = "2022-02-02 00:00:00 +0000 UTC"

    data = {"created": "2021-01-01T00:00:00Z"}
    assert edited(data, change) == {"created": "2022-02-02T00:00:00Z"}
