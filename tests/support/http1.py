# SPDX-License-Identifier: Apache-2.0
"""As much of HTTP/1.1 as a stand-in server needs: reading requests with bounds, heads of answers."""
import asyncio
import dataclasses
import urllib.parse

HEAD_LIMIT, BODY_LIMIT = 64 << 10, 4 << 20
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed",
           413: "Content Too Large", 431: "Request Header Fields Too Large", 500: "Internal Server Error",
           503: "Service Unavailable"}


class Refusal(Exception):
    """A request that gets an error for an answer."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


@dataclasses.dataclass
class Request:
    method: str
    path: str
    query: dict
    body: bytes
    keep: bool     # the connection stays for another one
    chunked: bool  # the client reads chunks


async def read_request(reader):
    """The next one of a connection; None at its end. Raises Refusal."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Refusal(431, "the head of a request has 64 KiB at most") from None
    except (asyncio.IncompleteReadError, OSError):
        return None
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or words[2] not in ("HTTP/1.0", "HTTP/1.1"):
        raise Refusal(400, "not a request of HTTP/1")
    headers = {}
    for line in filter(None, lines[1:]):
        key, colon, value = line.partition(":")
        if not colon:
            raise Refusal(400, "a header has no colon")
        headers[key.strip().lower()] = value.strip()
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or "transfer-encoding" in headers:
        raise Refusal(400, "a body comes with its Content-Length")
    if len(length) > 9 or int(length) > BODY_LIMIT:
        raise Refusal(413, "a body has 4 MiB at most")
    try:
        body = await reader.readexactly(int(length))
    except (asyncio.IncompleteReadError, OSError):
        return None
    target = urllib.parse.urlsplit(words[1])
    modern = words[2] == "HTTP/1.1"
    wish = headers.get("connection", "").lower()
    keep = wish != "close" if modern else wish == "keep-alive"
    return Request(words[0], target.path, dict(urllib.parse.parse_qsl(target.query)), body, keep, modern)


def head(status, kind, more, keep):
    """Bytes of an answer's head. more: further header lines; keep: the connection stays."""
    return (f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\n{more}"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n").encode()
