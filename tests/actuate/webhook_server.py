# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a webhook that starts backends, by HTTPS on loopback.

    webhook_server.py FOLDER PLAN

PLAN is JSON: {"secret": KEY, "answers": [ANSWER...]}, the last one for all requests after it. ANSWER:
{"status", "body" or "fill" (so many blanks), "headers"} or {"cut": true}, a connection that ends without an
answer. Writes ca.pem, its own certificate, then its port to FOLDER/port, and each request to
FOLDER/requests.jsonl.
"""
import hashlib
import hmac
import http.server
import json
import pathlib
import ssl
import subprocess
import sys
import time

FOLDER = pathlib.Path(sys.argv[1])
PLAN = json.loads(sys.argv[2])


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        stamp = self.headers["Sluice-Timestamp"]
        text = stamp.encode() + b"." + body
        expected = hmac.new(PLAN["secret"].encode(), text, hashlib.sha256).hexdigest()
        signed = hmac.compare_digest(self.headers["Sluice-Signature"], "v1=" + expected)
        with open(FOLDER / "requests.jsonl", "a") as log:
            log.write(json.dumps({"path": self.path, "key": self.headers["Idempotency-Key"],
                                  "signed": signed, "fresh": abs(time.time() - int(stamp)) < 60,
                                  "body": json.loads(body)}) + "\n")
        answers = PLAN["answers"]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer.get("cut"):
            self.close_connection = True
            return
        text = answer.get("body", "").encode() or b" " * answer.get("fill", 0)
        self.send_response(answer["status"] if signed else 401)
        self.send_header("Content-Length", str(len(text)))
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)


def main():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-keyout", FOLDER / "key.pem", "-out", FOLDER / "ca.pem", "-subj", "/CN=hook",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-days", "30"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(FOLDER / "ca.pem", FOLDER / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    (FOLDER / "port").write_text(f"{server.server_port}\n")
    server.serve_forever()


main()
