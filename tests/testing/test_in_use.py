"""What a test says is in use stays."""

import pytest
from support.suites import APP, DELETE_OLD, result_of, suite

from regbot.errors import ConfigError
from regbot.testing.cases import read_cases

TAGS = "{old: 40d, older: 50d, new: 2d}"
RULES = """
version: 1
config: rules.yml
repositories:
  %s:
    tags: %s
inUse: ["%s:older"]
tests:
  - name: it
    expect: {deleted: old, kept: [older, new]}
"""
CONFIG = """
defaults: {inUse: {file: nowhere.txt}}
scripts:
  - name: tidy
    repositories: [%s]
    retention: {keep: [{tags: [new]}, {inUse: true}]}
"""


def test_a_script_leaves_it_alone(tmp_path):
    text = suite(DELETE_OLD, TAGS, "{deleted: old}", f'inUse: ["{APP}:older"]\n')
    assert result_of(tmp_path, text).problems == ()


def test_rules_ask_for_it_and_the_source_is_not_read(tmp_path):
    (tmp_path / "rules.yml").write_text(CONFIG % APP)
    assert result_of(tmp_path, RULES % (APP, TAGS, APP)).problems == ()


def test_an_image_has_a_tag_or_a_digest(tmp_path):
    path = tmp_path / "it_test.yml"
    path.write_text(suite(DELETE_OLD, TAGS, "{}", f'inUse: ["{APP}"]\n'))
    with pytest.raises(ConfigError, match="names no tag"):
        read_cases(path)
