#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The stand-in inference server keeps its promises: API, queue, seeds, metrics, states, faults, its end."""
import asyncio
import collections
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import inference_engine
from inference_engine import Options
from inference_server import FAULTS, Server

LONG = 1000.0  # seconds; no test waits so long
Answer = collections.namedtuple("Answer", "status head body")


class Link:
    """One connection of a client."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, address):
        return cls(*await asyncio.open_connection(*address))

    def send(self, method, path, body=None, version="HTTP/1.1"):
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        head = f"{method} {path} {version}\r\nHost: x\r\nContent-Length: {len(data)}\r\n\r\n"
        self.writer.write(head.encode() + data)

    async def answer(self):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        lines = (line.partition(":") for line in head.split("\r\n")[1:])
        fields = {key.lower(): value.strip() for key, _, value in lines}
        body = b""
        if "content-length" in fields:
            body = await self.reader.readexactly(int(fields["content-length"]))
        elif fields.get("transfer-encoding") == "chunked":
            while True:
                size = int(await self.reader.readuntil(b"\r\n"), 16)
                body += (await self.reader.readexactly(size + 2))[:-2]
                if size == 0:
                    break
        else:
            body = await self.reader.read()
        return Answer(int(head.split()[1]), fields, body.decode("utf-8", "replace"))

    async def ask(self, method, path, body=None):
        self.send(method, path, body)
        return await self.answer()


def events(answer):
    """The events of a streamed answer."""
    lines = answer.body.split("\n\n")
    assert lines[-1] == "" and all(line.startswith("data: ") for line in lines[:-1]), answer.body[-200:]
    return [line.removeprefix("data: ") for line in lines[:-1]]


class ServerTest(unittest.IsolatedAsyncioTestCase):
    async def server(self, start=True, **changes):
        quick = {"listen": ["127.0.0.1:0"], "first_token_s": 0.001, "tokens_per_second": 1e5, "tokens": 5}
        server = Server(Options(**{**quick, **changes}))
        self.addAsyncCleanup(self.end, server)
        if start:
            await server.start()
        return server

    async def end(self, server):
        server.hurry.set()
        await server.stop()
        if server.log:
            server.log.close()

    async def link(self, server):
        link = await Link.open(server.addresses[0])
        self.addCleanup(link.writer.close)
        return link

    async def ask(self, server, method, path, body=None):
        return await (await self.link(server)).ask(method, path, body)

    async def complete(self, server, **body):
        return await self.ask(server, "POST", "/v1/completions", {"prompt": "six times seven is", **body})

    async def gauges(self, server):
        """The samples of a scrape by name and labels, without those that every sample has."""
        text = (await self.ask(server, "GET", "/metrics")).body
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        same = '{engine="0",model_name="lab-7b"'
        return {k.replace(same, "{").replace("{}", ""): float(v) for k, v in samples}

    async def until(self, condition):
        """Waits for it, some seconds at most."""
        async with asyncio.timeout(20):
            while not await condition():
                await asyncio.sleep(0.005)

    async def loaded(self, server, running, waiting):
        """Waits until so many are in service and in the queue."""
        async def there():
            seen = await self.gauges(server)
            return [seen[f"vllm:num_requests_{k}"] for k in ("running", "waiting")] == [running, waiting]
        await self.until(there)


class Completions(ServerTest):
    async def test_a_completion_is_what_the_clients_of_that_api_read(self):
        server = await self.server()
        for path, body in (("/v1/completions", {"prompt": "x" * 9}),
                           ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x" * 9}]})):
            answer = await self.ask(server, "POST", path, {"model": "lab-7b", **body})
            made = json.loads(answer.body)
            self.assertEqual((answer.status, answer.head["x-backend"]), (200, "gpu-1"))
            self.assertEqual(made["model"], "lab-7b")
            choice = made["choices"][0]
            text = choice["text"] if "prompt" in body else choice["message"]["content"]
            self.assertEqual(len(text.split()), made["usage"]["completion_tokens"])
            self.assertEqual((made["usage"]["prompt_tokens"], choice["finish_reason"]), (3, "stop"))

    async def test_a_stream_brings_the_same_words_one_by_one_and_says_that_it_is_done(self):
        whole = json.loads((await self.complete(await self.server())).body)["choices"][0]["text"]
        answer = await self.complete(await self.server(), stream=True, stream_options={"include_usage": True})
        self.assertEqual(answer.head["content-type"], "text/event-stream; charset=utf-8")
        *parts, usage, done = events(answer)
        self.assertEqual(done, "[DONE]")
        choices = [json.loads(part)["choices"][0] for part in parts]
        self.assertEqual("".join(c["text"] for c in choices), whole)
        self.assertEqual([c["finish_reason"] for c in choices], [None] * (len(choices) - 1) + ["stop"])
        self.assertEqual(json.loads(usage)["usage"]["completion_tokens"], len(choices))

    async def test_a_chat_begins_with_its_role_and_ends_at_the_limit_of_tokens(self):
        server = await self.server(tokens=50, spread=0.0)
        answer = await self.ask(server, "POST", "/v1/chat/completions", {
            "messages": [{"role": "user", "content": "count"}], "stream": True, "max_tokens": 3})
        deltas = [json.loads(part)["choices"][0] for part in events(answer)[:-1]]
        self.assertEqual(deltas[0]["delta"]["role"], "assistant")
        self.assertEqual((len(deltas), deltas[-1]["finish_reason"]), (4, "length"))

    async def test_one_connection_carries_many_requests_and_an_old_client_gets_no_chunks(self):
        link = await self.link(await self.server())
        for _ in range(3):
            answer = await link.ask("POST", "/v1/completions", {"prompt": "x", "stream": True})
            self.assertEqual(answer.status, 200)
        link.send("POST", "/v1/completions", {"prompt": "x", "stream": True}, version="HTTP/1.0")
        answer = await link.answer()
        self.assertNotIn("transfer-encoding", answer.head)
        self.assertEqual(events(answer)[-1], "[DONE]")

    async def test_what_is_no_request_is_refused_and_counted_nowhere(self):
        server = await self.server()
        for body in (b"{", b"[]", b"[" * 100000, {}, {"prompt": 7}, {"prompt": ["x"]},
                     {"prompt": "x", "max_tokens": 0}, {"prompt": "x", "max_tokens": True},
                     {"prompt": "x", "stream": 1}, {"prompt": "x", "n": 2}):
            self.assertEqual((await self.ask(server, "POST", "/v1/completions", body)).status, 400, body)
        for messages in (None, [], ["x"], [{"content": "x"}], {"role": "user"}):
            answer = await self.ask(server, "POST", "/v1/chat/completions", {"messages": messages})
            self.assertEqual(answer.status, 400, messages)
        self.assertEqual((await self.complete(server, model="other")).status, 404)
        self.assertEqual((await self.ask(server, "GET", "/v1/completions")).status, 405)
        self.assertEqual((await self.ask(server, "GET", "/nowhere")).status, 404)
        for raw, status in ((b"nonsense\r\n\r\n", 400),
                            (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
                            (b"GET / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
                            (b"GET / HTTP/1.1\r\nContent-Length: 9" + b"9" * 5000 + b"\r\n\r\n", 413),
                            (b"GET /" + b"x" * 70000, 431)):
            link = await self.link(server)
            link.writer.write(raw)
            self.assertEqual((await link.answer()).status, status, raw[:60])
        self.assertEqual(server.engine.requests, 0)


class Seeds(unittest.TestCase):
    def lengths(self, **changes):
        options = Options(**changes)
        return [inference_engine.Work(options, i, "", None).tokens for i in range(2000)]

    def test_the_seed_and_the_number_of_a_request_decide_its_length(self):
        self.assertEqual(self.lengths(seed=3), self.lengths(seed=3))
        self.assertNotEqual(self.lengths(seed=3), self.lengths(seed=4))

    def test_lengths_have_the_mean_and_the_spread_that_were_asked_for(self):
        lengths = self.lengths(tokens=100, spread=0.5)
        mean = sum(lengths) / len(lengths)
        self.assertAlmostEqual(mean, 100, delta=4)
        self.assertAlmostEqual((sum((n - mean) ** 2 for n in lengths) / len(lengths)) ** 0.5, 50, delta=4)
        self.assertEqual(set(self.lengths(tokens=7, spread=0.0)), {7})


class Queue(ServerTest):
    async def test_only_so_many_run_at_once_the_rest_waits_and_all_are_served(self):
        server = await self.server(slots=2, first_token_s=LONG)
        links = [await self.link(server) for _ in range(5)]
        for link in links:
            link.send("POST", "/v1/completions", {"prompt": "x"})
        await self.loaded(server, 2, 3)
        server.options.first_token_s = 0.0
        links[0].writer.close()  # frees its slot, and the others follow one by one
        links[1].writer.close()
        for link in links[2:]:
            self.assertEqual((await link.answer()).status, 200)
        await self.loaded(server, 0, 0)
        self.assertEqual(server.engine.finished, {"stop": 3, "length": 0, "abort": 2})

    async def test_a_client_that_leaves_the_queue_gives_up_its_place(self):
        server = await self.server(slots=1, queue=1, first_token_s=LONG)
        first, second = await self.link(server), await self.link(server)
        first.send("POST", "/v1/completions", {"prompt": "x"})
        await self.loaded(server, 1, 0)
        second.send("POST", "/v1/completions", {"prompt": "x"})
        await self.loaded(server, 1, 1)
        self.assertEqual((await self.complete(server)).status, 503, "the queue is full")
        second.writer.close()
        await self.loaded(server, 1, 0)

    async def test_the_cache_fills_with_what_is_in_service_and_never_over_its_brim(self):
        server = await self.server(slots=1, cache_tokens=100, first_token_s=LONG)
        link = await self.link(server)
        link.send("POST", "/v1/completions", {"prompt": "x" * 200})
        await self.loaded(server, 1, 0)
        self.assertEqual((await self.gauges(server))["vllm:kv_cache_usage_perc"], 0.5)
        link.writer.close()
        await self.loaded(server, 0, 0)
        self.assertEqual((await self.gauges(server))["vllm:kv_cache_usage_perc"], 0)
        link = await self.link(server)
        link.send("POST", "/v1/completions", {"prompt": "x" * 4000})
        await self.loaded(server, 1, 0)
        self.assertEqual((await self.gauges(server))["vllm:kv_cache_usage_perc"], 1)


class Metrics(ServerTest):
    async def test_counters_and_histograms_agree_with_what_was_served(self):
        server = await self.server(spread=0.0)
        for _ in range(4):
            await self.complete(server)
        await self.complete(server, max_tokens=2)
        seen = await self.gauges(server)
        self.assertEqual(seen['vllm:request_success_total{,finished_reason="stop"}'], 4)
        self.assertEqual(seen['vllm:request_success_total{,finished_reason="length"}'], 1)
        self.assertEqual(seen["vllm:generation_tokens_total"], 22)
        self.assertEqual(seen["vllm:prompt_tokens_total"], 25)
        self.assertEqual(seen["vllm:inter_token_latency_seconds_count"], 22 - 5)
        for name in ("time_to_first_token", "e2e_request_latency", "request_queue_time"):
            buckets = [v for k, v in seen.items() if k.startswith(f"vllm:{name}_seconds_bucket")]
            self.assertEqual(buckets, sorted(buckets))
            self.assertEqual((buckets[-1], seen[f"vllm:{name}_seconds_count"]), (5, 5))

    async def test_an_older_server_has_older_names(self):
        seen = await self.gauges(await self.server(old_names=True))
        self.assertIn("vllm:gpu_cache_usage_perc", seen)
        self.assertNotIn("vllm:kv_cache_usage_perc", seen)

    async def test_every_family_says_its_type_before_its_samples(self):
        text = (await self.ask(await self.server(), "GET", "/metrics")).body
        told = set()
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                told.add(line.split()[2])
            elif not line.startswith("#"):
                name = line.partition("{")[0]
                self.assertTrue(name in told or name.rsplit("_", 1)[0] in told, line)


class States(ServerTest):
    async def test_until_it_is_warm_it_refuses_to_be_connected_to_or_answers_503_as_it_was_told(self):
        silent = await self.server(start=False, cold_start_s=LONG)
        starting = asyncio.create_task(silent.start())
        await asyncio.sleep(0)
        self.assertEqual(silent.addresses, [])
        silent.cold.set()
        await starting
        self.assertEqual((await self.ask(silent, "GET", "/health")).status, 200)

        open_early = await self.server(start=False, cold_start_s=LONG, cold_start="503")
        starting = asyncio.create_task(open_early.start())

        async def listening():
            return bool(open_early.addresses)
        await self.until(listening)
        self.assertEqual((await self.ask(open_early, "GET", "/health")).status, 503)
        self.assertEqual((await self.ask(open_early, "GET", "/ping")).status, 200)
        self.assertEqual((await self.complete(open_early)).status, 503)
        self.assertEqual((await self.ask(open_early, "POST", "/fault", {"ready": True})).status, 200)
        await starting
        self.assertEqual((await self.ask(open_early, "GET", "/health")).status, 200)
        await self.ask(open_early, "POST", "/fault", {"ready": False})
        self.assertEqual((await self.ask(open_early, "GET", "/health")).status, 503)

    async def test_asleep_it_finishes_what_runs_and_serves_what_came_once_it_is_awake(self):
        server = await self.server(wake_s=0.0)
        self.assertEqual((await self.ask(server, "POST", "/sleep?level=9")).status, 400)
        self.assertEqual((await self.ask(server, "POST", "/sleep?level=1")).status, 200)
        answer = await self.ask(server, "GET", "/is_sleeping")
        self.assertEqual(json.loads(answer.body), {"is_sleeping": True})
        self.assertEqual((await self.ask(server, "GET", "/health")).status, 200)
        link = await self.link(server)
        link.send("POST", "/v1/completions", {"prompt": "x"})
        await self.loaded(server, 0, 1)
        self.assertEqual((await self.ask(server, "POST", "/wake_up")).status, 200)
        self.assertEqual((await link.answer()).status, 200)

    async def test_stopped_it_finishes_its_streams_and_closes_what_is_idle(self):
        place = self.enterContext(tempfile.TemporaryDirectory())
        server = await self.server(slots=1, first_token_s=LONG, log=f"{place}/log")
        idle, busy, waits = [await self.link(server) for _ in range(3)]
        await idle.ask("GET", "/ping")
        busy.send("POST", "/v1/completions", {"prompt": "x", "stream": True})
        await self.loaded(server, 1, 0)
        server.options.first_token_s = 0.0
        waits.send("POST", "/v1/completions", {"prompt": "x", "stream": True})
        await self.loaded(server, 1, 1)
        end = asyncio.create_task(server.stop())
        self.assertEqual(await idle.reader.read(), b"")
        with self.assertRaises(OSError):
            await Link.open(server.addresses[0])
        busy.writer.close()
        answer = await waits.answer()
        self.assertEqual(events(answer)[-1], "[DONE]")
        self.assertEqual(await waits.reader.read(), b"")
        self.assertTrue(await end, "nothing was cut off")
        lines = [json.loads(line) for line in pathlib.Path(f"{place}/log").read_text().splitlines()]
        self.assertEqual([line["event"] for line in lines],
                         ["start", "ready", "stopping", "request", "request", "stopped"])
        self.assertEqual((lines[2]["running"], lines[2]["waiting"]), (1, 1))
        self.assertEqual([line["reason"] for line in lines[3:5]], ["abort", "stop"])

    async def test_what_does_not_end_in_time_is_cut_and_said(self):
        server = await self.server(first_token_s=LONG, grace_s=0.0)
        link = await self.link(server)
        link.send("POST", "/v1/completions", {"prompt": "x"})
        await self.loaded(server, 1, 0)
        self.assertFalse(await server.stop())
        self.assertEqual(server.engine.finished["abort"], 1)


class Faults(ServerTest):
    async def set(self, server, **faults):
        self.assertEqual((await self.ask(server, "POST", "/fault", faults)).status, 200)

    async def test_frozen_metrics_stay_while_it_serves_and_thaw_when_it_is_mended(self):
        server = await self.server()
        await self.complete(server)
        await self.set(server, metrics="frozen")
        before = await self.gauges(server)
        await self.complete(server)
        self.assertEqual(await self.gauges(server), before)
        await self.set(server, metrics="none")
        seen = await self.gauges(server)
        self.assertEqual(seen['vllm:request_success_total{,finished_reason="stop"}'], 2)

    async def test_absurd_metrics_are_absurd_in_every_gauge(self):
        server = await self.server()
        for how, text in (("nan", "NaN"), ("negative", "-7.0"), ("huge", "1e+300")):
            await self.set(server, metrics=how)
            answer = await self.ask(server, "GET", "/metrics")
            for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
                self.assertRegex(answer.body, rf"(?m)^vllm:{name}{{.*}} {text.replace('+', '.')}$")
        await self.set(server, metrics="garbage")
        self.assertIn("\0", (await self.ask(server, "GET", "/metrics")).body)

    async def test_metrics_that_go_backwards_count_less_every_other_time(self):
        server = await self.server()
        await self.complete(server)
        await self.set(server, metrics="backwards")
        name = 'vllm:request_success_total{,finished_reason="stop"}'
        told = [(await self.gauges(server))[name] for _ in range(4)]
        self.assertIn(told, ([0, 1, 0, 1], [1, 0, 1, 0]))

    async def test_what_fails_fails_alone(self):
        server = await self.server()
        ways = {"metrics": ("GET", "/metrics"), "health": ("GET", "/health"),
                "requests": ("POST", "/v1/completions")}
        for broken in ways:
            await self.set(server, **{broken: "500"})
            for kind, (method, path) in ways.items():
                answer = await self.ask(server, method, path, {"prompt": "x"})
                self.assertEqual(answer.status, 500 if kind == broken else 200)
            await self.set(server, **{broken: "none"})

    async def test_what_hangs_goes_on_when_it_is_mended(self):
        server = await self.server()
        for kind, path in (("metrics", "/metrics"), ("health", "/health")):
            await self.set(server, **{kind: "hang"})
            link = await self.link(server)
            link.send("GET", path)
            await self.ask(server, "GET", "/ping")
            self.assertFalse(link.reader._buffer)  # nothing has come
            await self.set(server, **{kind: "none"})
            self.assertEqual((await link.answer()).status, 200)

    async def test_a_reset_connection_has_no_answer(self):
        server = await self.server()
        await self.set(server, requests="reset")
        with self.assertRaises((ConnectionError, asyncio.IncompleteReadError)):
            await self.complete(server)

    async def test_what_is_no_fault_changes_nothing(self):
        server = await self.server()
        for body in (b"{", [], {"metrics": "odd"}, {"odd": "hang"}, {"ready": 1},
                     {"metrics": "nan", "health": "odd"}):
            self.assertEqual((await self.ask(server, "POST", "/fault", body)).status, 400, body)
        self.assertEqual(json.loads((await self.ask(server, "GET", "/fault")).body),
                         {**{kind: "none" for kind in FAULTS}, "ready": True})


class Program(unittest.TestCase):
    PATH = pathlib.Path(__file__).with_name("inference_server.py")

    def start(self, *arguments):
        process = subprocess.Popen([sys.executable, self.PATH, "--listen", "127.0.0.1:0", *arguments],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_it_reads_a_file_and_the_command_line_wins(self):
        with tempfile.TemporaryDirectory() as place:
            file, log = pathlib.Path(place, "options.json"), pathlib.Path(place, "log")
            file.write_text(json.dumps({"name": "from-file", "cold_start_s": LONG, "log": str(log)}))
            process = self.start("--config", str(file), "--cold-start-s", "0")
            self.assertEqual([process.stdout.readline() for _ in range(2)], ["listening\n", "ready\n"])
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(20), 0)
            names = {json.loads(line)["name"] for line in log.read_text().splitlines()}
            self.assertEqual(names, {"from-file"})

    def test_a_signal_ends_a_cold_start(self):
        with tempfile.TemporaryDirectory() as place:
            log = pathlib.Path(place, "log")
            process = self.start("--cold-start-s", str(LONG), "--log", str(log))
            end = time.monotonic() + 20
            while not (log.exists() and log.read_text()) and time.monotonic() < end:
                time.sleep(0.01)
            process.send_signal(signal.SIGTERM)
            self.assertEqual((process.wait(20), process.stdout.read()), (0, ""), "it never listened")

    def test_wrong_options_are_refused_by_name(self):
        for arguments, word in ((("--slots", "0"), "slots"), (("--cold-start", "odd"), "cold_start"),
                                (("--nonsense",), "nonsense"), (("--config", "/nowhere"), "/nowhere"),
                                (("--tokens-per-second", "nan"), "tokens_per_second"),
                                (("--fault", '{"metrics": 1}'), "fault")):
            process = self.start(*arguments)
            said = process.communicate(timeout=20)[1]
            self.assertNotEqual(process.returncode, 0)
            self.assertIn(word, said)


if __name__ == "__main__":
    unittest.main()
