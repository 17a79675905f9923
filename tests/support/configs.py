"""Loads configs in tests, with everything around them spelled out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from regbot.config.load import load_config
from regbot.config.values import Config
from regbot.errors import ConfigError
from support.schemas import require_accepted


def load(
    text: str | bytes, *, environ: Mapping[str, str] | None = None, base: Path = Path()
) -> Config:
    """The config of a text, which may be indented as a whole. Editors don't mark it either."""
    source = dedent(text) if isinstance(text, str) else text
    config = load_config(source, filename="bot.yml", environ=environ or {}, base=base)
    require_accepted(source)
    return config


def problems(
    text: str | bytes, *, environ: Mapping[str, str] | None = None, base: Path = Path()
) -> list[str]:
    """What is wrong with a text; the test fails when nothing is."""
    with pytest.raises(ConfigError) as caught:
        load(text, environ=environ, base=base)
    return list(caught.value.problems)
