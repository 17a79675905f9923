"""Many threads against a registry where anything breaks: right, or one clear error."""

from __future__ import annotations

import gc
import json
import threading

import pytest
from support.httpclient import plain, pull, web
from support.registry import TestRegistry

from regbot.errors import RegbotError
from regbot.http.hosts import Login, Secret

THREADS, EACH = 16, 25


@pytest.mark.parametrize("seed", [1, 2])
def test_every_request_ends_right_or_with_one_clear_error(seed: int) -> None:
    """Drops, stalls, truncation, 429, 5xx, tokens that end early: right, or one clear error."""
    quirks = {"auth": "bearer", "users": {"joe": "geheim"}, "short_token_uses": 7}
    with TestRegistry(chaos=0.2, seed=seed, **quirks) as registry:
        login = {"login": Login("joe", Secret("geheim")), "concurrency": 6}
        for n in range(4):
            registry.put_image(f"app{n}", "v1")
        with web(plain(registry.host, **login)) as own:
            ends: list[object] = []

            def work(number: int) -> None:
                for n in range(EACH):
                    name = f"app{(number + n) % 4}"
                    try:
                        body = own.get(registry.host, f"/v2/{name}/tags/list", scopes=pull(name))
                        ends.append(json.loads(body))
                    except RegbotError as error:
                        ends.append(error)

            threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert len(ends) == THREADS * EACH
        right = [x for x in ends if isinstance(x, dict)]
        assert all(x["tags"] == ["v1"] for x in right)
        assert len(right) > len(ends) / 2
        said = [str(x) for x in ends if isinstance(x, RegbotError)]
        assert all("\n" not in text for text in said)
        shown = repr(own.events) + "".join(said)
        assert "geheim" not in shown
        assert not [x for x in registry.door.tokens if x in shown]


def test_one_slot_is_enough_to_send_what_is_read_from_the_same_host() -> None:
    with TestRegistry() as registry, web(plain(registry.host, concurrency=1)) as own:
        registry.put_image("app", "v1")
        digest, content = next(iter(registry.blobs("app").items()))

        def source() -> object:
            with own.send(registry.host, f"/v2/app/blobs/{digest}") as blob:
                yield from blob.chunks()

        def copy() -> None:
            upload = own.send(
                registry.host, "/v2/other/blobs/uploads/", "POST", expect=frozenset({202})
            )
            with upload:
                place = upload.headers["Location"]
            joint = "&" if "?" in place else "?"
            own.send(
                registry.host, f"{place}{joint}digest={digest}", "PUT",
                body=source, length=len(content), expect=frozenset({201}),
            ).close()  # fmt: skip

        threads = [threading.Thread(target=copy) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert registry.blobs("other")[digest] == content


def test_an_answer_that_nobody_closed_gives_its_slot_back() -> None:
    with TestRegistry() as registry, web(plain(registry.host, concurrency=1)) as own:
        kept = [own.send(registry.host, "/v2/")]
        kept.append(kept)  # type: ignore[arg-type]
        del kept
        gc.collect()
        ends: list[bytes] = []
        thread = threading.Thread(target=lambda: ends.append(own.get(registry.host, "/v2/")))
        thread.start()
        thread.join(60)
        assert len(ends) == 1
