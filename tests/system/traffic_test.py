# SPDX-License-Identifier: Apache-2.0
"""Real TCP from real clients to real servers, through each forwarding mode."""
import lab
from case import LabTest


class Traffic(LabTest):
    def shares_follow(self, weights, served):
        total, whole = sum(served.values()), sum(weights.values())
        for name, weight in weights.items():
            self.assertAlmostEqual(100 * served.get(name, 0) / total, 100 * weight / whole, delta=3, msg=f"{name} in {served}")

    def test_ipip_answers_every_request_by_weight(self):
        weights = {"gpu-1": 100, "gpu-2": 200, "gpu-3": 50, "gpu-4": 150}
        balancer = self.balancer(weights)
        self.shares_follow(weights, self.serve(2000))
        self.assertEqual(balancer.balanced()["drop"], 0, lab.ctl("drops"))

    def test_l2dsr_answers_every_request_by_weight(self):
        weights = {"gpu-1": 100, "gpu-2": 200, "gpu-3": 50, "gpu-4": 150}
        balancer = self.balancer(weights, forwarding="l2dsr")
        self.shares_follow(weights, self.serve(2000))
        self.assertEqual(balancer.balanced()["drop"], 0, lab.ctl("drops"))

    def test_a_flow_goes_where_trace_says(self):
        self.balancer()
        for i in range(20):
            source = f"10.0.9.{2 + i % 10}:{41000 + i}"
            told = lab.ctl("trace", "tcp", source, f"{lab.VIP}:80")["backend"]
            address, port = source.split(":")
            answer = lab.run("client", "curl", "-sf", "--interface", address, "--local-port", port, f"http://{lab.VIP}/v1/models").stdout
            self.assertIn(f'"backend":"{told}"', answer)

    def test_a_request_larger_than_a_packet_arrives_whole(self):
        self.balancer()
        body = lab.HERE / "tmp/large"
        body.write_bytes(b"x" * 500_000)
        done = lab.run("client", "curl", "-sf", "-o", "/dev/null", "-w", "%{http_code} %{size_upload}",
                       "--data-binary", f"@{body}", f"http://{lab.VIP}/v1/completions")
        self.assertEqual(done.stdout, "200 500000")

    def test_linux_keeps_what_is_not_for_a_service(self):
        balancer = self.balancer()
        self.listen()
        self.ping()
        self.greet()
        # ARP: the client forgets the balancer's MAC address and finds it again.
        lab.run("client", "ip", "neigh", "flush", "to", lab.BALANCER)
        self.serve(50)
        self.ping()
        self.assertEqual(balancer.balanced()["drop"], 0)

    def test_workers_see_only_packets_of_services(self):
        balancer = self.balancer()
        before = balancer.balanced()["rx"]
        self.ping()
        with self.assertRaises(lab.Failure):  # no service on port 81: nobody listens there
            lab.run("client", "curl", "-s", "--max-time", "1", f"http://{lab.VIP}:81/")
        if lab.af_xdp_missing() is not None:
            self.skipTest(lab.af_xdp_missing())
        self.assertEqual(balancer.balanced()["rx"], before)

    def test_load_by_wrk_fails_no_request(self):
        balancer = self.balancer()
        out = lab.run("client", "wrk", "-t1", "-c64", "-d3s", f"http://{lab.VIP}/v1/models").stdout
        self.assertNotIn("Socket errors", out)
        self.assertNotIn("Non-2xx", out)
        books = balancer.balanced()
        self.assertGreater(books["forward"], 1000)
        self.assertEqual(books["drop"], 0)

    def test_each_backend_logs_the_clients_own_address(self):
        self.balancer({"gpu-1": 100})
        self.serve(10)
        log = lab.HERE / "gpu-1/access.log"  # nginx writes it when the connection is closed
        lab.wait_until("the client's address in the log", lambda: "10.0.9.2:20000 203.0.113.10 " in log.read_text())

    def test_metrics_and_probes_answer_over_curl(self):
        self.balancer()
        for path, text in (("/healthz", ""), ("/readyz", ""), ("/metrics", "sluice_rx_packets_total")):
            done = lab.run("lb", "curl", "-sf", "--unix-socket", lab.SOCKET, f"http://localhost{path}")
            self.assertIn(text, done.stdout)
