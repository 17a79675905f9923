"""Several calls of one script that change a repository at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.images import make_image, push

from regbot.errors import ServerFault, Stopped
from regbot.oci.reference import Reference
from regbot.oci.tag import Tag
from regbot.plan.action import DeleteTag
from regbot.plan.tagbook import NOW, TagBook
from regbot.plan.turns import Turns
from regbot.stopping import Stop
from regbot.store.ocidir import OciDirStore

LONG = 60.0
APP = Reference.parse("registry.example.org/app")
OTHER = Reference.parse("registry.example.org/other")


class Waited(Stop):
    """Tells when somebody waits."""

    def __init__(self):
        super().__init__()
        self.seen = threading.Event()

    def check(self):
        self.seen.set()
        super().check()


class Room:
    """Who is at work in a repository, and who was there together."""

    def __init__(self):
        self.waited = Waited()
        self.turns = Turns()
        self.threads = ThreadPoolExecutor(16)
        self.inside = set()
        self.met = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.threads.shutdown()

    def begin(self, name, change, repository=APP):
        """Let somebody in, who works until told to go."""
        inside, go = threading.Event(), threading.Event()

        def work():
            with self.turns.at(repository, change, self.waited):
                self.inside.add(name)
                self.met |= {frozenset((name, other)) for other in self.inside - {name}}
                inside.set()
                assert go.wait(LONG)
                self.inside.remove(name)

        return inside, go, self.threads.submit(work)


@pytest.mark.parametrize("change", ["puts", "deletes"])
def test_changes_of_a_kind_go_together(change):
    with Room() as room:
        workers = [room.begin(number, change) for number in range(4)]
        assert all(inside.wait(LONG) for inside, _, _ in workers)
        for _, go, _ in workers:
            go.set()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("puts", "deletes"),
        ("deletes", "puts"),
        ("alone", "alone"),
        ("alone", "deletes"),
        ("puts", "alone"),
    ],
)
def test_changes_that_rest_on_one_another_do_not(first, second):
    with Room() as room:
        inside, go, _ = room.begin("first", first)
        assert inside.wait(LONG)
        waits, leaves, _ = room.begin("second", second)
        assert room.waited.seen.wait(LONG)
        elsewhere, ends, _ = room.begin("elsewhere", second, OTHER)
        assert elsewhere.wait(LONG)
        assert not waits.is_set()
        go.set()
        assert waits.wait(LONG)
        for each in (leaves, ends):
            each.set()
    assert frozenset(("first", "second")) not in room.met


def test_who_waits_is_not_overtaken():
    with Room() as room:
        inside, go, _ = room.begin("put", "puts")
        assert inside.wait(LONG)
        delete, leaves, _ = room.begin("delete", "deletes")
        assert room.waited.seen.wait(LONG)
        later, ends, _ = room.begin("later put", "puts")
        go.set()
        assert delete.wait(LONG)
        assert not later.is_set()
        leaves.set()
        assert later.wait(LONG)
        ends.set()


def test_a_stop_ends_who_waits():
    turns, stop = Turns(), Stop()
    with turns.at(APP, "puts", Stop()):
        stop.ask()
        with pytest.raises(Stopped), turns.at(APP, "deletes", stop):
            pass


def test_several_repositories_are_waited_for_in_one_order():
    """Who waits for the first of them has none of the others yet."""
    turns, waited = Turns(), Waited()
    has_both, go = threading.Event(), threading.Event()

    def take_both():
        with turns.alone([OTHER, APP], waited):
            has_both.set()
            assert go.wait(LONG)

    with ThreadPoolExecutor(1) as threads:
        with turns.at(APP, "puts", Stop()):
            plan = threads.submit(take_both)
            assert waited.seen.wait(LONG)
            with turns.at(OTHER, "puts", Stop()):
                assert not has_both.is_set()
        assert has_both.wait(LONG)
        stop = Stop()
        stop.ask()
        for repository in (APP, OTHER):
            with pytest.raises(Stopped), turns.at(repository, "puts", stop):
                pass
        go.set()
        plan.result(LONG)


def test_a_stop_ends_who_waits_for_several_and_leaves_none_taken():
    turns, stop = Turns(), Stop()
    with turns.at(OTHER, "puts", Stop()):
        stop.ask()
        with pytest.raises(Stopped), turns.alone([APP, OTHER], stop):
            pass
        with turns.at(APP, "puts", Stop()):
            pass


class Watched(OciDirStore):
    """A layout folder that does something before each look at a tag."""

    before = staticmethod(lambda _name: None)

    def head(self, name):
        self.before(name)
        return super().head(name)


@pytest.fixture
def watched(tmp_path):
    store = Watched(Reference.parse(f"ocidir://{tmp_path}/layout"))
    image = make_image()
    for tag in ("a", "b", "c"):
        push(store, image, tag)
    return store, image.digest


def book_of(store):
    return TagBook(Stop(), lambda _reference: (store.repository,))


def test_a_tag_that_is_deleted_while_the_book_is_read_is_looked_at_again(watched):
    store, digest = watched
    book = book_of(store)
    deleted = DeleteTag(store.repository.with_tag(Tag("a")), "", digest)
    store.before = lambda _name: book.note(deleted)
    book.tags_on(store, digest)
    looked = []
    store.before = looked.append
    book.tags_on(store, digest)
    assert looked == ["a"]


def test_a_look_now_is_shared_by_those_who_wait_and_by_nobody_later(watched):
    store, digest = watched
    waiting = threading.Semaphore(0)

    def clock():
        waiting.release()
        return time.monotonic()

    book = TagBook(Stop(), lambda _reference: (store.repository,), clock)

    def question():
        return book.tags_on(store, digest, fresh_for=NOW)

    looked, begun, go = [], threading.Event(), threading.Event()

    def look(name):
        looked.append(name)
        begun.set()
        assert go.wait(LONG)

    store.before = look
    with ThreadPoolExecutor(6) as threads:
        answers = [threads.submit(question)]
        assert begun.wait(LONG)
        while waiting.acquire(blocking=False):
            pass
        answers += [threads.submit(question) for _ in range(5)]
        assert all(waiting.acquire(timeout=LONG) for _ in range(5))
        go.set()
    assert {answer.result() for answer in answers} == {("a", "b", "c")}
    assert len(looked) == 3 + 3
    question()
    assert len(looked) == 3 + 3 + 3


def test_what_fails_in_one_question_does_not_end_the_next(watched):
    store, digest = watched
    book = book_of(store)

    def fail(_name):
        raise ServerFault("no", method="HEAD", url="https://registry.example.org", status=500)

    store.before = fail
    with pytest.raises(ServerFault):
        book.tags_on(store, digest)
    store.before = lambda _name: None
    assert book.tags_on(store, digest) == ("a", "b", "c")
