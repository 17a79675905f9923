"""docs/notifications.md: its receiver checks what regbot signs, and its tables are complete."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter

import pytest
from support.command import environment
from support.pages import ROOT, blocks

from regbot.http.hosts import Secret
from regbot.notify.notification import Notification, document
from regbot.notify.posting import Poster
from regbot.notify.settings import Receiver
from regbot.notify.signing import signed
from regbot.stopping import Stop

PAGE = "docs/notifications.md"
SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four byt").decode()
FAILED = Notification("failure", 0.0, frozenset({"failure"}), script="old builds")


@pytest.fixture
def receiver(tmp_path):
    """The page's receiver, at its URL, and the process that it is."""
    (program,) = [block for block in blocks(PAGE) if block.language == "python"]
    path = tmp_path / program.file
    path.write_text(program.text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    variables = environment(tmp_path, REGBOT_SECRET=SECRET, PORT=str(port))
    process = subprocess.Popen(
        [sys.executable, "-u", path],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        wait_for(port, process)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.kill()
        process.communicate()


def wait_for(port, process):
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("the receiver did not start")


def test_the_receiver_takes_what_regbot_signs(receiver, open_notifier, events):
    url, process = receiver
    notifier = open_notifier(Receiver("webhook", Secret(url), secret=Secret(SECRET)))
    notifier.tell(FAILED)
    notifier.close(Stop(), 20)
    assert events == []
    assert process.stdout.readline() == "regbot: old builds failed\n"


def test_the_receiver_refuses_what_it_has_to(receiver):
    url, process = receiver
    body = json.dumps({"title": "told"}).encode()
    post = Poster(os.environ, Stop()).post
    now = int(time.time())
    good = signed(SECRET, "msg_1", now, body)
    forged = {**good, "webhook-signature": "v1," + "A" * 44}
    assert post(url, body, forged).problem == "it answered with status 401"
    assert post(url, body + b" ", good).problem == "it answered with status 401"
    old = signed(SECRET, "msg_2", now - 600, body)
    assert post(url, body, old).problem == "it answered with status 401"
    assert not post(url, body, good).problem
    assert not post(url, body, good).problem
    assert not post(
        url, b'{"title": "the next"}', signed(SECRET, "msg_3", now, b'{"title": "the next"}')
    ).problem
    assert [process.stdout.readline() for _ in range(2)] == ["told\n", "the next\n"]


def test_each_field_is_explained_and_shown():
    text = (ROOT / PAGE).read_text()
    (shown,) = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]
    fields = {"title", "text", *document(FAILED)}
    assert set(shown) == fields
    explained = Counter(
        name
        for row in re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    )
    assert {name for name in fields - {"version"} if not explained[name]} == set()
