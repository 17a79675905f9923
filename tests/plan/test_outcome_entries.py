"""Outcomes as JSON and back: nothing is lost, and what is damaged is told."""

import dataclasses
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.images import make_image

from regbot.errors import StorageError
from regbot.image.copy import Carried
from regbot.image.options import CopyOptions, ReferrerFilter
from regbot.oci.digest import Digest
from regbot.oci.platform import Platform
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import (
    CopyImage,
    DeleteManifest,
    DeleteTag,
    ExportTar,
    ImportTar,
    PutBlob,
    PutManifest,
)
from regbot.plan.carrying import Planned
from regbot.plan.evidence import Evidence
from regbot.plan.kept import Kept
from regbot.plan.outcome import Outcome
from regbot.run.repositories import Place
from regbot.run.unit import Unit, UnitResult
from regbot.run.unitentries import UnitEntries

ENTRIES = UnitEntries(Path())
IMAGE = make_image()
texts = st.text(st.characters(), max_size=8)
flags = st.booleans()
counts = st.integers(0, 1 << 40)
times = st.floats(allow_nan=False, allow_infinity=False)
digests = st.sampled_from([Digest.of(b"1"), Digest.of(b"2", "sha512")])
tags = st.sampled_from([Tag("a"), Tag("v1.0")])
repositories = st.sampled_from(
    [
        Reference("registry", "r.test:5000", "team/app"),
        Reference("registry", "docker.io", "app"),
        Reference("registry", "docker.io", "library/app"),
        Reference("ocidir", "", "some/folder"),
    ]
)
tagged = st.builds(lambda repository, tag: repository.with_tag(tag), repositories, tags)
references = st.one_of(
    repositories,
    tagged,
    st.builds(
        lambda reference, digest: dataclasses.replace(reference, digest=digest), tagged, digests
    ),
)
maybe = st.none() | digests
platforms = st.builds(Platform, st.just("linux"), st.just("arm"), texts, texts)
filters = st.builds(
    ReferrerFilter,
    texts,
    st.lists(st.tuples(texts, texts), max_size=2, unique_by=lambda pair: pair[0]).map(tuple),
)
archives = st.sampled_from([Path("a.tar").resolve(), Path("below/b.tar").resolve()])
steps = {"may_be_gone": flags, "removal": texts, "part": texts}
actions = st.one_of(
    st.builds(DeleteTag, tagged, texts, maybe, **steps),
    st.builds(
        DeleteManifest,
        references,
        digests,
        texts,
        unless_tagged=flags,
        allowed_tags=st.none() | st.lists(tags).map(tuple),
        **steps,
    ),
    st.builds(PutManifest, references, st.just(IMAGE.manifest), texts),
    st.builds(PutBlob, references, digests, counts, st.none(), texts, st.none() | references),
    st.builds(
        CopyImage,
        references,
        references,
        st.builds(
            CopyOptions,
            st.lists(platforms, max_size=2).map(tuple),
            *[flags] * 5,
            st.integers(1, 9),
            st.lists(filters, max_size=2).map(tuple),
        ),
        texts,
        maybe,
    ),
    st.builds(ExportTar, references, archives, texts, maybe),
    st.builds(ImportTar, references, archives, texts, maybe),
)
evidence = st.builds(
    Evidence,
    st.dictionaries(digests, counts),
    st.none() | times,
    st.none() | counts,
    st.lists(tags).map(tuple),
    texts,
    st.lists(repositories).map(tuple),
)
carried = st.lists(st.builds(Carried, tags | digests, texts), max_size=2).map(tuple)
outcomes = st.builds(
    Outcome,
    texts,
    actions,
    st.sampled_from(["done", "planned", "unchanged", "skipped", "failed", "stopped"]),
    maybe,
    texts,
    st.none() | evidence,
    carried,
    flags,
)
planned = st.builds(Planned, texts, actions, st.none() | times, st.none() | counts, carried)
results = st.builds(
    UnitResult,
    st.sampled_from(["done", "failed", "stopped"]),
    texts,
    flags,
    st.lists(outcomes, max_size=2).map(tuple),
    st.lists(st.builds(Kept, texts, references, texts, maybe, flags), max_size=2).map(tuple),
    times,
    st.lists(st.builds(Place, repositories, flags), max_size=2).map(tuple),
    st.dictionaries(texts, texts, max_size=2),
    st.lists(st.lists(planned, max_size=2).map(tuple), max_size=2).map(tuple),
)


@given(results)
def test_a_result_comes_back_as_it_was(result):
    assert ENTRIES.result(ENTRIES.of_result(result)) == result


@given(
    st.builds(
        Unit,
        texts,
        texts,
        texts,
        st.just("apply"),
        texts,
        *[flags] * 4,
        st.lists(planned, max_size=2).map(tuple),
    )
)
def test_a_unit_comes_back_as_it_was(unit):
    assert ENTRIES.unit(ENTRIES.of_unit(unit)) == unit


def of_blob(status, content):
    action = PutBlob(Reference.parse("r.test/app", default_tag=None), Digest.of(b"abc"), 3, content)
    return UnitResult(outcomes=(Outcome("s", action, status, action.digest),))


def test_the_content_of_a_blob_comes_along_where_it_is_still_to_be_put():
    back = ENTRIES.result(ENTRIES.of_result(of_blob("planned", lambda: [b"a", b"bc"])))
    assert b"".join(back.outcomes[0].action.content()) == b"abc"
    back = ENTRIES.result(ENTRIES.of_result(of_blob("done", lambda: [b"abc"])))
    assert back.outcomes[0].action.content is None


def test_a_blob_that_is_another_is_refused():
    with pytest.raises(StorageError, match="digest"):
        ENTRIES.result(ENTRIES.of_result(of_blob("planned", lambda: [b"other"])))


TAG = {
    "script": "s",
    "status": "done",
    "action": {"action": "delete tag", "reference": "r.test/a:b"},
}


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"schema": 2},
        {"schema": 1, "more": 1},
        {"schema": 1, "status": "gone"},
        {"schema": 1, "status": []},
        {"schema": 1, "seconds": True},
        {"schema": 1, "outcomes": {}},
        {"schema": 1, "outcomes": [{}]},
        {"schema": 1, "outcomes": [{**TAG, "action": {"action": "shell"}}]},
        {"schema": 1, "outcomes": [{**TAG, "action": {"action": []}}]},
        {"schema": 1, "outcomes": [{**TAG, "action": {**TAG["action"], "reference": "r.test/a"}}]},
        {"schema": 1, "outcomes": [{**TAG, "digest": "sha256:1"}]},
        {"schema": 1, "outcomes": [{**TAG, "evidence": {"blobs": {"x": 1}}}]},
        {"schema": 1, "outcomes": [{**TAG, "evidence": {"blobs": {str(Digest.of(b"")): -1}}}]},
        {
            "schema": 1,
            "outcomes": [
                {
                    **TAG,
                    "action": {
                        "action": "export tar",
                        "reference": "r.test/a:b",
                        "path": "../../etc/passwd",
                    },
                }
            ],
        },
        {
            "schema": 1,
            "outcomes": [
                {
                    **TAG,
                    "action": {
                        "action": "put manifest",
                        "reference": "r.test/a:b",
                        "manifest": ["", "md5", ""],
                    },
                }
            ],
        },
    ],
)
def test_what_is_no_result_is_one_clear_line(data):
    with pytest.raises(StorageError, match=r"^the result of a unit can't be read: [^\n]+$"):
        ENTRIES.result(zlib.compress(json.dumps(data).encode()))


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", zlib.compress(b"{}")[:-3], zlib.compress(b"{"), zlib.compress(b"[" * 100_000)],
)
def test_damaged_bytes_are_one_clear_line(content):
    with pytest.raises(StorageError, match=r"^the result of a unit can't be read: [^\n]+$"):
        ENTRIES.result(content)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_or_one_clear_line(content):
    for packed in (content, zlib.compress(content)):
        with pytest.raises(StorageError):
            ENTRIES.result(packed)
