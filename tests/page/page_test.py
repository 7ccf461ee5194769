# SPDX-License-Identifier: Apache-2.0
"""What the page shows of nodes in every state of states.py, in a real browser: page_test.py PAGE.html

With SLUICE_SHOTS=DIRECTORY screenshots are left there to be looked at.
"""
import os
import pathlib

import node
import stage
import states
from stage import ROWS, SIZES, TABS, PageCase

STEADY = list(states.ALL)


def setUpModule():
    stage.set_up(STEADY)


class EveryState(PageCase):
    def each(self):
        for name in STEADY:
            with self.subTest(state=name):
                TABS[name].settle()
                yield name, TABS[name]

    def test_no_complaint_and_no_request_elsewhere_or_but_to_read(self):
        for _, tab in self.each():
            self.assertEqual(tab.page.complaints(), [])
            requests = [r for r in tab.page.requests() if not r["url"].startswith("data:")]
            self.assertGreaterEqual(len(requests), 3)
            for request in requests:
                self.assertTrue(request["url"].startswith(tab.server.url), request["url"])
                self.assertEqual(request["method"], "GET")

    def test_fits_every_width_without_scrolling_sideways(self):
        for name, tab in self.each():
            for width, height in SIZES.items():
                tab.page.look(width, height)
                self.assertEqual(
                    tab.page.wait("innerWidth === %d && document.documentElement.scrollWidth" % width), width
                )
            tab.page.look(1440, 900)

    def test_text_stands_out_in_light_and_dark(self):
        for name, tab in self.each():
            for scheme in ("light", "dark"):
                tab.page.look(1440, 900, scheme=scheme)
                tab.page.wait(f"document.documentElement.dataset.theme === '{scheme}'")
                self.assertEqual(tab.page.eval("judge.faint()"), [], scheme)
            tab.page.look(1440, 900)

    def test_structure_is_told_to_who_cannot_see_it(self):
        for _, tab in self.each():
            self.assertEqual(tab.page.eval("judge.structure()"), [])
            self.assertEqual(tab.page.eval("judge.states()"), [])

    def test_whatever_can_be_used_has_a_name(self):
        roles = {
            "button",
            "link",
            "checkbox",
            "searchbox",
            "table",
            "region",
            "image",
            "navigation",
            "article",
            "alert",
        }
        for name in ("healthy", "in_trouble", "autoscaling"):
            page = TABS[name].settle()
            found = set()
            for told in page.call("Accessibility.getFullAXTree")["nodes"]:
                role = told.get("role", {}).get("value")
                if role in roles and not told["ignored"]:
                    found.add(role)
                    self.assertTrue(
                        told.get("name", {}).get("value", "").strip(), f"{role} without a name: {told}"
                    )
            self.assertLess({"button", "link", "table", "region", "image", "navigation"}, found)

    def test_these_judges_find_what_is_wrong(self):
        tab = self.tab(states.healthy())
        page = tab.settle()
        for judge, harm in (
            ("faint", "document.querySelector('h2').style.color = 'rgb(190 190 190)'"),
            ("structure", "document.querySelector('th[scope=col]').removeAttribute('scope')"),
            ("states", "document.querySelector('tbody .state').lastChild.textContent = ''"),
            ("unfocused", "document.getElementById('theme').style.outline = 'none'"),
        ):
            self.assertEqual(page.eval(f"judge.{judge}()"), [])
            # In one step: the next answer may mend a cell.
            self.assertEqual(len(page.eval(f"({harm}, judge.{judge}())")), 1, judge)

    def test_focus_is_seen_wherever_it_goes(self):
        for name in ("healthy", "autoscaling"):
            self.assertEqual(TABS[name].settle().eval("judge.unfocused()"), [])


class Cells(PageCase):
    def test_backends_are_what_the_daemon_told(self):
        tab = TABS["draining"]
        tab.settle(3)
        told = {b["name"]: b for b in tab.server.state.answer(0)["backends"]}
        shown = {row["Backend"]: row for row in tab.rows("pools")}
        self.assertEqual(set(shown), set(told))
        for name, row in shown.items():
            one = told[name]
            self.assertTrue(row["State"].startswith(one["state"]), row)
            self.assertEqual(row["Address"], one["address"])
            self.assertEqual(row["Table → packets"].split(" → ")[0], f"{100 * one['slots_share']:.1f} %")
            self.assertEqual(row["Flows"], f"{one['active_flows']:,}")
            self.assertEqual(row["Next hop"], one["next_hop"]["mac"])
        self.assertEqual(shown["gpu-4"]["Weight"], "40 of 100")
        self.assertEqual(shown["gpu-1"]["Packets/s"], "1.01 k")
        self.assertEqual(shown["gpu-1"]["New flows/s"], "10")
        self.assertEqual(shown["gpu-1"]["Last check"], "OK 0.90 ms · 200 OK")
        # 1010 of 1010 + 1040 packets a turn.
        self.assertEqual(shown["gpu-1"]["Table → packets"], "50.0 % → 49.3 %")

    def test_a_thousand_backends_are_all_there_with_trouble_first(self):
        tab = TABS["thousand"]
        tab.settle(3)
        shown = tab.rows("pools")
        self.assertEqual(len(shown), 1000)
        self.assertEqual(
            [row["State"] for row in shown[:7]],
            ["down", "ejected", "degraded", "starting", "draining", "maintenance", "up"],
        )

    def test_what_is_looked_for_is_found(self):
        tab = TABS["thousand"]
        page = tab.settle(3)
        page.eval("document.getElementById('only-trouble').click()")
        self.assertEqual(
            [row["Backend"] for row in tab.rows("pools")], ["gpu-38", "gpu-138", "gpu-238", "gpu-338"]
        )
        page.eval(
            """(() => { const find = document.getElementById('search');
            find.value = 'GPU-23'; find.dispatchEvent(new Event('input')); })()"""
        )
        self.assertEqual([row["Backend"] for row in tab.rows("pools")], ["gpu-238"])
        page.eval(
            """(() => { const find = document.getElementById('search');
            find.value = ''; find.dispatchEvent(new Event('input'));
            document.getElementById('only-trouble').click(); })()"""
        )

    def test_drops_have_count_rate_and_remedy(self):
        tab = TABS["in_trouble"]
        tab.settle(3)
        rows = {row["Reason"]: row for row in tab.rows("drops")}
        self.assertEqual(set(rows), {"malformed", "no_backend", "no_next_hop"}, "reasons that happened")
        for reason, row in rows.items():
            per_turn, remedy = tab.server.state.drops[reason]
            self.assertEqual(row["Now/s"], str(per_turn))
            self.assertEqual(row["What to do"], remedy)
            turns = int(row["Packets"].replace(",", "")) / per_turn - node.START
            self.assertIn(turns, range(tab.server.turn))

    def test_services_workers_and_ports(self):
        tab = TABS["healthy"]
        tab.settle(3)
        (service,) = tab.rows("services")
        self.assertEqual(
            (service["Service"], service["Address"], service["Backends up"]),
            ("chat", "tcp 203.0.113.10:443", "4 / 4"),
        )
        self.assertEqual(
            (service["Packets/s"], service["Bit/s"], service["New flows/s"]), ("4.10 k", "26.2 M", "40")
        )
        first, second = tab.page.eval(ROWS % "workers-table")
        self.assertEqual(
            (first["Busy"], second["Busy"]), ("20.0 %", "30.0 %"), "of late, not of its whole life"
        )
        self.assertEqual((first["Core"], first["Queues"], first["State"]), ("1", "front/0", "turns"))
        (port,) = tab.page.eval(ROWS % "ports-table")
        self.assertEqual((port["XDP"], port["Link"]), ("native on lb0", "up"))
        self.assertRegex(port["What the filter did"], r"^redirect [\d,]+, pass 7$")

    def test_events_are_newest_first(self):
        tab = TABS["healthy"]
        tab.settle()
        self.assertEqual(
            [row["Text"] for row in tab.rows("events")],
            [text for *_, text in reversed(tab.server.state.events)],
        )

    def test_scaling_shows_the_last_reason_and_what_was_decided(self):
        tab = TABS["autoscaling"]
        page = tab.settle(3)
        page.wait("document.querySelectorAll('#scaling tbody tr').length > 3")
        self.assertIn(
            "requests/s are expected in 95 s",
            page.eval("document.querySelector('#scaling .reason').textContent"),
        )
        rows = [row for row in tab.rows("scaling") if "Reason" in row]
        past = tab.server.state.decisions(tab.server.turn)[0]["decisions"]
        self.assertEqual([row["Reason"] for row in rows], [one["reason"] for one in reversed(past)][:10])
        self.assertRegex(
            page.eval("document.querySelector('#scaling .canvas').getAttribute('aria-label')"),
            r"now demand [\d.]+, capacity 50, forecast [\d.]+$",
        )
        asked = [target for target in tab.server.asked if "history" in target]
        self.assertEqual(len(asked), 1, "once")
        self.assertIn("pool=llama&step=1&from=", asked[0])
        painted = """(() => { const one = document.querySelector('#scaling canvas');
            const { data } = one.getContext('2d').getImageData(0, 0, one.width, one.height);
            return data.filter((byte, i) => i % 4 === 3 && byte > 0).length; })()"""
        self.assertGreater(page.eval(painted), 2000, "the chart is painted")


class Trouble(PageCase):
    def test_is_told_worst_first(self):
        tab = TABS["in_trouble"]
        tab.settle(3)
        self.assertEqual(tab.troubles(), ["books", "reload", "link/front", "panic/llama", "down"])
        self.assertIn(
            "65536 is not a prime number", tab.page.eval("document.getElementById('bad').textContent")
        )
        self.assertTrue(tab.page.eval("document.title").startswith("(!) 4 troubles, edge-1"))

    def test_a_healthy_node_has_none(self):
        TABS["healthy"].settle(3)
        self.assertEqual(TABS["healthy"].troubles(), [])
        self.assertEqual(TABS["healthy"].page.eval("document.title"), "edge-1 – Sluice")

    def test_a_worker_that_stands_still_is_named(self):
        tab = TABS["stuck_worker"]
        tab.page.wait("document.querySelector('[data-trouble=stuck]') !== null")
        self.assertEqual(tab.troubles()[:2], ["stuck", "not_ready"])
        self.assertEqual(
            [row["State"] for row in tab.page.eval(ROWS % "workers-table")], ["turns", "stands still"]
        )

    def test_an_empty_node_says_that_there_is_nothing(self):
        tab = TABS["empty"]
        tab.settle()
        self.assertEqual(tab.troubles(), ["not_ready"])
        text = tab.page.eval("document.querySelector('main').innerText")
        for words in (
            "No service is configured.",
            "No pool is configured.",
            "No pool is scaled.",
            "Nothing has been dropped.",
            "Nothing has happened yet.",
        ):
            self.assertIn(words, text)

    def test_hostile_names_are_text(self):
        tab = TABS["hostile"]
        page = tab.settle(3)
        self.assertEqual(page.eval("typeof window.hacked"), "undefined")
        self.assertEqual(
            page.eval(
                "document.querySelectorAll('img, svg, iframe, object, main script, main b:not([id])').length"
            ),
            0,
        )
        self.assertEqual(page.eval("document.getElementById('node-name').textContent"), states.HOSTILE)
        names = [row["Backend"] for row in tab.rows("pools")]
        self.assertEqual(sorted(names), sorted(b["name"] for b in tab.server.state.backends))
        self.assertIn("constructor", [row["State"] for row in tab.rows("pools")], "a state of a newer daemon")


class Shots(PageCase):
    def test_screenshots_are_left_to_be_looked_at(self):
        if "SLUICE_SHOTS" not in os.environ:
            self.skipTest("SLUICE_SHOTS is not set")
        place = pathlib.Path(os.environ["SLUICE_SHOTS"])
        place.mkdir(parents=True, exist_ok=True)
        for name in STEADY:
            page = TABS[name].settle(3)
            for width, height in SIZES.items():
                for scheme in ("light", "dark"):
                    page.look(width, height, scheme=scheme)
                    page.wait(f"document.documentElement.dataset.theme === '{scheme}'")
                    page.screenshot(place / f"{name}-{width}-{scheme}.png")


if __name__ == "__main__":
    stage.main()
