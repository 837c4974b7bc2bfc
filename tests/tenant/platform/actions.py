"""
The two actions of workflows: the HTTP request, and the event for Event-Driven Ansible.

Inputs, the vault's token in the header, failing codes, and the host that must be allowed, are those
of official samples and documentation; body and address of the latter follow a captured delivery.
Assumed: nothing is sent beside what the input names, so no content type; without an object of
settings no host is allowed; an entry of the vault without the scope APP_ENGINE cannot be used.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.tenant.newer_schemas import EDA_CONNECTION, OUTBOUND
from tests.tenant.outgoing import Outcome, call, trust_for
from tests.tenant.settings import Settings

HTTP = "dynatrace.automations:http-function"
EDA = "dynatrace.redhat.ansible:send-event-to-eda"
_TIMEOUT = 10.0


class TaskError(Exception):
    """
    A task that fails before anything was sent.
    """


@dataclass(frozen=True)
class Sent:
    """
    What an action has sent, and what came back.
    """

    url: str
    body: str
    outcome: Outcome
    failed: bool


@dataclass(frozen=True)
class Around:
    """
    What an action may use: settings, the vault, and what is trusted beside the system.
    """

    settings: Settings
    vault: Mapping[str, Mapping[str, Any]]

    def allow(self, url: str) -> None:
        """
        Refuse a URL whose host functions may not call.
        """
        host = urlsplit(url).hostname or ""
        for one in self.settings.settings_objects(OUTBOUND):
            allowed = one.value["allowedOutboundConnections"]
            hosts = allowed.get("hostList") or ()
            if not allowed["enforced"] or any(fnmatch.fnmatch(host, glob) for glob in hosts):
                return
        raise TaskError(f"The host {host} is not allowed for outbound connections.")

    def send(self, method: str, url: str, headers: Mapping[str, str], body: str) -> Outcome:
        """
        Send a request to a host that is allowed.
        """
        self.allow(url)
        secure = url.startswith("https:")
        trust = trust_for(self.settings.switches.webhook_ca, False) if secure else None
        return call(method, url, headers=headers, body=body.encode(), timeout=_TIMEOUT, trust=trust)


def http_function(given: Mapping[str, Any], around: Around) -> Sent:
    """
    Carry out the HTTP request.
    """
    headers = dict(given.get("headers") or {})
    if credential := given.get("credential"):
        headers["Authorization"] = _authorization(credential, around)
    payload = given.get("payload") or ""
    body = payload if isinstance(payload, str) else json.dumps(payload)
    outcome = around.send(given.get("method", "GET"), given["url"], headers, body)
    failed = outcome.status == 0 or _fails(outcome.status, given.get("failOnResponseCodes", ""))
    return Sent(given["url"], body, outcome, failed)


def event_for_ansible(given: Mapping[str, Any], around: Around) -> Sent:
    """
    Send the event to the webhook of a connection: as it is to an event stream, else below `/event`.
    """
    known = around.settings.settings.get(str(given.get("connectionId")))
    if known is None or known.schema_id != EDA_CONNECTION:
        raise TaskError("There is no such connection.")
    url = known.value["url"].rstrip("/")
    url = url if known.value.get("eventStreamEnabled") else f"{url}/event"
    headers = {
        "Authorization": f"Bearer {known.value['token']}",
        "Content-Type": "application/json",
    }
    body = json.dumps({"eventData": given.get("eventData")})
    outcome = around.send("POST", url, headers, body)
    return Sent(url, body, outcome, not 200 <= outcome.status < 300)


ACTIONS: dict[str, Callable[[Mapping[str, Any], Around], Sent]] = {
    HTTP: http_function,
    EDA: event_for_ansible,
}


def _authorization(credential: Mapping[str, Any], around: Around) -> str:
    entry = around.vault.get(str(credential.get("credentialId")))
    if entry is None or "APP_ENGINE" not in entry["scopes"]:
        raise TaskError("The credential is not there, or functions may not use it.")
    return f"{credential.get('tokenPrefix', 'Bearer')} {entry['token']}"


def _fails(status: int, codes: str) -> bool:
    for part in filter(None, (one.strip() for one in codes.split(","))):
        low, _, high = part.partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
