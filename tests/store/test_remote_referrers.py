"""Referrers: PITFALLS, "Referrers"; distribution spec, "Referrers Tag Schema"."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from support.clients import Client
from support.images import Image, make_image, make_referrer, push
from support.registry import DISTRIBUTION_2, GHCR, TestRegistry

from regbot.errors import Forbidden, Malformed, RegbotError, ServerFault
from regbot.oci.digest import Digest
from regbot.oci.manifest import OCI_INDEX
from regbot.oci.reference import Reference
from regbot.oci.referrers import fallback_tag
from regbot.store.listing import LARGEST_PAGE
from regbot.store.opener import OpenStores

APP = "team/app"
SBOM = "application/vnd.example.sbom"
IMAGE = make_image()
TAG = fallback_tag(IMAGE.digest)


def referrer(number: int = 0, **how: str) -> Image:
    return make_referrer(IMAGE.manifest, content=f"number {number}".encode(), **how)


def listed(registry: TestRegistry) -> set[str]:
    """The digests on the fallback tag."""
    digest = registry.tags(APP).get(TAG)
    if digest is None:
        return set()
    return {entry["digest"] for entry in json.loads(registry.manifests(APP)[digest])["manifests"]}


class TestApi:
    @pytest.mark.parametrize("filters", [True, False])
    @pytest.mark.parametrize("page", [0, 2])
    def test_filters_and_pages(self, filters: bool, page: int) -> None:
        """The API with filters and pages; who does not filter is helped."""
        with (
            TestRegistry(referrers_filter=filters, referrers_page=page) as registry,
            Client(registry.host) as client,
        ):
            store = client.store()
            push(store, IMAGE, "v1")
            sboms = {push(store, referrer(n, artifact_type=SBOM)).digest for n in range(5)}
            others = {push(store, referrer(n)).digest for n in range(5, 8)}
            assert {one.digest for one in store.referrers(IMAGE.digest, SBOM)} == sboms
            assert {one.digest for one in store.referrers(IMAGE.digest)} == sboms | others
            assert TAG not in registry.tags(APP)

    def test_a_part_of_the_pages_is_an_error(self) -> None:
        """PITFALLS: a listing that breaks in the middle is an error."""
        with TestRegistry(referrers_page=1) as registry, Client(registry.host) as client:
            store = client.store()
            push(store, IMAGE, "v1")
            for number in range(3):
                push(store, referrer(number))
            registry.break_next("status", "GET", "/referrers/", after=1, times=9, status=404)
            with pytest.raises(RegbotError):
                store.referrers(IMAGE.digest)

    @pytest.mark.parametrize(("status", "error"), [(500, ServerFault), (503, ServerFault)])
    def test_a_server_error_is_not_a_missing_api(
        self, status: int, error: type[RegbotError]
    ) -> None:
        """404 on the referrers API means fallback; 5xx is an error."""
        with TestRegistry() as registry, Client(registry.host) as client:
            push(client.store(), IMAGE, "v1")
            registry.break_next("status", "GET", "/referrers/", times=99, status=status)
            with pytest.raises(error):
                client.store().referrers(IMAGE.digest)

    def test_html_is_an_error(self) -> None:
        """Law: what can't be read is an error, not an empty list."""
        with TestRegistry() as registry, Client(registry.host) as client:
            push(client.store(), IMAGE, "v1")
            registry.break_next("html", "GET", "/referrers/")
            with pytest.raises(Malformed):
                client.store().referrers(IMAGE.digest)

    def test_deleting_asks_once_whether_there_is_an_api(self) -> None:
        """PITFALLS: 404 on the referrers API means fallback."""
        with TestRegistry() as registry, Client(registry.host) as client:
            digests = [registry.put_image(APP, "", labels={"n": str(n)}) for n in range(5)]
            store = client.store()
            for digest in digests:
                store.delete_manifest(Digest.parse(digest))
            assert len(registry.asked("GET")) == 1
            assert registry.manifests(APP) == {}

    def test_a_web_page_in_its_place_does_not_stop_a_delete(self) -> None:
        with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
            digest = registry.put_image(APP, "v1")
            registry.break_next("html", "GET", "/referrers/", times=9)
            client.store().delete_manifest(Digest.parse(digest))
            assert registry.manifests(APP) == {}


class TestFallbackTag:
    """On registries without the API the tag ``sha256-<hex>`` is the client's to keep up."""

    def test_put_and_delete_keep_it_up(self) -> None:
        """PITFALLS: the fallback tag ``sha256-<hex>`` is the client's to keep up."""
        with (
            TestRegistry(referrers_api=False) as registry,
            Client(registry.host) as client,
        ):
            store = client.store()
            push(store, IMAGE, "v1")
            first, second = referrer(1), referrer(2, artifact_type=SBOM)
            push(store, first)
            push(store, second)
            push(store, second)
            assert listed(registry) == {str(first.digest), str(second.digest)}
            assert [one.digest for one in store.referrers(IMAGE.digest, SBOM)] == [second.digest]
            store.delete_manifest(first.digest)
            assert listed(registry) == {str(second.digest)}
            store.delete_manifest(second.digest)
            assert registry.tags(APP) == {"v1": str(IMAGE.digest)}

    @pytest.mark.parametrize("manifest_delete", ["done", "only proofs"])
    def test_an_empty_one_where_tags_can_not_be_deleted(self, manifest_delete: str) -> None:
        """PITFALLS: deleting a tag by name is optional."""
        with (
            TestRegistry(DISTRIBUTION_2, manifest_delete=manifest_delete) as registry,
            Client(registry.host) as client,
        ):
            store = client.store()
            push(store, IMAGE, "v1")
            one = referrer()
            push(store, one)
            store.delete_manifest(one.digest)
            assert listed(registry) == set()
            assert store.referrers(IMAGE.digest) == []
            assert registry.tags(APP)["v1"] == str(IMAGE.digest)

    def test_a_refused_delete_leaves_it(self) -> None:
        """Law: a delete that the registry refuses leaves the tag as it was."""
        with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
            store = client.store()
            push(store, IMAGE, "v1")
            one = referrer()
            push(store, one)
            registry.break_next("status", "DELETE", times=9, status=403, code="DENIED")
            with pytest.raises(Forbidden):
                store.delete_manifest(one.digest)
            assert listed(registry) == {str(one.digest)}

    def test_a_list_that_can_not_be_kept_up_is_said(self) -> None:
        with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
            store = client.store()
            push(store, IMAGE, "v1")
            first = referrer(1)
            push(store, first)
            push(store, referrer(2))
            registry.break_next("status", "PUT", TAG, times=9, status=403, code="DENIED")
            store.delete_manifest(first.digest)
            assert str(first.digest) not in registry.manifests(APP)
            assert any("still listed" in text for text in client.said("warn"))

    def test_a_tag_of_that_name_that_is_no_index(self) -> None:
        """What can't be read is an error, and is not written over."""
        with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
            image = registry.put_image(APP, TAG, labels={"some": "thing"})
            with pytest.raises(Malformed, match="not an index"):
                client.store().referrers(IMAGE.digest)
            push(client.store(), IMAGE, "v1")
            with pytest.raises(Malformed):
                push(client.store(), referrer())
            assert registry.tags(APP)[TAG] == image

    def test_what_others_wrote_into_it_stays(self) -> None:
        """PITFALLS: the fallback tag is the client's to keep up, with other clients."""
        with (
            TestRegistry(referrers_api=False, checks_references=False) as registry,
            Client(registry.host) as client,
        ):
            other = {
                "mediaType": "application/x",
                "digest": f"sha256:{'1' * 64}",
                "size": 1,
                "x": [1],
            }
            data = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [other], "y": 2}
            registry.put_raw(APP, TAG, json.dumps(data).encode(), OCI_INDEX)
            store = client.store()
            push(store, IMAGE, "v1")
            push(store, referrer())
            found = json.loads(registry.manifests(APP)[registry.tags(APP)[TAG]])
            assert found["manifests"][0] == other
            assert found["y"] == 2

    def test_two_writers_of_one_program(self) -> None:
        """PITFALLS: the fallback tag is the client's to keep up, at the same time too."""
        with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
            store = client.store()
            push(store, IMAGE, "v1")
            images = [referrer(number) for number in range(12)]
            with ThreadPoolExecutor(6) as threads:
                list(threads.map(lambda image: push(store, image), images))
            assert listed(registry) == {str(image.digest) for image in images}

    def test_another_program_writes_at_the_same_time(self) -> None:
        """The tag is read back, and written again when another write took ours away."""
        with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
            push(client.store(), IMAGE, "v1")
            push(client.store(), referrer(1))
            before = registry.tags(APP)[TAG]
            registry.before("GET", TAG, lambda: registry.tag(APP, TAG, before), after=1)
            push(client.store(), referrer(2))
            assert listed(registry) == {str(referrer(n).digest) for n in (1, 2)}

    def test_ghcr_has_no_api(self) -> None:
        """GHCR has no API but keeps ``subject``."""
        with TestRegistry(GHCR, auth="") as registry, Client(registry.host) as client:
            store = client.store()
            push(store, IMAGE, "v1")
            one = referrer()
            push(store, one)
            assert [found.digest for found in store.referrers(IMAGE.digest)] == [one.digest]
            assert store.manifest(one.digest).subject == IMAGE.manifest.descriptor


@pytest.mark.parametrize("api", [True, False])
def test_a_list_of_tags_shows_what_has_no_referrers(api: bool) -> None:
    """PITFALLS: without the API the fallback tag is what tells."""
    with TestRegistry(referrers_api=api) as registry, Client(registry.host) as client:
        store = client.store()
        push(store, IMAGE, "v1")
        store.tags()
        assert not store.lacks_referrers(IMAGE.digest), "whether there is an API is not known"
        store.referrers(IMAGE.digest)
        assert store.lacks_referrers(IMAGE.digest) is not api
        push(store, referrer())
        assert not store.lacks_referrers(IMAGE.digest), "the list is older than the referrer"
        store.tags()
        assert not store.lacks_referrers(IMAGE.digest)


def test_deletes_that_begin_together_share_the_first_answers() -> None:
    """Whether there is an API is asked by one, twice, and the tags are listed once for all."""
    with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
        store = client.store()
        push(store, IMAGE, "v1")
        digests = [make_image(labels={"n": str(n)}).digest for n in range(32)]
        answers: list[Future[bool]] = []
        registry.forget()
        with ThreadPoolExecutor(len(digests)) as pool:

            def ask() -> None:
                answers.extend(pool.submit(store.lacks_referrers, digest) for digest in digests)

            registry.before("GET", "/referrers/", ask)
            assert store.referrers(IMAGE.digest) == []
            known = [answer.result() for answer in answers]
        assert known.count(True) >= len(digests) // 2
        assert len(registry.asked(part="/referrers/")) == 2
        assert len(registry.asked(part="/tags/list")) == 1


def test_those_that_waited_for_a_list_do_not_each_ask_for_another() -> None:
    """It was of one page where there are more, and of the next list nothing can be read."""
    with TestRegistry(referrers_api=False) as registry, Client(registry.host) as client:
        store = client.store()
        push(store, IMAGE, "v1")
        for number in range(LARGEST_PAGE):
            registry.tag(APP, f"n{number}", str(IMAGE.digest))
        store.referrers(IMAGE.digest)
        digests = [make_image(labels={"n": str(n)}).digest for n in range(32)]
        answers: list[Future[bool]] = []
        registry.forget()
        with ThreadPoolExecutor(len(digests)) as pool:

            def ask() -> None:
                answers.extend(pool.submit(store.lacks_referrers, digest) for digest in digests)

            registry.before("GET", "/tags/list", ask)
            registry.break_next("status", "GET", "/tags/list", after=1, status=403, times=1000)
            while not answers:
                store.lacks_referrers(IMAGE.digest)
            assert not any(answer.result() for answer in answers)
        assert len(registry.asked(part="/tags/list")) <= 4


def test_one_answer_that_there_is_no_api_is_not_believed() -> None:
    """One server of several may be older than the others."""
    with TestRegistry() as registry, Client(registry.host) as client:
        store = client.store()
        push(store, IMAGE, "v1")
        signature = push(store, referrer())
        others = make_image(labels={"n": "1"}).digest
        for first in (IMAGE.digest, others):
            registry.break_next("status", "GET", "/referrers/", status=404)
            store = client.store()
            store.referrers(first)
            store.tags()
            assert not store.lacks_referrers(IMAGE.digest)
            assert [each.digest for each in store.referrers(IMAGE.digest)] == [signature.digest]


def test_one_web_page_does_not_stand_for_no_api() -> None:
    with TestRegistry() as registry, Client(registry.host) as client:
        store = client.store()
        push(store, IMAGE, "v1")
        first, second = push(store, referrer(1)), push(store, referrer(2))
        registry.break_next("html", "GET", "/referrers/")
        store = client.store()
        store.delete_manifest(first.digest)
        assert [each.digest for each in store.referrers(IMAGE.digest)] == [second.digest]


class TestWhatTheStoresOfARunShare:
    """A script lists by one store, and its deletes go through another."""

    @pytest.fixture
    def opened(self):
        with (
            TestRegistry(referrers_api=False) as registry,
            Client(registry.host) as client,
        ):
            reading = OpenStores(client.exchange)
            reference = Reference("registry", client.host, APP)
            writing = reading.for_writing(client.bound).open(reference)
            push(writing, IMAGE, "v1")
            writing.referrers(IMAGE.digest)
            yield registry, reading.open(reference), writing

    def test_a_list_by_the_one_tells_the_other(self, opened) -> None:
        _, reading, writing = opened
        assert not writing.lacks_referrers(IMAGE.digest)
        reading.tags()
        assert writing.lacks_referrers(IMAGE.digest)

    def test_a_list_that_began_before_a_referrer_was_put_tells_nothing(self, opened) -> None:
        registry, reading, writing = opened
        registry.before("GET", "/tags/list", lambda: push(writing, referrer()))
        reading.tags()
        assert not writing.lacks_referrers(make_image(labels={"n": "2"}).digest)
