# SPDX-License-Identifier: Apache-2.0
"""The pages (README.md, CONTRIBUTING.md, docs/): their blocks, headings, links, and who runs which block."""
import pathlib
import re

TOP = pathlib.Path(__file__).resolve().parents[2]
FIRST = TOP / "README.md"

# What a block may be, and who sees to it that it is right: a file that names the kind. Of "sh" the page is one script.
KINDS = {
    "sh": "tests/system/pages_test.py",  # run on the balancer's side of a lab
    "sh nic": "tests/system/pages_test.py",  # changes a NIC that a test machine has not: options looked up in the help
    "sh elsewhere": "tests/docs/pages_test.py",  # not run: ELSEWHERE says why
    "sh backend": "tests/system/backend_page_test.py",
    "sh setup": "tests/system/backend_setup_test.py",
    "sh machine": "tests/system/package_test.py",
    "sh capture": "tests/system/dumpcap_test.py",
    "console": "tests/client/page_test.cpp",
    "json": "tests/docs/pages_test.py",  # a configuration or a part of one: `sluiced check` takes it
    "json machine": "tests/system/package_test.py",
    "json answer": "tests/docs/pages_test.py",  # of the API: parsed, its fields are in the description
    "yaml": "tests/docs/pages_test.py",  # of Prometheus: promtool takes it
    "bird node": "tests/system/announce_test.py",
    "bird router": "tests/system/announce_test.py",
    "frr node": "tests/system/announce_test.py",
    "unit": "tests/docs/pages_test.py",  # a drop-in of systemd
    "rights": "tests/docs/pages_test.py",  # of Kubernetes
    "text": None,  # a picture, or what is printed: nothing to run
}
# Kinds of some pages alone, because who runs them reads no other.
HOMES = {
    "sh setup": ["docs/operate/backends.md"], "sh capture": ["docs/operate/devices.md"],
    "json machine": ["docs/operate/install.md"],
    "sh machine": ["docs/operate/install.md", "docs/operate/first-steps.md", "docs/operate/upgrade.md"],
    "console": ["docs/reference/sluicectl.md"], "json answer": ["docs/reference/api.md"],
    "rights": ["docs/operate/actuators.md"], "frr node": ["docs/operate/anycast.md"],
    "bird node": ["docs/operate/anycast.md"], "bird router": ["docs/operate/anycast.md"],
}
# Pages whose commands are not run at all, and why.
UNRUN = {"docs/performance.md": "benchmarks: minutes of a core of their own, and figures instead of a result",
         "docs/design/scaling.md": "likewise; what its model prints, the test 'scaling' compares"}


def pages():
    found = [FIRST, TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").glob("**/*.md"))]
    assert len(found) > 40, "the pages are elsewhere"
    return found


def name(page):
    return str(page.relative_to(TOP))


def blocks(page, kind=None):
    """(kind, text) of each fenced block, or the texts of one kind."""
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return found if kind is None else [text for which, text in found if which == kind]


def prose(page):
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def spans(page):
    """What stands in `backquotes`, over the end of a line too."""
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]


def anchors(page):
    """As GitHub makes them of headings: lower case, no punctuation, hyphens for blanks; a second of a name ends in -1."""
    found = []
    for heading in re.findall(r"^#+ +(.*?) *$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        again = sum(1 for other in found if re.fullmatch(re.escape(anchor) + r"(-\d+)?", other))
        found.append(f"{anchor}-{again}" if again else anchor)
    return set(found)


def links(page):
    """(file, anchor) of each link that stays here; either may be empty."""
    for link in re.findall(r"\]\(\s*([^)\s]+)[^)]*\)", prose(page)):
        if not re.match(r"[a-z]+:", link):
            file, _, anchor = link.partition("#")
            yield file, anchor
