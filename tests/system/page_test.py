# SPDX-License-Identifier: Apache-2.0
"""The dashboard of a live daemon, in a real browser that stands on the balancer itself."""
import gzip
import http.client
import sys
import unittest

import lab
from case import LabTest

sys.path.insert(0, str(lab.TOP / "tests/page"))
import browser  # noqa: E402
import states  # noqa: E402

HTTP = "127.0.0.1:9901"
ROWS = """[...document.querySelectorAll('#%s tbody tr')]
    .map((row) => Object.fromEntries([...row.cells].map((cell) => [cell.dataset.label, cell.textContent])))"""
CHECKED = {
    "type": "http",
    "port": 80,
    "path": "/health",
    "interval_ms": 1000,
    "timeout_ms": 500,
    "rise": 1,
    "fall": 2,
}


def shape(value, path=""):
    """Every path of a document with the kind of what is there; of a list all elements together."""
    if isinstance(value, dict):
        return {p for key, one in value.items() for p in shape(one, f"{path}/{key}")} | {path}
    if isinstance(value, list):
        return {p for one in value for p in shape(one, f"{path}/*")} | {path}
    return {path}


class Dashboard(LabTest):
    def start(self, backends, **changes):
        balancer = self.balancer(backends, admin={"socket": lab.SOCKET, "http": HTTP}, start=False, **changes)
        balancer.config["pools"][0]["health"] = CHECKED
        balancer.write(balancer.config)
        return balancer.start()

    def open(self):
        if browser.program() is None:
            self.skipTest("no Chromium is installed")
        lab.run("lb", "ip", "link", "set", "lo", "up")
        stage = browser.Browser(lab.inside("lb"))
        self.addCleanup(stage.close)
        return stage.open(f"http://{HTTP}/")

    def get(self, **headers):
        link = lab.Connection(lab.SOCKET)
        self.addCleanup(link.close)
        link.request("GET", "/", headers=headers)
        answer = link.getresponse()
        return answer, answer.read()

    def test_page_is_served_packed_once_and_under_its_policy(self):
        self.start({"gpu-1": 100})
        plain, page = self.get()
        packed, body = self.get(**{"Accept-Encoding": "gzip"})
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(body), page)
        self.assertLess(len(body), 100_000)
        for answer in (plain, packed):
            self.assertEqual(answer.status, http.client.OK)
            self.assertIn("default-src 'none'", answer.headers["Content-Security-Policy"])
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(answer.headers["Cache-Control"], "no-cache")
        again, nothing = self.get(**{"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]})
        self.assertEqual((again.status, nothing), (http.client.NOT_MODIFIED, b""))
        self.assertEqual(lab.api("/", "POST")[0], http.client.METHOD_NOT_ALLOWED)

    def test_page_shows_what_the_daemon_tells_until_it_is_killed(self):
        balancer = self.start({"gpu-1": 100, "gpu-2": 200, "gpu-3": 50})
        page = self.open()
        self.serve(300)
        lab.ctl("backend", "drain", "llama", "gpu-3")
        page.wait("document.querySelectorAll('#pools tbody tr').length === 3", 20)
        page.wait("document.querySelector('#pools tbody').textContent.includes('draining')", 20)
        told = {b["name"]: b for b in lab.ctl("backends")["backends"]}
        for row in page.eval(ROWS % "pools"):
            one = told[row["Backend"]]
            self.assertTrue(row["State"].startswith(one["state"]), (row, one))
            self.assertEqual(row["Address"], one["address"])
            self.assertEqual(row["Weight"], f"{one['weight']:,}")
            self.assertEqual(row["Table → packets"].split(" → ")[0], f"{100 * one['slots_share']:.1f} %")
        (service,) = page.eval(ROWS % "services")
        self.assertEqual(service["Backends up"], "2 / 3")
        self.assertGreater(int(service["Packets in all"].replace(",", "")), 300)
        self.assertEqual([row["State"] for row in page.eval(ROWS % "workers-table")], ["turns"])
        texts = [row["Text"] for row in page.eval(ROWS % "events")]
        self.assertEqual(texts, [e["text"] for e in reversed(lab.ctl("events")["events"])][:50])
        self.assertEqual(page.complaints(), [])
        balancer.kill()
        page.wait("document.querySelector('[data-trouble=stale]') !== null", 20)
        self.assertTrue(page.eval("document.title").startswith("(!) 1 trouble"))

    def test_recorded_states_have_the_shape_of_a_live_answer(self):
        self.start({"gpu-1": 100})
        lab.wait_until("a check", lambda: lab.ctl("health")["pools"][0]["backends"][0]["last"])
        status, live = lab.api("/api/v1/stats")
        self.assertEqual(status, http.client.OK)
        counters = "/status/ports/*/xdp"
        recorded = {path for path in shape(states.healthy().answer(1)) if not path.startswith(counters)}
        self.assertEqual(recorded - shape(live), set())


if __name__ == "__main__":
    unittest.main()
