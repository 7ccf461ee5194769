# SPDX-License-Identifier: Apache-2.0
"""Both ends of transfers that prove every byte: run by the tests inside the lab's namespaces.

    peer.py serve NAME PORT... --at ADDRESS...      TCP and UDP servers on each port of each address
    peer.py tcp HOST PORT [--bytes N]               sends N bytes, receives N bytes, compares both by SHA-256
    peer.py udp HOST PORT [--count N]               N datagrams of many sizes, sent again until each is answered
    peer.py quic HOST PORT --cid HEX [--count N]    N datagrams with a QUIC short header, each from another port
    peer.py crowd HOST PORT --sources A,B.. --each N   N connections from each source, all open at once

Clients print one JSON object; exit status 0 when all was as it should be. A request on TCP is one letter and a
64-bit number, "up" (u), "down" (d) or "hello" (h); each answer begins with the server's name in 16 bytes.
"""
import argparse
import hashlib
import json
import random
import resource
import selectors
import socket
import struct
import sys
import time

REQUEST = struct.Struct("!cQ")
BLOCK = random.Random(7).randbytes(1 << 20)
SILENCE = 20  # seconds


def stream(size):
    """The bytes of a transfer, block by block: each begins with its own number."""
    for at in range(0, size, len(BLOCK)):
        block = struct.pack("!Q", at) + BLOCK[8:]
        yield block[:min(len(block), size - at)]


def digest(size):
    known = hashlib.sha256()
    for block in stream(size):
        known.update(block)
    return known.digest()


class Served:
    """One TCP connection of a server."""

    def __init__(self, name, link):
        self.name, self.link = name, link
        self.request, self.awaited, self.sum = b"", 0, None
        self.out, self.blocks = b"", iter(())

    def read(self):
        """False at the end of the connection."""
        data = self.link.recv(1 << 18)
        if not data:
            return False
        while data:
            if self.awaited:
                part, data = data[:self.awaited], data[self.awaited:]
                self.sum.update(part)
                self.awaited -= len(part)
                if not self.awaited:
                    self.out += self.name + self.sum.digest()
                continue
            missing = REQUEST.size - len(self.request)
            self.request += data[:missing]
            data = data[missing:]
            if len(self.request) == REQUEST.size:
                self.begin(*REQUEST.unpack(self.request))
                self.request = b""
        return self.write()

    def begin(self, kind, number):
        if kind == b"u":
            self.awaited, self.sum = number, hashlib.sha256()
        elif kind == b"d":
            self.out += self.name
            self.blocks = stream(number)
        elif kind == b"h":
            self.out += self.name + struct.pack("!Q", number)
        else:
            raise ValueError(f"no such request: {kind}")

    def write(self):
        while True:
            if not self.out:
                self.out = next(self.blocks, b"")
            if not self.out:
                return True
            try:
                self.out = self.out[self.link.send(self.out):]
            except BlockingIOError:
                return True


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(name, ports, addresses):
    raise_limits()
    name = name.encode().ljust(16, b"\0")
    chosen = selectors.EpollSelector()
    for address in addresses:
        for port in ports:
            tcp = socket.create_server((address, port), family=family(address), backlog=4096)
            udp = socket.socket(family(address), socket.SOCK_DGRAM)
            udp.bind((address, port))
            for link in (tcp, udp):
                link.setblocking(False)
            chosen.register(tcp, selectors.EVENT_READ, ("accept", None))
            chosen.register(udp, selectors.EVENT_READ, ("datagram", None))
    print("ready", flush=True)
    while True:
        for key, events in chosen.select():
            kind, served = key.data
            try:
                if kind == "accept":
                    while True:
                        link, _ = key.fileobj.accept()
                        link.setblocking(False)
                        chosen.register(link, selectors.EVENT_READ, ("link", Served(name, link)))
                elif kind == "datagram":
                    while True:
                        data, client = key.fileobj.recvfrom(65536)
                        key.fileobj.sendto(name + data, client)
                else:
                    alive = served.read() if events & selectors.EVENT_READ else served.write()
                    if alive:
                        chosen.modify(key.fileobj, selectors.EVENT_READ | (selectors.EVENT_WRITE if served.out else 0), key.data)
                    else:
                        chosen.unregister(key.fileobj)
                        key.fileobj.close()
            except BlockingIOError:
                pass
            except OSError:
                if kind == "link":
                    chosen.unregister(key.fileobj)
                    key.fileobj.close()


def receive(link, size):
    data = bytearray()
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            sys.exit(f"the connection ended after {len(data)} of {size} bytes")
        data += part
    return bytes(data)


def who(name):
    return name.rstrip(b"\0").decode()


def tcp(host, port, size):
    """Up, then down, on one connection."""
    link = socket.create_connection((host, port), timeout=SILENCE)
    link.settimeout(SILENCE)
    start = time.monotonic()
    link.sendall(REQUEST.pack(b"u", size))
    sent = hashlib.sha256()
    for block in stream(size):
        sent.update(block)
        link.sendall(block)
    server, got = receive(link, 16), receive(link, 32)
    if got != sent.digest():
        sys.exit("what was sent did not arrive as it was")
    middle = time.monotonic()
    link.sendall(REQUEST.pack(b"d", size))
    if receive(link, 16) != server:
        sys.exit("another server answers on the same connection")
    known, left = hashlib.sha256(), size
    while left:
        part = link.recv(min(left, 1 << 18))
        if not part:
            sys.exit(f"the connection ended {left} bytes early")
        known.update(part)
        left -= len(part)
    if known.digest() != sent.digest():
        sys.exit("what was received is not what was sent")
    end = time.monotonic()
    return {"server": who(server), "up_s": round(middle - start, 2), "down_s": round(end - middle, 2)}


def udp(host, port, count):
    """Datagrams from one port, of sizes that fit a packet, do not fit the tunnel, do not fit a packet."""
    sizes = [1, 100, 1000, 1300, 1372, 1400, 1452, 1472, 1473, 2000, 4000, 7999]
    link = socket.socket(family(host), socket.SOCK_DGRAM)
    link.connect((host, port))
    link.settimeout(0.25)
    servers, again = set(), 0
    for i in range(count):
        body = struct.pack("!Q", i) + BLOCK[i: i + sizes[i % len(sizes)]]
        end = time.monotonic() + SILENCE
        while True:
            if time.monotonic() > end:
                sys.exit(f"datagram {i} of {len(body)} bytes was not answered")
            try:
                link.send(body)
                answer = link.recv(65536)
                while answer[16:24] != body[:8]:  # a late answer to one that was sent twice
                    answer = link.recv(65536)
            except (TimeoutError, OSError):
                again += 1
                continue
            if answer[16:] != body:
                sys.exit(f"datagram {i} of {len(body)} bytes came back changed")
            servers.add(who(answer[:16]))
            break
    return {"servers": sorted(servers), "again": again}


def quic(host, port, cid, count):
    """A client whose address changes at every packet, as far as anybody on the way can tell."""
    servers = set()
    for i in range(count):
        with socket.socket(family(host), socket.SOCK_DGRAM) as link:
            link.connect((host, port))
            link.settimeout(SILENCE)
            body = bytes([0x40 | i & 0x3f]) + bytes.fromhex(cid) + struct.pack("!Q", i) + BLOCK[:100]
            link.send(body)
            answer = link.recv(65536)
            if answer[16:] != body:
                sys.exit(f"packet {i} came back changed")
            servers.add(who(answer[:16]))
    return {"servers": sorted(servers)}


def raise_limits():
    """As many descriptors as the system lets this process have."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def crowd(host, port, sources, each):
    """Every connection says hello, all stay open, then every one says hello again."""
    raise_limits()
    chosen = selectors.EpollSelector()
    links, servers = {}, {}
    numbers = [(source, 1025 + i) for source in sources for i in range(each)]
    waiting = iter(enumerate(numbers))
    wrong, answered, open_now = [], 0, 0

    def begin():
        number, (source, own_port) = next(waiting)
        link = socket.socket(family(host), socket.SOCK_STREAM)
        link.setblocking(False)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        link.bind((source, own_port))
        link.connect_ex((host, port))
        links[number] = link
        chosen.register(link, selectors.EVENT_WRITE, number)

    def hello(round_number):
        """Answers of one round: who serves each number, and whether it is the same as before."""
        nonlocal answered
        last = time.monotonic()
        done = 0
        while done < len(numbers):
            for key, events in chosen.select(1):
                number, link = key.data, key.fileobj
                if events & selectors.EVENT_WRITE:
                    error = link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if error:
                        sys.exit(f"connection {number} of {len(links)} from {numbers[number]}: error {error}")
                    link.send(REQUEST.pack(b"h", number << 2 | round_number))
                    chosen.modify(link, selectors.EVENT_READ, number)
                    continue
                try:
                    answer = link.recv(64)
                except OSError as error:
                    sys.exit(f"connection {number} of {len(links)} from {numbers[number]}, round {round_number}: {error}")
                if len(answer) != 24 or struct.unpack("!Q", answer[16:])[0] != number << 2 | round_number:
                    wrong.append(f"connection {number}, round {round_number}: {answer!r}")
                elif servers.setdefault(number, who(answer[:16])) != who(answer[:16]):
                    wrong.append(f"connection {number} moved from {servers[number]} to {who(answer[:16])}")
                chosen.modify(link, selectors.EVENT_READ, number)
                done += 1
                answered += 1
                last = time.monotonic()
                if round_number == 0 and len(links) < len(numbers):
                    begin()
            if time.monotonic() - last > SILENCE:
                sys.exit(f"round {round_number}: {done} of {len(numbers)} connections answered, then silence")

    for _ in range(min(256, len(numbers))):
        begin()
    hello(0)
    print("open", flush=True)
    sys.stdin.readline()  # until the test has looked
    for number, link in links.items():
        chosen.modify(link, selectors.EVENT_WRITE, number)
    hello(1)
    shares = {}
    for server in servers.values():
        shares[server] = shares.get(server, 0) + 1
    return {"connections": len(links), "answered": answered, "wrong": wrong[:10], "servers": shares}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("how", choices=("serve", "tcp", "udp", "quic", "crowd"))
    parser.add_argument("name")
    parser.add_argument("ports", type=int, nargs="+")
    parser.add_argument("--at", nargs="+", default=[])
    parser.add_argument("--bytes", type=int, default=64 << 20)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--cid", default="")
    parser.add_argument("--sources", default="")
    parser.add_argument("--each", type=int, default=1000)
    o = parser.parse_args()
    if o.how == "serve":
        serve(o.name, o.ports, o.at)
    made = {"tcp": lambda: tcp(o.name, o.ports[0], o.bytes), "udp": lambda: udp(o.name, o.ports[0], o.count),
            "quic": lambda: quic(o.name, o.ports[0], o.cid, o.count),
            "crowd": lambda: crowd(o.name, o.ports[0], o.sources.split(","), o.each)}[o.how]()
    print(json.dumps(made), flush=True)


if __name__ == "__main__":
    main()
