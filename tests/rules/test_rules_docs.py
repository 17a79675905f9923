"""docs/rules.md: its examples are rules."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import pytest
import yaml
from support.configs import load

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_first_example_is_a_config():
    assert load(BLOCKS[0]).scripts[0].work.keep


@pytest.mark.parametrize("block", BLOCKS[1:])
def test_every_other_example_is_a_policy(block):
    data = yaml.safe_load(block)
    rules = {"keep": data} if isinstance(data, list) else data
    text = yaml.safe_dump({"retention": rules, "name": "a", "repositories": ["r.example"]})
    assert load(f"scripts:\n  -\n{indent(text, '    ')}").scripts[0].work.keep
