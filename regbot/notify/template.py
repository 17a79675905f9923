"""Templates of titles and bodies: jinja2 in its sandbox.

A template is the user's, and what fills it comes from registries and scripts: that is
data, never a template itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from regbot.errors import InvalidValue
from regbot.notify.notification import Notification, document

if TYPE_CHECKING:
    from jinja2.sandbox import SandboxedEnvironment


_ANY = Notification("test", 0.0)
"""One notification has the same names as another."""


def check_template(text: str) -> None:
    """Raise InvalidValue for a template that can't be read, or uses a name that isn't there."""
    from jinja2 import TemplateAssertionError, TemplateSyntaxError, meta

    engine = _engine()
    try:
        engine.from_string(text)
        tree = engine.parse(text)
        unknown = meta.find_undeclared_variables(tree) - set(document(_ANY))
        others = list(meta.find_referenced_templates(tree))
    except TemplateAssertionError as error:
        raise InvalidValue(f"line {error.lineno}: there is no such filter or test") from None
    except TemplateSyntaxError as error:
        raise InvalidValue(f"line {error.lineno}: syntax error") from None
    except (RecursionError, MemoryError, SyntaxError):
        raise InvalidValue("it is nested too deeply") from None
    if others:
        raise InvalidValue("it names another template, and there is none")
    if unknown:
        raise InvalidValue(f"there is no variable {min(unknown)}")


def fill_in(text: str, variables: Mapping[str, Any]) -> str:
    """The text that a template gives. Raises InvalidValue where it fails."""
    from jinja2 import UndefinedError
    from jinja2.exceptions import SecurityError

    try:
        return _engine().from_string(text).render(variables)
    except UndefinedError:
        raise InvalidValue("it uses a value that is not there") from None
    except SecurityError:
        raise InvalidValue("it uses something that is not allowed") from None
    except Exception as error:  # noqa: BLE001 - whatever a template does, there is another text
        raise InvalidValue(f"it stopped with a {type(error).__name__}") from None


def _engine() -> SandboxedEnvironment:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # Plain text: what shows it as HTML escapes it.
    return ImmutableSandboxedEnvironment(autoescape=False)
