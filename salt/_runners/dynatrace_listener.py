"""
Sends a test notification to the engine's own listener, and tells whether the engine heard it.

.. code-block:: bash

    salt-run dynatrace_listener.test

It is what Dynatrace sends when somebody presses *Send test notification*, which its public API
cannot be asked for. So it proves the listener, its credentials and the way to the event bus, but
not the way from Dynatrace to this master. URL and credentials are those of the engine's
configuration; they are in no argument and nothing that is returned.
"""

import base64
import http.client
import json
import ssl
import time

import salt.utils.event
from _dynatrace_runner.bus import configured
from salt.exceptions import CommandExecutionError

HEARD = "dynatrace/notification/test"
BODY = {
    "State": "OPEN",
    "PID": "99999",
    "ProblemTitle": "Dynatrace problem notification test run",
}
# The engine's defaults, for what its configuration leaves out.
DEFAULTS = {"address": "127.0.0.1", "port": 8765, "path": "/dynatrace"}
# Where a listener on all addresses is found.
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}
ACCEPTED = 202


def test(instance=None, timeout=10):
    """
    Return ``{"url": …, "seconds": …}`` of each engine with a listener; ``error`` says what went wrong.

    ``instance`` chooses one engine, and ``timeout`` is in seconds, for each.

    CLI Example:

    .. code-block:: bash

        salt-run dynatrace_listener.test
    """
    found = {}
    for name, webhook in _listeners():
        if instance in (None, name):
            try:
                found[name] = _test(name, webhook, float(timeout))
            except (CommandExecutionError, OSError, http.client.HTTPException) as err:
                found[name] = {"url": _url(webhook), "error": str(err) or type(err).__name__}
    if any("error" in one for one in found.values()):
        found["retcode"] = 1
    return found


def _listeners():
    """
    Yield name and webhook configuration of each engine of this master that has a listener.
    """
    for name, options in configured(__opts__).items():
        if isinstance(options.get("webhook"), dict):
            given = {key: value for key, value in options["webhook"].items() if value is not None}
            yield name, {**DEFAULTS, **given}


def _test(name, webhook, timeout):
    began = time.monotonic()
    with salt.utils.event.get_event("master", opts=__opts__, listen=True) as bus:
        bus.subscribe(HEARD)
        status, said = _post(webhook, timeout)
        if status != ACCEPTED:
            raise CommandExecutionError(f"the listener answered {status}: {said}")
        while time.monotonic() < began + timeout:
            event = bus.get_event(wait=0.5, tag=HEARD, full=True, auto_reconnect=True)
            if event and event["data"].get("instance") == name:
                took = time.monotonic() - began
                return {"url": _url(webhook), "seconds": round(took, 2)}
    raise CommandExecutionError(
        f"the listener took it, and no event {HEARD} came within {timeout:g} s"
    )


def _post(webhook, timeout):
    """
    Return status and body of the listener's answer.
    """
    address = ANY.get(webhook["address"], webhook["address"])
    if webhook.get("ssl_crt"):
        connection = http.client.HTTPSConnection(
            address, webhook["port"], timeout=timeout, context=_trust(webhook["ssl_crt"])
        )
    else:
        connection = http.client.HTTPConnection(address, webhook["port"], timeout=timeout)
    headers = {"Content-Type": "application/json", **_credentials(webhook)}
    try:
        connection.request("POST", webhook["path"], json.dumps(BODY), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(500).decode("utf-8", "replace")
    finally:
        connection.close()


def _trust(certificate):
    """
    Return a context that accepts the engine's own certificate and no other: its name is not this address.
    """
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _credentials(webhook):
    if webhook.get("token"):
        return {"Authorization": f"Bearer {webhook['token']}"}
    pair = f"{webhook.get('username', '')}:{webhook.get('password', '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _url(webhook):
    scheme = "https" if webhook.get("ssl_crt") else "http"
    address = webhook["address"]
    host = f"[{address}]" if ":" in address else address
    return f"{scheme}://{host}:{webhook['port']}{webhook['path']}"
