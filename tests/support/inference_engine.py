# SPDX-License-Identifier: Apache-2.0
"""The engine of the stand-in inference server: queue, slots, tokens at a pace, and what vLLM counts of them.

One event loop's. Every draw comes from the seed and the request's number, so the same requests in the same
order take the same time.
"""
import asyncio
import bisect
import dataclasses
import random

WORDS = "one two three four five six seven eight nine ten many few all none more less thus then yet".split()
TOKEN_TIMES = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
REQUEST_TIMES = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0)


@dataclasses.dataclass
class Options:
    """What a server is. Its fields are the options of inference_server.py and the keys of its JSON file."""

    name: str = "gpu-1"
    listen: list = dataclasses.field(default_factory=lambda: ["127.0.0.1:8000"])  # ADDRESS:PORT, each bound
    model: str = "lab-7b"
    seed: int = 1
    slots: int = 4               # requests in service at once
    queue: int = 0               # requests that may wait; more are answered 503; 0: any number
    first_token_s: float = 0.05  # from the slot to the first token
    tokens_per_second: float = 100.0  # of each request
    slowdown: float = 0.0        # how much longer a token takes when all slots are busy: 1 is twice as long
    tokens: int = 20             # mean length of an answer
    spread: float = 0.5          # its standard deviation over its mean; 0: all are alike
    cache_tokens: int = 4096     # tokens that the cache has room for
    cold_start_s: float = 0.0
    cold_start: str = "refuse"   # meanwhile: "refuse" connections, or accept them and answer "503"
    wake_s: float = 0.1          # from POST /wake_up to the first answer
    grace_s: float = 60.0        # after SIGTERM, for the requests that it has
    old_names: bool = False      # metric names of vLLM before 0.10
    fault: dict = dataclasses.field(default_factory=dict)  # from the start on; see POST /fault
    log: str = ""                # a file: one JSON object a request and change of state

    def __post_init__(self):
        """Refuses by ValueError what makes no server."""
        for field in dataclasses.fields(self):
            value, wanted = getattr(self, field.name), type(field.default)
            if field.default is dataclasses.MISSING:
                wanted = type(field.default_factory())
            if wanted is float and type(value) is int:
                value = float(value)
                setattr(self, field.name, value)
            if type(value) is not wanted:
                raise ValueError(f"{field.name}: {value!r} is not of the type {wanted.__name__}")
            if wanted in (int, float) and not 0 <= value <= 1e9:
                raise ValueError(f"{field.name}: {value} is not between 0 and 1e9")
        if self.slots < 1 or self.tokens < 1 or self.cache_tokens < 1 or self.tokens_per_second <= 0:
            raise ValueError("slots, tokens, cache_tokens and tokens_per_second are above 0")
        if self.cold_start not in ("refuse", "503"):
            raise ValueError(f"cold_start: {self.cold_start!r} is neither 'refuse' nor '503'")


class Histogram:
    def __init__(self, bounds):
        self.bounds, self.counts, self.sum = bounds, [0] * (len(bounds) + 1), 0.0

    def observe(self, value):
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.sum += value


class Full(Exception):
    """No place in the queue."""


class Work:
    """One request in the engine: its length is known from the start, its tokens come one by one."""

    def __init__(self, options, number, prompt, limit):
        chance = random.Random(f"{options.seed}/{number}")
        length = options.tokens
        if options.spread > 0:
            length = round(chance.gammavariate(options.spread ** -2, options.tokens * options.spread ** 2))
        length = max(1, length)
        self.number = number
        self.prompt_tokens = max(1, (len(prompt) + 3) // 4)
        self.tokens = length if limit is None else min(length, limit)
        self.reason = "stop" if self.tokens == length else "length"
        self.words = [chance.choice(WORDS) for _ in range(self.tokens)]
        self.sent = 0


class Engine:
    def __init__(self, options):
        self.options = options
        self.running, self.waiting = {}, []  # by number: Work; (Work, Future) in the order of arrival
        self.asleep = False
        self.requests = 0
        self.prompt_tokens = self.generation_tokens = 0
        self.finished = {"stop": 0, "length": 0, "abort": 0}
        self.first_token, self.between_tokens = Histogram(TOKEN_TIMES), Histogram(TOKEN_TIMES)
        self.in_queue, self.whole = Histogram(REQUEST_TIMES), Histogram(REQUEST_TIMES)

    def take(self, prompt, limit):
        """A request enters the queue. Raises Full."""
        if self.options.queue and len(self.waiting) >= self.options.queue:
            raise Full
        work = Work(self.options, self.requests, prompt, limit)
        self.requests += 1
        work.came = asyncio.get_running_loop().time()
        place = asyncio.get_running_loop().create_future()
        self.waiting.append((work, place))
        self._fill()
        work.place = place
        return work

    async def words(self, work, stretch=1.0):
        """The words of a request as they come, after its time in the queue. Closing it early is an abort."""
        loop = asyncio.get_running_loop()
        reason = "abort"
        try:
            await work.place
            self.in_queue.observe(loop.time() - work.came)
            last = loop.time()
            await asyncio.sleep(self.options.first_token_s * stretch)
            self.prompt_tokens += work.prompt_tokens
            for word in work.words:
                if work.sent:
                    busy = (len(self.running) - 1) / max(1, self.options.slots - 1)
                    pace = (1 + self.options.slowdown * busy) / self.options.tokens_per_second
                    await asyncio.sleep(pace * stretch)
                    self.between_tokens.observe(loop.time() - last)
                else:
                    self.first_token.observe(loop.time() - work.came)
                last = loop.time()
                work.sent += 1
                self.generation_tokens += 1
                yield word
            reason = work.reason
        finally:
            self.running.pop(work.number, None)
            self.waiting = [(w, place) for w, place in self.waiting if w is not work]
            self.finished[reason] += 1
            if reason != "abort":
                self.whole.observe(loop.time() - work.came)
            self._fill()

    def _fill(self):
        while self.waiting and len(self.running) < self.options.slots and not self.asleep:
            work, place = self.waiting.pop(0)
            if not place.cancelled():
                self.running[work.number] = work
                place.set_result(None)

    def sleep(self):
        """What runs ends; what comes waits."""
        self.asleep = True

    def wake(self):
        self.asleep = False
        self._fill()

    def cache_usage(self):
        used = sum(w.prompt_tokens + w.sent for w in self.running.values())
        return min(1.0, used / self.options.cache_tokens)

    def metrics(self, running=None, waiting=None, cache=None):
        """The exposition, in Prometheus text 0.0.4 as vLLM's client library writes it."""
        labels = f'engine="0",model_name="{self.options.model}"'
        lines = []

        def family(name, kind, text, samples):
            lines.append(f"# HELP {name} {text}")
            lines.append(f"# TYPE {name} {kind}")
            lines.extend(f"{name}{end}{{{labels}{more}}} {number(value)}" for end, more, value in samples)

        def histogram(name, text, seen):
            total, samples = 0, []
            for bound, count in zip((*seen.bounds, float("inf")), seen.counts):
                total += count
                samples.append(("_bucket", f',le="{number(bound)}"', total))
            family(name, "histogram", text, [*samples, ("_count", "", total), ("_sum", "", seen.sum)])

        cache_name, pace_name = "vllm:kv_cache_usage_perc", "vllm:inter_token_latency_seconds"
        if self.options.old_names:
            cache_name, pace_name = "vllm:gpu_cache_usage_perc", "vllm:time_per_output_token_seconds"
        family("vllm:num_requests_running", "gauge", "Number of requests in model execution batches.",
               [("", "", len(self.running) if running is None else running)])
        family("vllm:num_requests_waiting", "gauge", "Number of requests waiting to be processed.",
               [("", "", len(self.waiting) if waiting is None else waiting)])
        family(cache_name, "gauge", "KV-cache usage. 1 means 100 percent usage.",
               [("", "", self.cache_usage() if cache is None else cache)])
        family("vllm:num_preemptions_total", "counter", "Cumulative number of preemptions.", [("", "", 0)])
        family("vllm:prompt_tokens_total", "counter", "Number of prefill tokens processed.",
               [("", "", self.prompt_tokens)])
        family("vllm:generation_tokens_total", "counter", "Number of generation tokens processed.",
               [("", "", self.generation_tokens)])
        family("vllm:request_success_total", "counter", "Count of processed requests by why they ended.",
               [("", f',finished_reason="{reason}"', count) for reason, count in self.finished.items()])
        histogram("vllm:time_to_first_token_seconds", "Time to first token in seconds.", self.first_token)
        histogram(pace_name, "Time between tokens in seconds.", self.between_tokens)
        histogram("vllm:request_queue_time_seconds", "Time in the queue in seconds.", self.in_queue)
        histogram("vllm:e2e_request_latency_seconds", "From arrival to the last token, in s.", self.whole)
        return "\n".join(lines) + "\n"


def number(value):
    """A sample as the client library writes it."""
    if value == float("inf"):
        return "+Inf"
    return "NaN" if value != value else repr(float(value))
