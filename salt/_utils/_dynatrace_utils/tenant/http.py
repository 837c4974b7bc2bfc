"""
Makes one call to the tenant, and waits out what may pass; ``access`` says where, and by what credentials.

What this module raises says what was attempted, what came back (``answer``), and what to do.
"""

import json
import logging
import os
import re
import time

from salt.exceptions import CommandExecutionError

from . import access, connection, oauth
from . import answer as tenant_answer
from .answer import ASK

log = logging.getLogger(__name__)

# Until the first byte of a file, which the tenant may have to put together.
FILE_TIMEOUT_S = 60
# A whole file, in all attempts together.
DOWNLOAD_DEADLINE_S = 1800
# How often a call is made that was refused for load or did not get through, and the pause between;
# none is begun after so many seconds.
ATTEMPTS = 5
CALL_DEADLINE_S = 300
PAUSE_S = 2
# More is waited only where the caller's own pause is longer.
WAIT_CAP_S = 60
CHUNK_BYTES = 1024 * 1024

JSON = {"Accept": "application/json", "Content-Type": "application/json; charset=utf-8"}
# The length that is announced shall be that of the file.
FILE = {"Accept-Encoding": "identity"}


def call(
    method,
    path,
    scope,
    query=None,
    body=None,
    missing_is_fine=False,
    token="settings_token",
    attempts=ATTEMPTS,
    pause_s=PAUSE_S,
    patient=False,
):
    """
    Return the decoded body of the answer; a refusal for load is waited out, within bounds.

    ``scope`` is what the token needs for it, for the message that says so. ``patient`` waits for
    any failure of the server.
    """
    what = f"{method} {path}"
    data = None if body is None else json.dumps(body)
    stale = access.used(token) == "oauth"

    def once(_left_s):
        nonlocal stale
        url, headers = access.address(path), {**access.headers(token), **JSON}
        with connection.asked(what, url, headers, params=query, data=data) as answer:
            status, text = answer.status_code, connection.read(what, answer)
        if status == 404 and missing_is_fine:
            return None
        if status == 401 and stale:
            # It may have ended, or been revoked; a new one is asked for once.
            stale = False
            oauth.drop()
            raise connection.Again(f"{what} answered 401")
        _check(what, answer, text, scope, token, patient)
        return connection.decoded(what, status, text)

    return _tried(once, attempts, pause_s, CALL_DEADLINE_S)


def download(path, scope, target, limit, token, query=None, attempts=ATTEMPTS, pause_s=PAUSE_S):
    """
    Write the answer to a GET into a new file of the minion's user, and tell whether there is one.

    False is a 404. More than ``limit`` bytes are an error, and so is a ``target`` that is there
    already. Any failure of the server is waited out; after a failure there is no file.
    """
    what = f"GET {path}"

    def once(left_s):
        stream.seek(0)
        stream.truncate()
        within = (FILE_TIMEOUT_S, left_s, DOWNLOAD_DEADLINE_S)
        url, headers = access.address(path), {**access.headers(token), **FILE}
        with connection.asked(what, url, headers, within, params=query) as answer:
            if answer.status_code == 404:
                return False
            if answer.status_code != 200:
                _check(what, answer, connection.read(what, answer), scope, token, True)
                raise CommandExecutionError(f"{what} answered {answer.status_code}; {ASK}")
            _copy(what, answer, stream, limit)
        return True

    stream = os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    done = False
    try:
        with stream:
            done = _tried(once, attempts, pause_s, DOWNLOAD_DEADLINE_S)
    finally:
        if not done:
            os.unlink(target)
    return done


def _tried(once, attempts, pause_s, seconds):
    until = time.monotonic() + seconds
    for attempt in range(1, attempts + 1):
        try:
            return once(until - time.monotonic())
        except connection.Again as err:
            wait_s = max(pause_s, min(err.wait_s, WAIT_CAP_S))
            if attempt == attempts or time.monotonic() + wait_s > until:
                raise CommandExecutionError(f"{err} ({attempt} times); {ASK}") from None
            log.info("dynatrace: %s; trying again in %g s", err, wait_s)
        time.sleep(wait_s)
    raise AssertionError("unreachable")


def _copy(what, answer, stream, limit):
    announced = answer.headers.get("Content-Length", "")
    announced = int(announced) if re.fullmatch(r"\d{1,15}", announced) else None
    received = 0
    for chunk in answer.iter_content(CHUNK_BYTES):
        received += len(chunk)
        if received > limit or (announced or 0) > limit:
            raise CommandExecutionError(f"{what}: the answer is larger than {limit} bytes; {ASK}")
        stream.write(chunk)
    if announced is not None and received != announced:
        raise connection.Again(f"{what}: the answer is truncated, {received} of {announced} bytes")


def _check(what, answer, text, scope, token, patient):
    """
    Raise unless the answer is a success; ``patient`` waits for any failure of the server.
    """
    needed, key = access.scope(scope), access.used(token)
    refused = tenant_answer.refusal(what, answer.status_code, answer.headers, text, needed, key)
    if not refused:
        return
    if refused["wait_s"] is not None or (patient and answer.status_code >= 500):
        raise connection.Again(refused["text"], refused["wait_s"] or 0)
    raise CommandExecutionError(refused["text"])
