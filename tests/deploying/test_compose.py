"""examples/compose.yml: what Compose reads, and a server with few rights."""

import yaml
from support.command import regbot
from support.examples import EXAMPLES
from support.schemas import require_read_by

from regbot.units import parse_duration

FILE = EXAMPLES / "compose.yml"
COMPOSE = yaml.safe_load(FILE.read_text())
SERVICE = COMPOSE["services"]["regbot"]


def test_compose_reads_it():
    require_read_by("compose-spec", FILE)


def test_it_starts_a_command_of_regbot(tmp_path):
    command, *words = SERVICE["command"]
    known = regbot(command, "--help", home=tmp_path).stdout
    assert [word for word in words if word.startswith("-") and word not in known] == []


def test_it_has_time_to_end():
    words = SERVICE["command"]
    grace = parse_duration(words[words.index("--grace") + 1])
    assert parse_duration(SERVICE["stop_grace_period"]) >= grace + 5


def test_it_has_few_rights():
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(SERVICE)


def test_what_it_mounts_is_there():
    assert SERVICE["tmpfs"] == ["/tmp"]
    assert "state:/state" in SERVICE["volumes"]
    assert "state" in COMPOSE["volumes"]
    assert SERVICE["secrets"] == list(COMPOSE["secrets"])


def test_the_page_is_for_this_machine_alone():
    port = SERVICE["command"][SERVICE["command"].index("--listen") + 1].rpartition(":")[2]
    assert SERVICE["ports"] == [f"127.0.0.1:{port}:{port}"]
