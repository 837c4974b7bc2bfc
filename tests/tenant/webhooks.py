"""
Problem notifications: who gets them, when, and what became of each.

Dynatrace documentation says when a notification is sent and how its body is made. It says nothing
about retries, so there are none here, and each webhook gets its notifications in order.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping
from typing import Any

from tests.tenant.bodies import problem_tags
from tests.tenant.core import Switches
from tests.tenant.os_services import OsServices
from tests.tenant.placeholders import problem_values
from tests.tenant.problem import Problem
from tests.tenant.profiles import delay_in_minutes
from tests.tenant.schemas import NOTIFICATION
from tests.tenant.sender import Outbox
from tests.tenant.settings import SettingsObject
from tests.tenant.templates import (
    RECOMMENDED_TEMPLATE,
    check_template,
    expand,
    probe_values,
)
from tests.tenant.webhook import Delivery, Webhook, webhook_of


class Notifications(OsServices):
    """
    The layer that tells others about problems.
    """

    url: str

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self._webhooks: list[Webhook] = []
        self._made: dict[str, Webhook] = {}
        self._deliveries: list[Delivery] = []

    @property
    def deliveries(self) -> list[Delivery]:
        """
        All notifications sent so far.
        """
        with self.lock:
            return list(self._deliveries)

    def add_webhook(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        template: str = RECOMMENDED_TEMPLATE,
        notify_closed: bool = True,
        ca: str | None = None,
        **options: Any,
    ) -> Webhook:
        """
        Let a URL be told of problems that open and close from now on.

        Options: `notify_merges`, `accept_any_certificate`, `delay`, `timeout`, `wants`. `ValueError`
        where there are no classic notifications.
        """
        webhook = Webhook(url, dict(headers or {}), template, notify_closed, ca=ca, **options)
        check_template(template, escape=webhook.escape)
        if not self.has_schema(NOTIFICATION):
            raise ValueError("this tenant has no classic notifications: add a workflow")
        self._begin(webhook)
        self.log.add("webhook added", url=url)
        return webhook

    def remove_webhook(self, webhook: Webhook) -> None:
        """
        Tell this one no more.
        """
        with self.lock:
            if webhook in self._webhooks:
                self._webhooks.remove(webhook)
        if webhook.outbox:
            webhook.outbox.close()

    def notify(self, problem: Problem, state: str = "OPEN", *, times: int = 1) -> list[Delivery]:
        """
        Send a notification to every webhook now, whatever the problem's status; give the outcomes.
        """
        with self.lock:
            webhooks = list(self._webhooks)
        return [
            self._send(webhook, self._payload(webhook, problem, state), state, problem.problem_id)
            for webhook in webhooks
            for _ in range(times)
        ]

    def send_test_notification(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        template: str = RECOMMENDED_TEMPLATE,
        ca: str | None = None,
        values: Mapping[str, str] | None = None,
    ) -> Delivery:
        """
        Do what the button "Send test notification" does; `values` replaces some of its texts.
        """
        webhook = Webhook(url, dict(headers or {}), template, ca=ca)
        check_template(template, escape=webhook.escape)
        return self._send_probe(webhook, values)

    def test_notification(self, name: str, values: Mapping[str, str] | None = None) -> Delivery:
        """
        Press that button for a notification made of settings, by its display name or object id.

        The button is not in the public API. That it works for one that is disabled is assumed.
        """
        found = [
            one
            for one in self.settings_objects(NOTIFICATION)
            if name in (one.object_id, one.value["displayName"])
        ]
        if len(found) != 1 or found[0].value["type"] != "WEBHOOK":
            raise ValueError(f"there is not one webhook notification {name!r} but {len(found)}")
        made = webhook_of(found[0].value["webHookNotification"], self.switches.webhook_ca)
        return self._send_probe(made, values)

    def _send_probe(self, webhook: Webhook, values: Mapping[str, str] | None) -> Delivery:
        probe = probe_values(values)
        payload = expand(webhook.template, probe, escape=webhook.escape)
        return self._send(webhook, payload, "TEST", probe.texts["PID"])

    def stop_sending(self) -> None:
        """
        End the sender threads.
        """
        with self.lock:
            webhooks = list(self._webhooks)
        for webhook in webhooks:
            self.remove_webhook(webhook)

    def changed(self, what: str, schema: str, scope: str, object_id: str) -> None:
        """
        Follow the notifications that are made of settings.
        """
        super().changed(what, schema, scope, object_id)
        if schema != NOTIFICATION:
            return
        with self.lock:
            if old := self._made.pop(object_id, None):
                self.remove_webhook(old)
            now = self.settings.get(object_id)
            if now and now.value["enabled"] and now.value["type"] == "WEBHOOK":
                made = webhook_of(now.value["webHookNotification"], self.switches.webhook_ca)
                made.profile = functools.partial(self._delay, now)
                self._made[object_id] = made
                self._begin(made)

    def _delay(self, notification: SettingsObject, problem: Problem) -> float | None:
        profile = self.settings.get(notification.value["alertingProfile"])
        if profile is None:
            return None
        minutes = delay_in_minutes(profile.value, problem, problem_tags(problem, self), self)
        return None if minutes is None else minutes * self.switches.minute

    def _begin(self, webhook: Webhook) -> None:
        webhook.outbox = Outbox()
        with self.lock:
            self._webhooks.append(webhook)

    def _happened(self, what: str, problem: Problem, state: str | None, **detail: Any) -> None:
        super()._happened(what, problem, state, **detail)
        if state is None or problem.suppress_alert or problem.frequent:
            return
        if not self.has_schema(NOTIFICATION):
            return
        with self.lock:
            for webhook in self._webhooks:
                told = {"RESOLVED": webhook.notify_closed, "MERGED": webhook.notify_merges}
                delay = webhook.delay_for(problem)
                if webhook.outbox and told.get(state, True) and delay is not None:
                    wait = delay if state == "OPEN" else 0.0
                    # What waits is written when it is sent, else it would tell an old state.
                    payload = None if wait else self._payload(webhook, problem, state)
                    send = functools.partial(self._deliver, webhook, problem, state, payload)
                    webhook.outbox.put(wait, problem.problem_id, state, send)

    def _payload(self, webhook: Webhook, problem: Problem, state: str) -> str:
        with self.lock:
            values = problem_values(problem, state, self.url, self)
        return expand(webhook.template, values, escape=webhook.escape)

    def _deliver(self, webhook: Webhook, problem: Problem, state: str, payload: str | None) -> None:
        if self.faults.take("lost_notification"):
            self.log.add("notification lost", problem=problem.display_id, state=state)
            return
        twice = self.faults.take("duplicate_notification")
        text = self._payload(webhook, problem, state) if payload is None else payload
        for _ in range(twice.options["copies"] if twice else 1):
            self._send(webhook, text, state, problem.problem_id)

    def _send(self, webhook: Webhook, payload: str, state: str, problem_id: str) -> Delivery:
        at, begin = time.time(), time.monotonic()
        self.log.add("notification started", problem_id=problem_id, state=state, url=webhook.url)
        outcome = webhook.post(payload)
        seconds = time.monotonic() - begin
        delivery = Delivery(
            webhook.url, outcome.status, at, state, problem_id, seconds, payload, outcome.error
        )
        with self.lock:
            self._deliveries.append(delivery)
        accepted = 200 <= outcome.status < 300
        self.log.add(
            "notification sent" if accepted else "notification failed",
            problem_id=problem_id,
            state=state,
            url=webhook.url,
            status=outcome.status,
            error=outcome.error,
        )
        return delivery
