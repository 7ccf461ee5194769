# SPDX-License-Identifier: Apache-2.0
"""Clients of the admin API that mean no good, run inside the balancer's namespace: crowd.py KIND ARGUMENTS

    hold COUNT SOCKET PORT   opens so many connections to both listeners in turn, sends half a request on each,
                             says "held N", and keeps what is left of them until its input ends
    flood COUNT SOCKET       sends so many POSTs, one after another; says how many had which status
    huge BYTES SOCKET        sends a body of so many bytes in chunks; says the status
    raw SOCKET               sends its input as it is; says what came back
"""
import collections
import contextlib
import resource
import socket
import sys

HALF = (b"", b"G", b"GET /api/v1/status HTTP/1.1\r\nX-Half: ", b"POST /api/v1/reload HTTP/1.1\r\nHost: x\r\n"
        b"Content-Length: 1000\r\n\r\nhalf")


def local(path):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(20)
    link.connect(path)
    return link


def status_of(link):
    answer = b""
    while b"\r\n" not in answer:
        more = link.recv(65536)
        if not more:
            break
        answer += more
    return answer.split(b" ")[1].decode() if answer else "none"


def hold(count, path, port):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    held = []
    for i in range(count):
        link = socket.socket(socket.AF_UNIX if i % 2 else socket.AF_INET)
        link.settimeout(5)
        with contextlib.suppress(OSError):  # cut already, or no room in the backlog: the next one
            link.connect(path if i % 2 else ("127.0.0.1", port))
            link.sendall(HALF[i % len(HALF)])
            held.append(link)
    print("held", len(held), flush=True)
    sys.stdin.read()


def flood(count, path):
    statuses = collections.Counter()
    for _ in range(count):
        with local(path) as link:
            link.sendall(b"POST /api/v1/backends/none/none/drain HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            statuses[status_of(link)] += 1
    print(*(f"{status}:{n}" for status, n in sorted(statuses.items())))


def huge(size, path):
    with local(path) as link:
        link.settimeout(120)
        link.sendall(b"POST /api/v1/config/diff HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b" " * 1048576
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for _ in range(size // len(chunk)):
                link.sendall(b"100000\r\n" + chunk + b"\r\n")
            link.sendall(b"0\r\n\r\n")
        print(status_of(link))


def raw(path):
    with local(path) as link:
        link.sendall(sys.stdin.buffer.read())
        print(status_of(link))


def main():
    kind, *rest = sys.argv[1:]
    numbers = [int(word) if word.isdigit() else word for word in rest]
    {"hold": hold, "flood": flood, "huge": huge, "raw": raw}[kind](*numbers)


if __name__ == "__main__":
    main()
