# SPDX-License-Identifier: Apache-2.0
"""Tabs of one browser, each with a server of its own that replays one state.

A test program gets the built page as its first argument. Tabs that many tests look at are opened at once, so
the second that each turn takes passes for all of them together.
"""
import pathlib
import sys
import unittest

import browser
import states
from replay import Server

PAGE = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
JUDGE = (pathlib.Path(__file__).parent / "judge.js").read_text()
SIZES = {360: 740, 768: 1024, 1440: 900}
ROWS = """[...document.querySelectorAll('#%s tbody tr')].filter((row) => !row.hidden)
    .map((row) => Object.fromEntries([...row.cells].map((cell) => [cell.dataset.label, cell.textContent])))"""
STAGE = []  # the browser, once it runs
TABS = {}


def set_up(names):
    """Starts the browser and opens a tab for each of these states, until the test program ends."""
    if browser.program() is None:
        raise unittest.SkipTest("no Chromium is installed")
    STAGE.append(browser.Browser())
    unittest.addModuleCleanup(STAGE[0].close)
    for name in names:
        TABS[name] = Tab(states.ALL[name]())
        unittest.addModuleCleanup(TABS[name].server.stop)


def main():
    """For a test program's end."""
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)


class Tab:
    """A page on a server that replays one state."""

    def __init__(self, state, **how):
        self.server = Server(PAGE, state)
        self.page = STAGE[0].open(self.server.url, **how)
        self.page.eval(JUDGE)

    def settle(self, turns=2):
        """So many answers have been shown: two make a rate."""
        browser.wait_until(f"{turns} turns", lambda: self.server.turn > turns, 30)
        self.page.wait(
            "document.getElementById('figure-in').textContent !== '–' || document.title !== 'Sluice'", 30
        )
        return self.page

    def rows(self, section):
        return self.page.eval(ROWS % section)

    def troubles(self):
        return self.page.eval(
            "[...document.querySelectorAll('#banner li')].map((line) => line.dataset.trouble)"
        )

    def close(self):
        self.page.close()
        self.server.stop()


class PageCase(unittest.TestCase):
    maxDiff = None

    def tab(self, state, **how):
        """A tab of this test's own."""
        made = Tab(state, **how)
        self.addCleanup(made.close)
        return made
