"""
Asks a service on this minion one question over HTTP, to see whether anybody answers.
"""

import http.client
import io
import ipaddress
import ssl
import time
import urllib.parse


def ask(url, timeout=2, host=None, beyond_loopback=False):
    """
    Return ``{"status": 200, "problem": None}``, or status None and what went wrong.

    Any HTTP status is an answer; a redirect is not followed, since it may lead to another machine.
    ``host`` is the Host header for a site that only answers to its name. No proxy is used. The head
    of the answer must be there ``timeout`` seconds after the connection.
    """
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return _answer(problem=f"{url} is no http or https address")
    if not beyond_loopback and not _is_loopback(parts.hostname):
        return _answer(problem=f"{url} is not an address of this machine's loopback")
    # Without a port http.client reads the end of an IPv6 address as one.
    connection = _connection(parts, port(url), timeout)
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    headers = {"Connection": "close", "User-Agent": "salt-dynatrace"}
    try:
        connection.request("GET", path, headers={**headers, **({"Host": host} if host else {})})
        until = time.monotonic() + timeout
        connection.response_class = answers(lambda: until - time.monotonic())
        return _answer(status=connection.getresponse().status)
    except TimeoutError:
        return _answer(problem=f"{url} did not answer within {timeout} s")
    except (OSError, http.client.HTTPException) as err:
        return _answer(
            problem=f"{url}: {getattr(err, 'strerror', None) or err or type(err).__name__}"
        )
    finally:
        connection.close()


def port(url):
    """
    Return the port that a URL means.
    """
    parts = urllib.parse.urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def answers(left):
    """
    Return what makes the answers of ``http.client``, which must be complete while time is left.

    ``left`` is a function that returns the seconds. A socket's own timeout
    bounds the wait for the next byte only, however many are still to come.
    """

    def answer(sock, *args, **kwargs):
        made = http.client.HTTPResponse(sock, *args, **kwargs)
        made.fp = io.BufferedReader(_Reader(made.fp.detach(), sock, left))
        return made

    return answer


class _Reader(io.RawIOBase):
    """
    The reading side of a socket that sets its timeout before each read.
    """

    def __init__(self, raw, sock, left):
        super().__init__()
        self._raw, self._sock, self._left = raw, sock, left
        self._timeout = sock.gettimeout()

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self._left()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        self._sock.settimeout(left if self._timeout is None else min(left, self._timeout))
        return self._raw.readinto(buffer)

    def close(self):
        if not self.closed:
            self._raw.close()
        super().close()


def _answer(status=None, problem=None):
    return {"status": status, "problem": problem}


def _connection(parts, number, timeout):
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, number, timeout=timeout)
    # A certificate is made out to the site's name, never to 127.0.0.1. What is proved here is that
    # the local server answers; who it is, its process tells.
    context = ssl._create_unverified_context()
    return http.client.HTTPSConnection(parts.hostname, number, timeout=timeout, context=context)


def _is_loopback(name):
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
