# SPDX-License-Identifier: Apache-2.0
"""How the page follows what happens, and how it is used, in a real browser: use_test.py PAGE.html"""
import json

import browser
import stage
import states
from stage import TABS, PageCase


def setUpModule():
    stage.set_up(["healthy", "one_down"])


class Time(PageCase):
    def test_a_counter_that_begins_anew_gives_no_wrong_rate(self):
        state = states.healthy()
        state.restarted_at = 4
        tab = self.tab(state)
        tab.page.eval(
            """(() => { window.said = []; const cell = document.getElementById('figure-in');
            new MutationObserver(() => said.push(cell.textContent))
                .observe(cell, { childList: true, subtree: true, characterData: true }); })()"""
        )
        tab.settle(7)
        self.assertEqual(set(tab.page.eval("said")) | {"–"}, {"4.10 k/s", "–"})
        self.assertIn("–", tab.page.eval("said"), "while nobody knows")
        self.assertEqual(tab.page.eval("document.getElementById('figure-in').textContent"), "4.10 k/s")

    def test_rates_and_numbers_by_themselves(self):
        page = TABS["healthy"].page
        self.assertEqual(
            page.eval(
                "[[5, 25, 2], [5, 5, 1], [9, 3, 1], [null, 3, 1], [3, 9, 0], [3, 9, -1]]"
                ".map((a) => module_rates.rate(...a))"
            ),
            [10, 0, None, None, None, None],
        )
        numbers = {
            "0": "0",
            "0.5": "0.50",
            "999.4": "999",
            "999.6": "1.00 k",
            "12345": "12.3 k",
            "1e9": "1.00 G",
            "-1500": "−1.50 k",
            "NaN": "–",
            "null": "–",
        }
        for number, text in numbers.items():
            self.assertEqual(page.eval(f"module_format.short({number})"), text)
        self.assertEqual(
            page.eval("[59.9, 61, 3660, 90000].map(module_format.duration)"),
            ["59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"],
        )

    def test_demand_of_before_is_shown_where_it_is_known(self):
        columns = TABS["healthy"].page.eval(
            """(() => { const one = new module_scale_history.ScaleHistory();
            one.add(1000, { demand_per_s: 7, capacity_per_s: 9, horizon_s: 60, forecast_per_s: 8,
                forecast_low_per_s: 6, forecast_high_per_s: 10 });
            one.past(996, 1, [null, 3, 4, 5, 99]);
            return one.columns().slice(0, 4); })()"""
        )
        times, demand, capacity, forecast = columns
        self.assertEqual(times, [997, 998, 999, 1000, 1060])
        self.assertEqual(demand, [3, 4, 5, 7, None], "of now the page knows better")
        self.assertEqual(capacity, [None, None, None, 9, None])
        self.assertEqual(forecast, [None, None, None, None, 8], "at the time that it speaks of")

    def test_a_daemon_that_is_gone_is_told_within_three_seconds(self):
        tab = self.tab(states.healthy())
        tab.settle()
        # The browser's own clock, from the last answer to the banner: this machine may be slow to tell us.
        tab.page.eval(
            """(() => {
            const banner = document.getElementById('banner');
            const stale = () => banner.querySelector('[data-trouble=stale]') !== null;
            const look = () => { if (stale()) window.told ??= performance.now(); };
            new MutationObserver(look).observe(banner, { childList: true, subtree: true });
            })()"""
        )
        tab.server.stop()
        tab.page.wait("window.told")
        silence = tab.page.eval(
            """told - Math.max(...performance.getEntriesByType('resource')
            .filter((one) => one.name.includes('/api/v1/stats') && one.responseStatus === 200)
            .map((one) => one.responseEnd))"""
        )
        self.assertLess(silence, 3000)
        self.assertEqual(tab.troubles(), ["stale"])
        self.assertTrue(tab.page.eval("document.title").startswith("(!) 1 trouble, edge-1"))

    def test_a_daemon_that_refuses_is_stale_until_it_answers_again(self):
        tab = self.tab(states.healthy())
        tab.settle()
        tab.server.trouble = 503
        tab.page.wait("document.querySelector('[data-trouble=stale]')?.textContent.includes('answer 503')")
        tab.server.trouble = None
        tab.page.wait(
            "!document.querySelector('[data-trouble=stale]') && document.getElementById('bad').hidden", 15
        )

    def test_an_answer_that_it_does_not_understand_is_told(self):
        state = states.healthy()
        tab = self.tab(state)
        tab.settle()
        state.status = {"ports": None}
        stale = "document.querySelector('[data-trouble=stale]')?.textContent"
        tab.page.wait(f"{stale}?.includes('does not understand the answer')")
        self.assertTrue(any("null" in line for line in tab.page.complaints()))
        state.status = {}
        tab.page.wait(f"{stale} === undefined", 15)

    def test_nobody_is_asked_while_nobody_looks(self):
        tab = self.tab(states.healthy())
        tab.settle()
        hide = """Object.defineProperty(document, 'hidden', { value: %s, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'))"""
        tab.page.eval(hide % "true")
        asked, other = tab.server.turn, TABS["healthy"].server
        began = other.turn
        browser.wait_until("three turns of another", lambda: other.turn >= began + 3, 30)
        self.assertLessEqual(tab.server.turn, asked + 1, "one may have been under way")
        tab.page.eval(hide % "false")
        browser.wait_until("another question", lambda: tab.server.turn > asked + 1, 5)
        self.assertEqual(tab.troubles(), [])

    def test_a_pool_that_is_closed_is_not_asked_for(self):
        tab = self.tab(states.healthy())
        tab.settle()
        self.assertIn("pool=llama", tab.server.asked[-1])
        tab.page.eval("document.querySelector('.pool summary').click()")
        browser.wait_until("a question without it", lambda: "pool=llama" not in tab.server.asked[-1], 10)

    def test_only_what_has_changed_is_written(self):
        state = states.thousand()
        state.count = lambda turn, per_turn: 7 * per_turn  # nothing moves
        for one in state.backends:
            one["health"]["since_s"] = 90_000.0
        tab = self.tab(state)
        tab.settle(3)
        tab.page.eval(
            """(() => { window.writes = 0; new MutationObserver((all) => { writes += all.length; }).observe(
            document.getElementById('pools-list'),
            { childList: true, subtree: true, characterData: true, attributes: true }); })()"""
        )
        tab.settle(tab.server.turn + 2)
        self.assertEqual(tab.page.eval("writes"), 0)


class Use(PageCase):
    def test_columns_are_sorted_by_keyboard(self):
        tab = TABS["one_down"]
        page = tab.settle(3)
        page.eval(
            "[...document.querySelectorAll('#pools thead button')]"
            ".find((b) => b.textContent === 'Packets/s').focus()"
        )
        for expected, names in (
            ("descending", ["gpu-4", "gpu-3", "gpu-1", "gpu-2"]),
            ("ascending", ["gpu-2", "gpu-1", "gpu-3", "gpu-4"]),
        ):
            page.press("Enter", windowsVirtualKeyCode=13, text="\r")
            self.assertEqual(page.eval("document.activeElement.closest('th').ariaSort"), expected)
            self.assertEqual([row["Backend"] for row in tab.rows("pools")], names)

    def test_the_first_stop_of_the_keyboard_leads_past_the_navigation(self):
        tab = self.tab(states.healthy())
        page = tab.settle()
        page.press("Tab", windowsVirtualKeyCode=9)
        self.assertEqual(page.eval("document.activeElement.textContent"), "To the content")
        page.press("Enter", windowsVirtualKeyCode=13, text="\r")
        page.wait("location.hash === '#main'")

    def test_colours_follow_the_system_or_the_button(self):
        tab = self.tab(states.healthy(), scheme="dark")
        page = tab.settle()
        theme = "document.documentElement.dataset.theme"
        self.assertEqual(page.eval(theme), "dark")
        page.eval("document.getElementById('theme').click()")
        self.assertEqual(page.eval(theme), "light")
        page.go(tab.server.url)
        self.assertEqual(page.eval(theme), "light", "it is remembered")
        self.assertEqual(
            page.eval("JSON.stringify({...localStorage})"),
            json.dumps({"sluice-theme": "light"}, separators=(",", ":")),
        )
        page.eval("for (const _ of [1, 2]) document.getElementById('theme').click(); localStorage.clear()")

    def test_nothing_moves_for_who_does_not_want_it(self):
        page = TABS["healthy"].settle()
        self.assertEqual(page.eval("getComputedStyle(document.documentElement).scrollBehavior"), "auto")
        self.assertEqual(
            page.eval(
                "[...document.querySelectorAll('*')]"
                ".filter((one) => getComputedStyle(one).transitionDuration !== '0s').length"
            ),
            0,
        )


if __name__ == "__main__":
    stage.main()
