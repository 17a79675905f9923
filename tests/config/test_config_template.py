"""Go's templates, as far as a config needs them."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regbot.config.document import Mistake
from regbot.config.template import render

ENVIRON = {"X": "value", "LIST": "a,b,c", "MIXED": " Mixed ", "HTML": 'a"b'}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ('{{env "X"}}', "value"),
        ('{{ env "X" }}', "value"),
        ('a-{{ env "X" }}-{{env "X"}}-b', "a-value-value-b"),
        ('{{ env "UNSET" }}', ""),
        ('{{ env "X" | default "y" }}', "value"),
        ('{{ env "UNSET" | default "y" }}', "y"),
        ('{{ default "y" (env "UNSET") }}', "y"),
        ('{{ "x" | default "y" }}', "x"),
        ('{{ env "MIXED" | trimSpace | upper }}', "MIXED"),
        ('{{ lower (env "MIXED") }}', " mixed "),
        ('{{ join (split (env "LIST") ",") "-" }}', "a-b-c"),
        ('{{ join (split "abc" "") "." }}', "a.b.c"),
        ('{{ env "LIST" | json }}', '"a,b,c"'),
        ('{{ split (env "LIST") "," | json }}', '["a","b","c"]'),
        ('{{ env "HTML" | json }}', '"a\\"b"'),
        ("{{ `raw \\n` }}", "raw \\n"),
        (r'{{ "\t\"\\\x41\101\u00e9\U0001F600\xc3\xa9" }}', '\t"\\AAé😀é'),
        ('{{ "}}" }}', "}}"),
        ('{{ ("x") }}', "x"),
        ('a {{- env "X" -}} b', "avalueb"),
        ('a\n  {{- env "X" }} b', "avalue b"),
        ('a {{ env "X" -}}\n b', "a valueb"),
        ("a{{/* a }} comment */}}b", "ab"),
        ("a {{- /* c */ -}} b", "ab"),
        ("{{\nenv\n`X`\n}}", "value"),
        ("no }} opening", "no }} opening"),
    ],
)
def test_what_a_template_gives(text, expected):
    assert render(text, ENVIRON) == expected


@pytest.mark.parametrize(
    ("text", "offset", "what"),
    [
        ("ab{{ .Value }}", 5, "there is no .Value here"),
        ("{{ $x := 1 }}", 3, "syntax error"),
        ("{{ if true }}a{{ end }}", 3, "no such function"),
        ('{{ env "X"', 0, "{{ without }}"),
        ("{{", 0, "{{ without }}"),
        ("{{ }}", 0, "is missing"),
        ('{{ env "X" | }}', 0, "is missing"),
        ('{{ | env "X" }}', 3, "is missing"),
        ('{{ env "X" "Y" }}', 3, "env takes 1 argument, not 2"),
        ("{{ default `a` }}", 3, "default takes 2 arguments, not 1"),
        ('{{ env env "X" }}', 7, "needs parentheses"),
        ('{{ (env "X" }}', 3, "( without )"),
        ('{{ env "X") }}', 10, ") without ("),
        ('{{ "a" "b" }}', 3, "only a function takes arguments"),
        ('{{ env "X" | "a" }}', 13, "only a function takes arguments"),
        ('{{ split "a" "b" }}', 0, "use join"),
        ('{{ upper (split "a" "b") }}', 3, "expected a string"),
        ('{{ join "a" "b" }}', 3, "expected a list"),
        (r'{{ env "\q" }}', 7, "escape"),
        (r'{{ env "\xff" }}', 7, "not UTF-8"),
        (r'{{ env "\ud800" }}', 7, "not UTF-8"),
        (r'{{ env "\Uffffffff" }}', 7, "not UTF-8"),
        ('{{ env "X }}', 7, "syntax error"),
        ('{{ file "/no/such/file" }}', 3, os.strerror(errno.ENOENT)),
        ('{{ file "" }}', 3, "can't read the file"),
        (r'{{ file "\x00" }}', 3, "its name is not valid"),
        ("{{ " + "(" * 1000 + "env `X`" + ")" * 1000 + " }}", 24, "too many nested parentheses"),
    ],
)
def test_what_a_template_can_not_do(text, offset, what):
    with pytest.raises(Mistake) as caught:
        render(text, ENVIRON)
    assert str(caught.value).endswith(")")
    assert what in str(caught.value)
    assert caught.value.offset == offset


def test_a_file_is_read_without_the_space_around_it(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("\n pa ss \n\n")
    assert render(f'<{{{{file "{secret}"}}}}>', {}) == "<pa ss>"
    assert render('{{env "P" | file}}', {"P": str(secret)}) == "pa ss"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (1024 * 1024 + 1)])
def test_a_file_that_is_no_secret_is_refused_without_showing_it(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(Mistake, match=r"can't read the file: it is (not UTF-8|larger)"):
        render(f'{{{{file "{tmp_path}/file"}}}}', {})


@given(st.text(alphabet='{}-|()"`\\ \n/*.$envXjoinsplit', max_size=60))
def test_rubbish_is_rendered_or_refused(text):
    try:
        said = render(text, ENVIRON)
    except Mistake as caught:
        said = ""
        assert 0 <= caught.offset <= len(text)  # noqa: PT017 - either way is right
    assert "{{" not in said or "{{" in text


@given(st.text().filter(lambda text: "{{" not in text))
def test_a_text_without_braces_stays_as_it_is(text):
    assert render(text, {}) == text
