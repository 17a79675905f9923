"""Errors about a nil say what was nil, as the script has it, and what handles it."""

import pytest
from support.images import make_image, push
from support.scripts import run_script_text

from regbot.oci.reference import Reference
from regbot.store.ocidir import OciDirStore


@pytest.fixture
def image(tmp_path):
    """An image without labels, by its name in a layout folder."""
    push(OciDirStore(Reference.parse(f"ocidir://{tmp_path}/layout")), make_image(), "v1")
    return f"ocidir://{tmp_path}/layout:v1"


def error_of(flavour, tmp_path, source, **arguments):
    ran = run_script_text(source, flavour=flavour, work_dir=tmp_path, arguments=arguments)
    return str(ran.error)


EXPIRES = "config.Config.Labels.expires"
NO_LABEL = "is nil, for there is no such label"
READ_LAST = f"{NO_LABEL} (the config read last is that of IMAGE); test it first"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (
            f'if {EXPIRES} < "2024" then end',
            f"{EXPIRES} {READ_LAST}: if {EXPIRES} and {EXPIRES} < ...",
        ),
        ('if "2024" > config.Config.Labels["a.b"] then end', f'Labels["a.b"] {NO_LABEL}'),
        (
            'local label = config.Config.Labels.team log(label .. "!")',
            f'config.Config.Labels.team {READ_LAST}, or write (label or "none")',
        ),
        ("local days = args.days + 1", "args.days is nil; test it first: if args.days then ..."),
        ("local x = args.labels.team", 'or write (args.labels or {})["..."]'),
        ("local n = #args.list", "args.list is nil; write #(args.list or {})"),
        ("if args.a < args.b then end", "that is absent is nil; test it first"),
        ("nothing.at_all()", "nothing is nil; test it first"),
        ("nothing()", "there is no such function; see regbot check and regbot lua-api"),
    ],
)
def test_what_was_nil_is_named_as_it_is_written(flavour, tmp_path, image, line, hint):
    source = f'local config = image.config("{image}")\n{line}\n'
    error = error_of(flavour, tmp_path, source)
    assert error.startswith("test:2: attempt to ")
    assert hint.replace("IMAGE", image) in error
    assert "\n" not in error


def test_in_a_loop_at_once_no_image_is_named(flavour, tmp_path, image):
    source = f"""
parallel.map({{"{image}"}}, function(name)
  local config = image.config(name)
  return config.Config.Labels.team .. "!"
end)"""
    error = error_of(flavour, tmp_path, source)
    hint = 'no such label; test it first, or write (config.Config.Labels.team or "none")'
    assert hint in error


def test_what_the_text_does_not_tell_is_not_guessed(flavour, tmp_path):
    source = "local x = {}\nlocal y = (x.a or x.b) .. (x.a or x.c)"
    advice = 'a label or date that is absent is nil; test it first, or write (value or "none")'
    assert f"({advice})" in error_of(flavour, tmp_path, source)


def test_other_errors_stay_as_they_are(flavour, tmp_path):
    assert error_of(flavour, tmp_path, 'error("no luck")') == "test:1: no luck"
    text = "test:1: attempt to compare number with string"
    assert error_of(flavour, tmp_path, 'return 1 < "x"') == text
