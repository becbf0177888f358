"""A web service behind the gateway, made of Python's own http.server: it says what it heard, streams events and bodies
both ways, and speaks websocket.

    backend.py PORT NAME FOLDER

It answers /healthz 503 for as long as FOLDER has a file `sick`.
"""

import base64
import hashlib
import os
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, NAME, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3]
MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == "/healthz":
            self.whole("sick\n" if sick() else "well\n", 503 if sick() else 200)
        elif path == "/events":
            self.events()
        elif path == "/slow":
            self.slow()
        elif path == "/ws":
            self.websocket()
        elif path == "/hsts":
            self.whole("its own word\n", 200, {"Strict-Transport-Security": "max-age=0"})
        else:
            fields = "".join(f"{name}: {value}\n" for name, value in self.headers.items())
            self.whole(f"{NAME} heard {self.command} {self.path}\n{fields}")

    do_HEAD = do_GET

    def do_POST(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        length = 0
        for piece in self.pieces():
            length += len(piece)
            self.chunk(piece if self.path == "/mirror" else b"")
        if self.path != "/mirror":
            self.chunk(f"{length} octets\n".encode())
        self.wfile.write(b"0\r\n\r\n")

    def whole(self, text, status=200, fields=None):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def pieces(self):
        """The request's body as it comes."""
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            left = int(self.headers.get("Content-Length", 0))
            while left > 0:
                piece = self.rfile.read1(min(left, 65536))
                if not piece:
                    return
                left -= len(piece)
                yield piece
            return
        while length := int(self.rfile.readline(), 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        self.rfile.readline()

    def chunk(self, piece):
        if piece:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    def events(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(3):
            self.chunk(f"data: {number}\n\n".encode())
            time.sleep(0.5)
        self.wfile.write(b"0\r\n\r\n")

    def slow(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000000")
        self.end_headers()
        self.close_connection = True
        try:
            while True:
                self.wfile.write(b"x" * 1000)
                time.sleep(0.05)
        except OSError:
            pass

    def websocket(self):
        key = self.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        while True:
            first, second = self.rfile.read(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self.rfile.read(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self.rfile.read(8))
            mask = self.rfile.read(4)
            text = bytes(octet ^ mask[at % 4] for at, octet in enumerate(self.rfile.read(length)))
            opcode = {0x9: 0xA}.get(first & 0x0F, first & 0x0F)
            self.wfile.write(frame(opcode, text))
            self.wfile.flush()
            if opcode == 0x8:
                return

    def log_message(self, *_):
        pass


def frame(opcode, text):
    head = bytes([0x80 | opcode])
    if len(text) < 126:
        return head + bytes([len(text)]) + text
    if len(text) < 65536:
        return head + b"\x7e" + struct.pack(">H", len(text)) + text
    return head + b"\x7f" + struct.pack(">Q", len(text)) + text


def sick():
    return os.path.exists(os.path.join(FOLDER, "sick"))


ThreadingHTTPServer.daemon_threads = True
server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
print("serves", flush=True)
server.serve_forever()
