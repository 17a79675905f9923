"""``reference.*``: names of images, taken apart and put together."""

from __future__ import annotations

from regbot.lua.api.names import REFERENCE, give_reference, update_reference
from regbot.lua.binding import STRING, Binding, LocalContext, Parameter, Passed, plain
from regbot.oci.digest import Digest
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag

_REF = Parameter("ref", REFERENCE, "the reference")


def _new(_context: LocalContext, reference: Reference) -> Passed:
    return give_reference(reference)


def _tag(_context: LocalContext, reference: Reference, tag: str | None) -> Passed:
    if tag is None:
        return plain(reference.tag or "")
    return update_reference(reference.with_tag(Tag.parse(tag)))


def _digest(_context: LocalContext, reference: Reference, digest: str | None) -> Passed:
    if digest is None:
        return plain(str(reference.digest or ""))
    return update_reference(reference.with_digest(Digest.parse(digest)))


def _close(_context: LocalContext, _reference: Reference) -> Passed:
    return plain(None)


BINDINGS = (
    Binding(
        name="reference.new",
        doc="A reference made from text. What is missing is filled in as docker does: alpine is"
        " docker.io/library/alpine:latest. Of a reference, it makes a copy.",
        parameters=(Parameter("ref", REFERENCE, "text or a reference"),),
        run=_new,
        local=True,
        result="regbot.Reference",
    ),
    Binding(
        name="reference.tag",
        doc="Without tag: gives the tag, which is empty if there is none. With tag: sets it,"
        " removes the digest, and gives the same reference back.",
        parameters=(_REF, Parameter("tag", STRING, "the new tag", optional=True)),
        run=_tag,
        local=True,
        result="string|regbot.Reference",
        method_of=("reference",),
        method="tag",
    ),
    Binding(
        name="reference.digest",
        doc="Without digest: gives the digest, which is empty if there is none. With digest: sets"
        " it, removes the tag, and gives the same reference back.",
        parameters=(_REF, Parameter("digest", STRING, "the new digest", optional=True)),
        run=_digest,
        local=True,
        result="string|regbot.Reference",
        method_of=("reference",),
        method="digest",
    ),
    Binding(
        name="reference.close",
        doc="Does nothing. It is there for scripts of the Go program, which call it when they are"
        " done with a layout folder. regbot cleans up layout folders at the end of the run.",
        parameters=(_REF,),
        run=_close,
        local=True,
        method_of=("reference",),
        method="close",
    ),
)
