# SPDX-License-Identifier: Apache-2.0
"""HTTP client of the lab: real requests over real TCP, each connection from a source of its own.

    load.py once   --requests N    N requests, a connection each, from N different source ports; prints one
                                   JSON object: {"answered", "failed", "slow", "by_backend", "errors"}
    load.py steady                 short requests and long streams until standard input ends; prints the JSON
                                   object ten times a second, with "streams" besides those of `once`

Run it in the client's namespace. A request fails when the connection is refused, reset or silent for 10 s,
when the status is not 200, or when the body is short or not what its backend sends.
"""
import argparse
import asyncio
import json
import re
import sys
import time

HOSTS = range(2, 12)
STREAM_BYTES = sum(len(f'data: {{"token": {i}}}\n\n') for i in range(1, 4001))
SILENCE = 10  # seconds without a byte after which a connection counts as dead
SLOW = 0.9    # seconds: longer than this, and a SYN or an answer was lost and sent again


class Load:
    def __init__(self, target, network, first):
        self.host, self.port = target
        self.network, self.first = network, first
        self.answered, self.slow, self.streams = 0, 0, 0
        self.by_backend, self.errors = {}, []
        self.failed = 0

    async def exchange(self, source, path, body=b""):
        """One request on one connection; returns (head, body) of the answer."""
        reader, writer = await asyncio.wait_for(
            asyncio.open_connection(self.host, self.port, local_addr=source), SILENCE)
        try:
            method = "POST" if body else "GET"
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n"
                         f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = bytearray()
            while chunk := await asyncio.wait_for(reader.read(65536), SILENCE):
                answer += chunk
            head, _, rest = bytes(answer).partition(b"\r\n\r\n")
            return head.decode(), rest
        finally:
            writer.close()

    def wrong(self, source, what):
        self.failed += 1
        if len(self.errors) < 10:
            self.errors.append(f"{source[0]}:{source[1]}: {what}")

    async def request(self, source, body=b'{"model": "lab-7b", "prompt": "six times seven is"}'):
        start = time.monotonic()
        try:
            head, answer = await self.exchange(source, "/v1/completions", body)
            length = re.search(r"(?mi)^content-length: (\d+)", head)
            if not head.startswith("HTTP/1.1 200 ") or not length or int(length[1]) != len(answer):
                return self.wrong(source, f"bad answer: {head[:60]!r}, {len(answer)} bytes")
            backend = json.loads(answer)["backend"]
        except (OSError, asyncio.TimeoutError, ValueError) as error:
            return self.wrong(source, f"{type(error).__name__} {error} after {time.monotonic() - start:.1f} s")
        self.answered += 1
        self.slow += time.monotonic() - start > SLOW
        self.by_backend[backend] = self.by_backend.get(backend, 0) + 1

    async def stream(self, source):
        start = time.monotonic()
        try:
            head, answer = await self.exchange(source, "/v1/stream")
        except (OSError, asyncio.TimeoutError) as error:
            return self.wrong(source, f"stream: {type(error).__name__} {error} after {time.monotonic() - start:.1f} s")
        if not head.startswith("HTTP/1.1 200 ") or len(answer) != STREAM_BYTES:
            return self.wrong(source, f"stream: {head[:60]!r}, {len(answer)} of {STREAM_BYTES} bytes")
        self.streams += 1

    def source(self, i):
        """The i-th source: addresses take turns, and no port is used twice within 40,000 sources.

        Below 61000: the rest are the kernel's own in the lab (topology.sh)."""
        return f"{self.network}.{HOSTS[i % len(HOSTS)]}", 20000 + (self.first + i) % 40000

    def result(self):
        return {"answered": self.answered, "failed": self.failed, "slow": self.slow, "streams": self.streams,
                "by_backend": self.by_backend, "errors": self.errors}


async def once(load, requests, concurrency):
    numbers = iter(range(requests))

    async def one_by_one():
        for i in numbers:
            await load.request(load.source(i))

    await asyncio.gather(*(one_by_one() for _ in range(concurrency)))


async def steady(load, concurrency, streams):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.raw.read(1) or ended.set())
    numbers = iter(range(10**9))

    async def short():
        while not ended.is_set():
            await load.request(load.source(next(numbers)))

    async def long():
        while not ended.is_set():
            await load.stream(load.source(next(numbers)))

    async def tell():
        while not ended.is_set():
            print(json.dumps(load.result()), flush=True)
            await asyncio.sleep(0.1)

    # Each runs out by itself: a stream that began before the end is read to its last byte.
    await asyncio.gather(tell(), *(short() for _ in range(concurrency)), *(long() for _ in range(streams)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=("once", "steady"))
    parser.add_argument("--target", default="203.0.113.10:80")
    parser.add_argument("--network", default="10.0.9", help="first three numbers of the sources' addresses")
    parser.add_argument("--first", type=int, default=0, help="how many of the sources to leave out, for another load's")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--streams", type=int, default=16)
    o = parser.parse_args()
    host, port = o.target.rsplit(":", 1)
    load = Load((host, int(port)), o.network, o.first)
    asyncio.run(once(load, o.requests, o.concurrency) if o.how == "once" else
                steady(load, o.concurrency, o.streams))
    print(json.dumps(load.result()), flush=True)


if __name__ == "__main__":
    main()
