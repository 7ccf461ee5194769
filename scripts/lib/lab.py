# SPDX-License-Identifier: Apache-2.0
"""The lab from Python: the balancer under test, its configuration, its API, and clients.

Runs inside a lab that `scripts/lab run` made; the network's layout is in scripts/lib/topology.sh.
"""
import functools
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SLUICE_BUILD", TOP / "build"))
SLUICED = BUILD / "app/sluiced/sluiced"
SLUICECTL = BUILD / "app/sluicectl/sluicectl"
DECAP = BUILD / "lib/xdp/decap.bpf.o"
HERE = pathlib.Path("/run/lab")
SOCKET = "/run/sluice/admin.sock"
VIP, BALANCER, CLIENT = "203.0.113.10", "10.0.0.1", "10.0.9.2"


class Failure(Exception):
    """Something the lab expected did not come about; the text is for a person."""


def backend_address(name):
    return f"10.0.1.{10 + int(name.removeprefix('gpu-'))}"


def inside(namespace, *command):
    """The argument list that runs `command` in one of the lab's namespaces."""
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *map(str, command)]


def run(namespace, *command, check=True, **how):
    """Runs to the end; returns the finished process with text outputs."""
    done = subprocess.run(inside(namespace, *command), capture_output=True, text=True, timeout=how.pop("timeout", 60), **how)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: exit {done.returncode}: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done


def wait_until(what, condition, seconds=20):
    """Returns the first true value of condition(); Failure when `seconds` pass without one."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds} s in vain for {what}")
        time.sleep(0.02)


def configuration(backends, forwarding="ipip", **changes):
    """One service on the VIP, one pool. backends: {name: weight}; changes replace top-level members."""
    pool = {"name": "llama", "forwarding": forwarding, "policy": "maglev", "affinity": "5tuple",
            "backends": [{"name": n, "address": backend_address(n), "weight": w} for n, w in backends.items()]}
    if forwarding == "ipip":
        pool["encapsulation"] = {"source": BALANCER}
    base = {
        "node": "lab",
        "dpdk": {"lcores": "0-1", "main_lcore": 0, "huge_pages": huge_pages(), "memory_mb": 256},
        "ports": [{"name": "front", "device": device(), "mtu": 1500, "queues": 1}],
        "services": [{"name": "chat", "address": VIP, "port": 80, "protocol": "tcp", "pool": "llama"}],
        "pools": [pool],
        "admin": {"socket": SOCKET},
        "state_dir": str(HERE / "state"),
    }
    return {**base, **changes}


@functools.cache
def huge_pages():
    """True when the lab has 256 MiB of huge pages to give, which is enough for one daemon at a time. Asked once: a
    daemon that has them leaves fewer, and a configuration to compare with its own must not differ for that."""
    try:
        free = int(pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())
    except OSError:
        return False
    return os.path.isdir("/run/hugepages") and free >= 128


def device():
    """The DPDK device on lb0: AF_XDP where kernel and driver have it, else af_packet."""
    return "net_af_xdp0,iface=lb0" if af_xdp_missing() is None else "net_af_packet0,iface=lb0"


def af_xdp_missing():
    """None, or what this machine lacks for AF_XDP."""
    try:
        socket.socket(44, socket.SOCK_RAW).close()  # AF_XDP
    except OSError as error:
        return f"the kernel has no AF_XDP sockets ({error.strerror})"
    if not os.path.ismount("/sys/fs/bpf"):
        return "the kernel has no BPF file system"
    return None


class Connection(http.client.HTTPConnection):
    """HTTP over the admin socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def api(path, method="GET", body=None, at=SOCKET):
    """(status, decoded body) of one call to the admin API."""
    link = Connection(at)
    try:
        link.request(method, path, body=None if body is None else json.dumps(body))
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


class Balancer:
    """One sluiced. Use it in a `with`: it is killed at the end if it still runs."""

    def __init__(self, config, name="sluice", namespace="lb"):
        self.namespace = namespace
        self.socket = SOCKET if isinstance(config, str) else config.get("admin", {}).get("socket", SOCKET)
        self.file = HERE / f"{name}.json"
        self.log = HERE / f"{name}.log"
        self.process = None
        self.write(config)

    def write(self, config):
        """Replaces the file in one step, as an operator's editor would; text is written as it is."""
        new = self.file.with_suffix(".new")
        new.write_text(config if isinstance(config, str) else json.dumps(config, indent=2))
        new.rename(self.file)

    def launch(self):
        """Starts the program and does not wait."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(inside(self.namespace, SLUICED, "run", "--config", self.file),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self, seconds=60):
        """Starts it and waits until it says that it is ready."""
        self.launch()
        wait_until("the balancer to be ready", self.ready, seconds)
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise Failure(f"sluiced ended with {self.process.returncode}: {self.tail()}")
        status = self.status()
        return status is not None and status["pid"] == self.process.pid and status["ready"]

    def status(self):
        """The API's status, or None while nobody answers."""
        try:
            code, body = api("/api/v1/status", at=self.socket)
        except (OSError, http.client.HTTPException):
            return None
        return body if code == 200 else None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=30):
        """Waits for the end and returns the exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"sluiced still runs after {seconds} s: {self.tail()}") from None

    def stop(self, seconds=30):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def tail(self, lines=15):
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.strip().splitlines()[-lines:])

    def balanced(self):
        """Waits until the books balance with nothing under way; returns them."""
        return wait_until("the books to balance", self._books)

    def _books(self):
        books = self.status()["books"]
        whole = books["forward"] + books["host"] + books["answer"] + books["drop"]
        return books if books["balanced"] and books["in_flight"] == 0 and books["rx"] == whole else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def ctl(*arguments, check=True, at=SOCKET):
    """`sluicectl --json ...` in the balancer's namespace: its decoded output."""
    done = run("lb", SLUICECTL, "--socket", at, "--json", *arguments, check=check)
    return json.loads(done.stdout) if check else done


def run_script(verb, *arguments):
    """A verb of scripts/lab on the lab that we are in."""
    done = subprocess.run([TOP / "scripts/lab", verb, *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise Failure(f"scripts/lab {verb}: {done.stderr.strip()}")
    return done.stdout


def requests(count, *more, namespace="client"):
    """`count` requests from as many sources; see load.py for what comes back."""
    done = run(namespace, sys.executable, TOP / "scripts/lib/load.py", "once", "--requests", count, *more, timeout=300)
    return json.loads(done.stdout)


class Steady:
    """Short requests and long streams in the background, from the start of a `with` to finish()."""

    PROGRAM = ("load.py", "steady")

    def __init__(self, *more, namespace="client"):
        program, *how = self.PROGRAM
        self.process = subprocess.Popen(inside(namespace, sys.executable, TOP / "scripts/lib" / program, *how, *more),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last = {"answered": 0, "failed": 0, "streams": 0, "by_backend": {}}
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.last = json.loads(line)

    def more(self, answers, seconds=60):
        """Waits for that many more answers, counted from now."""
        start = self.last["answered"]
        wait_until(f"{answers} more answers", lambda: self.last["answered"] >= start + answers or
                   self._ended(), seconds)

    def _ended(self):
        if self.process.poll() is not None:
            raise Failure("the load ended by itself")

    def finish(self):
        """Lets every request that began come to its end; returns the whole count."""
        self.process.stdin.close()
        self.reader.join(60)
        if self.process.wait(60) != 0:
            raise Failure("the load failed")
        return self.last

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


class Open(Steady):
    """Streams at a given rate in the background: RATExSECONDS, one after the other; see open_load.py."""

    PROGRAM = ("open_load.py",)

    def __init__(self, *phases, target=f"{VIP}:8000", first=0, namespace="client"):
        super().__init__("--phases", ",".join(phases), "--target", target, "--first", first, namespace=namespace)
        self.last = {"sent": 0, "open": 0, "oldest": 0, "answered": 0, "failed": 0, "errors": [], "by_backend": {}, "phase": -1}

    def reached(self, phase, seconds=60):
        """Waits until that phase (the first is 0) has begun."""
        wait_until(f"phase {phase} of the load", lambda: self.last["phase"] >= phase or self._ended(), seconds)

    def result(self, seconds=120):
        """Waits for the end of the last phase and of every stream; returns the whole count."""
        self.reader.join(seconds)
        if self.process.wait(1) != 0:
            raise Failure("the load failed")
        return self.last
