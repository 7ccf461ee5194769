#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema, judged by python3-jsonschema, accepts and refuses what the decoder does.

usage: schema_test.py CONFIG_TEXT FOLDER

Documents: the sample, every document of accepted.json and refused.json, and mutants of a document
with every key (each value replaced by each of a list, each key removed, an unknown key added to each object). What
only a rule between fields refuses must pass the schema: it has no words for such rules.
"""
import copy
import json
import operator
import pathlib
import re
import subprocess
import sys

import jsonschema

REPLACEMENTS = [
    None, True, False, -1, 0, 1, 2, 1.0, 1.5, 0.5, 65535, 65536, 65537, 2**31, 2**53, 2**63, 2**64, 1e30, -1e-9,
    "", "x", "a b", "x\n", "é", "x" * 64, "x" * 65, "/", "/x", "/x y", "/" + "y" * 107, "0-1", "0-3,6", "1-", "0@1",
    "tcp", "udp", "quic", "l2dsr", "gue", "nat", "maglev", "random", "5tuple", "quic_cid", "https", "threshold",
    "native", "tap", "toa",
    "0.0.0.0", "0.0.0.0/0", "10.0.0.1", "10.0.0.01", "10.0.0.256", "10.0.0", "127.0.0.1", "224.0.0.1",
    "239.255.255.255", "255.255.255.255", "10.0.0.0/8", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/032",
    "10.0.0.0/+8", "127.0.0.1:9901", "127.0.0.1:0", "127.0.0.1:65536", "[::1]:80", "[::1]:0", "::1:80", "[127.0.0.1]:80",
    "[]:80", ":80",
    "::", "0:0:0:0:0:0:0:0", "::0.0.0.0", "::1", "0::0.0.0.1", "::0001", "2001:db8::1", "2001:DB8:0:0::1", "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", ":::", ":1",
    "1:", "12345::", "1::g", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "2001:db8::1.2.3.4", "::1.2.3.256",
    "::ffff:10.0.0.1", "0:0:0:0:0:FFFF:a00:1", "::ffff:1", "ffff::1.2.3.4", "fe80::1", "FEBF::1", "fec0::1", "fe8::1",
    "ff02::1", "FF::1", "2001:db8::1%eth0", "::/0", "::1/128", "2001:db8::/32", "2001:db8::1/32", "2001:db8::/129",
    "2001:db8::/0128", "2001:db8::/", "fe80::/10", "::ffff:0:0/96",
    "0a", "0a1", "0A1f", "0123456789abcdef0123456789abcd", "0123456789abcdef0123456789abcdef",
    [0, 0.5], [0.5, 0], [0, 1.5], [1], [1024, 65535], [65535, 1024], [0, 1, 2], ["10.0.0.9"], ["2001:db8::9", "10.0.0.9"],
    "0 8 * * 1-5", "0 8 * * ", "0 8  * * 1", "* * * * * *", "@daily 1 2 3 4", "a b c d e", "60 * * * *",
    "a_total", "a:b", "1a", "a-b", "a=b", "=b", "a=", "a:b=c", "deployments/a", "deployments/", "pods/a",
    "02:00:00:00:00:01", "02-00-00-00-00-ff", "00:00:00:00:00:00", "01:00:00:00:00:00", "02:00:00:00:00",
    "02:00:00:00:00:0g", "ABCDEF0123456789abcdef0123456789", "0123456789abcdef0123456789abcdeg",
    [], [1], ["x"], ["x y", ""], [{}], {}, {"name": "x"}, {"type": "tcp"}, {"policy": "target"},
]


# What the sample leaves to the defaults, so that mutants reach every key.
REST = {
    "/$schema": "https://example.net/sluice.schema.json",
    "/admin": {"socket": "/run/a.sock", "socket_mode": "0660", "socket_group": "netops", "http": "127.0.0.1:9901",
               "tls_certificate": "/etc/a.pem", "tls_key": "/etc/a.key", "token_file": "/etc/tokens"},
    "/hash_key": "00112233445566778899aabbccddeeff",
    "/ports/0/xdp": "native",
    "/dpdk/extra_args": ["--no-pci"],
    "/ports/0/exception": "none",
    "/ports/0/offload": "off",
    "/ports/0/flow_rules": "off",
    "/dpdk/multi_process": True,
    "/flow_cache": {"flows": 4096, "tcp_timeout_s": 600, "udp_timeout_s": 60, "nat_sessions": 4096},
    "/services/0/shards": [{"source": "10.0.0.0/9", "pool": "llama"}],
    "/services/0/shards/1": {"hash_range": [0, 0.25], "pool": "rest"},
    "/services/0/limits": {"new_flows_per_second": 1000, "packets_per_second": 1000000, "bits_per_second": 10000000000,
                           "source_new_flows_per_second": 10},
    "/services/0/deny": ["198.51.100.0/24"],
    "/services/1": {"name": "chat-6", "address": "2001:db8::443", "port": 443, "protocol": "quic", "pool": "six",
                    "deny": ["2001:db8:bad::/48"]},
    "/services/2": {"name": "embed", "address": "203.0.113.11", "port": 443, "pool": "nat"},
    "/pools/0/decrement_ttl": False,
    "/pools/0/max_load_ratio": 1.25,
    "/pools/0/overflow": "rest",
    "/pools/0/slow_start_s": 30,
    "/pools/0/drain_timeout_s": 600,
    "/pools/0/backends/0/max_connections": 1000,
    "/pools/1": {"name": "six", "forwarding": "gue", "affinity": "quic_cid",
                 "encapsulation": {"source": "10.0.0.1", "source6": "2001:db8::1", "variant": 0, "port": 9886},
                 "backends": [{"name": "q-1", "address": "2001:db8:1::1", "server_id": "0a"}]},
    "/pools/2": {"name": "nat", "forwarding": "nat", "policy": "least_connections", "affinity": "source",
                 "nat": {"sources": ["10.0.0.2"], "ports": [1024, 65535], "client_address": "toa"},
                 "backends": [{"name": "n-1", "address": "10.0.2.1", "port": 8443}]},
    "/pools/3": {"name": "rest", "forwarding": "l2dsr", "backends": [{"name": "r-1", "address": "10.0.1.99"}]},
    "/quic_lb": [{"rotation": 0, "server_id_bytes": 1, "nonce_bytes": 8, "key": "00112233445566778899aabbccddeeff"}],
    "/protection": {"bad_checksum": True, "icmp_answers_per_second": 10, "deny": ["192.0.2.0/24"], "syn_per_second": 100,
                    "syn_burst": 200, "syn_prefix": 24, "syn_prefix6": 56},
    "/pools/0/health/type": "https",
    "/pools/0/health/host": "a.example:80",
    "/pools/0/health/expect_status": "200-299,304",
    "/pools/0/health/expect_body": "ok",
    "/pools/0/health/load_header": "X-Load",
    "/pools/0/health/tls_name": "a.example",
    "/pools/0/health/tls_ca": "/etc/ca.pem",
    "/pools/0/health/tls_verify": True,
    "/pools/0/health/fast_interval_ms": 100,
    "/pools/0/health/jitter": 0.2,
    "/pools/1/health": {"type": "grpc", "grpc_service": "a.B"},
    "/pools/2/health": {"type": "command", "command": ["/bin/true", "-x"]},
    "/pools/3/health": {"type": "tcp", "via": "service"},
    "/pools/0/outlier": {"consecutive_failures": 5, "silent_flows": 3, "window_ms": 1000, "success_rate_factor": 1.9,
                         "min_backends": 5, "min_flows": 100, "interval_s": 10, "base_ejection_s": 30,
                         "max_ejection_s": 300, "max_ejection_percent": 10},
    "/pools/0/panic_threshold": 50,
    "/pools/0/min_healthy": 2,
    "/pools/0/no_backend": "drop",
    "/pools/0/classes/0": {"name": "h100", "capacity": 12.5, "service_time_s": 2, "price_per_hour": 2.4, "cold_start_s": 90,
                           "wake_s": 4, "asleep_price_per_hour": 0.1, "asleep": 2, "min": 1, "max": 8, "domain": "rack-1"},
    "/pools/0/metrics": {"type": "custom", "port": 8000, "path": "/metrics", "interval_ms": 1000, "timeout_ms": 500,
                         "stale_after_ms": 3000,
                         **{key: {"names": [f"server:{key}", "other"], "labels": ["model=llama"], "of": "max"}
                            for key in ("running", "waiting", "completed", "cache")}},
    "/pools/0/autoscale": {"policy": "cost_aware", "mode": "advise", "min": 1, "max": 16, "target_utilisation": 0.8,
                           "tick_s": 5, "slo_wait_s": 5, "forecaster": "holt_winters", "season_s": 86400,
                           "tolerance": 0.1, "late_cost": 20, "stabilisation_s": 300, "hold_s": 60, "cooldown_s": 30,
                           "step_up": 4, "step_down": 1, "idle_s": 300, "budget_per_hour": 100, "max_domain_share": 1,
                           "drain_limit_s": 600,
                           "thresholds": {"up": 0.8, "down": 0.4, "step_up": 2, "step_down": 1},
                           "schedule": [{"cron": "0 8 * * 1-5", "duration_s": 36000, "min": 2, "max": 8}],
                           "actuator": {"type": "standby", "timeout_ms": 5000, "retries": 3, "backends": [
                               {"name": "gpu-2", "address": "10.0.1.12", "port": 0, "class": "h100"}]}},
    "/pools/1/autoscale": {"policy": "target", "actuator": {"type": "metric"}},
    "/pools/2/autoscale": {"policy": "target", "actuator": {
        "type": "kubernetes", "url": "https://10.0.9.9:6443", "token_file": "/t", "ca_file": "/c", "namespace": "models",
        "workload": "deployments/llama", "endpoints": "llama"}},
    "/pools/3/autoscale": {"policy": "threshold", "actuator": {"type": "webhook", "url": "https://a.example/scale",
                                                               "secret_file": "/s"}},
    "/pools/4": {"name": "by-command", "forwarding": "l2dsr", "backends": [],
                 "autoscale": {"policy": "predictive", "min": 0, "max": 4,
                               "actuator": {"type": "command", "command": ["/bin/scale", "-x"]}}},
    "/answer": {"addresses": ["10.0.0.1"], "icmp_echo": True, "udp_port": 7, "tcp_port": 7, "max_age_ms": 100},
    "/events": {"webhook": "https://pager.example/sluice"},
    "/announce": {"link": "sluice0", "create": True},
    "/drain_timeout_s": 5,
}


def load(path):
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def step(document, token):
    return document[int(token)] if isinstance(document, list) else document[token]


def tokens(pointer):
    return [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")[1:]]


def parent(document, pointer):
    *path, last = tokens(pointer)
    for token in path:
        document = step(document, token)
    return document, last


def assign(document, pointer, value):
    holder, last = parent(document, pointer)
    if isinstance(holder, dict):
        holder[last] = value
    elif last == "-" or int(last) == len(holder):
        holder.append(value)
    else:
        holder[int(last)] = value


def remove(document, pointer):
    holder, last = parent(document, pointer)
    del holder[int(last) if isinstance(holder, list) else last]


def changed(sample, change):
    document = copy.deepcopy(sample)
    for pointer, value in change.get("set", {}).items():
        assign(document, pointer, value)
    for pointer in change.get("remove", []):
        remove(document, pointer)
    return document


def altered(document, path, alter):
    """A copy after alter(holder of the last token, last token); it shares all that is not on the way there."""
    document = copy.copy(document)
    token = int(path[0]) if isinstance(document, list) else path[0]
    if len(path) == 1:
        alter(document, token)
    else:
        document[token] = altered(document[token], path[1:], alter)
    return document


def replaced(document, pointer, value):
    return altered(document, tokens(pointer), lambda holder, last: holder.__setitem__(last, value))


def pointers(document, at=""):
    if isinstance(document, dict):
        children = [(key.replace("~", "~0").replace("/", "~1"), value) for key, value in document.items()]
    elif isinstance(document, list):
        children = list(enumerate(document))
    else:
        return
    for token, value in children:
        yield f"{at}/{token}", value
        yield from pointers(value, f"{at}/{token}")


def any_item(pointer):
    return re.sub(r"/\d+(?=/|$)", "/*", pointer)


def properties(schema, at=""):
    """Pointers of every key; '*' is any item of a list."""
    for key, value in schema.get("properties", {}).items():
        pointer = f"{at}/{key}"
        yield pointer
        yield from properties(value, pointer)
        yield from properties(value.get("items", {}), f"{pointer}/*")


def unexplained(schema, at=""):
    """Keys of which an editor could not say what they are, in what range, or how they change."""
    for key, value in schema.get("properties", {}).items():
        pointer = f"{at}/{key}"
        leaf = "properties" not in value
        known = len(value.get("description", "")) > 10 and "type" in value
        if not known or (leaf and not isinstance(value.get("x-reload"), bool)):
            yield pointer
        if value["type"] in ("integer", "number") and not {"minimum", "maximum"} <= value.keys():
            yield pointer
        if "default" in value and not jsonschema.Draft202012Validator(value).is_valid(value["default"]):
            yield pointer
        yield from unexplained(value, pointer)
        yield from unexplained(value.get("items", {}), f"{pointer}/*")


def mutants(sample):
    yield "unknown key at the top", replaced(sample, "/unknown", 1)
    for value in REPLACEMENTS:
        yield f"whole document {value!r}", value
    seen = set()
    for pointer, old in pointers(sample):
        if any_item(pointer) in seen:  # one item of a list stands for all
            continue
        seen.add(any_item(pointer))
        yield f"without {pointer}", altered(sample, tokens(pointer), operator.delitem)
        if isinstance(old, dict):
            yield f"unknown key in {pointer}", replaced(sample, f"{pointer}/unknown", 1)
        for value in REPLACEMENTS:
            yield f"{pointer} = {value!r}", replaced(sample, pointer, value)


def python_dialect(schema):
    """ECMA-262's `$` is the end of the text; Python's also stands before a last line feed."""
    if isinstance(schema, dict):
        return {key: re.sub(r"\$(?=\||\)|$)", r"\\Z", value) if key == "pattern" else python_dialect(value)
                for key, value in schema.items()}
    if isinstance(schema, list):
        return [python_dialect(item) for item in schema]
    return schema


def judge_of(schema, full):
    """Whether the schema accepts a document. What a mutant shares with the full document is accepted as it
    was there, by the same part of the schema: only the way to where they differ is judged again."""
    accepted = set()  # of the full document: (identity of the schema's part, identity of the document's)

    def sound(validator, part, value, path, schema_path, learning):
        if (id(part), id(value)) in accepted:
            return
        errors = list(validator.descend(value, part, path=path, schema_path=schema_path))
        if learning and not errors:
            accepted.add((id(part), id(value)))
        yield from errors

    def in_object(learning):
        def properties(validator, parts, instance, _):
            if validator.is_type(instance, "object"):
                for name, part in parts.items():
                    if name in instance:
                        yield from sound(validator, part, instance[name], name, name, learning)
        return properties

    def in_list(learning):
        def items(validator, part, instance, whole):
            assert "prefixItems" not in whole
            if validator.is_type(instance, "array"):
                for index, value in enumerate(instance):
                    yield from sound(validator, part, value, index, None, learning)
        return items

    def dialect(learning):
        return jsonschema.validators.extend(
            jsonschema.Draft202012Validator, {"properties": in_object(learning), "items": in_list(learning)})(schema)

    learner, judge = dialect(True), dialect(False)
    assert learner.is_valid(full) and accepted
    return judge


def main():
    config_text, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    schema = json.loads(subprocess.run([config_text, "schema"], check=True, capture_output=True, text=True).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    schema = python_dialect(schema)
    slow = jsonschema.Draft202012Validator(schema)

    sample = load(folder / "sample.json")
    documents = [("sample", sample, "accepts")]
    for entry in load(folder / "accepted.json"):
        documents.append((entry["name"], changed(sample, entry), "accepts"))
    for entry in load(folder / "refused.json"):
        if "by" in entry:  # the others are raw text: about JSON itself, which no schema sees
            documents.append((entry["name"], changed(sample, entry), entry["by"]))
    full = changed(sample, {"set": REST})
    reached = {any_item(pointer) for pointer, _ in pointers(full)}
    missing = [pointer for pointer in properties(schema) if pointer not in reached]
    assert not missing, f"add to REST: {missing}"
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert not list(unexplained(schema)), list(unexplained(schema))
    documents.append(("every key", full, "accepts"))
    documents += [(name, document, None) for name, document in mutants(full)]
    judge = judge_of(schema, full)

    lines = "".join(json.dumps(document) + "\n" for _, document, _ in documents)
    answers = subprocess.run([config_text, "verdicts"], input=lines, check=True, capture_output=True,
                             text=True).stdout.splitlines()
    assert len(answers) == len(documents), (len(answers), len(documents))

    wrong = []
    seen = {"accepts": 0, "field": 0, "rule": 0, "syntax": 0}
    for number, ((name, document, expected), answer) in enumerate(zip(documents, answers)):
        verdict = answer.split("\t")[0]
        seen[verdict] += 1
        schema_accepts = judge.is_valid(document)
        if number % 50 == 0:  # the short way says what the long way says
            assert slow.is_valid(document) == schema_accepts, name
        if schema_accepts != (verdict != "field"):
            reason = "accepts" if schema_accepts else next(slow.iter_errors(document)).message
            wrong.append(f"{name}: decoder: {answer}; schema: {reason}")
        if expected is not None and verdict != expected:
            wrong.append(f"{name}: expected {expected}, decoder: {answer}")
    print("\n".join(wrong))
    print(f"{len(documents)} documents: {seen}; {len(wrong)} disagreements")
    if wrong or len(documents) < 3000 or min(seen["accepts"], seen["rule"]) < 20 or seen["field"] < 1000:
        sys.exit(1)


if __name__ == "__main__":
    main()
