"""
Problem notifications: who gets them, when, and what became of each.

Dynatrace documentation says when a notification is sent and how its body is made. It says nothing
about retries, so there are none here, and each webhook gets its notifications in order.
"""

from __future__ import annotations

import queue
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.tenant.core import Switches
from tests.tenant.outgoing import Outcome, call, trust_for
from tests.tenant.problems import Problem, Problems
from tests.tenant.templates import (
    RECOMMENDED_TEMPLATE,
    Values,
    check_template,
    expand,
    probe_values,
    problem_values,
)


@dataclass(frozen=True)
class Delivery:
    """
    One notification that was sent; `status` 0 and an `error` when nothing answered.
    """

    url: str
    status: int
    at: float
    state: str
    problem_id: str
    seconds: float
    payload: str = ""
    error: str = ""


@dataclass
class Webhook:
    """
    A webhook of the tenant; `wants` stands for its alerting profile, `delay` for its seconds.
    """

    url: str
    headers: Mapping[str, str]
    template: str
    notify_closed: bool = True
    notify_merges: bool = False
    ca: str | None = None
    accept_any_certificate: bool = False
    delay: float = 0.0
    timeout: float = 10.0
    wants: Callable[[Problem], bool] = lambda problem: True
    waiting: queue.SimpleQueue[tuple[float, str, str, Problem] | None] = field(
        default_factory=queue.SimpleQueue
    )

    @property
    def escape(self) -> bool:
        """
        Whether the payload is escaped: not when the headers set another content type than JSON.
        """
        for name, value in self.headers.items():
            if name.lower() == "content-type":
                return value.partition(";")[0].strip().lower() == "application/json"
        return True

    def _trust(self) -> ssl.SSLContext:
        return trust_for(self.ca, self.accept_any_certificate)

    def post(self, payload: str) -> Outcome:
        """
        Send one payload.
        """
        return call(
            "POST",
            self.url,
            headers={"Content-Type": "application/json; charset=utf-8", **_titled(self.headers)},
            body=payload.encode("utf-8", "replace"),
            timeout=self.timeout,
            trust=self._trust() if self.url.startswith("https:") else None,
        )


class Notifications(Problems):
    """
    The layer that tells others about problems.
    """

    url: str

    def __init__(self, switches: Switches) -> None:
        super().__init__(switches)
        self._webhooks: list[Webhook] = []
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

        Options: `notify_merges`, `accept_any_certificate`, `delay`, `timeout`, `wants`.
        """
        webhook = Webhook(url, dict(headers or {}), template, notify_closed, ca=ca, **options)
        check_template(template, escape=webhook.escape)
        with self.lock:
            self._webhooks.append(webhook)
        threading.Thread(target=self._send_all, args=[webhook], daemon=True).start()
        self.log.add("webhook added", url=url)
        return webhook

    def remove_webhook(self, webhook: Webhook) -> None:
        """
        Tell this one no more.
        """
        with self.lock:
            if webhook in self._webhooks:
                self._webhooks.remove(webhook)
        webhook.waiting.put(None)

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
        probe = probe_values(values)
        payload = expand(template, probe, escape=webhook.escape)
        return self._send(webhook, payload, "TEST", probe.texts["PID"])

    def stop_sending(self) -> None:
        """
        End the sender threads.
        """
        with self.lock:
            webhooks = list(self._webhooks)
        for webhook in webhooks:
            self.remove_webhook(webhook)

    def _happened(self, what: str, problem: Problem, state: str | None, **detail: Any) -> None:
        super()._happened(what, problem, state, **detail)
        if state is None or problem.suppress_alert or problem.frequent:
            return
        with self.lock:
            for webhook in self._webhooks:
                told = {"RESOLVED": webhook.notify_closed, "MERGED": webhook.notify_merges}
                if told.get(state, True) and webhook.wants(problem):
                    payload = self._payload(webhook, problem, state)
                    due = time.monotonic() + (webhook.delay if state == "OPEN" else 0.0)
                    webhook.waiting.put((due, payload, state, problem))

    def _payload(self, webhook: Webhook, problem: Problem, state: str) -> str:
        with self.lock:
            values: Values = problem_values(problem, state, self.url, self)
        return expand(webhook.template, values, escape=webhook.escape)

    def _send_all(self, webhook: Webhook) -> None:
        never_told: set[str] = set()
        while (one := webhook.waiting.get()) is not None:
            due, payload, state, problem = one
            time.sleep(max(due - time.monotonic(), 0.0))
            if webhook.delay and state == "OPEN" and problem.status == "CLOSED":
                never_told.add(problem.problem_id)
                continue
            if state != "OPEN" and problem.problem_id in never_told:
                never_told.discard(problem.problem_id)
                continue
            if self.faults.take("lost_notification"):
                self.log.add("notification lost", problem=problem.display_id, state=state)
                continue
            twice = self.faults.take("duplicate_notification")
            for _ in range(twice.options["copies"] if twice else 1):
                self._send(webhook, payload, state, problem.problem_id)

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


def _titled(headers: Mapping[str, str]) -> dict[str, str]:
    # Two spellings of Content-Type must not both go out.
    return {
        "Content-Type" if name.lower() == "content-type" else name: value
        for name, value in headers.items()
    }
