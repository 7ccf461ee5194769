# SPDX-License-Identifier: Apache-2.0
"""DPDK programs for scripts/bench: started, their counters read, the CPU time of their workers charged, ended.

A program has received() and sent(), packets since it started; cpu(), seconds that its worker thread has had; stop().
"""
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

INTERRUPTED = 130  # exit status
WORKER = "rte-worker-1"  # DPDK's name of the thread of lcore 1, which forwards in every program here


class Failure(Exception):
    """A program does not do what it was started for; the text is for a person."""


def tsc_hz():
    """What the kernel has calibrated."""
    found = re.search(r"^bogomips\s*:\s*([\d.]+)", pathlib.Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return float(found[1]) * 1e6 / 2


class Program:
    """`prefix` names DPDK's files of this process; `place` takes its log."""

    running = []
    starting = told_to_end = False

    def __init__(self, command, prefix, place):
        self.prefix, self.log = prefix, place / f"{prefix}.log"
        with open(self.log, "wb") as log:
            Program.starting = True  # a signal in the midst of it would leave a process that nobody knows
            try:
                self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=log,
                                                stderr=subprocess.STDOUT, start_new_session=True)
                Program.running.append(self)
            finally:
                Program.starting = False
        if Program.told_to_end:
            sys.exit(INTERRUPTED)

    @staticmethod
    def told(*_):
        """What signals do that ask for the end."""
        Program.told_to_end = True
        if not Program.starting:
            sys.exit(INTERRUPTED)

    @staticmethod
    def end_all():
        """Those too that were being started or ended when the end came."""
        for program in Program.running:
            program.process.kill()
            program.process.wait()
            shutil.rmtree(f"/var/run/dpdk/{program.prefix}", ignore_errors=True)

    def tail(self):
        return self.log.read_text(errors="replace")[-1500:]

    def until(self, what, condition, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise Failure(f"{self.prefix} ended (exit {self.process.returncode}) before {what}:\n{self.tail()}")
            if time.monotonic() > end:
                raise Failure(f"{self.prefix}: waited {seconds} s in vain for {what}:\n{self.tail()}")
            time.sleep(0.02)

    def cpu(self):
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == WORKER:
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        raise Failure(f"{self.prefix} has no thread {WORKER}")

    def end(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                self.process.wait(20 if number == signal.SIGTERM else 5)
                break
            except subprocess.TimeoutExpired:
                self.process.send_signal(number)
        self.process.wait()
        Program.running.remove(self)
        self.process.stdin.close()
        shutil.rmtree(f"/var/run/dpdk/{self.prefix}", ignore_errors=True)


class Testpmd(Program):
    """dpdk-testpmd; `cpus`: of its commands and of its forwarding thread. rx, tx: the ports that are counted."""

    def __init__(self, prefix, place, cpus, eal, options, rx, tx):
        super().__init__(["dpdk-testpmd", "--lcores", f"0@{cpus[0]},1@{cpus[1]}", "--file-prefix", prefix, "--no-pci",
                          "--iova-mode=va", *eal, "--", "-i", "--nb-cores=1", "--burst=32", *options], prefix, place)
        self.rx, self.tx, self.telemetry = rx, tx, None
        self.until("its prompt", lambda: "testpmd>" in self.log.read_text(errors="replace"))

    def say(self, *lines):
        self.process.stdin.write("".join(f"{line}\n" for line in lines).encode())
        self.process.stdin.flush()

    def ask(self, question):
        if self.telemetry is None:
            self.telemetry = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self.telemetry.settimeout(5)
            self.telemetry.connect(f"/var/run/dpdk/{self.prefix}/dpdk_telemetry.v2")
            self.longest = json.loads(self.telemetry.recv(1024))["max_output_len"]
        self.telemetry.send(question.encode())
        return json.loads(self.telemetry.recv(self.longest))[question.split(",")[0]]

    def received(self):
        return sum(self.ask(f"/ethdev/stats,{port}")["ipackets"] for port in self.rx)

    def sent(self):
        return sum(self.ask(f"/ethdev/stats,{port}")["opackets"] for port in self.tx)

    def forward(self, mode):
        self.say("stop", f"set fwd {mode}", "start")

    def stop(self):
        if self.telemetry is not None:
            self.telemetry.close()
        if self.process.poll() is None:
            try:
                self.say("stop", "quit")
            except OSError:
                pass
        self.end()


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Sluiced(Program):
    """sluiced with a configuration, which gets a socket, a state directory and a name here."""

    def __init__(self, binary, place, configuration):
        self.socket, node = place / "admin.sock", f"bench-{os.getpid()}"
        whole = {"node": node, "admin": {"socket": str(self.socket)}, "state_dir": str(place / "state"),
                 **configuration}
        file = place / "sluiced.json"
        file.write_text(json.dumps(whole))
        super().__init__([binary, "run", "--config", file], f"sluice-{node}", place)
        self.until("readiness", self.ready)

    def status(self):
        connection = Connection(self.socket)
        try:
            connection.request("GET", "/api/v1/status")
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def ready(self):
        try:
            return self.status()["ready"]
        except (OSError, http.client.HTTPException):
            return False

    def received(self):
        return sum(port["rx_packets"] for port in self.status()["ports"])

    def sent(self):
        return sum(port["tx_packets"] for port in self.status()["ports"])

    def forward(self, mode):
        """It does what its configuration says."""

    def stop(self):
        # Not asked to stop in good order: it would wait for traffic to cease, which does not.
        if self.process.poll() is None:
            self.process.kill()
        self.end()


def missing():
    """What scripts/bench cannot do without and is not there."""
    if shutil.which("dpdk-testpmd") is None:
        return "dpdk-testpmd is missing; run: apt install dpdk-dev"
    if os.geteuid() != 0:
        return "needs root: DPDK's telemetry and huge pages"
    return None
