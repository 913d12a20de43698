"""A proxy on 127.0.0.1 that counts calls and tokens of whoever talks through it to an OpenAI-compatible server.

    python counting_proxy.py PORT UPSTREAM        # such as 8189 http://127.0.0.1:8089

`GET /counted` gives the counts as JSON, and `POST /counted` sets them to zero. Streams are not supported.
"""

import json
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOCK = threading.Lock()
ZERO = {"calls": 0, "refused": 0, "prompt_tokens": 0, "completion_tokens": 0}
COUNTED = dict(ZERO)


class Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = ""

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/counted":
            with LOCK:
                return self.answer(200, json.dumps(COUNTED).encode())
        self.forward(None)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/counted":
            with LOCK:
                COUNTED.update(ZERO)
            return self.answer(200, b"{}")
        self.forward(body)

    def forward(self, body):
        request = urllib.request.Request(self.upstream + self.path, data=body, method=self.command)
        for name in ("content-type", "authorization"):
            if name in self.headers:
                request.add_header(name, self.headers[name])
        try:
            with urllib.request.urlopen(request, timeout=600) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        except OSError as error:
            status, text = 502, json.dumps({"error": {"message": str(error)}}).encode()
        try:
            usage = json.loads(text).get("usage") or {}
        except (ValueError, AttributeError):
            usage = {}
        if body is not None:
            with LOCK:
                COUNTED["calls"] += 1
                COUNTED["refused"] += status >= 400
                for name in ("prompt_tokens", "completion_tokens"):
                    COUNTED[name] += usage.get(name) or 0
        self.answer(status, text)

    def log_message(self, *_):
        pass


def main():
    port, upstream = int(sys.argv[1]), sys.argv[2].rstrip("/")
    Proxy.upstream = upstream
    ThreadingHTTPServer(("127.0.0.1", port), Proxy).serve_forever()


if __name__ == "__main__":
    main()
