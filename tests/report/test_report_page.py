"""The HTML report in a real browser."""

from __future__ import annotations

import pytest
from support.browser import chromium
from support.reports import BIDI, HOSTILE, hostile_report, report, row

from regbot.events import RunResult
from regbot.report.files import write_reports

TEXTS = "return Array.from(document.querySelectorAll(arguments[0]), (one) => one.innerText)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


def show(browser, folder, found):
    path = folder / "report.html"
    write_reports(found, [path])
    browser.requested()
    browser.complaints()
    browser.open(path)
    return path


def references(browser):
    return [text.rpartition(":")[2] for text in browser.run(TEXTS, "#actions td:nth-child(3)")]


def small():
    return report(
        row("b10", age_seconds=86400.0, size=2_000_000),
        row("b9", age_seconds=99 * 86400.0, size=None),
        row("b100", age_seconds=None, size=30_000, status="skipped", detail="moved"),
        row("b1", age_seconds=86400.0 * 9, size=1_000_000, reason="a preview"),
    )


def test_a_click_on_a_column_sorts_and_a_second_one_turns_it_round(browser, tmp_path):
    show(browser, tmp_path, small())
    assert references(browser) == ["b100", "b10", "b9", "b1"], "what needs attention comes first"
    browser.click("#actions th:nth-child(3) button")
    assert references(browser) == ["b1", "b9", "b10", "b100"]
    browser.click("#actions th:nth-child(3) button")
    assert references(browser) == ["b100", "b10", "b9", "b1"]
    browser.click("#actions th:nth-child(5) button")
    assert references(browser) == ["b100", "b1", "b10", "b9"], "by number, not known last"
    browser.click("#actions th:nth-child(4) button")
    browser.click("#actions th:nth-child(4) button")
    assert references(browser) == ["b9", "b1", "b10", "b100"]


def test_words_and_a_status_filter(browser, tmp_path):
    show(browser, tmp_path, small())
    browser.type("#search", "Preview b1")
    assert references(browser) == ["b1"]
    assert browser.run("return document.getElementById('shown').value") == "1 of 1 found, 4"
    show(browser, tmp_path, small())
    browser.type("#status", "skipped")
    assert references(browser) == ["b100"]


def test_what_registries_and_scripts_say_stays_text_and_no_request_leaves(browser, tmp_path):
    path = show(browser, tmp_path, hostile_report())
    assert browser.run("return document.title") == "regbot: Run"
    assert browser.run("return document.images.length") == 0
    assert browser.run("return document.scripts.length") == 1
    shown = browser.run("return document.body.innerText")
    assert HOSTILE in shown
    assert BIDI not in shown
    assert "safe\\u202egnp.exe\\x07" in shown
    browser.click("#actions th:nth-child(1) button")
    browser.type("#search", HOSTILE)
    assert len(references(browser)) == 1
    assert [url for url in browser.requested() if url != "data:,"] == [path.as_uri()]
    assert browser.complaints() == []


def test_even_code_that_got_into_the_page_would_be_stopped(browser, tmp_path):
    show(browser, tmp_path, small())
    browser.wait(
        """
        const done = arguments[0], stopped = [];
        addEventListener("securitypolicyviolation", (event) => {
          stopped.push(event.effectiveDirective);
          if (stopped.length === 3) done();
        });
        const main = document.querySelector("main");
        main.innerHTML += '<img src="https://127.0.0.1:9/leak">';
        main.innerHTML += '<b style="color:red" onclick="document.title=1">x</b>';
        main.querySelector("b").click();
        """
    )
    assert browser.run("return document.title") == "regbot: Run"
    assert all("Content Security Policy" in line for line in browser.complaints())


def test_ten_thousand_rows_can_be_sorted_and_searched(browser, tmp_path):
    rows = [row(f"t{number}", size=number) for number in range(10_000)]
    show(browser, tmp_path, report(*rows))
    assert len(references(browser)) == 500
    browser.type("#search", "t9999")
    assert references(browser) == ["t9999"]
    browser.run("document.getElementById('search').value = ''")
    browser.click("#actions th:nth-child(5) button")
    browser.click("#actions th:nth-child(5) button")
    assert references(browser)[:2] == ["t9999", "t9998"]
    browser.click("#more")
    assert browser.run("return document.querySelectorAll('#actions tbody tr').length") == 10_000


def test_failures_come_first_and_the_chart_tells_sizes(browser, tmp_path):
    failed = (RunResult("clean", "failed", "clean:3: no"), RunResult("mirror", "done"))
    show(browser, tmp_path, report(row("a"), runs=failed))
    sections = browser.run(TEXTS, "section")
    assert "clean failed clean:3: no" in sections[0]
    assert "mirror" not in sections[0]
    (bar,) = browser.run(TEXTS, ".chart li")
    assert bar.split("\n") == ["registry.example.org/team/app", "6.68 MiB"]
    width = "return document.querySelector('.chart .bar').getBoundingClientRect().width"
    assert browser.run(width) > 100


def test_on_a_phone_nothing_is_wider_than_the_screen(browser, tmp_path):
    browser.resize(500, 900)
    show(browser, tmp_path, hostile_report())
    width = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1]
    overflow = "return Array.from(document.querySelectorAll('.scroll'), (one) => "
    overflow += "one.scrollWidth - one.clientWidth)"
    assert browser.run(overflow) == [0, 0]
    browser.resize(1280, 900)


def test_dark_and_light_differ_by_what_the_reader_prefers(browser, tmp_path):
    colour = "return getComputedStyle(document.body).backgroundColor"
    show(browser, tmp_path, small())
    seen = set()
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        parameters = {"media": "", "features": features}
        browser.call(
            "POST", "/goog/cdp/execute", cmd="Emulation.setEmulatedMedia", params=parameters
        )
        seen.add(browser.run(colour))
    assert len(seen) == 2


def test_without_scripts_it_is_a_plain_table(tmp_path):
    flags = "--blink-settings=scriptEnabled=false"
    (tmp_path / "page").mkdir()
    with chromium(tmp_path / "page", flags) as plain:
        show(plain, tmp_path, small())
        cells = plain.call("POST", "/elements", using="css selector", value="#actions tbody tr")
        assert len(cells) == 4
        hidden = plain.find("#controls")
        assert plain.call("GET", f"{hidden}/displayed") is False
