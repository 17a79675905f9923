"""``index.json`` is read entry by entry, to the same result as when it is read as a whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.errors import ContentError
from regbot.oci.digest import Digest
from regbot.store.layout_index import REF_NAME, Entry, Index

WHAT = "index.json of a test"
LISTED = json.dumps([{"annotations": {REF_NAME: "v1"}}])
ENTRY = {"mediaType": "a/b", "digest": str(Digest.of(b"")), "size": 0}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "mediaType": st.just("a/b"),
        "digest": st.sampled_from([ENTRY["digest"], "sha256:0", 1]),
        "size": st.integers(0, 5),
        "annotations": st.dictionaries(
            st.just(REF_NAME), st.sampled_from(["v1", "a.b/c:v2", "-", "\ud800", "ä"])
        ),
        "x-other": values,
    },
)
documents = st.dictionaries(st.sampled_from(["schemaVersion", "mediaType", "x"]), values).flatmap(
    lambda rest: st.fixed_dictionaries(
        {"manifests": st.lists(entries, max_size=4), **{key: st.just(rest[key]) for key in rest}}
    )
)


def expected(document: dict[str, Any]) -> Index:
    """The index of a document, made of its parts."""
    rest = {key: document[key] for key in document if key != "manifests"}
    return Index.of(rest, map(Entry.of, document["manifests"]))


@given(documents, st.sampled_from([None, 1]), st.booleans())
def test_an_index_is_read_as_its_json_says(document, indent, ascii_alone) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_alone)
    index = Index.parse(text.encode("utf-8", "surrogatepass"), WHAT)
    assert index == expected(document)
    assert Index.parse(b"".join(index.pieces()), WHAT) == index


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_an_index_may_have_any_encoding_that_json_has(encoding: str) -> None:
    document = {"x": "ä", "manifests": [ENTRY]}
    raw = json.dumps(document, ensure_ascii=False).encode(encoding)
    assert Index.parse(raw, WHAT) == expected(document)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (f'{{"manifests": [], "manifests": {LISTED}}}', ["v1"]),
        (f'{{"manifests": {LISTED}, "manifests": []}}', []),
        (f'{{"manifests": {LISTED}, "manifests": null}}', []),
        ('{"manifests": null}', []),
    ],
)
def test_the_last_of_several_lists_counts(text: str, tags: list[str]) -> None:
    assert list(Index.parse(text.encode(), WHAT).tags) == tags


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"manifests": {}}',
        '{"manifests": "v1"}',
        '{"manifests": [1]}',
        '{"manifests": [{}}',
        '{"manifests": [{}]',
        '{"manifests": [{},]}',
        '{"manifests": [,{}]}',
        '{"manifests": [{} {}]}',
        '{"manifests" [{}]}',
        '{"manifests": [{}],}',
        '{"manifests": [{}]} {}',
        "{1: 2}",
        '{"x": ' + "[" * 100_000 + "]" * 100_000 + ', "manifests": []}',
    ],
)
def test_what_is_no_index_is_refused(text: str) -> None:
    with pytest.raises(ContentError):
        Index.parse(text.encode(), WHAT)
