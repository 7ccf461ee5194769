# SPDX-License-Identifier: Apache-2.0
"""The admin API on a live node: its own description holds, and nobody harms it who may not."""
import json
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.parse

import case
import lab

CROWD = pathlib.Path(__file__).with_name("crowd.py")
PAGE = lab.TOP / "docs/reference/api.md"
PORT = 9901
SCALED = {"autoscale": {"policy": "target", "min": 1, "max": 10, "mode": "advise"},
          "classes": [{"name": "small", "capacity": 10, "service_time_s": 1, "price_per_hour": 1, "cold_start_s": 5}]}
FLOW = {"protocol": "tcp", "source": "198.51.100.7", "source_port": 4242, "destination": lab.VIP, "destination_port": 80}


def strict(schema):
    """The same with every object closed: a field that is not described is a fault."""
    if isinstance(schema, dict):
        closed = {key: strict(value) for key, value in schema.items()}
        if "properties" in schema:
            closed.setdefault("additionalProperties", False)
        return closed
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


def metrics():
    link = lab.Connection(lab.SOCKET)
    try:
        link.request("GET", "/metrics")
        return link.getresponse().read().decode()
    finally:
        link.close()


def classic(text):
    """The same as promtool reads it: there a counter's description has the name of its samples."""
    for family in re.findall(r"^# TYPE (\S+) counter$", text, re.M):
        text = re.sub(rf"^# (TYPE|HELP) {family} ", rf"# \1 {family}_total ", text, flags=re.M)
    return text


def turns():
    """Turns of the slow path so far: all, and those that took a processor for 100 ms at most."""
    found = dict(re.findall(r'^sluice_control_turn_processor_seconds_bucket\{le="([^"]+)"\} (\d+)$', metrics(), re.M))
    return int(found["+Inf"]), int(found["0.1"])


class ApiCase(case.LabTest):
    def node(self, **admin):
        return self.balancer(admin={"socket": lab.SOCKET, "http": f"127.0.0.1:{PORT}", **admin})

    def crowd(self, *arguments, **how):
        """One of crowd.py's clients, to its end: what it says."""
        return lab.run("lb", sys.executable, CROWD, *arguments, timeout=300, **how).stdout.strip()

    def curl(self, *arguments):
        """(status, body) of a request from the balancer's own namespace."""
        done = lab.run("lb", "curl", "-sS", "-m", "20", "-w", "\n%{http_code}", *arguments)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def standing(self):
        """What no refused request may change."""
        return {"generation": lab.api("/api/v1/status")[1]["generation"], "config": lab.api("/api/v1/config")[1],
                "reload": lab.api("/api/v1/status")[1]["configuration"]["last_reload"]}

    def audits(self):
        return [e["text"] for e in lab.api("/api/v1/events")[1]["events"] if e["component"] == "audit"]


class Description(ApiCase):
    def setUp(self):
        super().setUp()
        try:
            import jsonschema
        except ImportError:
            self.skipTest("python3-jsonschema is not installed")
        self.jsonschema = jsonschema

    def expect(self, method, path, answer):
        operation = self.document["paths"][path][method.lower()]
        schema = {**operation["responses"]["200"]["content"]["application/json"]["schema"],
                  "components": self.document["components"]}
        self.jsonschema.Draft202012Validator(strict(schema)).validate(answer)
        self.asked.add((method, path))

    def ask(self, method, path, query=None, body=None, **parts):
        target = path.format(**parts) + ("?" + urllib.parse.urlencode(query) if query else "")
        if body is not None:
            schema = self.document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
            self.jsonschema.Draft202012Validator({**schema, "components": self.document["components"]}).validate(body)
        status, answer = lab.api(target, method, body)
        self.assertEqual(status, 200, (target, answer))
        self.expect(method, path, answer)
        return answer

    def changes(self):
        one = "/api/v1/backends/{pool}/{name}/"
        self.ask("POST", "/api/v1/backends/{pool}", body={"name": "more", "address": "10.0.1.30"}, pool="llama")
        self.ask("POST", one + "weight", body={"weight": 7}, pool="llama", name="more")
        for verb in ("drain", "maintenance", "undrain", "remove"):
            self.ask("POST", one + verb, pool="llama", name="more")
        running = lab.api("/api/v1/config")[1]
        self.ask("POST", "/api/v1/config/diff", body=running)
        self.ask("POST", "/api/v1/config/apply", body=running)
        self.ask("POST", "/api/v1/reload")
        self.ask("POST", "/api/v1/scale/{pool}", body={"action": "set", "count": 2, "for_s": 60}, pool="llama")
        self.ask("POST", "/api/v1/scale/{pool}", body={"action": "auto"}, pool="llama")

    def capture(self):
        started = self.ask("POST", "/api/v1/capture", body={"service": "chat", "count": 5})
        self.serve(20)
        lab.wait_until("packets", lambda: self.ask("GET", "/api/v1/capture", {"id": started["id"]})["packets"])
        self.ask("POST", "/api/v1/capture/stop", {"id": started["id"]})

    def test_every_path_answers_as_its_schema_says(self):
        pools = lab.configuration(case.EQUAL)["pools"]
        pools[0].update(SCALED, health={"type": "tcp", "port": 80, "interval_ms": 1000, "timeout_ms": 500})
        self.balancer(pools=pools, hash_key="00112233445566778899aabbccddeeff")
        self.serve(100)
        self.document = lab.api("/api/v1/openapi.json")[1]
        self.asked = set()
        lab.wait_until("a decision", lambda: lab.api("/api/v1/scale")[1]["pools"][0]["decision"])
        queries = {"/api/v1/trace": FLOW, "/api/v1/flows": {"limit": 10}, "/api/v1/scale/history": {"pool": "llama"}}
        for path, methods in self.document["paths"].items():
            content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
            if "application/json" in content and path != "/api/v1/capture":
                self.ask("GET", path, queries.get(path))
            elif content and path != "/api/v1/capture":
                self.asked.add(("GET", path))  # no JSON: metrics, probes
        self.changes()
        self.capture()
        every = {(method.upper(), path) for path, methods in self.document["paths"].items() for method in methods}
        self.assertEqual(self.asked, every, "each path is asked here")

    def test_the_reference_page_has_the_same_paths(self):
        self.balancer()
        document = lab.api("/api/v1/openapi.json")[1]
        printed = subprocess.run([lab.SLUICED, "openapi"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(json.loads(printed), document, "without a daemon there is the same document")
        every = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
        told = set()
        for method, path in re.findall(r"`(GET|POST) (/[^`?\[ ]*)", PAGE.read_text()):
            told.add(f"{method} " + path.replace("POOL", "{pool}").replace("NAME", "{name}"))
        self.assertEqual(every - told, set(), "paths that the page leaves out")
        self.assertEqual({one for one in told - every if one != "GET /"}, set(), "paths that are not there")


class Hostile(ApiCase):
    def test_bad_requests_have_their_status_and_change_nothing(self):
        self.node()
        before = self.standing()
        head = "{} {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n"
        for method, path, rest, status in (
                ("GET", "/api/v1/none", "", "404"),
                ("GET", "/api/v1/%ff%fe", "", "400"),
                ("GET", "/api/v1/backends?pool=%c0%af", "", "400"),
                ("GET", "/api/v1/status%00x", "", "400"),
                ("GET", "/" + "x" * 9000, "", "414"),
                ("DELETE", "/api/v1/status", "", "405"),
                ("POST", "/api/v1/status", "Content-Length: 0\r\n", "405"),
                ("GET", "/api/v1/reload", "", "405"),
                ("GET", "/api/v1/status", "X: " + "x" * 40000 + "\r\n", "431"),
                ("POST", "/api/v1/config/apply", "Content-Length: 1073741824\r\n", "413"),
                ("POST", "/api/v1/backends/llama", "Content-Length: 70000\r\n", "413"),
                ("POST", "/api/v1/backends/llama", "Content-Length: 6\r\n\r\n{\"\xff\"}", "400"),
                ("POST", "/api/v1/backends/llama", "Content-Length: 4\r\n\r\n[[[[", "400"),
                ("BREW", "/api/v1/status", "", "405")):
            request = head.format(method, path, rest).encode("latin-1")
            done = subprocess.run(lab.inside("lb", sys.executable, CROWD, "raw", lab.SOCKET), input=request,
                                  capture_output=True, timeout=60, check=True)
            self.assertEqual(done.stdout.decode().strip(), status, (method, path[:40], rest[:40]))
        self.assertEqual(self.standing(), before)
        self.assertEqual(self.audits(), [])

    def test_a_body_without_end_and_many_posts_hold_nobody(self):
        self.node()
        before = self.standing()
        all_before, short_before = turns()
        self.assertEqual(self.crowd("huge", 1 << 30, lab.SOCKET), "413")
        self.assertEqual(self.crowd("flood", 3000, lab.SOCKET), "404:3000")
        all_after, short_after = turns()
        self.assertEqual(all_after - all_before, short_after - short_before, "a turn took more than 100 ms")
        self.assertEqual(self.standing(), before)
        self.serve(200)

    def test_ten_thousand_connections_keep_nobody_out(self):
        balancer = self.node()
        before = self.standing()
        all_before, short_before = turns()
        crowd = subprocess.Popen(lab.inside("lb", sys.executable, CROWD, "hold", "10000", lab.SOCKET, str(PORT)),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(crowd.wait)
        self.addCleanup(crowd.kill)
        self.addCleanup(crowd.stdout.close)
        self.addCleanup(crowd.stdin.close)
        for _ in range(20):  # while they come
            self.assertEqual(lab.ctl("status")["node"], "lab")
        self.assertTrue(crowd.stdout.readline().startswith("held "))
        self.assertEqual(lab.ctl("status")["node"], "lab")
        status, _ = self.curl(f"http://127.0.0.1:{PORT}/readyz")
        self.assertEqual(status, 200)
        self.serve(200)
        descriptors = len(list(pathlib.Path(f"/proc/{balancer.process.pid}/fd").iterdir()))
        self.assertLess(descriptors, 400, "connections are bounded")
        all_after, short_after = turns()
        self.assertEqual(all_after - all_before, short_after - short_before, "a turn took more than 100 ms")
        self.assertEqual(self.standing(), before)
        balancer.balanced()


class Access(ApiCase):
    def certificate(self, name):
        files = [lab.HERE / f"tls.{ending}" for ending in ("pem", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
        files[1].chmod(0o600)
        return {"tls_certificate": str(files[0]), "tls_key": str(files[1])}

    def tokens(self, text):
        file = lab.HERE / "tokens"
        file.write_text(text)
        file.chmod(0o600)
        return str(file)

    def remote(self, path, *more, token=None):
        given = ["-H", f"Authorization: Bearer {token}"] if token else []
        return self.curl("--cacert", lab.HERE / "tls.pem", f"https://127.0.0.1:{PORT}{path}", *given, *more)

    def test_tcp_without_token_reads_and_is_told_how_to_change(self):
        self.node()
        self.assertEqual(self.curl(f"http://127.0.0.1:{PORT}/api/v1/status")[0], 200)
        status, body = self.curl("-X", "POST", f"http://127.0.0.1:{PORT}/api/v1/backends/llama/gpu-1/drain")
        self.assertEqual(status, 403)
        self.assertIn("token_file", json.loads(body)["error"]["message"])
        self.assertEqual(self.backends()["gpu-1"]["operator"], "none")

    def test_token_over_tls_changes_and_is_in_the_audit_event(self):
        ci, ops = "c" * 32, "o" * 32
        balancer = self.node(**self.certificate("first"), token_file=self.tokens(f"ci {ci}\n"))
        drain = "/api/v1/backends/llama/gpu-1/drain"
        self.assertEqual(self.remote("/api/v1/status")[0], 200)
        self.assertEqual(self.remote(drain, "-X", "POST")[0], 403)
        self.assertEqual(self.remote(drain, "-X", "POST", token=ops)[0], 401)
        self.assertEqual(self.audits(), [])
        status, body = self.remote(drain, "-X", "POST", token=ci)
        self.assertEqual(status, 200, body)
        self.assertRegex(self.audits()[-1], r"^token ci at 127\.0\.0\.1:\d+: drain backend gpu-1 of pool llama: "
                                            r"pools/llama/backends/gpu-1/operator from none to drain$")
        self.assertIn("audit", balancer.log.read_text())

        self.tokens(f"ops {ops}\n")
        self.certificate("second")
        self.assertEqual(lab.api("/api/v1/reload", "POST")[0], 200)
        self.assertEqual(self.remote("/api/v1/backends/llama/gpu-1/undrain", "-X", "POST", token=ci)[0], 401)
        self.assertEqual(self.remote("/api/v1/backends/llama/gpu-1/undrain", "-X", "POST", token=ops)[0], 200)

        (lab.HERE / "tokens").chmod(0o644)
        status, answer = lab.api("/api/v1/reload", "POST")
        self.assertEqual(status, 400)
        self.assertIn("chmod 600", json.dumps(answer))
        self.assertEqual(self.remote("/api/v1/status", token=ops)[0], 200, "what was read before stays")

    def test_socket_has_the_mode_and_group_that_are_asked_for(self):
        self.node(socket_mode="0600", socket_group="nogroup")
        facts = pathlib.Path(lab.SOCKET).stat()
        self.assertEqual(facts.st_mode & 0o777, 0o600)
        self.assertEqual(pathlib.Path(lab.SOCKET).group(), "nogroup")

    def test_change_by_the_socket_names_the_user(self):
        self.node()
        lab.ctl("backend", "weight", "llama", "gpu-1", "50")
        self.assertRegex(self.audits()[-1], r"^user root \(uid 0, gid 0, pid \d+\): weight of backend gpu-1 of pool llama "
                                            r"to 50: pools/llama/backends/gpu-1/weight from 100 to 50$")

    def test_a_key_that_others_may_read_is_refused_at_the_start(self):
        files = self.certificate("first")
        pathlib.Path(files["tls_key"]).chmod(0o644)
        balancer = self.balancer(start=False, admin={"socket": lab.SOCKET, "http": f"127.0.0.1:{PORT}", **files})
        self.refused(balancer, "tls.key", "chmod 600", statuses=(1, 2))


class Telemetry(ApiCase):
    def native(self, command):
        """What DPDK's own client gets."""
        done = subprocess.run(["dpdk-telemetry.py", "-f", "sluice-lab"], input=command + "\n", capture_output=True,
                              text=True, timeout=60, check=True)
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return answers[-1][command.split(",")[0]]

    def test_dpdk_telemetry_answers_with_the_nodes_own_figures(self):
        self.balancer()
        self.serve(50)
        books = lab.api("/api/v1/status")[1]["books"]
        stats = self.native("/sluice/stats")
        self.assertGreaterEqual(stats["rx"], books["rx"])
        self.assertGreater(stats["forward"], 0)
        self.assertIn("drop_no_backend", stats)
        self.assertEqual(self.native("/sluice/workers")["worker"], [0])
        services = self.native("/sluice/services,0")
        self.assertEqual(services["name"], ["chat"])
        self.assertGreater(services["packets"][0], 0)
        self.assertFalse(self.native("/sluice/services,1"))

    def test_metrics_are_clean(self):
        self.balancer()
        self.serve(50)
        try:
            judged = subprocess.run(["promtool", "check", "metrics"], input=classic(metrics()), capture_output=True, text=True,
                                    timeout=60)
        except FileNotFoundError:
            self.skipTest("promtool is not installed")
        self.assertEqual((judged.returncode, judged.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
