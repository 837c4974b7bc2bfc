"""
Sends a test notification to the engine's own listener, and tells whether the engine heard it.

.. code-block:: bash

    salt-run dynatrace_listener.test

It is what Dynatrace sends when somebody presses *Send test notification*, which its public API
cannot be asked for. So it proves the listener, its credentials and the way to the event bus, but
not the way from Dynatrace to this master. URL and credentials are those of the engine's
configuration; they are in no argument and nothing that is returned.
"""

import http.client
import json
import time

import salt.utils.event
from _dynatrace_runner import webhook
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
    for name, given in _listeners():
        if instance in (None, name):
            place = {"url": webhook.url(given)}
            try:
                found[name] = {**place, "seconds": _test(name, given, float(timeout))}
            except (CommandExecutionError, OSError, http.client.HTTPException) as err:
                found[name] = {**place, "error": str(err) or type(err).__name__}
    if any("error" in one for one in found.values()):
        __context__["retcode"] = found["retcode"] = 1
    return found


def _listeners():
    for name, options in configured(__opts__).items():
        if isinstance(options.get("webhook"), dict):
            given = {key: value for key, value in options["webhook"].items() if value is not None}
            yield name, {**DEFAULTS, **given}


def _test(name, given, timeout):
    began = time.monotonic()
    with salt.utils.event.get_event("master", opts=__opts__, listen=True) as bus:
        bus.subscribe(HEARD)
        status, said = webhook.request(given, "POST", given["path"], timeout, json.dumps(BODY))
        if status != ACCEPTED:
            raise CommandExecutionError(f"the listener answered {status}: {said[:500]}")
        while time.monotonic() < began + timeout:
            event = bus.get_event(wait=0.5, tag=HEARD, full=True, auto_reconnect=True)
            if event and event["data"].get("instance") == name:
                return round(time.monotonic() - began, 2)
    raise CommandExecutionError(
        f"the listener took it, and no event {HEARD} came within {timeout:g} s"
    )
