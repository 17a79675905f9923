"""Lines at the bottom of a terminal, and what is written above them."""

import io

from hypothesis import given
from hypothesis import strategies as st
from support.paper import Paper

from regbot.cli.screen import Screen

WIDTH = 20
LINES = st.lists(st.text("abc ", max_size=WIDTH - 1), max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from(["draw", "write", "above"]), LINES), max_size=12)


def rows(lines):
    """The rows that lines take."""
    return [
        line[start : start + WIDTH].rstrip()
        for line in lines
        for start in range(0, max(1, len(line)), WIDTH)
    ]


def as_a_terminal_does(text):
    return text.replace("\n", "\r\n")


@given(STEPS)
def test_what_is_written_stays_and_the_last_lines_are_below_it(steps):
    stream, paper = io.StringIO(), Paper(WIDTH)
    screen = Screen(stream)
    written, drawn = [], []
    for kind, lines in steps:
        if kind == "draw":
            screen.draw(lines)
            drawn = lines
        else:
            text = "".join(f"{line} and more than fits\n" for line in lines)
            written += text.splitlines()
            if kind == "write":
                screen.write(text)
            else:
                with screen.above():
                    stream.write(text)
        paper.feed(as_a_terminal_does(stream.getvalue()))
        stream.seek(0)
        stream.truncate()
        assert paper.text.split("\n") == [*rows([*written, *drawn]), ""]
    screen.draw([])
    paper.feed(as_a_terminal_does(stream.getvalue()))
    assert paper.text.split("\n") == [*rows(written), ""]


class Gone(io.StringIO):
    """A terminal that went away."""

    def write(self, text):
        raise OSError("it is gone")


def test_a_terminal_that_is_gone_ends_nothing():
    screen = Screen(Gone())
    screen.draw(["a"])
    with screen.above():
        pass
    screen.draw([])
