"""What is read of a repository for its rules, and how often it is asked for."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.images import Image, make_image, make_index
from support.inprocess import Memory
from support.registry import DISTRIBUTION_3

from regbot.errors import ServerFault
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.rules.content import Facts, StoreContent
from regbot.rules.policy import Depth
from regbot.stopping import Stop
from regbot.store.remote import RemoteStore

APP = "team/app"
CREATED = "2024-05-01T00:00:00Z"
SECONDS = 1714521600.0


class World:
    """A registry in memory, and a repository of it as rules read it."""

    def __init__(self) -> None:
        self.memory = Memory(DISTRIBUTION_3)
        self.registry = self.memory.registry
        place = Reference("registry", self.memory.name, APP)
        self.store = RemoteStore(self.memory.bind(Stop()), place)
        self.content = StoreContent(self.store, Stop())

    def put(self, tag: str, image: Image) -> Image:
        self.registry.put(APP, tag, image)
        return image

    def facts(self, tag: str, depth: Depth) -> Facts:
        return self.content.facts([Tag(tag)], depth)[Tag(tag)]

    def asked(self) -> list[str]:
        """The methods of the requests since the last call."""
        methods = [entry.method for entry in self.registry.requests]
        self.registry.forget()
        return methods


@pytest.fixture
def world():
    return World()


def both(**how: object) -> Image:
    platforms = ("linux/amd64", "linux/arm64")
    return make_index(
        {name: make_image(platform=name, created=CREATED, **how) for name in platforms}
    )


def test_a_digest_takes_a_head(world):
    image = world.put("v1", make_image())
    assert world.facts("v1", "digest") == Facts(image.digest)
    assert world.asked() == ["HEAD"]


def test_a_date_takes_the_manifest_and_the_config(world):
    image = world.put("v1", make_image(created=CREATED, labels={"a": "b"}))
    assert world.facts("v1", "date") == Facts(image.digest, created=SECONDS)
    assert world.asked() == ["GET", "GET"]


def test_an_image_has_its_labels_and_the_digest_of_its_config(world):
    image = world.put("v1", make_image(created=CREATED, labels={"a": "b"}))
    facts = world.facts("v1", "image")
    assert (facts.created, facts.labels) == (SECONDS, ({"a": "b"},))
    assert facts.below == {image.manifest.config.digest}
    assert world.asked() == ["GET", "GET"]


def test_an_index_has_what_its_images_have(world):
    index = world.put("multi", both(labels={"a": "b"}))
    facts = world.facts("multi", "image")
    assert facts.is_index
    assert facts.created == SECONDS
    assert facts.labels == ({}, {"a": "b"}, {"a": "b"})
    children = {child.digest for child in index.children}
    configs = {child.manifest.config.digest for child in index.children}
    assert facts.below == children | configs
    world.asked()
    assert world.facts("multi", "children").below == facts.below
    assert world.asked() == []


def test_what_an_index_lists_takes_one_request(world):
    inner = both()
    world.put("outer", make_index({"linux/amd64": make_image()}))
    outer = world.facts("outer", "children")
    assert len(outer.below) == 1
    assert world.asked() == ["GET"]
    index = world.put("multi", inner)
    assert world.facts("multi", "children").below == {child.digest for child in index.children}


def test_a_platform_that_a_copy_left_out_is_passed_over(world):
    index = world.put("multi", both(labels={"a": "b"}))
    gone = index.children[1].digest
    del world.registry.content.repository(APP).manifests[str(gone)]
    facts = world.facts("multi", "image")
    assert facts.problem == ""
    assert facts.lacks_child
    assert facts.labels == ({}, {"a": "b"})
    assert gone in facts.below


ANNOTATION = "org.opencontainers.image.created"


def of_two_days(annotations: dict[str, str] | None = None) -> Image:
    """An index of two images, neither for the machine that runs the tests."""
    days = {"linux/s390x": "2024-05-01", "linux/ppc64le": "2024-06-01"}
    children = {
        name: make_image(platform=name, created=f"{day}T00:00:00Z") for name, day in days.items()
    }
    return make_index(children, annotations=annotations)


def day(year: int, month: int) -> float:
    return datetime(year, month, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("depth", ["date", "image"])
def test_an_index_is_as_new_as_the_newest_of_its_images(world, depth):
    here = [make_image(platform=f"linux/{name}", created=CREATED) for name in ("amd64", "arm64")]
    other = make_image(platform="linux/s390x", created="2024-06-01T00:00:00Z")
    annotation = {ANNOTATION: "2020-01-01T00:00:00Z"}
    index = make_index(
        {"linux/amd64": here[0], "linux/arm64": here[1], "linux/s390x": other},
        annotations=annotation,
    )
    world.put("multi", index)
    assert world.facts("multi", depth).created == day(2024, 6)


def test_an_index_without_dated_images_has_the_date_of_its_annotation(world):
    image = make_image(created="1970-01-01T00:00:00Z")
    annotation = {ANNOTATION: "2024-03-01T00:00:00Z"}
    world.put("multi", make_index({"linux/amd64": image}, annotations=annotation))
    assert world.facts("multi", "date").created == day(2024, 3)


@pytest.mark.parametrize(
    ("annotations", "created"),
    [(None, None), ({ANNOTATION: "2024-07-01T00:00:00Z"}, day(2024, 7))],
)
@pytest.mark.parametrize("depth", ["date", "image"])
def test_the_date_of_an_index_that_lacks_an_image_is_its_annotation(
    world, annotations, created, depth
):
    index = world.put("multi", of_two_days(annotations))
    del world.registry.content.repository(APP).manifests[str(index.children[1].digest)]
    facts = world.facts("multi", depth)
    assert (facts.created, facts.problem) == (created, "")


def test_a_missing_attestation_is_no_missing_image(world):
    attestation = make_image(created=None, labels={"x": "attestation"})
    children = {"linux/amd64": make_image(created=CREATED), "unknown/unknown": attestation}
    world.put("multi", make_index(children))
    del world.registry.content.repository(APP).manifests[str(attestation.digest)]
    facts = world.facts("multi", "image")
    assert (facts.created, facts.lacks_child, facts.problem) == (SECONDS, False, "")


@pytest.mark.parametrize("depth", ["digest", "children", "date", "image"])
def test_a_tag_that_leads_nowhere_is_a_problem_of_its_own(world, depth):
    world.put("v1", make_image())
    facts = world.content.facts([Tag("gone"), Tag("v1")], depth)
    assert facts[Tag("gone")].digest is None
    assert facts[Tag("gone")].problem
    assert facts[Tag("v1")].problem == ""


def test_a_config_that_can_not_be_read_leaves_the_digest(world):
    image = world.put("v1", make_image())
    del world.registry.content.repository(APP).blobs[str(image.manifest.config.digest)]
    for depth in ("date", "image"):
        facts = world.facts("v1", depth)
        assert facts.digest == image.digest
        assert facts.problem


def test_what_is_no_manifest_is_a_problem(world):
    world.registry.put_raw(APP, "v1", b"<html>", "application/json")
    assert "HTML" in world.facts("v1", "date").problem


def test_a_registry_that_fails_is_no_problem_of_a_tag(world):
    world.put("v1", make_image())
    world.registry.break_next("status", path="/manifests/v1", status=500, times=99)
    with pytest.raises(ServerFault):
        world.facts("v1", "date")


def test_what_was_read_is_not_asked_for_again(world):
    world.put("v1", make_image(created=CREATED))
    for deep, others in (
        ("digest", ("digest", "children")),
        ("date", ("digest", "children", "date")),
        ("image", ("digest", "children", "date", "image")),
    ):
        world.facts("v1", deep)
        world.asked()
        for depth in others:
            world.facts("v1", depth)
        assert world.asked() == []
