"""The results as JUnit XML, which CI servers read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from regbot.testing.results import Result

_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def as_junit(results: Sequence[Result]) -> bytes:
    """A document with a suite for each file."""
    root = ET.Element("testsuites", _counts(results))
    for path in dict.fromkeys(str(result.case.path) for result in results):
        inside = [result for result in results if str(result.case.path) == path]
        suite = ET.SubElement(root, "testsuite", {"name": path, **_counts(inside)})
        for result in inside:
            _add(suite, result)
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document + b"\n"


def _counts(results: Sequence[Result]) -> dict[str, str]:
    failures = sum(not result.passed for result in results)
    seconds = sum(result.happened.seconds for result in results)
    return {
        "tests": str(len(results)),
        "failures": str(failures),
        "errors": "0",
        "time": f"{seconds:.3f}",
    }


def _add(suite: ET.Element, result: Result) -> None:
    about = {
        "name": _clean(result.case.name),
        "classname": str(result.case.path),
        "file": str(result.case.path),
        "line": result.case.place.rsplit(":", 2)[1],
        "time": f"{result.happened.seconds:.3f}",
    }
    case = ET.SubElement(suite, "testcase", about)
    if result.problems:
        message = _clean(result.problems[0])
        failure = ET.SubElement(case, "failure", {"message": message})
        failure.text = _clean("\n".join(result.problems))


def _clean(text: str) -> str:
    """The text without what XML can't hold (XML 1.0, "Characters")."""
    return _NOT_IN_XML.sub("\ufffd", text)
