"""A client that says what curl does not: a websocket, a body that goes on while its answer comes, requests that are none,
requests that wait for a word.

    client.py ADDRESS NAME CA raw TEXT          what comes back for these octets (\\r, \\n as escapes), until the end
    client.py ADDRESS NAME CA websocket PATH
    client.py ADDRESS NAME CA mirror PATH
    client.py ADDRESS NAME CA events PATH       how far apart they came
    client.py ADDRESS NAME CA again FILE        a GET for each line that is added to FILE, over one connection
"""

import base64
import os
import socket
import ssl
import struct
import sys
import time

ADDRESS, NAME, CA, DEED, REST = sys.argv[1:6]


def connect():
    context = ssl.create_default_context(cafile=CA)
    context.set_alpn_protocols(["http/1.1"])
    stream = socket.create_connection((ADDRESS, 443), timeout=20)
    return context.wrap_socket(stream, server_hostname=NAME)


def until(stream, end, have=b""):
    while end not in have:
        piece = stream.recv(65536)
        if not piece:
            sys.exit(f"it ended behind {have!r}")
        have += piece
    return have


def raw():
    stream = connect()
    try:
        stream.sendall(REST.encode().decode("unicode_escape").encode("latin1"))
    except OSError:
        # Whoever refuses a head need not read all of it; the answer is there none the less.
        pass
    heard = b""
    try:
        while piece := stream.recv(65536):
            heard += piece
    except (ssl.SSLError, OSError):
        pass
    sys.stdout.write(heard.decode("latin1"))


def masked(opcode, text):
    mask = os.urandom(4)
    body = bytes(octet ^ mask[at % 4] for at, octet in enumerate(text))
    if len(text) < 126:
        length = bytes([0x80 | len(text)])
    elif len(text) < 65536:
        length = b"\xfe" + struct.pack(">H", len(text))
    else:
        length = b"\xff" + struct.pack(">Q", len(text))
    return bytes([0x80 | opcode]) + length + mask + body


def websocket():
    stream = connect()
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(
        f"GET {REST} HTTP/1.1\r\nHost: {NAME}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head, rest = until(stream, b"\r\n\r\n").split(b"\r\n\r\n", 1)
    print(head.decode())
    for text in [b"hello", b"x" * 70_000]:
        stream.sendall(masked(1, text))
        rest = until(stream, text, rest).split(text, 1)[1]
        print("came back:", len(text))
    stream.sendall(masked(9, b"ping"))
    rest = until(stream, b"\x8a\x04ping", rest)
    print("pong")
    stream.sendall(masked(8, struct.pack(">H", 1000)))
    until(stream, b"\x88\x02\x03\xe8", rest)
    print("closed")


def mirror():
    stream = connect()
    stream.sendall(f"POST {REST} HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    heard = b""
    for word in [b"one", b"two", b"three"]:
        stream.sendall(b"%x\r\n%s\r\n" % (len(word), word))
        heard = until(stream, word, heard)
        print("came back:", word.decode())
    stream.sendall(b"0\r\n\r\n")
    until(stream, b"0\r\n\r\n", heard)
    print("ended")


def events():
    stream = connect()
    stream.sendall(f"GET {REST} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
    heard, begun = b"", None
    for number in range(3):
        heard = until(stream, f"data: {number}\n\n".encode(), heard)
        begun = begun or time.monotonic()
        print(f"{number} after {time.monotonic() - begun:.1f} s")


def again():
    stream = connect()
    for number in range(1, 3):
        while len(open(REST).readlines()) < number:
            time.sleep(0.05)
        stream.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        head, rest = until(stream, b"\r\n\r\n").split(b"\r\n\r\n", 1)
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(rest) < length:
            rest += stream.recv(65536)
        print(rest.decode().split("\n")[0], flush=True)


{"raw": raw, "websocket": websocket, "mirror": mirror, "events": events, "again": again}[DEED]()
