# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the daemon: the page as it was built and a state of states.py, over HTTP on the loopback.

By hand: replay.py BUILD/app/sluiced/page/page.html STATE, and a browser.
"""
import http.server
import json
import pathlib
import sys
import threading
import urllib.parse


class Server:
    """Serves one state; use it in a `with`."""

    def __init__(self, page, state):
        self.page = pathlib.Path(page)
        self.state = state
        self.turn = 0
        self.asked = []  # targets, in order
        self.trouble = None  # a status to answer with instead
        self.lock = threading.Lock()
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 5

            def do_GET(self):
                server.answer(self)

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True)
        self.stopped = False
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Gone, as after a kill: nobody listens, and open connections end at their next request."""
        if not self.stopped:
            self.stopped = True
            self.http.shutdown()
            self.http.server_close()
            self.thread.join(10)

    def answer(self, request):
        if self.stopped:
            request.close_connection = True
            return
        target = urllib.parse.urlsplit(request.path)
        query = urllib.parse.parse_qs(target.query, keep_blank_values=True)
        with self.lock:
            self.asked.append(request.path)
            kind, status = "application/json", 200
            if self.trouble is not None and target.path != "/":
                status, body = self.trouble, b'{"error": {}}'
            elif target.path == "/":
                kind, body = "text/html; charset=utf-8", self.page.read_bytes()
            elif target.path == "/api/v1/stats":
                since = int(query["since"][0]) if "since" in query else None
                body = json.dumps(self.state.answer(self.turn, query.get("pool"), since)).encode()
                self.turn += 1
            elif target.path == "/api/v1/scale":
                body = json.dumps({"pools": self.state.decisions(self.turn)}).encode()
            elif target.path == "/api/v1/scale/history":
                body = json.dumps(self.state.history(int(query["from"][0]))).encode()
            else:
                status, body = 404, b'{"error": {}}'
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        request.send_header("X-Content-Type-Options", "nosniff")
        if target.path == "/":
            request.send_header("Content-Security-Policy", self.page.with_suffix(".policy").read_text())
        request.end_headers()
        request.wfile.write(body)


def main():
    import states

    server = Server(sys.argv[1], states.ALL[sys.argv[2]]())
    print(server.url, flush=True)
    server.thread.join()


if __name__ == "__main__":
    main()
