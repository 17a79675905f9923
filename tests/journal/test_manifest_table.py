"""What holds of saved manifests, be they files or in a database."""

from __future__ import annotations

import threading
from contextlib import ExitStack, closing

import pytest
from support.databases import connecting
from support.images import make_image
from support.journals import small

from regbot.errors import StorageError
from regbot.journal.manifest_files import ManifestFiles
from regbot.journal.manifest_table import MANIFESTS, ManifestTable


class InFiles:
    def __init__(self, folder):
        self.folder = folder
        self.manifests = ManifestFiles(folder)

    def damage(self, digest, content):
        (self.folder / digest.algorithm / digest.hex).write_bytes(content)

    def others(self):
        return ManifestFiles(self.folder)


class InTable:
    def __init__(self, connect, ending):
        self.connect = connect
        self.ending = ending
        self.database = ending.enter_context(closing(connect()))
        self.manifests = ManifestTable(self.database)

    def damage(self, digest, content):
        self.database.run(
            "UPDATE manifest SET content = ? WHERE digest = ?", (content, str(digest))
        )

    def others(self):
        return ManifestTable(self.ending.enter_context(closing(self.connect())))


@pytest.fixture(params=["files", "file", "server"])
def place(request, tmp_path):
    if request.param == "files":
        yield InFiles(tmp_path / "manifests")
        return
    where = tmp_path / "kept.sqlite"
    if request.param == "server":
        where = request.getfixturevalue("database_url")
    with ExitStack() as ending:
        yield InTable(connecting(where, (MANIFESTS,)), ending)


@pytest.fixture
def manifests(place):
    return place.manifests


def numbered(number):
    return small(number).manifests[0]


def test_a_manifest_comes_back_with_its_exact_bytes(place, manifests):
    image = make_image().manifest
    manifests.add([image, numbered(1)])
    assert place.others().read(image.digest, image.media_type).raw == image.raw
    assert manifests.has(image)
    assert not manifests.has(numbered(2))
    assert set(manifests.digests()) == {image.digest, numbered(1).digest}


def test_what_is_there_may_be_added_again(manifests):
    manifests.add([])
    for _ in range(2):
        manifests.add([numbered(1), numbered(1)])
    assert manifests.digests() == [numbered(1).digest]


def test_what_was_removed_is_gone(manifests):
    manifests.add([numbered(1), numbered(2)])
    manifests.remove(numbered(1).digest)
    manifests.remove(numbered(1).digest)
    assert manifests.digests() == [numbered(2).digest]
    with pytest.raises(StorageError, match="a saved manifest is gone") as error:
        manifests.read(numbered(1).digest, "")
    assert numbered(1).digest.hex in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00rubbish"])
def test_damage_is_noticed_and_healed_by_the_next_that_saves(place, manifests, content):
    manifest = numbered(1)
    manifests.add([manifest])
    place.damage(manifest.digest, content)
    with pytest.raises(StorageError, match="a saved manifest is damaged") as error:
        manifests.read(manifest.digest, manifest.media_type)
    assert manifest.digest.hex in str(error.value)
    manifests.add([manifest])
    assert manifests.read(manifest.digest, manifest.media_type) == manifest


def test_a_manifest_under_another_s_digest_is_damaged(place, manifests):
    manifests.add([numbered(1)])
    place.damage(numbered(1).digest, numbered(2).raw)
    with pytest.raises(StorageError, match="damaged"):
        manifests.read(numbered(1).digest, "")


def test_many_writers_of_the_same_lose_nothing(place):
    stores = [place.others() for _ in range(4)]
    wanted = [numbered(number) for number in range(20)]
    errors = []

    def add(number):
        try:
            for turn in range(10):
                stores[number].add(wanted[turn:] + wanted[:turn])
        except StorageError as error:
            errors.append(error)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert set(place.manifests.digests()) == {manifest.digest for manifest in wanted}


def test_nothing_is_unfinished_that_tidying_would_have_to_remove(manifests):
    manifests.add([numbered(1)])
    manifests.tidy(before=1e12)
    assert manifests.digests() == [numbered(1).digest]


def test_a_digest_that_is_none_is_damage(tmp_path):
    with closing(connecting(tmp_path / "kept.sqlite", (MANIFESTS,))()) as database:
        database.run("INSERT INTO manifest (digest, content) VALUES ('md5:0', ?)", (b"",))
        with pytest.raises(StorageError, match="is damaged"):
            ManifestTable(database).digests()
