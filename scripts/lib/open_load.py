# SPDX-License-Identifier: Apache-2.0
"""Streamed chats at a given rate, whether or not the earlier ones are answered: an open loop, as users are.

    open_load.py --phases 2x5,20x5,2x10 [--target 203.0.113.10:8000]

2 requests a second for 5 s, then 20 for 5 s, then 2 for 10 s; the gaps are drawn from --seed. Each is one TCP
connection from a source of its own. It prints the same JSON object five times a second and at the end:
{"sent", "open", "oldest", "answered", "failed", "errors", "by_backend", "first_token_s": {"p50", "p95", "max"},
"phase"}; oldest: of those that are open, how many were sent before it.
When standard input ends, nothing more is sent, and what is under way is read to its end.

A request fails when its connection is refused, reset or silent for 60 s, when its status is not 200, or when
its stream lacks a word of those that its usage tells, or its end.
"""
import argparse
import asyncio
import errno
import itertools
import json
import random
import sys
import time

HOSTS = range(2, 12)
SILENCE = 60  # seconds
BODY = json.dumps({"model": "lab-7b", "messages": [{"role": "user", "content": "six times seven is"}],
                   "stream": True, "stream_options": {"include_usage": True}}).encode()
HEAD = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n").encode()


class Wrong(Exception):
    """An answer that is not what it has to be."""


class OpenLoad:
    def __init__(self, target, first):
        self.host, self.port = target
        self.first = first
        self.sent = self.answered = self.failed = 0
        self.phase = -1
        self.open = set()  # numbers
        self.errors, self.by_backend, self.waits = [], {}, []

    def source(self, number, attempt=0):
        return f"10.0.9.{HOSTS[number % len(HOSTS)]}", 20000 + (self.first + number + 4001 * attempt) % 40000

    async def connect(self, number, attempt=0):
        """A connection from the number's own port, or from another one where an earlier load still has that."""
        try:
            return await asyncio.open_connection(self.host, self.port, local_addr=self.source(number, attempt))
        except OSError as error:
            if error.errno != errno.EADDRINUSE or attempt == 8:
                raise
        return await self.connect(number, attempt + 1)

    async def request(self, number):
        self.sent += 1
        self.open.add(number)
        began = time.monotonic()
        try:
            async with asyncio.timeout(SILENCE) as limit:
                reader, writer = await self.connect(number)
                try:
                    writer.write(HEAD + BODY)
                    backend, wait = await self.read(reader, began, limit)
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError, Wrong, asyncio.IncompleteReadError, LookupError) as error:
            self.failed += 1
            if len(self.errors) < 10:
                what = f"{type(error).__name__} {error} after {time.monotonic() - began:.1f} s"
                address, port = self.source(number)
                self.errors.append(f"{address}:{port}: {what}")
            return
        finally:
            self.open.discard(number)
        self.answered += 1
        self.by_backend[backend] = self.by_backend.get(backend, 0) + 1
        self.waits.append(wait)

    async def read(self, reader, began, limit):
        """Reads a whole answer; returns its backend and the seconds to its first word."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(":") for line in head.split("\r\n")[1:])
        fields = {key.lower(): value.strip() for key, _, value in lines}
        words, usage, wait = 0, None, None
        if not head.startswith("HTTP/1.1 200 ") or fields.get("transfer-encoding") != "chunked":
            raise Wrong(head.split("\r\n")[0])
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            chunk = (await reader.readexactly(size + 2))[:-2]
            limit.reschedule(asyncio.get_running_loop().time() + SILENCE)
            if size == 0:
                raise Wrong("the stream ended without [DONE]")
            event = chunk.decode().removeprefix("data: ").strip()
            if event == "[DONE]":
                break
            part = json.loads(event)
            usage = part.get("usage", usage)
            if part["choices"] and part["choices"][0]["delta"].get("content"):
                words += 1
                wait = wait or time.monotonic() - began
        if usage is None or words != usage["completion_tokens"]:
            raise Wrong(f"{words} words, and the usage says {usage}")
        return fields["x-backend"], wait

    def result(self):
        waits = sorted(self.waits) or [0.0]
        first = {"p50": waits[len(waits) // 2], "p95": waits[len(waits) * 95 // 100], "max": waits[-1]}
        return {"sent": self.sent, "open": self.sent - self.answered - self.failed,
                "oldest": min(self.open, default=self.sent), "answered": self.answered,
                "failed": self.failed, "errors": self.errors, "by_backend": self.by_backend,
                "phase": self.phase, "first_token_s": {k: round(v, 3) for k, v in first.items()}}


async def run(load, phases, seed):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), lambda: sys.stdin.buffer.raw.read(1) or ended.set())
    chance = random.Random(seed)
    numbers, under_way = itertools.count(), set()

    async def tell():
        while True:
            print(json.dumps(load.result()), flush=True)
            await asyncio.sleep(0.2)

    telling = asyncio.create_task(tell())
    begin = loop.time()
    for load.phase, (rate, seconds) in enumerate(phases):
        at = begin
        begin += seconds
        while not ended.is_set():
            at += chance.expovariate(rate) if rate > 0 else seconds
            try:
                await asyncio.wait_for(ended.wait(), max(0.0, min(at, begin) - loop.time()))
            except TimeoutError:
                pass
            if at >= begin or ended.is_set():
                break
            task = asyncio.create_task(load.request(next(numbers)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
    while under_way:
        await asyncio.wait(set(under_way))
    telling.cancel()


def read_phases(text):
    phases = [tuple(map(float, phase.split("x"))) for phase in text.split(",")]
    if any(len(phase) != 2 or min(phase) < 0 for phase in phases):
        raise ValueError(text)
    return phases


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phases", type=read_phases, required=True, help="RATExSECONDS,...")
    parser.add_argument("--target", default="203.0.113.10:8000")
    parser.add_argument("--first", type=int, default=0, help="sources to leave out, for another load's")
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    host, port = o.target.rsplit(":", 1)
    load = OpenLoad((host, int(port)), o.first)
    asyncio.run(run(load, o.phases, o.seed))
    print(json.dumps(load.result()), flush=True)


if __name__ == "__main__":
    main()
