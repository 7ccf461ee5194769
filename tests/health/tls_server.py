# SPDX-License-Identifier: Apache-2.0
"""HTTPS servers on loopback, one for each certificate: good, expired, other_name, unknown.

Makes an authority in FOLDER (ca.pem), prints the ports as one line of JSON, and serves until its
standard input ends. Needs the openssl program.
"""
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading

folder = pathlib.Path(sys.argv[1])


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def authority(name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "30")


def certificate(name, issuer, names, start, end):
    (folder / "index.txt").write_text("")
    (folder / "serial").write_text("01")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=it\n[it]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\n"
        "default_md=sha256\npolicy=any\nx509_extensions=names\n[any]\ncommonName=supplied\n"
        f"[names]\nsubjectAltName={names}\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
    openssl("ca", "-batch", "-config", "ca.conf", "-cert", f"{issuer}.pem", "-keyfile",
            f"{issuer}.key", "-in", f"{name}.csr", "-out", f"{name}.crt", "-notext",
            "-startdate", start, "-enddate", end)


def answer(context, raw):
    try:
        with context.wrap_socket(raw, server_side=True) as connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            connection.unwrap()
    except OSError:
        pass  # clients that refuse the certificate


def serve(name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.crt", folder / f"{name}.key")
    listener = socket.create_server(("127.0.0.1", 0))

    def accept():
        while True:
            raw, _ = listener.accept()
            threading.Thread(target=answer, args=(context, raw), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


authority("ca")
authority("stranger")
own = "DNS:backend.example,IP:127.0.0.1"
long_ago, far_off = "20200101000000Z", "20991231000000Z"
certificate("good", "ca", own, long_ago, far_off)
certificate("expired", "ca", own, long_ago, "20200102000000Z")
certificate("other_name", "ca", "DNS:other.example", long_ago, far_off)
certificate("unknown", "stranger", own, long_ago, far_off)
print(json.dumps({name: serve(name) for name in ("good", "expired", "other_name", "unknown")}),
      flush=True)
sys.stdin.read()
