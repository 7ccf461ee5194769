# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a Kubernetes API server: the scale of one Deployment and the EndpointSlices of its Service.

    kubernetes_server.py FOLDER FAULTS

Each pod has a slice of its own, and a page two of them. Lowering the scale ends the pod with the least
deletion cost. FAULTS is JSON: {"conflicts": N} of the first changes, {"broken": TEXT} in place of a list,
{"terminating": NAME}. Writes its port to FOLDER/port, and each request to FOLDER/requests.jsonl.
"""
import http.server
import json
import pathlib
import sys
import urllib.parse

FOLDER = pathlib.Path(sys.argv[1])
FAULTS = json.loads(sys.argv[2])
SCALE = "/apis/apps/v1/namespaces/models/deployments/llama/scale"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/models/endpointslices"
PODS = "/api/v1/namespaces/models/pods/"
state = {"version": 1, "next": 3, "pods": {"llama-1": 0, "llama-2": 0}}


def scale(count):
    pods = state["pods"]
    while len(pods) < count:
        pods[f"llama-{state['next']}"] = 0
        state["next"] += 1
    while len(pods) > count:
        del pods[min(pods, key=lambda name: (pods[name], name))]
    state["version"] += 1


def pages(query):
    if "broken" in FAULTS:
        return FAULTS["broken"]
    at, limit = int(query.get("continue", ["0"])[0]), 2
    names = sorted(state["pods"])
    items = [{"addressType": "IPv4", "ports": [{"name": "http", "port": 8000}],
              "endpoints": [{"addresses": [f"10.9.0.{name.split('-')[1]}"],
                             "conditions": {"ready": True, "terminating": name == FAULTS.get("terminating")},
                             "targetRef": {"kind": "Pod", "name": name}}]} for name in names[at:at + limit]]
    more = str(at + limit) if at + limit < len(names) else ""
    return json.dumps({"kind": "EndpointSliceList", "metadata": {"continue": more}, "items": items})


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def handle_request(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "null")
        with open(FOLDER / "requests.jsonl", "a") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "body": body,
                                  "type": self.headers["Content-Type"],
                                  "authorization": self.headers["Authorization"]}) + "\n")
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        if url.path == SCALE:
            if body is not None:
                fresh = body["metadata"]["resourceVersion"] == str(state["version"])
                if FAULTS.get("conflicts", 0) > 0 or not fresh:
                    FAULTS["conflicts"] = FAULTS.get("conflicts", 0) - 1
                    return self.answer(409, json.dumps({"message": "the object has been modified"}))
                scale(body["spec"]["replicas"])
            return self.answer(200, json.dumps({"metadata": {"resourceVersion": str(state["version"])},
                                                "spec": {"replicas": len(state["pods"])}}))
        if url.path == SLICES and query.get("labelSelector") == ["kubernetes.io/service-name=llama"]:
            return self.answer(200, pages(query))
        if url.path.startswith(PODS) and url.path[len(PODS):] in state["pods"]:
            costs = body["metadata"]["annotations"]
            state["pods"][url.path[len(PODS):]] = int(costs["controller.kubernetes.io/pod-deletion-cost"])
            return self.answer(200, "{}")
        return self.answer(404, json.dumps({"message": "there is no such thing"}))

    do_GET = do_PATCH = handle_request


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
(FOLDER / "port").write_text(f"{server.server_port}\n")
server.serve_forever()
