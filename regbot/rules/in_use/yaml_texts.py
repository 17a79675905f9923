"""YAML whose scalars stay texts, so that nothing of a foreign file is misread or refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from regbot.errors import Malformed

_KEPT = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:null")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads every scalar but null as text, and what has a tag of its own as if it had none."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class above has it
        first: [(tag, pattern) for tag, pattern in resolvers if tag in _KEPT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_untagged(self, _suffix: str, node: yaml.Node) -> object:
        """The value of a node, whatever its tag."""
        if isinstance(node, yaml.MappingNode):
            return self.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            return self.construct_sequence(node, deep=True)
        return self.construct_scalar(node)


_Loader.add_multi_constructor("!", _Loader.construct_untagged)


def load_texts(content: str | bytes) -> Iterator[Any]:
    """The documents of a YAML text. Raises Malformed, with the line where it can't be read."""
    try:
        yield from yaml.load_all(content, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise Malformed(f"{where}it is no YAML ({error.problem or 'can not be read'})") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise Malformed(f"it is no YAML ({type(error).__name__})") from None
