"""
Sends one request and gives its answer while it is read; what goes wrong on the way is said, or may be tried again.

Redirects are refused, since they may lead to another host. No text here holds a header or a body.
"""

import contextlib
import json
import ssl
import time
from urllib.parse import urlsplit

import requests
from salt.exceptions import CommandExecutionError

from .. import session as sessions
from .answer import ASK

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 30
# A whole answer must be there by then, however steadily a server trickles.
ANSWER_DEADLINE_S = 60
WITHIN = (READ_TIMEOUT_S, ANSWER_DEADLINE_S, ANSWER_DEADLINE_S)
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class Again(Exception):
    """
    The tenant did not take it this time; ``wait_s`` is what it asked for.
    """

    def __init__(self, message, wait_s=0):
        super().__init__(message)
        self.wait_s = wait_s


@contextlib.contextmanager
def asked(what, url, headers, within=None, repeatable=None, **sent):
    """
    Give the answer while it is read; raises Again when it may be tried again.

    ``what`` begins with the method. ``within`` are seconds: for the next byte, for the whole answer,
    and in all, as it is told. What is not ``repeatable``, a GET is, may have been carried out.
    """
    method, host = what.split()[0], urlsplit(url).hostname
    byte_s, answer_s, all_s = within or WITHIN
    session = sessions.to_tenant(answer_s)
    try:
        # The texts of these errors may hold the proxy's password, and nothing that helps more.
        with (
            session,
            session.request(
                method,
                url,
                headers={**headers, "User-Agent": "salt-dynatrace"},
                timeout=(CONNECT_TIMEOUT_S, byte_s),
                stream=True,
                allow_redirects=False,
                **sent,
            ) as answer,
        ):
            yield answer
    except requests.exceptions.SSLError as err:
        raise CommandExecutionError(
            f"{what}: the certificate of {host} is not trusted{_reason(err)}; "
            "set dynatrace:ca_bundle to the file of its authority"
        ) from None
    except requests.exceptions.ConnectTimeout:
        raise Again(f"{what}: no connection to {host} within {CONNECT_TIMEOUT_S} s") from None
    except requests.exceptions.RequestException as err:
        late = time.monotonic() >= session.ends
        how = f"took longer than {all_s} s" if late else f"failed: {_failure(err)}"
        if not (method == "GET" if repeatable is None else repeatable):
            raise CommandExecutionError(
                f"{what} at {host} {how}. Whether the tenant carried it out is not known; run it "
                f"again, which finds out. Else {ASK}"
            ) from None
        # Who trickles would do so again.
        raise (CommandExecutionError if late else Again)(f"{what} at {host} {how}") from None


def read(what, answer):
    """
    Return the whole body of an answer, in bytes.
    """
    text = b""
    for chunk in answer.iter_content(65536):
        text += chunk
        if len(text) > MAX_ANSWER_BYTES:
            raise CommandExecutionError(f"{what}: the answer is larger than {MAX_ANSWER_BYTES} B")
    return text


def decoded(what, status, text):
    """
    Return what the JSON of a body says, None for an empty one.
    """
    if status == 204 or not text:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise CommandExecutionError(f"{what}: the answer is no JSON; {ASK}") from None


def _reason(err):
    """
    Return what OpenSSL has against a certificate: a name, a date, or what Python 3.13 wants of one.
    """
    while err is not None:
        if isinstance(err, ssl.SSLCertVerificationError):
            return f" ({err.verify_message})"
        inner = [one for one in (*err.args, getattr(err, "reason", None)) if one is not err]
        err = next((one for one in inner if isinstance(one, BaseException)), None)
    return ""


def _failure(err):
    if isinstance(err, requests.exceptions.ChunkedEncodingError):
        return "the answer is truncated"
    return type(err).__name__
