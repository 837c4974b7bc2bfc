"""
Short ways to a workflow, a token in the vault and an allowed host, for tests and the demo.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any
from urllib.parse import urlsplit

from tests.tenant.newer_schemas import EDA_CONNECTION, OUTBOUND
from tests.tenant.platform.actions import EDA, HTTP
from tests.tenant.platform.workflows import Workflows

_CATEGORIES = (
    "availability",
    "custom",
    "error",
    "info",
    "monitoringUnavailable",
    "resource",
    "slowdown",
)


class WorkflowSetup(Workflows):
    """
    The layer that makes workflows without the API.
    """

    def add_workflow(
        self,
        url: str,
        token: str,
        *,
        title: str = "Salt",
        on_close: bool = True,
        ansible: bool = False,
        **trigger: Any,
    ) -> str:
        """
        Let a workflow tell a listener of problems from now on, with all that it needs; give its id.

        The token goes into the vault, the host is allowed outbound. With `ansible` the action is that
        for Event-Driven Ansible. `trigger` are further properties of the trigger.
        """
        self.allow_outbound(url)
        task = self._ansible_task(title, url, token) if ansible else self._task(title, url, token)
        value = {
            "categories": dict.fromkeys(_CATEGORIES, True),
            "entityTags": {},
            "entityTagsMatch": "all",
            "onProblemClose": on_close,
            "analysisReady": False,
            **trigger,
        }
        configuration = {"type": "davis-problem", "value": value}
        workflow_id = str(uuid.uuid4())
        workflow = {
            "id": workflow_id,
            "title": title,
            "version": 1,
            "isPrivate": False,
            "tasks": {task["name"]: {**task, "active": True, "position": {"x": 0, "y": 1}}},
            "trigger": {"eventTrigger": {"isActive": True, "triggerConfiguration": configuration}},
        }
        with self.lock:
            self.workflows[workflow_id] = workflow
        self.log.add("workflow added", title=title, url=url)
        return workflow_id

    def add_to_vault(self, name: str, token: str) -> str:
        """
        Keep a token in the vault; give the id of its entry.
        """
        entry = {"name": name, "type": "TOKEN", "token": token, "scopes": ["APP_ENGINE"]}
        entry_id = f"CREDENTIALS_VAULT-{secrets.token_hex(8).upper()}"
        self.vault[entry_id] = {**entry, "ownerAccessOnly": True}
        return entry_id

    def allow_outbound(self, url: str) -> None:
        """
        Let functions call the host of a URL, beside those that they may call already.
        """
        known = self.settings_objects(OUTBOUND)
        hosts = known[0].value["allowedOutboundConnections"].get("hostList", []) if known else []
        wanted = list(dict.fromkeys([*hosts, urlsplit(url).hostname or ""]))
        value = {"allowedOutboundConnections": {"enforced": True, "hostList": wanted}}
        self.put_settings(OUTBOUND, value)

    def _task(self, title: str, url: str, token: str) -> dict[str, Any]:
        credential = {
            "type": "token",
            "tokenPrefix": "Bearer",
            "credentialId": self.add_to_vault(title, token),
        }
        request = {
            "url": url,
            "method": "POST",
            "headers": {},
            "payload": "{{ event() | to_json }}",
            "failOnResponseCodes": "400-599",
            "credential": credential,
        }
        return {"name": "tell_salt", "action": HTTP, "input": request}

    def _ansible_task(self, title: str, url: str, token: str) -> dict[str, Any]:
        connection = {"name": title, "url": url, "token": token, "type": "api-token"}
        made = self.put_settings(EDA_CONNECTION, {**connection, "eventStreamEnabled": True})
        given = {"connectionId": made, "eventData": "{{ event() }}"}
        return {"name": "send_event", "action": EDA, "input": given}
