#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a vLLM server: the same API, queue, metrics and manners, without a model.

    inference_server.py [--config FILE] [--name gpu-1] [--listen ADDRESS:PORT]... [--slots N] ...

Each field of inference_engine.Options is an option (`--cold-start-s 2`) and a key of the JSON file
(`"cold_start_s": 2`); the command line wins. It prints "listening", then "ready", each on a line of its own.

    POST /v1/completions, /v1/chat/completions    with "stream", "max_tokens", "stream_options"
    GET  /health    200 when it serves
    GET  /ping      200 when it lives
    GET  /metrics   as vLLM names them
    GET  /v1/models, /version, /load, /is_sleeping
    POST /sleep, /wake_up
    POST /fault     {"metrics": ..., "health": ..., "requests": ..., "ready": true|false}; GET tells which

Asleep, it finishes what runs, and what comes waits until it is awake; /health stays 200, as vLLM's does.
SIGTERM: it takes no more connections and ends after the last answer; status 0, or 1 when `grace_s` or a
second signal cut one off.
"""
import argparse
import asyncio
import contextlib
import dataclasses
import json
import resource
import signal
import sys
import time

import http1
from http1 import Refusal
from inference_engine import Engine, Full, Options

FAULTS = {
    "metrics": ("none", "frozen", "nan", "negative", "huge", "garbage", "backwards", "500", "hang",
                "slow"),
    "health": ("none", "500", "hang", "slow"),
    "requests": ("none", "500", "hang", "slow", "reset"),
}
SLOW_S, SLOW_STRETCH = 2.0, 10.0
LOOK_S = 0.2  # how often a request that waits looks whether its client is still there


class Gone(Exception):
    """The client has left."""


class Server:
    def __init__(self, options, tell=lambda word: None):
        self.options, self.tell = options, tell
        self.engine = Engine(options)
        self.state = "starting"
        self.faults = {kind: "none" for kind in FAULTS}
        self.changed = asyncio.Event()  # of the faults; replaced each time
        self.frozen, self.turn = "", 0
        self.listeners, self.addresses = [], []
        self.connections, self.idle = set(), set()  # tasks; writers of those that wait for a request
        self.cold, self.warm = asyncio.Event(), False  # the end of the cold start; whether it has been seen
        self.hurry = asyncio.Event()
        self.log = open(options.log, "a", buffering=1) if options.log else None
        self.set_faults(options.fault)

    async def start(self):
        """Returns when it serves; or when stop() was called meanwhile."""
        self.note("start")
        timer = asyncio.get_running_loop().call_later(self.options.cold_start_s, self.cold.set)
        if self.options.cold_start == "503":
            await self.listen()
        await self.cold.wait()
        timer.cancel()
        self.warm = True
        if self.state == "starting":
            if not self.listeners:
                await self.listen()
            self.state = "ready"
            self.note("ready")
            self.tell("ready")

    async def listen(self):
        for text in self.options.listen:
            host, _, port = text.rpartition(":")
            listener = await asyncio.start_server(self.connection, host.strip("[]"), int(port), backlog=4096,
                                                  limit=http1.HEAD_LIMIT, reuse_address=True)
            self.listeners.append(listener)
            self.addresses += [s.getsockname()[:2] for s in listener.sockets]
        self.tell("listening")

    async def stop(self):
        """Lets every request come to its end. True when none was cut off."""
        self.state = "stopping"
        self.note("stopping", connections=len(self.connections) - len(self.idle))
        self.cold.set()
        for listener in self.listeners:
            listener.close()
        for writer in self.idle:
            writer.close()
        hurry = asyncio.create_task(self.hurry.wait())
        tasks = set(self.connections)
        end = time.monotonic() + self.options.grace_s
        while tasks and not hurry.done() and time.monotonic() < end:
            await asyncio.wait({*tasks, hurry}, timeout=end - time.monotonic(),
                               return_when=asyncio.FIRST_COMPLETED)
            tasks = set(self.connections)
        hurry.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.note("stopped", cut=len(tasks))
        return not tasks

    def note(self, event, **more):
        if self.log:
            line = {"at": round(time.time(), 4), "name": self.options.name, "event": event, **more,
                    "running": len(self.engine.running), "waiting": len(self.engine.waiting)}
            self.log.write(json.dumps(line) + "\n")

    async def connection(self, reader, writer):
        task = asyncio.current_task()
        self.connections.add(task)
        try:
            while await self.exchange(reader, writer):
                pass
        except (Gone, OSError):
            pass
        finally:
            self.connections.discard(task)
            writer.close()

    async def exchange(self, reader, writer):
        """One request and its answer; whether another may follow."""
        if self.state == "stopping":
            return False
        self.idle.add(writer)
        try:
            request = await http1.read_request(reader)
        except Refusal as refusal:
            self.refuse(writer, refusal)
            return False
        finally:
            self.idle.discard(writer)
        if request is None:
            return False
        work = asyncio.create_task(self.handle(request, writer))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=LOOK_S)
                if not work.done() and (reader.at_eof() or writer.transport.is_closing()):
                    raise Gone
            work.result()
            await writer.drain()
        except Refusal as refusal:
            self.refuse(writer, refusal, request)
            await writer.drain()
        finally:
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
        return request.keep and self.state != "stopping"

    def head(self, status, kind, more, request):
        keep = request is not None and request.keep and self.state != "stopping"
        return http1.head(status, kind, f"X-Backend: {self.options.name}\r\n{more}", keep)

    def answer(self, writer, status, body, request=None, kind="application/json"):
        body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        writer.write(self.head(status, kind, f"Content-Length: {len(body)}\r\n", request) + body)

    def refuse(self, writer, refusal, request=None):
        error = {"message": str(refusal), "code": refusal.status}
        self.answer(writer, refusal.status, {"error": error}, request)

    async def handle(self, request, writer):
        routes = {
            ("GET", "/health"): self.health, ("GET", "/ping"): self.ping, ("POST", "/ping"): self.ping,
            ("GET", "/metrics"): self.metrics, ("GET", "/v1/models"): self.models,
            ("GET", "/version"): self.version, ("GET", "/load"): self.load,
            ("GET", "/is_sleeping"): self.is_sleeping, ("POST", "/sleep"): self.sleep,
            ("POST", "/wake_up"): self.wake_up, ("POST", "/fault"): self.fault, ("GET", "/fault"): self.fault,
            ("POST", "/v1/completions"): self.complete, ("POST", "/v1/chat/completions"): self.complete,
        }
        route = routes.get((request.method, request.path))
        if route is None:
            known = any(path == request.path for _, path in routes)
            raise Refusal(405 if known else 404, "Method Not Allowed" if known else "Not Found")
        await route(request, writer)

    # What is asked about the server.

    async def suffer(self, kind):
        """The fault of that kind, when it is one that takes time or refuses; returns the others' names."""
        while self.faults[kind] == "hang":
            await self.changed.wait()
        if self.faults[kind] == "slow" and kind != "requests":
            await asyncio.sleep(SLOW_S)
        if self.faults[kind] == "500":
            raise Refusal(500, "a fault that was asked for")
        return self.faults[kind]

    async def health(self, request, writer):
        await self.suffer("health")
        self.answer(writer, 503 if self.state == "starting" else 200, "", request, "text/plain")

    async def ping(self, request, writer):
        self.answer(writer, 200, "", request, "text/plain")

    async def models(self, request, writer):
        self.answer(writer, 200, {"object": "list", "data": [
            {"id": self.options.model, "object": "model", "created": 0, "owned_by": "vllm"}]}, request)

    async def version(self, request, writer):
        self.answer(writer, 200, {"version": "0.0.0-stand-in"}, request)

    async def load(self, request, writer):
        requests = len(self.engine.running) + len(self.engine.waiting)
        self.answer(writer, 200, {"server_load": requests}, request)

    async def metrics(self, request, writer):
        fault = await self.suffer("metrics")
        absurd = {"nan": float("nan"), "negative": -7, "huge": 1e300}.get(fault)
        garbage = "vllm:num_requests_running{ 1\n\x00\xff" * 50
        self.turn += 1  # "backwards": another process, which has done nothing yet, answers every other time
        other = Engine(self.options).metrics() if self.turn % 2 else ""
        text = {"frozen": self.frozen, "garbage": garbage, "backwards": other}.get(fault)
        self.answer(writer, 200, text or self.engine.metrics(absurd, absurd, absurd), request,
                    "text/plain; version=0.0.4; charset=utf-8")

    async def is_sleeping(self, request, writer):
        self.answer(writer, 200, {"is_sleeping": self.engine.asleep}, request)

    async def sleep(self, request, writer):
        if request.query.get("level", "1") not in ("1", "2"):
            raise Refusal(400, "level is 1 or 2")
        self.engine.sleep()
        while self.engine.running:
            await asyncio.sleep(0.01)
        self.note("asleep")
        self.answer(writer, 200, "", request, "text/plain")

    async def wake_up(self, request, writer):
        if self.engine.asleep:
            await asyncio.sleep(self.options.wake_s)
            self.engine.wake()
            self.note("awake")
        self.answer(writer, 200, "", request, "text/plain")

    def set_faults(self, wanted):
        """Takes all of it or, by ValueError, nothing."""
        if not isinstance(wanted, dict):
            raise ValueError("faults are an object")
        for kind, how in wanted.items():
            if not (isinstance(how, bool) if kind == "ready" else how in FAULTS.get(kind, ())):
                raise ValueError(f"no such fault: {json.dumps({kind: how})}; there are {json.dumps(FAULTS)}")
        for kind, how in wanted.items():
            if kind != "ready":
                self.faults[kind] = how
            elif how:
                self.cold.set()
                self.state = "ready" if self.warm else self.state
            else:
                self.state = "starting"
        if wanted.get("metrics") == "frozen":
            self.frozen = self.engine.metrics()
        self.changed.set()
        self.changed = asyncio.Event()

    async def fault(self, request, writer):
        if request.method == "POST":
            try:
                self.set_faults(json.loads(request.body))
            except ValueError as error:
                raise Refusal(400, str(error)) from None
        self.answer(writer, 200, {**self.faults, "ready": self.state == "ready"}, request)

    # What it is for.

    async def complete(self, request, writer):
        began = time.monotonic()
        stretch = SLOW_STRETCH if await self.suffer("requests") == "slow" else 1.0
        if self.faults["requests"] == "reset":
            writer.transport.abort()
            raise Gone
        if self.state == "starting":
            raise Refusal(503, "the model is being loaded")
        chat = request.path.startswith("/v1/chat/")
        wish = self.read_wish(request, chat)
        try:
            work = self.engine.take(*wish["work"])
        except Full:
            raise Refusal(503, "the queue is full") from None
        send = self.stream if wish["stream"] else self.whole
        try:
            async with contextlib.aclosing(self.engine.words(work, stretch)) as words:
                await send(request, writer, work, words, chat, wish)
        finally:
            whole = work.sent == work.tokens
            client = writer.get_extra_info("peername") or ("", 0)
            self.note("request", path=request.path, client=f"{client[0]}:{client[1]}", tokens=work.sent,
                      reason=work.reason if whole else "abort", took=round(time.monotonic() - began, 4))

    def read_wish(self, request, chat):
        """What a completion is asked for. Raises Refusal."""
        try:
            body = json.loads(request.body)
        except (ValueError, RecursionError):
            raise Refusal(400, "the body is not JSON") from None
        if not isinstance(body, dict):
            raise Refusal(400, "the body is not an object")
        if body.get("model", self.options.model) != self.options.model:
            raise Refusal(404, f"The model `{str(body['model'])[:80]}` does not exist.")
        given = body.get("messages" if chat else "prompt")
        if chat:
            fits = isinstance(given, list) and len(given) > 0
            fits = fits and all(isinstance(m, dict) and "role" in m for m in given)
        else:
            fits = isinstance(given, str)
        if not fits:
            raise Refusal(400, "messages is a list of objects with a role" if chat else "prompt is a string")
        prompt = "".join(str(m.get("content", "")) for m in given) if chat else given
        limit = body.get("max_completion_tokens", body.get("max_tokens"))
        if limit is not None and (type(limit) is not int or limit < 1):
            raise Refusal(400, "max_tokens is a whole number above 0")
        stream, more = body.get("stream", False), body.get("stream_options") or {}
        if type(stream) is not bool or not isinstance(more, dict) or body.get("n", 1) != 1:
            raise Refusal(400, "stream is true or false, stream_options an object, n 1")
        return {"work": (prompt, limit), "stream": stream, "usage": more.get("include_usage") is True}

    def document(self, work, chat, kind, choices, **more):
        return {"id": f"{'chatcmpl' if chat else 'cmpl'}-{self.options.name}-{work.number}", "object": kind,
                "created": int(time.time()), "model": self.options.model,
                "system_fingerprint": self.options.name, "choices": choices, **more}

    @staticmethod
    def usage(work):
        return {"prompt_tokens": work.prompt_tokens, "completion_tokens": work.sent,
                "total_tokens": work.prompt_tokens + work.sent}

    async def whole(self, request, writer, work, words, chat, wish):
        text = "".join([f" {word}" async for word in words])
        said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        kind = "chat.completion" if chat else "text_completion"
        choice = {"index": 0, **said, "logprobs": None, "finish_reason": work.reason}
        self.answer(writer, 200, self.document(work, chat, kind, [choice], usage=self.usage(work)), request)

    async def stream(self, request, writer, work, words, chat, wish):
        kind = "chat.completion.chunk" if chat else "text_completion"
        more = "Transfer-Encoding: chunked\r\n" if request.chunked else ""
        request.keep &= request.chunked  # without chunks, the end of the connection ends the answer
        writer.write(self.head(200, "text/event-stream; charset=utf-8", more, request))

        async def put(data):
            event = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(event), event) if request.chunked else event)
            await writer.drain()

        first = {"role": "assistant", "content": ""}
        if chat:
            await put(self.document(work, chat, kind, [{"index": 0, "delta": first, "finish_reason": None}]))
        async for word in words:
            ended = work.reason if work.sent == work.tokens else None
            said = {"delta": {"content": f" {word}"}} if chat else {"text": f" {word}"}
            await put(self.document(work, chat, kind, [{"index": 0, **said, "finish_reason": ended}]))
        if wish["usage"]:
            await put(self.document(work, chat, kind, [], usage=self.usage(work)))
        await put("[DONE]")
        if request.chunked:
            writer.write(b"0\r\n\r\n")


def read_options(arguments):
    """Options of a command line. Ends with status 2 on wrong use."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", help="JSON file")
    for field in dataclasses.fields(Options):
        name = f"--{field.name.replace('_', '-')}"
        if field.name == "listen":
            parser.add_argument(name, action="append", default=argparse.SUPPRESS)
        elif field.name == "fault":
            parser.add_argument(name, type=json.loads, default=argparse.SUPPRESS)
        elif isinstance(field.default, bool):
            parser.add_argument(name, action="store_true", default=argparse.SUPPRESS)
        else:
            parser.add_argument(name, type=type(field.default), default=argparse.SUPPRESS)
    given = vars(parser.parse_args(arguments))
    try:
        file = given.pop("config")
        wanted = {}
        if file:
            with open(file) as text:
                wanted = json.load(text)
        return Options(**{**wanted, **given})
    except (OSError, ValueError, TypeError) as error:
        parser.error(str(error))


async def run(options):
    server = Server(options, lambda word: print(word, flush=True))
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def ask():
        if stopping.is_set():
            server.hurry.set()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    start = asyncio.create_task(server.start())
    wish = asyncio.create_task(stopping.wait())
    await asyncio.wait({start, wish}, return_when=asyncio.FIRST_COMPLETED)
    if start.done():
        start.result()
    await wish
    return 0 if await server.stop() else 1


def main():
    options = read_options(sys.argv[1:])
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    try:
        return asyncio.run(run(options))
    except (OSError, ValueError) as error:
        print(f"inference_server.py: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
