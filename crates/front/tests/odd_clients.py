"""Odd and hostile TLS clients: one line for each case, `ok` or `FAIL`, with the section that says what must happen.

    odd_clients.py PORT FOLDER

The port is a TLS door: `open.test` takes everybody, `closed.test` asks for a certificate, `imap.test` speaks that protocol
alone; behind each is a service that answers a line `hello` with `NAME: hello`. The folder has `alice.der` and
`alice.key`, whose certificate holds, and `mallory.der` and `mallory.key`, of another CA. Needs PyPI's tlslite-ng.

What a case comes to is one of

    served               the line was answered
    hello                a ServerHello came; the case goes no further
    retry                a HelloRetryRequest came, likewise
    alert NAME           that fatal alert, and the end
    closed               the end without an alert
    alert NAME or closed where a flood was sent: what of it was not read has the alert lost on its way
    silence              neither within the time

Behind every case an honest client is served. A case with `gap` is one that the library underneath does otherwise than
the section has it: what it does is named, and the case fails on the day it does something else.
"""

import base64
import os
import socket
import struct
import sys
import threading
import time

from tlslite.api import HandshakeSettings, TLSConnection, X509, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription, ContentType, ExtensionType
from tlslite.errors import TLSAbruptCloseError, TLSLocalAlert, TLSRemoteAlert
from tlslite.extensions import TLSExtension
from tlslite.messages import (
    Alert,
    Certificate,
    CertificateVerify,
    ChangeCipherSpec,
    ClientHello,
    ClientKeyExchange,
    Finished,
    Message,
)

PATIENCE = 14
WORKERS = 4
LIMIT = 150
CASES = []


def case(section, name, expected, gap=None):
    def add(function):
        CASES.append((section, name, function, expected, gap))
        return function
    return add


# ---- Clients that write their first message by hand -----------------------------------------------------------------

HANDSHAKE, ALERT, CCS, DATA, HEARTBEAT = 22, 21, 20, 23, 24
ECDSA = b"\xc0\x2b\xc0\x2c"
SUITES = b"\x13\x01" + ECDSA


def vector(octets, width):
    return len(octets).to_bytes(width, "big") + octets


def extension(kind, octets=b""):
    return struct.pack(">H", kind) + vector(octets, 2)


def sni(name, kind=0):
    return extension(0, vector(bytes([kind]) + vector(name, 2), 2))


def groups(*numbers):
    return extension(10, vector(b"".join(struct.pack(">H", one) for one in numbers), 2))


def schemes(octets=b"\x04\x03\x08\x04"):
    return extension(13, vector(octets, 2))


def alpn(*names):
    return extension(16, vector(b"".join(vector(name, 1) for name in names), 2))


def versions(octets=b"\x03\x04"):
    return extension(43, vector(octets, 1))


def shares(*all_of_them):
    return extension(51, vector(b"".join(struct.pack(">H", group) + vector(key, 2) for group, key in all_of_them), 2))


X25519, P256 = 29, 23
KEY = bytes(range(9, 41))


def modern(**other):
    """The extensions of a TLS 1.3 client, some of them replaced; None leaves one out."""
    parts = {
        "sni": sni(b"open.test"),
        "groups": groups(X25519, P256),
        "schemes": schemes(),
        "versions": versions(),
        "shares": shares((X25519, KEY)),
    }
    parts.update(other)
    return b"".join(part for part in parts.values() if part is not None)


def former(**other):
    """The same of a TLS 1.2 client."""
    parts = {"sni": sni(b"open.test"), "groups": groups(X25519, P256), "schemes": schemes(), "points": extension(11, b"\x01\x00")}
    parts.update(other)
    return b"".join(part for part in parts.values() if part is not None)


def hello(extensions, version=b"\x03\x03", session=b"", suites=SUITES, compression=b"\x00", behind=b""):
    random = bytes(range(32))
    body = version + random + vector(session, 1) + vector(suites, 2) + vector(compression, 1)
    if extensions is not None:
        body += vector(extensions, 2)
    return message(1, body + behind)


def message(kind, body):
    return bytes([kind]) + vector(body, 3)


def record(kind, body, version=b"\x03\x01"):
    return bytes([kind]) + version + vector(body, 2)


def connect():
    one = socket.create_connection(("127.0.0.1", PORT), timeout=PATIENCE)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def say(*pieces, end=False, pause=0):
    """Sends these, and tells what comes of it."""
    one = connect()
    try:
        for piece in pieces:
            one.sendall(piece)
            if pause:
                time.sleep(pause)
        if end:
            one.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return first_answer(one)


def first_answer(one):
    octets = b""
    while True:
        if len(octets) >= 5 and len(octets) >= 5 + int.from_bytes(octets[3:5], "big"):
            one.close()
            return read_answer(octets[0], octets[5:])
        try:
            more = one.recv(65536)
        except socket.timeout:
            return "silence"
        except OSError:
            return "closed"
        if not more:
            return "closed"
        octets += more


def read_answer(kind, body):
    if kind == ALERT:
        return "alert " + named(body[1])
    if kind == HANDSHAKE and body[0] == 2:
        return "retry" if body[6:38] == RETRY else "hello"
    return f"record {kind}"


RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def named(description):
    return AlertDescription.toStr(description)


def greet(extensions, **other):
    return say(record(HANDSHAKE, hello(extensions, **other)))


# ---- Clients that go through the whole handshake --------------------------------------------------------------------


class Extra(Message):
    """Octets in a record of their own, which are no part of the handshake as its hash has it."""

    def __init__(self, kind, octets):
        super().__init__(kind, bytearray(octets))


class Odd(TLSConnection):
    """A client whose messages are looked at before they go: `edit` may change one in place, or give what to send
    instead."""

    def __init__(self, edit=None, bare=False):
        super().__init__(connect())
        self.edit = edit or (lambda message: None)
        self.bare = bare

    def _sendMsg(self, msg, randomizeFirstBlock=True, update_hashes=True):
        if isinstance(msg, ClientHello) and self.bare:
            # Else a ChangeCipherSpec would come in the middle of the last flight.
            msg.session_id = bytearray()
        instead = None if isinstance(msg, Extra) else self.edit(msg)
        for one in [msg] if instead is None else instead:
            hashed = update_hashes and not isinstance(one, Extra)
            yield from super()._sendMsg(one, randomizeFirstBlock, hashed)

    def put(self, *messages):
        for one in messages:
            for _ in super()._sendMsg(one, update_hashes=False):
                pass

    def raw(self, octets):
        self.sock.sendall(octets)


def settings(version):
    one = HandshakeSettings()
    one.minVersion = one.maxVersion = version
    if version == (3, 4):
        one.versions = [(3, 4)]
    one.keyShares = ["x25519"]
    one.eccCurves = ["x25519", "secp256r1", "secp384r1"]
    one.dhGroups = []
    # It would compress its own certificate unasked.
    one.certificate_compression_send = one.certificate_compression_receive = []
    return one


TLS12, TLS13 = (3, 3), (3, 4)


def holder(name):
    certificate = X509()
    with open(os.path.join(FOLDER, name + ".der"), "rb") as file:
        certificate.parseBinary(bytearray(file.read()))
    with open(os.path.join(FOLDER, name + ".key"), "rb") as file:
        text = base64.encodebytes(file.read()).decode()
    key = parsePEMKey(f"-----BEGIN PRIVATE KEY-----\n{text}-----END PRIVATE KEY-----\n", private=True)
    return X509CertChain([certificate]), key


def come(version, edit=None, name="open.test", who=None, then=None, change=None, last=None):
    """A whole handshake with what is odd in it, then a line; what comes of it."""
    one = Odd(edit, bare=version == TLS13)
    terms = settings(version)
    if change:
        change(terms)
    chain, key = holder(who) if who else (None, None)

    def talk():
        one.handshakeClientCert(chain, key, serverName=name, settings=terms)
        if then:
            then(one)
        return (last or line)(one)

    return outcome(one, talk)


def refused(version, edit=None, **other):
    """The same of a client that listens in the end: what it said to a closed door would have the alert lost."""
    return come(version, edit, last=lambda one: one.read(max=100) and "answered" or "closed", **other)


def line(one):
    one.write(b"hello\n")
    answer = b""
    while not answer.endswith(b"\n"):
        piece = one.read(max=100)
        if not piece:
            return "closed"
        answer += piece
    return "served" if answer.endswith(b": hello\n") else f"answered {answer!r}"


def outcome(one, talk):
    try:
        return talk()
    except TLSRemoteAlert as alert:
        return "alert " + named(alert.description)
    except TLSLocalAlert as alert:
        return f"the client itself gave up: {alert}"
    except socket.timeout:
        return "silence"
    except (TLSAbruptCloseError, ConnectionError):
        return last_words(one)
    finally:
        one.sock.close()


def last_words(one):
    """An alert may lie behind a write that failed."""
    try:
        while one.read(max=100):
            pass
        return "closed"
    except TLSRemoteAlert as alert:
        return "alert " + named(alert.description)
    except Exception:
        return "closed"


def only(kind, change):
    """An edit of messages of this class alone."""
    return lambda message: change(message) if isinstance(message, kind) else None


def first(kind, *before):
    """Sends these before the first message of this class."""
    done = []

    def edit(message):
        if isinstance(message, kind) and not done:
            done.append(True)
            return [*before, message]
        return None

    return edit


# ---- First bytes ----------------------------------------------------------------------------------------------------

BOTH = ((TLS12, "1.2"), (TLS13, "1.3"))


def both(section, name, expected, gap=None):
    """A case over TLS 1.2 and over TLS 1.3; `expected` may differ."""
    def add(function):
        for number, (version, text) in enumerate(BOTH):
            pick = (lambda value: value[number] if isinstance(value, tuple) else value)
            case(section, f"TLS {text}: {name}", pick(expected), pick(gap))(lambda version=version: function(version))
        return function
    return add


@both("RFC 8446 5.1", "a hello whose every byte is a record of its own is read", "served")
def _(version):
    def change(message):
        return [Pieces(message, 1)]
    return come(version, only(ClientHello, change))


class Pieces(Message):
    """A message in records of so many bytes."""

    def __init__(self, message, size):
        super().__init__(message.contentType, message.write())
        self.size = size


def _pieces(self, msg, randomizeFirstBlock=True, update_hashes=True, whole=TLSConnection._sendMsg):
    if not isinstance(msg, Pieces):
        yield from whole(self, msg, randomizeFirstBlock, update_hashes)
        return
    octets = msg.write()
    self._handshake_hash.update(octets)
    for at in range(0, len(octets), msg.size):
        piece = Message(msg.contentType, octets[at:at + msg.size])
        yield from whole(self, piece, randomizeFirstBlock, False)


TLSConnection._sendMsg = _pieces


@both("RFC 8446 5.1", "every message of a client with a certificate in records of 64 bytes is read", "served")
def _(version):
    def edit(message):
        return [Pieces(message, 64)] if message.contentType == ContentType.handshake else None
    return come(version, edit, name="closed.test", who="alice")


@case("RFC 8446 5.1", "a hello byte for byte in segments of its own is read", "hello")
def _():
    octets = record(HANDSHAKE, hello(modern()))
    return say(*(octets[at:at + 1] for at in range(len(octets))), pause=0.001)


@case("RFC 8446 5.1", "a handshake record without a byte before the hello is refused", "alert decode_error")
def _():
    return say(record(HANDSHAKE, b""), record(HANDSHAKE, hello(modern())))


@case("RFC 8446 5.1", "a record of 16,385 bytes is refused", "alert record_overflow", gap="alert decode_error")
def _():
    return say(record(HANDSHAKE, message(1, b"\x03\x03" + bytes(20000))[:16385]))


@case("RFC 8446 5.1", "a record that says 65,535 bytes is refused before they come", "alert record_overflow",
      gap="alert decode_error")
def _():
    return say(bytes([HANDSHAKE, 3, 1, 255, 255]))


@case("RFC 8446 5.1", "a record of version 0x0300 is read: that field is not looked at", "hello")
def _():
    return say(record(HANDSHAKE, hello(modern()), version=b"\x03\x00"))


@case("RFC 8446 5.1", "a record of version 0x0304 is read likewise", "hello")
def _():
    return say(record(HANDSHAKE, hello(modern()), version=b"\x03\x04"))


@case("RFC 5246 E.1", "a record of version 0x0505 is of no TLS that there is", "alert decode_error")
def _():
    return say(record(HANDSHAKE, hello(modern()), version=b"\x05\x05"))


@case("RFC 6176 3", "a hello of SSL 2 is no TLS", "closed")
def _():
    body = b"\x01\x03\x03" + struct.pack(">HHH", 6, 0, 16) + b"\x00\xc0\x2b\x00\xc0\x2c" + bytes(16)
    return say(struct.pack(">H", 0x8000 | len(body)) + body)


@case("RFC 8446 4.1.2", "a hello that is cut off by the end gets no answer", "closed")
def _():
    return say(record(HANDSHAKE, hello(modern()))[:100], end=True)


@case("RFC 8446 4.1.2", "a hello that never ends is given up", "closed")
def _():
    return say(record(HANDSHAKE, hello(modern()))[:100])


@case("RFC 8446 4", "a message that says 16 MiB is given up", "closed")
def _():
    return say(record(HANDSHAKE, bytes([1, 255, 255, 255]) + bytes(1000)))


@case("RFC 8446 5.1", "data before the hello is no TLS", "closed")
def _():
    return say(record(DATA, b"hello\n"), record(HANDSHAKE, hello(modern())))


@case("RFC 8446 5", "ChangeCipherSpec before the hello is refused", "closed")
def _():
    return say(record(CCS, b"\x01"), record(HANDSHAKE, hello(modern())))


@case("RFC 6520 3", "a heartbeat before the hello is no TLS", "closed")
def _():
    return say(record(HEARTBEAT, b"\x01\x40\x00" + bytes(16)), record(HANDSHAKE, hello(modern())))


@case("RFC 8446 6", "a flood of warnings before the hello is no TLS", "closed")
def _():
    return say(record(ALERT, b"\x01\x5a") * 5000)


@case("RFC 8446 4", "another message than a hello is refused", "alert unexpected_message", gap="closed")
def _():
    return say(record(HANDSHAKE, message(11, bytes(3))))


@case("RFC 8446 4.1.2", "a second hello right behind the first is refused", "alert unexpected_message")
def _():
    return say(record(HANDSHAKE, hello(modern()) + hello(modern())))


# ---- What is in a hello ---------------------------------------------------------------------------------------------


@case("RFC 8446 4.2.1", "TLS 1.0 is refused by its name", "alert protocol_version")
def _():
    return greet(former(), version=b"\x03\x01")


@case("RFC 8446 4.2.1", "TLS 1.1 is refused by its name", "alert protocol_version")
def _():
    return greet(former(), version=b"\x03\x02")


@case("RFC 8446 4.2.1", "SSL 3 is refused by its name", "alert protocol_version")
def _():
    return greet(former(), version=b"\x03\x00")


@case("RFC 5246 E.1", "a version of the future without the extension is answered by TLS 1.2", "hello")
def _():
    return greet(former(), version=b"\x03\x09")


@case("RFC 8446 4.2.1", "versions that nobody knows are refused", "alert protocol_version")
def _():
    return greet(modern(versions=versions(b"\x7f\x1c\x0a\x0a")))


@case("RFC 8701 3.1", "values that mean nothing are passed over wherever they stand", "hello")
def _():
    return greet(
        extension(0x0A0A)
        + modern(
            groups=groups(0x1A1A, X25519),
            schemes=schemes(b"\x2a\x2a\x04\x03"),
            versions=versions(b"\x3a\x3a\x03\x04"),
            shares=shares((0x1A1A, b"\x00"), (X25519, KEY)),
            alpn=alpn(b"\x4a\x4a", b"imap"),
        )
        + extension(0x5A5A, b"\x00"),
        suites=b"\x6a\x6a" + SUITES,
    )


@case("RFC 8446 4.2", "a hundred extensions that nobody knows are passed over", "hello")
def _():
    return greet(modern() + b"".join(extension(0x4000 + number, bytes(20)) for number in range(100)))


@case("RFC 8446 4.2", "an extension that comes twice is refused", "alert decode_error")
def _():
    return greet(modern() + groups(X25519))


@case("RFC 8446 4.2", "an unknown extension that comes twice is refused", "alert decode_error")
def _():
    return greet(modern() + extension(0x4001) * 2)


@case("RFC 8446 4.1.2", "a hello without cipher suites is refused", "alert decode_error")
def _():
    return greet(modern(), suites=b"")


@case("RFC 8446 4.1.2", "cipher suites of an odd length are refused", "alert decode_error")
def _():
    return greet(modern(), suites=SUITES + b"\x13")


@case("RFC 8446 4.1.1", "a client without a suite in common is told so", "alert handshake_failure")
def _():
    return greet(former(), suites=b"\x00\x2f\x00\x35\xc0\x13")


@case("RFC 8446 4.1.1", "a TLS 1.3 client without a suite in common is told so", "alert handshake_failure")
def _():
    return greet(modern(), suites=b"\x13\x99")


@case("RFC 8446 4.1.1", "a client without a group in common is told so", "alert handshake_failure")
def _():
    return greet(modern(groups=groups(30), shares=shares((30, bytes(56)))))


@case("RFC 8446 4.2.3", "a client that can read none of our signatures is told so", "alert handshake_failure")
def _():
    return greet(modern(schemes=schemes(b"\x08\x08")))


@case("RFC 8446 9.2", "a TLS 1.3 client without signature algorithms is told so", "alert missing_extension",
      gap="alert handshake_failure")
def _():
    return greet(modern(schemes=None))


@case("RFC 8446 9.2", "a TLS 1.3 client without groups is told so", "alert missing_extension", gap="alert handshake_failure")
def _():
    return greet(modern(groups=None))


@case("RFC 8446 4.1.2", "a hello that compresses alone is refused", "alert illegal_parameter")
def _():
    return greet(former(), compression=b"\x01")


@case("RFC 5246 7.4.1.2", "compression is not taken where it is offered", "hello")
def _():
    return greet(former(), compression=b"\x01\x00")


@case("RFC 8446 4.1.2", "TLS 1.3 knows no compression, offered or not", "alert illegal_parameter")
def _():
    return greet(modern(), compression=b"\x01\x00")


@case("RFC 8446 4.1.2", "a hello without a compression method is refused", "alert decode_error")
def _():
    return greet(modern(), compression=b"")


@case("RFC 8446 4.1.2", "a session id of 33 bytes is refused", "alert decode_error")
def _():
    return greet(modern(), session=bytes(33))


@case("RFC 8446 4.1.2", "octets behind the extensions are refused", "alert decode_error")
def _():
    return greet(modern(), behind=b"\x00")


@case("RFC 8446 4.2", "an extension longer than the hello is refused", "alert decode_error")
def _():
    return greet(modern() + struct.pack(">HH", 0x4001, 500))


@case("RFC 8446 4.2.8", "a client without a key is asked for one", "retry")
def _():
    return greet(modern(shares=shares()))


@case("RFC 8446 4.2.8", "two keys of one group are refused", "alert illegal_parameter")
def _():
    return greet(modern(shares=shares((X25519, KEY), (X25519, KEY))))


@case("RFC 8446 4.2.8", "a key of the wrong length is refused", "alert illegal_parameter")
def _():
    return greet(modern(shares=shares((X25519, KEY[:31]))))


@case("RFC 8446 7.4.2", "an X25519 key of zeros is refused", "alert illegal_parameter")
def _():
    return greet(modern(shares=shares((X25519, bytes(32)))))


@case("RFC 8446 4.2.8.2", "a P-256 key that is on no curve is refused", "alert illegal_parameter")
def _():
    return greet(modern(groups=groups(P256), shares=shares((P256, b"\x04" + bytes(64)))))


@case("RFC 9180 7.1.4", "a hybrid key of zeros is refused", "alert illegal_parameter")
def _():
    return greet(modern(groups=groups(0x11EC), shares=shares((0x11EC, bytes(1216)))))


# ---- Names ----------------------------------------------------------------------------------------------------------


@case("RFC 6066 3", "a name in capital letters is the same name", "hello")
def _():
    return greet(modern(sni=sni(b"OPEN.Test")))


@case("RFC 6066 3", "two names are refused", "alert decode_error")
def _():
    name = b"\x00" + vector(b"open.test", 2)
    return greet(modern(sni=extension(0, vector(name + name, 2))))


@case("RFC 6066 3", "a list without a name is refused", "alert decode_error")
def _():
    return greet(modern(sni=extension(0, vector(b"", 2))))


@case("RFC 6066 3", "a name without a letter is refused", "alert decode_error")
def _():
    return greet(modern(sni=sni(b"")))


@case("RFC 6066 3", "an address is no name: nobody is meant", "alert unrecognized_name")
def _():
    return greet(modern(sni=sni(b"192.0.2.1")))


@case("RFC 6066 3", "a name with a zero in it is refused", "alert illegal_parameter")
def _():
    return greet(modern(sni=sni(b"open.test\x00.example")))


@case("RFC 6066 3", "a name that no machine can have is refused", "alert illegal_parameter")
def _():
    return greet(modern(sni=sni(b"-open..test")))


@case("RFC 6066 3", "a name of 300 letters is refused", "alert illegal_parameter")
def _():
    return greet(modern(sni=sni(b"a" * 50 + (b"." + b"a" * 49) * 5)))


@case("RFC 6066 3", "a name that is no ASCII is refused", "alert illegal_parameter")
def _():
    return greet(modern(sni=sni("öpen.test".encode())))


@case("RFC 6066 3", "a name of an unknown kind is refused", "alert illegal_parameter")
def _():
    return greet(modern(sni=sni(b"open.test", kind=7)))


@case("RFC 6066 3", "a name that nobody has is refused by its own alert", "alert unrecognized_name")
def _():
    return greet(modern(sni=sni(b"nobody.test")))


@case("RFC 7301 3.2", "a protocol that the server lacks is refused by its own alert", "alert no_application_protocol")
def _():
    return greet(modern(sni=sni(b"imap.test"), alpn=alpn(b"irc")))


@case("RFC 7301 3.1", "a protocol without a letter is refused", "alert decode_error")
def _():
    return greet(modern(sni=sni(b"imap.test"), alpn=alpn(b"", b"imap")))


@case("RFC 7301 3.1", "a list without a protocol is refused", "alert decode_error")
def _():
    return greet(modern(sni=sni(b"imap.test"), alpn=alpn()))


# ---- A hello after the server has asked for another -----------------------------------------------------------------


def retried(**second):
    """Has no key at first, and says something else the second time."""
    one = connect()
    one.sendall(record(HANDSHAKE, hello(modern(shares=shares()))))
    octets = b""
    while len(octets) < 5 or len(octets) < 5 + int.from_bytes(octets[3:5], "big"):
        octets += one.recv(65536)
    if read_answer(octets[0], octets[5:]) != "retry":
        return "no retry"
    one.sendall(record(HANDSHAKE, hello(modern(**second)), version=b"\x03\x03"))
    rest = octets[5 + int.from_bytes(octets[3:5], "big"):]
    if rest[:1] == b"\x14":
        rest = rest[6:]
    while not rest:
        try:
            rest = one.recv(65536)
        except socket.timeout:
            return "silence"
        except OSError:
            return "closed"
        if not rest:
            return "closed"
        if rest[:1] == b"\x14":
            rest = rest[6:]
    return read_answer(rest[0], rest[5:])


@case("RFC 8446 4.1.2", "a client with the key that was asked for goes on", "hello")
def _():
    return retried()


@case("RFC 8446 4.1.2", "another name in the second hello is refused", "alert illegal_parameter", gap="closed")
def _():
    return retried(sni=sni(b"closed.test"))


@case("RFC 8446 4.1.4", "a second hello without the key is refused", "alert illegal_parameter")
def _():
    return retried(shares=shares())


@case("RFC 8446 4.1.4", "a second hello with another key than was asked for is refused", "alert illegal_parameter")
def _():
    return retried(shares=shares((30, bytes(56))))


@case("RFC 8446 4.1.4", "a whole client that is asked for a key is served", "served")
def _():
    def change(terms):
        terms.keyShares = []
    return come(TLS13, change=change)


# ---- Sessions -------------------------------------------------------------------------------------------------------


@case("RFC 5077 3.4", "a ticket that nobody made leads to a whole handshake", "served")
def _():
    def change(message):
        message.extensions = [one for one in message.extensions if one.extType != ExtensionType.session_ticket]
        message.extensions.append(TLSExtension(extType=ExtensionType.session_ticket).create(bytearray(os.urandom(200))))
    return come(TLS12, only(ClientHello, change))


@case("RFC 8446 4.2.11", "a key that nobody agreed on leads to a whole handshake", "served")
def _():
    def change(terms):
        terms.pskConfigs = [(b"nobody's ticket" * 10, os.urandom(32), "sha256")]
    return come(TLS13, change=change)


def psk(identities, binders):
    return extension(41, vector(b"".join(vector(one, 2) + bytes(4) for one in identities), 2)
                     + vector(b"".join(vector(one, 1) for one in binders), 2))


MODES = extension(45, b"\x01\x01")


@case("RFC 8446 4.2.11", "a former session that is not the last extension is refused", "alert illegal_parameter",
      gap="alert decode_error")
def _():
    return greet(psk([bytes(100)], [bytes(32)]) + modern() + MODES)


@case("RFC 8446 4.2.11", "more sessions than proofs of them are refused", "alert illegal_parameter")
def _():
    return greet(modern() + MODES + psk([bytes(100), bytes(90)], [bytes(32)]))


@case("RFC 8446 4.2.11", "a former session without a word on how to use it is refused", "alert missing_extension")
def _():
    return greet(modern() + psk([bytes(100)], [bytes(32)]))


@case("RFC 8446 4.2.10", "early data is not taken, and the rest goes on", "hello")
def _():
    first_words = record(HANDSHAKE, hello(modern() + MODES + extension(42) + psk([bytes(100)], [bytes(32)])))
    return say(first_words, record(DATA, os.urandom(200), version=b"\x03\x03"))


@case("RFC 8446 4.2.10", "early data without an end is given up", "alert bad_record_mac or closed")
def _():
    one = connect()
    one.sendall(record(HANDSHAKE, hello(modern() + MODES + extension(42) + psk([bytes(100)], [bytes(32)]))))
    return flooded(one, record(DATA, os.urandom(16000), version=b"\x03\x03"), 200)


def flooded(one, piece, times):
    """So often the same, and what the last record says that came."""
    said = []
    ears = threading.Thread(target=lambda: said.append(last_record(one)), daemon=True)
    ears.start()
    try:
        for _ in range(times):
            one.sendall(piece)
    except OSError:
        pass
    ears.join(PATIENCE)
    return said[0] if said else "silence"


def last_record(one):
    octets, last = b"", "closed"
    while True:
        try:
            more = one.recv(65536)
        except OSError:
            return last
        if not more:
            return last
        octets += more
        while len(octets) >= 5 and len(octets) >= 5 + int.from_bytes(octets[3:5], "big"):
            length = int.from_bytes(octets[3:5], "big")
            if octets[0] == ALERT and length == 2:
                last = "alert " + named(octets[6])
            octets = octets[5 + length:]


# ---- The rest of the handshake --------------------------------------------------------------------------------------


@both("RFC 8446 4.4.4", "a Finished that is wrong is refused", "alert decrypt_error")
def _(version):
    def change(message):
        message.verify_data[3] ^= 1
    return refused(version, only(Finished, change))


@both("RFC 8446 4.4.3", "a signature that is wrong is refused", "alert decrypt_error")
def _(version):
    def change(message):
        message.signature = bytearray(message.signature)
        message.signature[-3] ^= 1
    return refused(version, only(CertificateVerify, change), name="closed.test", who="alice")


@both("RFC 8446 4.4.3", "a signature by an algorithm that was not offered is refused", "alert illegal_parameter")
def _(version):
    def change(message):
        message.signatureAlgorithm = (2, 3)
    return refused(version, only(CertificateVerify, change), name="closed.test", who="alice")


@both("RFC 8446 4.4.3", "a certificate without a signature is refused", "alert unexpected_message")
def _(version):
    return refused(version, only(CertificateVerify, lambda message: []), name="closed.test", who="alice")


@both("RFC 8446 4.4.2.4", "no certificate where one is required is refused", ("alert handshake_failure", "alert certificate_required"),
      gap=("alert certificate_required", None))
def _(version):
    return refused(version, name="closed.test")


@both("RFC 8446 4.4.2.4", "a certificate of another CA is refused", "alert unknown_ca")
def _(version):
    return refused(version, name="closed.test", who="mallory")


@both("RFC 8446 4.4.2", "a certificate that is none is refused", "alert bad_certificate")
def _(version):
    def change(message):
        start = bytes([11])
        one = vector(b"\x30\x03\x02\x01\x05", 3)
        body = vector(one, 3) if version == TLS12 else b"\x00" + vector(one + b"\x00\x00", 3)
        return [Message(ContentType.handshake, bytearray(start + vector(body, 3)))]
    return refused(version, only(Certificate, change), name="closed.test", who="alice")


@both("RFC 8446 4.4.2", "a message of certificates that ends in the middle of one is refused", "alert decode_error")
def _(version):
    def change(message):
        body = b"\x00\x00\x09\x00\x00\x20\x30" + bytes(5)
        body = body if version == TLS12 else b"\x00" + body
        return [Message(ContentType.handshake, bytearray(bytes([11]) + vector(body, 3)))]
    return refused(version, only(Certificate, change), name="closed.test", who="alice")


@case("RFC 8446 4.4", "a certificate that nobody asked for is refused", "alert unexpected_message")
def _():
    return refused(TLS13, first(Finished, Extra(ContentType.handshake, bytes([11]) + vector(b"\x00\x00\x00\x00", 3))))


@case("RFC 5246 7.1", "ChangeCipherSpec before the keys are there is refused (CVE-2014-0224)", "alert unexpected_message")
def _():
    return refused(TLS12, first(ClientKeyExchange, Extra(ContentType.change_cipher_spec, b"\x01")))


@case("RFC 5246 7.1", "ChangeCipherSpec twice is refused", "alert unexpected_message")
def _():
    return refused(TLS12, first(ChangeCipherSpec, Extra(ContentType.change_cipher_spec, b"\x01")))


@case("RFC 5246 7.4.9", "a Finished without ChangeCipherSpec is refused", "alert unexpected_message")
def _():
    return refused(TLS12, only(ChangeCipherSpec, lambda message: [Extra(ContentType.handshake, bytes([20]) + vector(bytes(12), 3))]))


@case("RFC 8422 5.4", "a key exchange with a point that is on no curve is refused", "alert illegal_parameter")
def _():
    def change(message):
        message.ecdh_Yc = bytearray(b"\x04" + bytes(64))
    def terms(one):
        one.eccCurves = ["secp256r1"]
        one.keyShares = []
    return refused(TLS12, only(ClientKeyExchange, change), change=terms)


@case("RFC 5246 7.4.7", "a key exchange that is empty is refused", "alert decode_error", gap="closed")
def _():
    return refused(TLS12, only(ClientKeyExchange, lambda message: [Message(ContentType.handshake, bytearray(bytes([16, 0, 0, 0])))]))


@case("RFC 7627 5.3", "a client without the extended master secret is served", "served")
def _():
    def terms(one):
        one.useExtendedMasterSecret = False
    return come(TLS12, change=terms)


@case("RFC 7507 3", "a client that fell back to TLS 1.2 is told that it need not have", "alert inappropriate_fallback", gap="served")
def _():
    def terms(one):
        one.sendFallbackSCSV = True
    return come(TLS12, change=terms)


@case("RFC 6520 2", "a client that would have heartbeats goes without", "served")
def _():
    def terms(one):
        one.use_heartbeat_extension = True
    return come(TLS12, change=terms)


@case("RFC 8449 4", "a client that takes small records alone is served", "served")
def _():
    def terms(one):
        one.record_size_limit = 64
    return come(TLS13, change=terms)


@case("RFC 8446 5", "ChangeCipherSpec in the middle of TLS 1.3 is passed over", "served")
def _():
    return come(TLS13, first(Finished, Plain(CCS, b"\x01")))


@case("RFC 8446 5", "ChangeCipherSpec between two sealed messages is passed over", "served")
def _():
    return come(TLS13, first(CertificateVerify, Plain(CCS, b"\x01")), name="closed.test", who="alice")


@case("RFC 8446 5", "a flood of ChangeCipherSpec is refused", "alert unexpected_message or closed")
def _():
    return refused(TLS13, first(Finished, *(Plain(CCS, b"\x01") for _ in range(1000))))


@case("RFC 8446 5", "ChangeCipherSpec that says something else is refused", "alert unexpected_message")
def _():
    return refused(TLS13, first(Finished, Plain(CCS, b"\x02")))


@case("RFC 8446 5.2", "a plain Finished where all is sealed is refused", "alert unexpected_message",
      gap="alert bad_record_mac")
def _():
    return refused(TLS13, first(Finished, Plain(HANDSHAKE, message(20, bytes(32)))))


class Plain(Message):
    """A record that is not sealed, whatever the others are."""

    def __init__(self, kind, octets):
        super().__init__(kind, bytearray(octets))


def _plain(self, msg, randomizeFirstBlock=True, update_hashes=True, whole=TLSConnection._sendMsg):
    if isinstance(msg, Plain):
        self.sock.flush()
        self.sock.socket.sendall(record(msg.contentType, bytes(msg.write()), version=b"\x03\x03"))
        return
    yield from whole(self, msg, randomizeFirstBlock, update_hashes)


TLSConnection._sendMsg = _plain


# ---- Behind the handshake -------------------------------------------------------------------------------------------


@both("RFC 5246 7.2.1", "a client that goes without a word harms nobody", "gone")
def _(version):
    one = Odd()
    one.handshakeClientCert(serverName="open.test", settings=settings(version))
    one.sock.close()
    return "gone"


@both("RFC 8446 6.1", "a client that has said all gets its answer still", "served")
def _(version):
    def then(one):
        one.write(b"hello\n")
        one.put(Alert().create(AlertDescription.close_notify, 1))
        answer = one.read(max=100)
        if answer != b"open: hello\n":
            raise ConnectionError
        raise Enough
    try:
        return come(version, then=then)
    except Enough:
        return "served"


class Enough(Exception):
    """All that had to come has come."""


@both("RFC 5246 6.2.3.3", "a record that was changed on the way is refused", "alert bad_record_mac")
def _(version):
    return refused(version, then=lambda one: one.raw(record(DATA, os.urandom(60), version=b"\x03\x03")))


@both("RFC 8446 5.2", "a sealed record that is too long is refused", "alert record_overflow", gap="alert decode_error")
def _(version):
    return refused(version, then=lambda one: one.raw(bytes([DATA, 3, 3]) + struct.pack(">H", 16384 + 2049)))


@both("RFC 8446 5.1", "a few records without data are passed over", "served")
def _(version):
    return come(version, then=lambda one: one.put(*(Extra(ContentType.application_data, b"") for _ in range(8))))


@both("RFC 8446 5.1", "a flood of records without data is refused", "alert unexpected_message or closed")
def _(version):
    return refused(version, then=lambda one: one.put(*(Extra(ContentType.application_data, b"") for _ in range(2000))))


@both("RFC 8446 6", "a flood of warnings is refused",
      ("alert unexpected_message or closed", "alert decode_error or closed"))
def _(version):
    def then(one):
        one.put(*(Alert().create(AlertDescription.no_renegotiation, 1) for _ in range(500)))
    return refused(version, then=then)


@both("RFC 8446 6", "an alert of one byte is refused", "alert decode_error")
def _(version):
    return refused(version, then=lambda one: one.put(Extra(ContentType.alert, b"\x01")))


@both("RFC 6520 4", "a heartbeat that nobody agreed on is refused", "alert unexpected_message", gap="alert decode_error")
def _(version):
    return refused(version, then=lambda one: one.put(Extra(HEARTBEAT, b"\x01\x40\x00" + bytes(16))))


@both("RFC 8446 5", "a record of a kind that there is not is refused", "alert unexpected_message", gap="alert decode_error")
def _(version):
    return refused(version, then=lambda one: one.put(Extra(99, b"hello")))


@case("RFC 5746 5", "a client that would have the handshake anew hears that it does not get it", "alert no_renegotiation")
def _():
    return again(hello(former()))


@case("RFC 5246 7.4.1.1", "a request for another handshake by a client is refused", "alert unexpected_message")
def _():
    return refused(TLS12, then=lambda one: one.put(Extra(ContentType.handshake, message(0, b""))))


def again(first_words):
    one = Odd()

    def talk():
        one.handshakeClientCert(serverName="open.test", settings=settings(TLS12))
        one.put(Extra(ContentType.handshake, first_words))
        return line(one)

    return outcome(one, talk)


@case("RFC 5746 5", "a client that asks again and again for the handshake anew loses the connection", "closed")
def _():
    one = Odd()
    one.handshakeClientCert(serverName="open.test", settings=settings(TLS12))
    try:
        one.put(*(Extra(ContentType.handshake, hello(former())) for _ in range(100)))
    except (TLSRemoteAlert, OSError):
        pass
    return end_of(one)


def end_of(one):
    """What the socket says in the end, whatever is sealed."""
    try:
        while one.sock.socket.recv(65536):
            pass
    except socket.timeout:
        return "silence"
    except OSError:
        pass
    return "closed"


@case("RFC 8446 4.1.2", "a hello behind the handshake of TLS 1.3 is refused", "alert unexpected_message")
def _():
    return refused(TLS13, then=lambda one: one.put(Extra(ContentType.handshake, hello(modern()))))


@case("RFC 8446 4.6.2", "a certificate behind the handshake that nobody asked for is refused", "alert unexpected_message")
def _():
    return refused(TLS13, then=lambda one: one.put(Extra(ContentType.handshake, message(11, b"\x00\x00\x00\x00"))))


@case("RFC 8446 4.6.3", "keys are renewed when a client asks", "served")
def _():
    return come(TLS13, then=lambda one: one.send_keyupdate_request(1))


@case("RFC 8446 4.6.3", "a thousand renewals of keys end nothing", "served")
def _():
    def then(one):
        for _ in range(1000):
            one.send_keyupdate_request(0)
    return come(TLS13, then=then)


@case("RFC 8446 4.6.3", "a thousand renewals of which nobody reads the answers hold no memory and end nothing", "served")
def _():
    def then(one):
        for _ in range(1000):
            one.send_keyupdate_request(1)
    return come(TLS13, then=then)


@case("RFC 8446 4.6.3", "a renewal that asks for what there is not is refused", "alert illegal_parameter")
def _():
    return refused(TLS13, then=lambda one: one.put(Extra(ContentType.handshake, message(24, b"\x02"))))


@case("RFC 8446 5.1", "a renewal of keys with more behind it in its record is refused", "alert unexpected_message")
def _():
    twice = message(24, b"\x00") * 2
    return refused(TLS13, then=lambda one: one.put(Extra(ContentType.handshake, twice)))


@case("RFC 8446 5.1", "data in the middle of a message is refused", "alert unexpected_message", gap="closed")
def _():
    def then(one):
        one.put(Extra(ContentType.handshake, message(24, b"\x00")[:2]), Extra(ContentType.application_data, b"hello\n"))
    return refused(TLS13, then=then)


@case("RFC 8446 5.4", "a sealed record with nothing but padding is refused", "alert unexpected_message", gap="closed")
def _():
    return refused(TLS13, then=lambda one: one.put(Extra(0, b"")))


@case("RFC 8446 5.4", "padding is taken off", "served")
def _():
    def terms(one):
        one.padding_cb = lambda length, kind, most: min(500, most - length - 1)
    return come(TLS13, change=terms)


@both("RFC 8446 4.6.1", "a session that is resumed is served", "served")
def _(version):
    return resumed(version)


def resumed(version):
    one = Odd()
    one.handshakeClientCert(serverName="open.test", settings=settings(version))
    said = line(one)
    one.sock.close()
    if said != "served":
        return said
    other = Odd()

    def talk():
        other.handshakeClientCert(serverName="open.test", settings=settings(version), session=one.session)
        said = line(other)
        return said if other.resumed else f"{said}, not resumed"

    return outcome(other, talk)


# ---- The run --------------------------------------------------------------------------------------------------------


def judge(section, name, function, expected, gap):
    begun = time.monotonic()
    try:
        came = function()
    except Exception as error:  # a case that breaks fails, and the others go on
        came = f"{type(error).__name__}: {error}"
    if came not in (gap or expected).split(" or "):
        return False, f"{name}: {came}, not {gap or expected}"
    if honest() != "served":
        return False, f"{name}: the next honest client was not served"
    what = f"gap: {expected} is asked for, {gap} comes" if gap else came
    return True, f"{section}: {name} [{what}; {time.monotonic() - begun:.1f} s]"


def honest():
    try:
        return come(TLS13)
    except Exception as error:
        return str(error)


def main():
    wanted = sys.argv[3:]
    cases = [one for one in CASES if all(word in one[1] for word in wanted)]
    said, place = [None] * len(cases), threading.Lock()
    waiting = list(enumerate(cases))

    def work():
        while True:
            with place:
                if not waiting:
                    return
                number, one = waiting.pop(0)
            said[number] = judge(*one)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for one in workers:
        one.start()
    until = time.monotonic() + LIMIT
    for one in workers:
        one.join(max(0, until - time.monotonic()))
    for number, one in enumerate(cases):
        fine, text = said[number] or (False, f"{one[1]}: no end, or it was not come to")
        print("ok" if fine else "FAIL", text)
    sys.stdout.flush()
    # Whoever hangs is not waited for.
    os._exit(0 if all(one and one[0] for one in said) else 1)


PORT, FOLDER = int(sys.argv[1]), sys.argv[2]
if __name__ == "__main__":
    main()
