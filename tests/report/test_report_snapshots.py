"""The files with expected texts show what a terminal would."""

from support.snapshots import readable


def test_a_text_is_compared_with_its_file(snapshot):
    assert snapshot == "one line\n  and another: \x1b[1;31mdelete\x1b[0m v1.2\n"


def test_styles_are_named_and_other_escapes_shown():
    assert readable("\x1b[31mred\x1b[0m \x1b[2K\r\u202e") == "<red>red</> \\x1b[2K\\r\\u202e"
