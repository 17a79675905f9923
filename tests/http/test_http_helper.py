"""Credential helpers: real programs, written by the test as shell scripts."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from regbot.errors import CredentialError, Stopped
from regbot.events import Event, Message
from regbot.http.credentials import Keyring
from regbot.http.helper import Helper
from regbot.http.hosts import HostSettings, Login, Secret
from regbot.stopping import Stop

NAME = "docker-credential-test"
GOOD = 'echo \'{"ServerURL": "x", "Username": "joe", "Secret": "geheim"}\''

Install = Callable[[str], Helper]


class Time:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Writes a helper with a script; what it is asked goes to the file ``asked``."""

    def make(script: str, timeout: float = 20.0) -> Helper:
        path = tmp_path / NAME
        body = f'#!/bin/sh\necho "$1 $(cat)" >> {tmp_path}/asked\n{script}\n'
        path.write_text(body)
        path.chmod(0o755)
        environ = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        return Helper(NAME, environ, time.monotonic, timeout)

    return make


def keyring(
    helper: Helper, clock: Time, emit: Callable[[Event], None] = lambda _: None, **said: object
) -> Keyring:
    login = Login(helper=NAME, **said)  # type: ignore[arg-type]
    settings = HostSettings("r.example", login=login)
    return Keyring(settings, helper=helper, clock=clock, emit=emit)


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


def test_a_helper_is_asked_on_standard_input(install: Install, tmp_path: Path) -> None:
    """Config: ``get`` with the host on stdin gives JSON ServerURL, Username, Secret."""
    found = keyring(install(GOOD), Time()).get(Stop())
    assert (found.user, found.password.reveal()) == ("joe", "geheim")
    assert asked(tmp_path) == ["get r.example"]


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (
            HostSettings("r.example", login=Login(helper_key="https://c.example")),
            "https://c.example",
        ),
        (HostSettings("r.example", hostname="h.example:5000"), "h.example:5000"),
        (HostSettings("docker.io"), "https://index.docker.io/v1/"),
    ],
)
def test_what_a_helper_is_asked_for(
    install: Install, tmp_path: Path, settings: HostSettings, key: str
) -> None:
    """Config: ``credHost`` is what the helper is asked for."""
    Keyring(settings, helper=install(GOOD), clock=Time(), emit=lambda _: None).get(Stop())
    assert asked(tmp_path) == [f"get {key}"]


def test_the_user_token_means_an_identity_token(install: Install) -> None:
    """Config: Username <token> means an identity token."""
    helper = install('echo \'{"Username": "<token>", "Secret": "geheim"}\'')
    found = keyring(helper, Time()).get(Stop())
    assert found == Login(helper=NAME, identity_token=Secret("geheim"))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo geheim; exit 3", r"failed for r\.example \(exit status 3\)"),
        ("echo geheim", "printed no credentials"),
        ("true", "printed no credentials"),
        ("echo '[]'", "printed no credentials"),
        ('echo \'{"Username": "joe", "Secret": ["geheim"]}\'', "printed no credentials"),
        ("head -c 3000000 /dev/zero", "printed too much output"),
        ("echo credentials not found in native keychain; exit 1", "has no credentials for"),
    ],
)
def test_a_helper_that_fails_is_named_and_its_output_is_not(
    install: Install, script: str, why: str
) -> None:
    """Law: a secret appears in no error."""
    with pytest.raises(CredentialError, match=why) as caught:
        keyring(install(script), Time()).get(Stop())
    assert NAME in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_helper_that_is_not_there() -> None:
    """FAQ: for other helpers, standalone binaries are needed."""
    helper = Helper(NAME, {"PATH": "/nonexistent"}, time.monotonic)
    with pytest.raises(CredentialError, match=f"{NAME} is not installed"):
        keyring(helper, Time()).get(Stop())


def test_a_helper_that_can_not_be_run(install: Install, tmp_path: Path) -> None:
    helper = install(GOOD)
    (tmp_path / NAME).write_text("#!/nonexistent/shell\n")
    with pytest.raises(CredentialError, match="can't be run"):
        keyring(helper, Time()).get(Stop())


def alive(pid_file: Path) -> bool:
    """Whether the process runs; a dead one that nobody waited for yet does not."""
    try:
        state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def gone(pid_file: Path) -> bool:
    """Whether a process ends; a killed one takes the kernel a moment."""
    deadline = time.monotonic() + 60
    while alive(pid_file) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid_file)


def test_a_helper_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    """A helper that hangs gives one clear error, and leaves no process."""
    path = tmp_path / NAME
    path.write_text(f"#!/bin/sh\nsleep 600 & echo $! > {tmp_path}/pid\nwait\n")
    path.chmod(0o755)
    helper = Helper(NAME, {"PATH": f"{tmp_path}:{os.environ['PATH']}"}, time.monotonic, 1.0)
    with pytest.raises(CredentialError, match=f"{NAME} did not answer within 1s"):
        keyring(helper, Time()).get(Stop())
    assert gone(tmp_path / "pid")


def test_a_stop_ends_a_helper_that_hangs(install: Install, tmp_path: Path) -> None:
    """Law: SIGTERM and Ctrl-C end any run."""
    helper = install(
        f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 600"
    )
    stop = Stop()

    def ask_when_running() -> None:
        while not (tmp_path / "pid").exists():
            time.sleep(0.01)
        stop.ask()

    asker = threading.Thread(target=ask_when_running)
    asker.start()
    try:
        with pytest.raises(Stopped):
            keyring(helper, Time()).get(stop)
    finally:
        asker.join()
    assert gone(tmp_path / "pid")


def test_an_answer_holds_for_cred_expire(install: Install, tmp_path: Path) -> None:
    """Config: ``credExpire: 1h``."""
    clock = Time()
    keys = keyring(install(GOOD), clock, helper_expires=100.0)
    keys.get(Stop())
    clock.now += 99
    keys.get(Stop())
    assert len(asked(tmp_path)) == 1
    clock.now += 1
    keys.get(Stop())
    assert len(asked(tmp_path)) == 2


def test_an_answer_holds_for_an_hour_by_default(install: Install, tmp_path: Path) -> None:
    """PITFALLS: ECR helper passwords last 12 h; they are asked for again in time."""
    clock = Time()
    keys = keyring(install(GOOD), clock)
    keys.get(Stop())
    clock.now += 3599
    keys.get(Stop())
    clock.now += 1
    keys.get(Stop())
    assert len(asked(tmp_path)) == 2


def test_a_failed_helper_is_asked_again_after_5_seconds(install: Install, tmp_path: Path) -> None:
    """Config: a failed helper is asked again after 5 s."""
    clock = Time()
    keys = keyring(install("exit 1"), clock)
    for _ in range(2):
        with pytest.raises(CredentialError):
            keys.get(Stop())
    assert len(asked(tmp_path)) == 1
    install(GOOD)
    clock.now += 5
    assert keys.get(Stop()).user == "joe"


def test_the_store_of_all_hosts_may_know_nothing_of_one(install: Install) -> None:
    """Docker config: ``credsStore`` is asked for every host."""
    events: list[Event] = []
    script = "echo credentials not found in native keychain; exit 1"
    keys = keyring(install(script), Time(), events.append, helper_optional=True, user="file")
    assert keys.get(Stop()).user == "file"
    assert events == []


def test_a_broken_store_of_all_hosts_is_a_warning(install: Install) -> None:
    events: list[Event] = []
    keys = keyring(install("exit 1"), Time(), events.append, helper_optional=True)
    assert not keys.get(Stop())
    assert [(x.level, NAME in x.text) for x in events if isinstance(x, Message)] == [("warn", True)]


def test_a_refused_password_is_renewed_but_not_again_and_again(
    install: Install, tmp_path: Path
) -> None:
    """PITFALLS: no retry storm."""
    clock = Time()
    keys = keyring(install(GOOD), clock)
    old = keys.get(Stop())
    assert keys.renew(old, Stop()) is None
    assert len(asked(tmp_path)) == 1
    install(GOOD.replace("geheim", "neu"))
    clock.now += 61
    fresh = keys.renew(old, Stop())
    assert fresh is not None
    assert fresh.password.reveal() == "neu"


def test_no_repr_shows_a_secret(install: Install) -> None:
    """Law: a secret appears in no log, error or report."""
    keys = keyring(install(GOOD), Time())
    assert "geheim" not in repr(keys.get(Stop()))
