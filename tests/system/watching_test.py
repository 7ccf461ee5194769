# SPDX-License-Identifier: Apache-2.0
"""What watches a node: every query of the dashboard against a live scrape, and the page of metrics."""
import json
import re
import shutil
import subprocess
import unittest
import urllib.parse

import case
import lab

DASHBOARD = lab.TOP / "docs/operate/grafana.json"
PAGE = lab.TOP / "docs/operate/metrics.md"
NODE, PROMETHEUS = 9901, 9090
SCALED = {"autoscale": {"policy": "target", "min": 1, "max": 10, "mode": "advise"},
          "classes": [{"name": "small", "capacity": 10, "service_time_s": 1, "price_per_hour": 1, "cold_start_s": 5}],
          "health": {"type": "tcp", "port": 80, "interval_ms": 1000, "timeout_ms": 500}}
SCRAPE = """
global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}
scrape_configs:
  - job_name: sluice
    static_configs: [ {{ targets: [ "127.0.0.1:{port}" ] }} ]
"""


def queries(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


class WatchingTest(case.LabTest):
    def node(self):
        pools = lab.configuration(case.EQUAL)["pools"]
        pools[0].update(SCALED)
        return self.balancer(pools=pools, admin={"socket": lab.SOCKET, "http": f"127.0.0.1:{NODE}"})

    def ask(self, expression):
        query = urllib.parse.urlencode({"query": expression})
        done = lab.run("lb", "curl", "-sS", "-m", "20", f"http://127.0.0.1:{PROMETHEUS}/api/v1/query?{query}", check=False)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            return None  # not up yet
        self.assertEqual(answer["status"], "success", (expression, answer))
        return answer["data"]["result"]

    def prometheus(self):
        config = lab.HERE / "prometheus.yml"
        config.write_text(SCRAPE.format(port=NODE))
        store = lab.HERE / "prometheus"
        shutil.rmtree(store, ignore_errors=True)
        with open(lab.HERE / "prometheus.log", "w") as log:
            process = subprocess.Popen(
                lab.inside("lb", "prometheus", f"--config.file={config}", f"--storage.tsdb.path={store}",
                           f"--web.listen-address=127.0.0.1:{PROMETHEUS}"), stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def test_every_query_of_the_dashboard_finds_a_series(self):
        if shutil.which("prometheus") is None:
            self.skipTest("prometheus is not installed")
        self.node()
        self.prometheus()
        lab.wait_until("the first scrapes", lambda: self.ask("count_over_time(sluice_ready[1m]) > 3"), 60)
        self.serve(200)
        found = list(queries(json.loads(DASHBOARD.read_text())))
        self.assertGreater(len(found), 30)
        for title, expression in found:
            live = (expression.replace("$__rate_interval", "30s").replace("$node", ".*").replace("$pool", ".*"))
            self.assertNotIn("$", live, title)
            with self.subTest(title):
                lab.wait_until(f"a series for {live}", lambda: self.ask(live), 20)

    def test_a_scrape_has_nothing_that_the_page_of_metrics_does_not_tell(self):
        self.node()
        self.serve(50)
        link = lab.Connection(lab.SOCKET)
        self.addCleanup(link.close)
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
        self.assertTrue(text.endswith("# EOF\n"), text[-200:])
        told = dict(rows(PAGE.read_text()))
        seen = set()
        for line in text.splitlines():
            if line.startswith("#"):
                continue
            name, labels = re.match(r"(\w+)(?:\{(.*)\})? ", line).groups()
            name = re.sub("_(bucket|count|sum)$", "", name)
            self.assertIn(name, told, line)
            has = [label for label in re.findall(r'(\w+)="', labels or "") if label != "le"]
            self.assertEqual(has, told[name], line)
            seen.add(name)
        self.assertIn("sluice_autoscale_desired_backends", seen)
        self.assertIn("sluice_snapshot_grace_seconds", seen)


def rows(page):
    """Of each metric that the page has: its name and its labels."""
    for name, labels in re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \| ", page, re.M):
        yield name, re.findall(r"`(\w+)`", labels)


if __name__ == "__main__":
    unittest.main()
