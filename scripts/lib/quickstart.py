# SPDX-License-Identifier: Apache-2.0
"""The part of scripts/quickstart that runs inside the lab: traffic, changes under load, what came of them."""
import json
import os
import sys
import time
import urllib.parse

import elastic
import lab

WEIGHTS = {"gpu-1": 100, "gpu-2": 100, "gpu-3": 100, "gpu-4": 50}
DRAINED, ADDED, ADDED_WEIGHT = "gpu-2", "gpu-5", 100
REQUESTS = 2000
CALM, BURST = 2, 20  # requests/s
TOLERANCE = 3.0  # points between a backend's share of the requests and its share of the weights
faults = []


def say(what, text):
    print(f"{what:9} {text}", flush=True)


def percent(part, whole):
    return 100 * part / whole if whole else 0.0


def start():
    """Starts the balancer with the best that this machine has; says what it does without."""
    config = lab.configuration(WEIGHTS)
    # A second service: its pool has no servers of its own, and starts and stops them; see follow_load().
    elastic.tell_actuator({"small": ["gpu-1", "gpu-3", "gpu-4"]}, {"small": elastic.SMALL})
    config["pools"].append(elastic.pool("elastic", max=3))
    config["services"].append({"name": "elastic", "address": lab.VIP, "port": elastic.PORT, "protocol": "tcp",
                               "pool": "elastic"})
    cpus = sorted(os.sched_getaffinity(0))[:2]
    config["dpdk"] |= {"lcores": ",".join(map(str, cpus)), "main_lcore": cpus[0]}
    if not config["dpdk"]["huge_pages"]:
        say("fallback", "no huge pages to be had: ordinary pages, slower")
    lacks = lab.af_xdp_missing()
    balancer = lab.Balancer(config)
    try:
        if lacks is None:
            balancer.start()
    except lab.Failure as failure:
        balancer.kill()
        lacks = str(failure).strip().splitlines()[-1]
    if lacks is not None:
        say("fallback", f"net_af_packet in place of AF_XDP: {lacks}")
        config["ports"][0]["device"] = "net_af_packet0,iface=lb0"
        balancer.write(config)
        balancer.start()
    status = balancer.status()
    port = status["ports"][0]
    mode = port["xdp"]["mode"] if port.get("xdp") else "none"
    if mode == "generic":
        say("fallback", "generic XDP: this interface's driver has no native XDP")
    say("sluiced", f"{status['version']} {status['isa']} on {port['device']}, XDP {mode}, "
                   f"{'huge' if status['huge_pages'] else 'ordinary'} pages, {status['workers']} worker")
    return balancer


def share_out():
    """Sends the requests and compares who served them with the weights."""
    result = lab.requests(REQUESTS)
    say("requests", f"{result['answered']} of {REQUESTS} answered, each from a source port of its own")
    if result["answered"] != REQUESTS:
        faults.append(f"{result['failed']} requests failed: {'; '.join(result['errors'][:3])}")
    print(f"\n  {'backend':8} {'weight':>6} {'asked for':>10} {'served':>7} {'share':>8} {'difference':>12}")
    for name, weight in WEIGHTS.items():
        served = result["by_backend"].get(name, 0)
        asked, got = percent(weight, sum(WEIGHTS.values())), percent(served, REQUESTS)
        print(f"  {name:8} {weight:6} {asked:8.1f} % {served:7} {got:6.1f} % {got - asked:+5.1f} points")
        if abs(got - asked) > TOLERANCE:
            faults.append(f"{name} served {got:.1f} % where its weight asks for {asked:.1f} %")
    print()


def destinations():
    """Where each of the flows that the requests came from would go now: a list of backends."""
    found = []
    for i in range(REQUESTS):
        flow = {"protocol": "tcp", "source": f"10.0.9.{2 + i % 10}", "source_port": 20000 + i,
                "destination": lab.VIP, "destination_port": 80}
        status, answer = lab.api(f"/api/v1/trace?{urllib.parse.urlencode(flow)}")
        if status != 200:
            raise lab.Failure(f"trace answered {status}: {answer}")
        found.append(answer["backend"])
    return found


def change(what, path, body, before):
    """One change of the pool; says how much of the table and of the flows moved."""
    status, answer = lab.api(path, "POST", body)
    if status != 200:
        raise lab.Failure(f"{what}: {status} {answer}")
    moved, after = answer["moved"], destinations()
    flows = sum(a != b for a, b in zip(before, after))
    say("change", f"{what}: {percent(moved['slots'], moved['of']):.2f} % of the table moved "
                  f"({moved['slots']} slots), least possible {percent(moved['least'], moved['of']):.2f} %; "
                  f"{percent(flows, REQUESTS):.1f} % of the {REQUESTS} flows")
    needless = sum(a != b and DRAINED not in (a, b) and ADDED not in (a, b) for a, b in zip(before, after))
    if percent(needless, REQUESTS) > 1:
        faults.append(f"{what}: {needless} of {REQUESTS} flows moved without need")
    return after


def change_under_load():
    flows = destinations()
    with lab.Steady() as load:
        load.more(200)
        flows = change(f"drain {DRAINED}", f"/api/v1/backends/llama/{DRAINED}/drain", None, flows)
        load.more(500)
        new = {"name": ADDED, "address": lab.backend_address(ADDED), "weight": ADDED_WEIGHT}
        flows = change(f"add {ADDED}", "/api/v1/backends/llama", new, flows)
        load.more(500)
        result = load.finish()
    say("load", f"{result['answered']} requests and {result['streams']} streams of some seconds meanwhile, "
                f"{result['failed']} failed")
    if result["failed"]:
        faults.append(f"{result['failed']} requests failed during the changes: {'; '.join(result['errors'][:3])}")
    if ADDED not in result["by_backend"]:
        faults.append(f"{ADDED} was added and served nothing")


def serving():
    """How many inference servers of the pool that follows its load take requests."""
    backends = lab.api("/api/v1/backends?pool=elastic")[1]["backends"]
    return sum(b["pool"] == "elastic" and b["state"] in ("up", "degraded") for b in backends)


def stopped():
    """How many inference servers have been stopped, and how many streams that cut off."""
    told = [json.loads(line) for file in elastic.HOME.glob("*.log") for line in file.read_text().splitlines()]
    ends = [line["cut"] for line in told if line["event"] == "stopped"]
    return len(ends), sum(ends)


def follow_load():
    """A burst, for which servers are started, real processes; when it is over, servers are stopped."""
    lab.wait_until("the first inference server", serving, 60)
    say("scaling", f"a second service, on port {elastic.PORT}, whose inference servers the balancer starts and stops "
                   f"itself: stand-ins,\n          each a process that can do "
                   f"{elastic.CLASSES['small']['capacity']} requests/s")
    with lab.Open(f"{CALM}x2", f"{BURST}x120", first=5000) as load:
        load.reached(1)
        began = time.monotonic()
        lab.wait_until("a second and a third inference server", lambda: serving() >= 3, 60)
        say("grown", f"{CALM} requests/s became {BURST}: from 1 server to 3, all serving "
                     f"{time.monotonic() - began:.1f} s later")
        lab.wait_until("answers of all three", lambda: len(load.last["by_backend"]) >= 3, 60)
        result = load.finish()
    began = time.monotonic()
    say("answers", f"{result['answered']} of {result['sent']} requests were streamed to their end, "
                   f"{result['failed']} failed")
    lab.wait_until("the first server to be stopped", lambda: stopped()[0], 90)
    cut = stopped()[1]
    say("shrunk", f"{time.monotonic() - began:.0f} s after the burst the first server is stopped; it had got no new "
                  f"requests, and ended those it had: {cut} cut off")
    if result["failed"] or cut:
        faults.append(f"{result['failed']} requests failed while the pool followed its load, {cut} streams were "
                      f"cut off: {'; '.join(result['errors'][:3])}")


def books(balancer):
    b = balancer.balanced()
    say("books", f"received {b['rx']} = forwarded {b['forward']} + to Linux {b['host']} + answered {b['answer']}"
                 f" + dropped {b['drop']}")
    if b["drop"]:
        reasons = [f"{d['packets']} {d['reason']}" for d in lab.api("/api/v1/drops")[1]["drops"] if d["packets"]]
        say("drops", f"{', '.join(reasons)}; TCP sent them again")


def main():
    keep = "--keep" in sys.argv
    balancer = None
    try:
        balancer = start()
        share_out()
        lab.run_script("add", ADDED)
        change_under_load()
        follow_load()
        books(balancer)
        if not keep and balancer.stop() != 0:
            faults.append(f"sluiced did not end well: {balancer.tail(3)}")
    except lab.Failure as failure:
        faults.append(str(failure))
        if balancer is not None:
            faults.append(f"sluiced's last lines:\n{balancer.tail()}")
    finally:
        if not keep or faults:
            if balancer is not None:
                balancer.kill()  # or it would start others for those that end here
            elastic.end_all()
    for fault in faults:
        say("failed", fault)
    if faults:
        return 1
    print("\nIt works. Next:")
    if keep:
        print("  scripts/lab in lb sluicectl status        the balancer's own view; also: backends, drops, events\n"
              "  scripts/lab in client curl -s http://203.0.113.10/v1/models\n"
              "  scripts/lab in lb sluicectl backend undrain llama gpu-2\n"
              "  scripts/lab in lb sluicectl scale show    the pool that follows its load, and why\n"
              "  scripts/lab show                          addresses, and who served how many\n"
              "  scripts/lab down                          end it all")
    else:
        print("  scripts/quickstart --keep                 leave it running, and look around\n"
              "  scripts/test                              every test there is\n"
              "  docs/operate/first-steps.md               the same by hand, then on your own network")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # the lab is taken down by who started us
