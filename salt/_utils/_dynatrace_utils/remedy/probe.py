"""
The proofs that speak HTTP: an address that the site has named, or ``http``, the main process where it listens.

The second is no judgement of what is said: any answer of HTTP, whatever its status, is an answer of the server
itself. What is asked is ``OPTIONS *``, which is about the server and no page, so no backend, no application
and no single site answers in its place.
"""

import queue
import re
import socket
import ssl
import threading
import time

from ..service import sockets
from . import url as site

REQUEST = (
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nUser-Agent: salt-dynatrace\r\n"
    b"Connection: close\r\n\r\n"
)
# For an answer in plain text, before TLS is tried: a server of plain HTTP would log it as an error.
HEAD_START_S = 0.5
# For a handshake that began within the time.
GRACE_S = 2
# Sockets that are asked, of one process.
MOST = 32
LONGEST_LINE = 4096
STATUS_LINE = re.compile(rb"HTTP/[0-9](?:\.[0-9])? ([0-9]{3})\b")
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
SERVER_ERROR = 500
# Of what was found, the message names so many.
NAMED = 6


def http(proof, service, seen):
    """
    Return ``verdict`` and ``said`` of the main process, which is asked where it listens.
    """
    return judged(ask(seen["listens"], service["timeout"]))


def url(proof, service, seen):
    """
    Return ``verdict`` and ``said`` of an address that the site has named.

    ``seen`` is how the service was found; None, or without ``listens``: whose the port is, cannot be told.
    """
    address, statuses, contains = proof["url"], proof["statuses"], proof["contains"]
    names = {key: proof[key] for key in ("host", "server_name")}
    try:
        answer = site.ask(address, service["timeout"], **names, with_body=bool(contains))
    except ValueError as err:
        return {"verdict": "unclear", "said": f"{address} cannot be asked: {err}"}
    if answer["problem"]:
        return {"verdict": "fails", "said": answer["problem"]}
    status, said = answer["status"], f"{address} answered {answer['status']}"
    if status not in statuses if statuses else status >= SERVER_ERROR:
        return {"verdict": "fails", "said": said}
    if contains and contains.encode() not in answer["body"]:
        return {"verdict": "fails", "said": f"{said}, without the text {contains[:80]!r}"}
    listens = seen["listens"] if seen else None
    if listens is not None and site.port(address) not in [port for _, port in listens]:
        whose = f"{seen['executable']} (pid {seen['main']}) does not hold its port"
        return {"verdict": "unclear", "said": f"{said}, but {whose}"}
    return {"verdict": "serves", "said": said}


def ask(listens, timeout):
    """
    Return what came of asking each of the addresses, over http and https at once.

    ``listens`` is a list of address and port. It ends with the first answer, else ``timeout`` seconds after the
    connections. Each finding has ``verdict`` (``answered``, ``silent``, ``other``) and ``said``.
    """
    places = [(LOOPBACK.get(address, address), port) for address, port in listens]
    asked = [(scheme, *place) for scheme in ("http", "https") for place in places[:MOST]]
    answered, came, findings = threading.Event(), queue.SimpleQueue(), []
    for question in asked:
        _Question(*question, timeout, answered, came).start()
    until = time.monotonic() + timeout + HEAD_START_S + GRACE_S
    while len(findings) < len(asked):
        try:
            findings.append(came.get(timeout=max(until - time.monotonic(), 0)))
        except queue.Empty:
            findings.append(_other("some addresses did not come to an end"))
            break
        if findings[-1]["verdict"] == "answered":
            answered.set()
            return findings[-1:]
    if len(places) > MOST:
        findings.append(_other(f"{len(places) - MOST} addresses more were not asked"))
    return findings


def judged(findings):
    """
    Return ``verdict`` and ``said``: ``serves``, ``silent`` (all accept, and none says a word) or ``unclear``.
    """
    answer = next((one for one in findings if one["verdict"] == "answered"), None)
    if answer:
        return {"verdict": "serves", "said": answer["said"]}
    if not findings:
        return {"verdict": "unclear", "said": "it listens on no TCP port"}
    silent = all(one["verdict"] == "silent" for one in findings)
    told = [one["said"] for one in findings]
    more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
    return {
        "verdict": "silent" if silent else "unclear",
        "said": "; ".join(told[:NAMED]) + more,
    }


def _other(said):
    return {"verdict": "other", "said": said}


class _Question(threading.Thread):
    """
    One question, in a thread of its own that may be left behind.
    """

    def __init__(self, scheme, address, port, timeout, answered, came):
        super().__init__(name="dynatrace probe", daemon=True)
        self._place = (scheme, address, port)
        self._timeout, self._answered, self._came = timeout, answered, came

    def run(self):
        scheme, address, port = self._place
        if scheme == "https" and self._answered.wait(HEAD_START_S):
            return
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        verdict, told = _spoken(scheme, address, port, self._timeout)
        self._came.put({"verdict": verdict, "said": f"{scheme}://{where} {told}"})


def _spoken(scheme, address, port, timeout):
    until, line = time.monotonic() + timeout, b""
    try:
        plain = socket.create_connection((address, port), timeout=timeout)
    except OSError as err:
        if isinstance(err, TimeoutError) and sockets.is_full(port):
            return "silent", f"takes no connection for {timeout:g} s, and others wait already"
        return "other", f"cannot be reached ({_reason(err)})"
    try:
        with plain, _in_tls(plain) if scheme == "https" else plain as stream:
            stream.sendall(REQUEST)
            for piece in _pieces(stream, until):
                line += piece
    except TimeoutError:
        if line:
            return "other", f"began to answer and took longer than {timeout:g} s"
        return "silent", f"took the connection and sent nothing for {timeout:g} s"
    except OSError as err:
        return "other", f"does not answer ({_reason(err)})"
    return _read(line)


def _in_tls(plain):
    # A certificate is made out to the site's name, and who answers here is known by its process.
    context = ssl._create_unverified_context()
    return context.wrap_socket(plain)


def _pieces(stream, until):
    length, piece = 0, b"."
    while piece and b"\n" not in piece and length < LONGEST_LINE:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        stream.settimeout(left)
        piece = stream.recv(LONGEST_LINE)
        length += len(piece)
        yield piece


def _read(line):
    status = STATUS_LINE.match(line)
    if status:
        return "answered", f"answered {int(status[1])}"
    if line:
        return "other", "answers, and not in HTTP"
    return "other", "closed the connection without an answer"


def _reason(err):
    return getattr(err, "reason", None) or err.strerror or str(err) or type(err).__name__
