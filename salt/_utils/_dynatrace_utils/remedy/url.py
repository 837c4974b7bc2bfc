"""
Asks the URL that a site has named as its service's proof.
"""

import http.client
import ipaddress
import ssl
import time
import urllib.parse

from .. import deadline

LONGEST_BODY = 1024 * 1024


def ask(url, timeout, host=None, server_name=None, with_body=False):
    """
    Return ``{"status": 200, "body": b"", "problem": None}``, or status None and what went wrong.

    Any HTTP status is an answer; a redirect is not followed, since it may lead to another machine.
    ``host`` is the Host header for a site that only answers to its name, ``server_name`` what TLS asks for.
    No proxy is used. The head of the answer, and the first megabyte of its body if that is asked for, must be
    there ``timeout`` seconds after the connection. Raises ValueError for a name that cannot be sent.
    """
    parts = urllib.parse.urlsplit(url)
    # Without a port http.client reads the end of an IPv6 address as one.
    connection = _connection(parts, port(url), timeout, server_name)
    path = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    headers = {"Connection": "close", "User-Agent": "salt-dynatrace"}
    try:
        connection.request("GET", path, headers={**headers, **({"Host": host} if host else {})})
        until = time.monotonic() + timeout
        connection.response_class = deadline.answers(lambda: until - time.monotonic())
        answer = connection.getresponse()
        return _answer(answer.status, answer.read(LONGEST_BODY) if with_body else b"")
    except TimeoutError:
        return _answer(problem=f"{url} did not answer within {timeout} s")
    except (OSError, http.client.HTTPException) as err:
        why = getattr(err, "strerror", None) or err or type(err).__name__
        return _answer(problem=f"{url}: {why}")
    finally:
        connection.close()


def port(url):
    """
    Return the port that a URL means.
    """
    parts = urllib.parse.urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def is_loopback(name):
    """
    Tell whether a host's name or address is this machine's loopback.
    """
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _answer(status=None, body=b"", problem=None):
    return {"status": status, "body": body, "problem": problem}


def _connection(parts, number, timeout, server_name):
    if parts.scheme == "http":
        return http.client.HTTPConnection(parts.hostname, number, timeout=timeout)
    # A certificate is made out to the site's name, never to 127.0.0.1. What is proved here is that
    # the local server answers; who it is, its process tells.
    context = ssl._create_unverified_context()
    connection = _Named(parts.hostname, number, timeout=timeout, context=context)
    connection.server_name = server_name
    return connection


class _Named(http.client.HTTPSConnection):
    """
    A connection whose TLS asks for a name that is not the one it leads to.
    """

    server_name = None

    def connect(self):
        http.client.HTTPConnection.connect(self)
        name = self.server_name or self.host
        self.sock = self._context.wrap_socket(self.sock, server_hostname=name)
