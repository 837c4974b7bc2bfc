"""
Certificates made for one test, and small servers on loopback: a tenant's side of a socket, and a CONNECT proxy.
"""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
EMPTY_LIST = b'{"totalCount": 0, "pageSize": 500, "problems": []}'


class Authority:
    """
    A CA whose certificate is a file, and which signs certificates for loopback names.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.timezone.utc)
        made = self._builder(self._subject, self._key, now - DAY, now + DAY)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "encipher_only",
                "decipher_only",
            ),
            False,
        )
        usages = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage)
        made = made.add_extension(usages, critical=True)
        self.path = directory / f"{name}.pem"
        self.path.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def server(self, name: str = "127.0.0.1", expired: bool = False) -> ssl.SSLContext:
        """
        Return a server's side with a certificate for a name or address.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.timezone.utc)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tenant")])
        end = now - DAY if expired else now + DAY
        made = self._builder(subject, key, now - 2 * DAY, end)
        alternative: x509.GeneralName = x509.DNSName(name)
        with contextlib.suppress(ValueError):
            alternative = x509.IPAddress(ipaddress.ip_address(name))
        made = made.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        path = self._directory / f"{self._name}-{name}-{expired}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(_pem(made.sign(self._key, hashes.SHA256())) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        begin: datetime.datetime,
        end: datetime.datetime,
    ) -> x509.CertificateBuilder:
        own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(own, critical=False)
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@dataclass
class Served:
    """
    A server that runs, and the requests that reached it: each one's head and body.
    """

    port: int
    heads: list[str] = field(default_factory=list)

    def header(self, name: str, number: int = -1) -> str | None:
        """
        Return a header of a request, the last one unless said otherwise.
        """
        for line in self.heads[number].partition("\r\n\r\n")[0].split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None

    def target(self, number: int = -1) -> str:
        """
        Return the method and target of a request.
        """
        return self.heads[number].split("\r\n")[0].rpartition(" ")[0]


#: Does with a connection what a test wants, after a head was read: the socket, and the head.
Behaviour = Callable[[socket.socket, str], None]


def says(body: bytes = EMPTY_LIST, status: bytes = b"200 OK", head: bytes = b"") -> Behaviour:
    """
    Return a behaviour: one answer with a length, and then a closed connection.
    """

    def answer(connection: socket.socket, _: str) -> None:
        lines = b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n"
        connection.sendall(lines % (status, len(body), head) + body)

    return answer


@contextlib.contextmanager
def serving(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """
    Run a server on loopback until the block is left; every connection has a thread.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    served = Served(listening.getsockname()[1])

    def connection(plain: socket.socket) -> None:
        # What a client does to its connection is the test's matter, not this server's.
        with contextlib.suppress(OSError), plain:
            own = tls.wrap_socket(plain, server_side=True) if tls else plain
            with own:
                head = _request(own)
                if head is not None:
                    served.heads.append(head)
                    behaviour(own, head)

    def accept() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=connection, args=[accepted], daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        # Closing alone does not wake the thread that accepts.
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def _request(connection: socket.socket) -> str | None:
    """
    Read a request with its body, since closing a connection with unread bytes resets it; return its head.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: (\d+)", head, re.MULTILINE)
    left = int(length[1]) - len(body) if length else 0
    while left > 0 and (piece := connection.recv(left)):
        left -= len(piece)
        body += piece
    return (head + b"\r\n\r\n" + body).decode("latin-1")


def tunnels(ports: dict[str, int] | None = None) -> Behaviour:
    """
    Return the behaviour of a proxy: CONNECT leads to a local port, by the name that is asked for or by the port asked.
    """

    def answer(client: socket.socket, head: str) -> None:
        target = head.split()[1]
        name, _, port = target.rpartition(":")
        inside = socket.create_connection(("127.0.0.1", (ports or {}).get(name, int(port))))
        with inside:
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=[inside, client], daemon=True)
            back.start()
            _pump(client, inside)
            back.join(10)

    return answer


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
    finally:
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
