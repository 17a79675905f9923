"""Each character of a string is found in the file, however the string is written."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from regbot.config.compose import compose
from regbot.config.document import MappingNode, Mark, Scalar


def scalar_of(text: str) -> tuple[Scalar, object]:
    document = compose(text.encode(), "bot.yml")
    assert isinstance(document.root, MappingNode)
    node = document.root.get("a")
    assert isinstance(node, Scalar)
    return node, document


@pytest.mark.parametrize(
    ("text", "word", "line", "column"),
    [
        ("a: |\n  one\n\n  two three\n", "three", 4, 7),
        ("a: |2-\n    one\n  two\n", "one", 2, 5),
        ("a: >\n  one\n  two three\n\n  four\n", "three", 3, 7),
        ("a: >\n  one\n  two three\n\n  four\n", "four", 5, 3),
        ("a: one\n  two three\n", "three", 2, 7),
        ("a: 'it''s one'\n", "one", 1, 11),
        ("a: 'one\n\n  two'\n", "two", 3, 3),
        ('a: "x\\n\\ty\\x41\\"one two"\n', "one", 1, 17),
        ('a: "one\\\n    two three"\n', "three", 2, 9),
        ('a: "\\u00e9\\U0001F600 one"\n', "one", 1, 22),
        ("a: &x !!str one two\n", "two", 1, 17),
        ("a: &x 'one two'\n", "two", 1, 12),
        ("b: &x |\n  one two\na: *x\n", "two", 2, 7),
    ],
)
def test_a_word_is_found(text, word, line, column):
    scalar, document = scalar_of(text)
    assert document.place(scalar, scalar.text.index(word)) == Mark(line, column)


def test_beyond_the_end_is_after_the_last_character():
    scalar, document = scalar_of("a: |\n  one two\n\nb: more\n")
    assert document.place(scalar, len(scalar.text) + 9) == Mark(2, 10)


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r\x85\u2028\u2029\ufeff")),
    st.sampled_from(["|", ">", "'", '"', None]),
    st.integers(20, 90),
)
def test_every_character_is_found_in_every_style(text, style, width):
    file = yaml.dump({"a": text}, default_style=style, width=width, allow_unicode=True)
    try:
        scalar, document = scalar_of(file)
    except AssertionError:
        return  # an empty text is written as nothing
    for offset, character in enumerate(scalar.text):
        mark = document.place(scalar, offset)
        if not character.isspace():
            assert document.lines[mark.line - 1][mark.column - 1] in (character, "\\")
