"""
Any sequence of what tenant, bus, Salt, admin and crashes may do: the engine acts rightly in each.

`MODEL=large` looks through many more sequences.
"""

from __future__ import annotations

import collections
import json
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from _dynatrace.core.reasons import Reason
from _dynatrace.engine.commands import _seconds
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.functional.engine.world import (
    BAD,
    GOOD,
    HEALTHY,
    QUEUED,
    REFUSED,
    UNPROVED,
    World,
    down,
)
from tests.harness.logins import LOGINS
from tests.tenant import Problem, Tenant

LARGE = os.environ.get("MODEL") == "large"
HOSTS = 3
LIMIT, ATTEMPTS, WINDOW, COOLDOWN, TIMEOUT = 2, 2, 3600.0, 60.0, 100.0
#: Read again when older than 20 s, and fired within 20 s of the decision.
STALE_S = 40.0
FAULTS = (
    "server_error",
    "html_200",
    "truncated_body",
    "empty_body",
    "rate_limited",
    "dropped_connection",
)
#: What may keep a problem in the end, when all works and time has passed.
GOOD_REASONS = {
    Reason.HEALED,
    Reason.HEALTHY,
    Reason.COOLDOWN,
    Reason.MAINTENANCE,
    Reason.ONE_OF_MANY,
    Reason.NOT_CONNECTED,
    Reason.NOT_DOWN,
    Reason.ANOTHER_PROCESS,
    Reason.NO_REMEDY,
}

RETURNS = {
    "good": GOOD,
    "healthy": HEALTHY,
    "bad": BAD,
    "refused": REFUSED,
    "unproved": UNPROVED,
    "queued": QUEUED,
}
ENDED = ("healed", "healthy", "failed")
CLOSE_S = 60
#: What disturbs everything else is rarer than what ends it.
seldom = st.sampled_from([True, False, False, False])
words = st.sampled_from(["good", "good", *sorted(RETURNS)])
#: What tells the master which host a minion is.
KNOWN = ("host", "name", "another's name", "nothing")

anything = st.integers(0, 1000)
seconds = st.sampled_from([0.5, 3.0, 15.0, 31.0, 45.0, 130.0, 1000.0, 4000.0])


class Model(RuleBasedStateMachine):
    """
    One tenant, one engine, and what is known of both from outside.
    """

    @initialize(
        known=st.sampled_from(KNOWN),
        which=anything,
        more=st.booleans(),
        login=st.sampled_from(sorted(LOGINS)),
    )
    def begin(self, known: str, which: int, more: bool, login: str) -> None:
        """
        There is a problem already: few sequences would open one, and look at it, before they do all else.
        """
        self.tenant = Tenant().start()
        self.tenant.login = login
        self.home = tempfile.TemporaryDirectory()
        grains, self.apaches = {}, []
        #: A second instance on each host, and what is never to be ordered: each with the minion that it is on.
        self.instances: list[str] = []
        self.never: dict[str, str] = {}
        #: By problem and process: since when its evidence shows that it is back.
        self.back: dict[tuple[str, str], float] = {}
        for number in range(HOSTS):
            host = self.tenant.add_host(f"web{number}.example.com")
            self.apaches.append(self.tenant.add_process(host, "Apache Web Server apache2"))
            grains[f"web{number}"] = {"dynatrace": {"host_id": host}}
            self._add_others(number, host)
        self.proofs = dict(grains)
        #: Minions that nothing proves to be their host, and since when.
        self.doubted: dict[str, float] = {}
        policy = {
            "cooldown": COOLDOWN,
            "max_attempts": ATTEMPTS,
            "attempt_window": WINDOW,
            "outcome_timeout": TIMEOUT,
            "max_minions": LIMIT,
        }
        feedback = {"event": False, "close": True, "close_after": CLOSE_S}
        self.world = World(
            self.tenant, Path(self.home.name), grains, policy=policy, feedback=feedback
        )
        self.world.takes = lambda technologies: "APACHE_HTTPD" in technologies
        self.problems: list[Problem] = []
        self.spans: dict[str, list[list[float]]] = collections.defaultdict(list)
        self.read = 0
        self.kills = 0
        self.paused: float | None = None
        self.orders: dict[str, dict[str, Any]] = {}  # by jid, the latest firing
        self.first_fired: dict[str, float] = {}
        self.running: dict[
            str, tuple[float, set[str]]
        ] = {}  # by jid: since when, and who has not returned
        self.done: list[tuple[str, str, float, float | None]] = []  # jid, process, fired, ended
        #: By problem, episode and process: when it served, and the latest failure that the tenant knew then.
        self.healed: dict[tuple[str, int, str], tuple[float, float]] = {}
        #: By process, in their order: problem, episode, and whether it was brought back or only found serving.
        self.serving: dict[str, list[tuple[str, int, str]]] = collections.defaultdict(list)
        #: Problem, episode and process of what another attempt would not mend.
        self.hopeless: set[tuple[str, int, str]] = set()
        self.unreadable: float | None = None
        #: By problem: the failures that its evidence shows, (process, begun, open), by the engine's clock.
        self.failures: dict[str, list[tuple[str, float, bool]]] = {}
        self.ids: dict[Any, Any] = {}
        self.told: dict[tuple[str, int], list[str]] = collections.defaultdict(list)
        self.identify(0, known)
        # It was so long before.
        self.doubted = dict.fromkeys(self.doubted, 0.0)
        self.open(which, more, "AVAILABILITY", False, "none")

    def _add_others(self, number: int, host: str) -> None:
        """
        Add to a host a second instance, an apache2 in a pod, and a process that no reactor takes.
        """
        build = {"APACHE_CONFIG_PATH": "/etc/apache2-foo/apache2.conf"}
        self.instances.append(self.tenant.add_process(host, "Apache apache2-foo", build=build))
        pod = self.tenant.add_process(host, "apache in a pod", pod=f"web-{number}")
        nginx = self.tenant.add_process(host, "nginx", technology="NGINX")
        self.never |= dict.fromkeys((pod, nginx, host), f"web{number}")

    # -- the tenant ----------------------------------------------------------------------------------------------------

    @rule(
        which=anything,
        more=st.booleans(),
        severity=st.sampled_from(["AVAILABILITY", "ERROR"]),
        maintenance=st.booleans(),
        others=st.sampled_from(["none", "none", "instance", "never"]),
    )
    def open(self, which: int, more: bool, severity: str, maintenance: bool, others: str) -> None:
        affected = [self.apaches[which % HOSTS]]
        if more:
            affected.append(self.apaches[(which + 1) % HOSTS])
        if others == "instance":
            affected.append(self.instances[which % HOSTS])
        if others == "never":
            affected = [*affected[: which % 2], list(self.never)[which % len(self.never)]]
        problem = self.tenant.open_problem(
            affected,
            severity=severity,
            root_cause=None,
            start=time.time() - which,  # by the tenant's own clock, which goes on by itself
            under_maintenance=maintenance and which % 3 == 0,
        )
        self.problems.append(problem)
        self.failures[problem.problem_id] = [
            (apache, self.world.now - which, True) for apache in affected
        ]
        self._show(problem)
        self.spans[problem.problem_id].append([self.world.now, float("inf")])

    def _show(self, problem: Problem) -> None:
        """
        Let the evidence be what failed.
        """
        shown = [
            down(apache, begun, "OPEN" if is_open else "CLOSED")
            for apache, begun, is_open in self.failures[problem.problem_id]
        ]
        for one in shown:
            one["data"]["underMaintenance"] = problem.under_maintenance
        self.tenant.update_problem(problem, evidence=shown)

    @precondition(lambda self: self.problems)
    @rule(which=anything)
    def fail_again(self, which: int) -> None:
        """
        A process of an open problem is noticed as back, and dies again.
        """
        if problem := self._one(which, "OPEN"):
            known = self.failures[problem.problem_id]
            apache = known[which % len(known)][0]
            over = [(own, begun, own != apache and is_open) for own, begun, is_open in known]
            self.failures[problem.problem_id] = [*over, (apache, self.world.now, True)]
            self.back.pop((problem.problem_id, apache), None)
            self._show(problem)

    @rule(which=anything)
    def come_back(self, which: int) -> None:
        """
        A process of an open problem is noticed as back, and its problem stays open.
        """
        if problem := self._one(which, "OPEN"):
            known = self.failures[problem.problem_id]
            process = known[which % len(known)][0]
            self.failures[problem.problem_id] = [
                (own, begun, own != process and is_open) for own, begun, is_open in known
            ]
            self.back.setdefault((problem.problem_id, process), self.world.now)
            self._show(problem)

    def _one(self, which: int, status: str) -> Problem | None:
        found = [
            problem
            for problem in self.problems
            if problem.status == status and problem.problem_id in self.tenant.by_id
        ]
        return found[which % len(found)] if found else None

    def _ends(self, problem: Problem) -> None:
        self.spans[problem.problem_id][-1][1] = self.world.now

    @precondition(lambda self: self.problems)
    @rule(which=anything)
    def close(self, which: int) -> None:
        if problem := self._one(which, "OPEN"):
            self.tenant.close_problem(problem)
            self._ends(problem)

    @precondition(lambda self: self.problems)
    @rule(which=anything)
    def reopen(self, which: int) -> None:
        if problem := self._one(which, "CLOSED"):
            self.tenant.reopen_problem(problem)
            self.spans[problem.problem_id].append([self.world.now, float("inf")])

    @precondition(lambda self: self.problems)
    @rule(which=anything)
    def merge(self, which: int) -> None:
        problem = self._one(which, "OPEN")
        if problem and problem is not self.problems[0]:
            self.tenant.merge_problem(problem, self.problems[0])
            self._ends(problem)

    @precondition(lambda self: self.problems)
    @rule(which=anything)
    def forget(self, which: int) -> None:
        if problem := self._one(which, "OPEN"):
            self.tenant.forget_problem(problem)
            self._ends(problem)

    @precondition(lambda self: self.problems)
    @rule(which=anything, what=st.sampled_from(["title", "severity", "affected", "maintenance"]))
    def update(self, which: int, what: str) -> None:
        if problem := self._one(which, "OPEN"):
            changes: dict[str, dict[str, Any]] = {
                "title": {"title": f"Title {which}"},
                "severity": {"severity": "PERFORMANCE"},
                "affected": {"affected": [self.apaches[which % HOSTS]]},
                "maintenance": {"under_maintenance": not problem.under_maintenance},
            }
            self.tenant.update_problem(problem, **changes[what])
            known = self.failures[problem.problem_id]
            new = set(problem.affected) - {apache for apache, _, _ in known}
            known += [(apache, self.world.now, True) for apache in sorted(new)]
            for apache in new:
                self.back.pop((problem.problem_id, apache), None)
            self._show(problem)

    @rule(
        name=st.sampled_from(FAULTS),
        times=st.integers(1, 5),
        path=st.sampled_from(["", "/entities", "/problems/", "/comments"]),
    )
    def fault(self, name: str, times: int, path: str) -> None:
        self.tenant.fault(name, times=times, path=path)

    @precondition(lambda self: self.problems)
    @rule(
        which=anything,
        times=st.integers(1, 3),
        state=st.sampled_from(["OPEN", "RESOLVED", "MERGED", "?"]),
    )
    def notify(self, which: int, times: int, state: str) -> None:
        """
        Notify of any problem, old or new, once or more, by any state, true or not.
        """
        if not self.problems:
            return
        problem = self.problems[which % len(self.problems)]
        body = {"PID": problem.problem_id, "ProblemID": problem.display_id, "State": state}
        for _ in range(times):
            self.world.notify(json.dumps(body).encode())

    # -- the engine ----------------------------------------------------------------------------------------------------

    @rule(after=seconds)
    def poll(self, after: float) -> None:
        self.world.poll(after)
        self.check()

    @rule(after=seconds)
    def cycle(self, after: float) -> None:
        self.world.cycle(after)
        self.check()

    @rule(after=seconds)
    def restart(self, after: float) -> None:
        self.world.now += after
        self.kills += 1
        self.world.restart()
        self._wire()

    @rule(after=seconds)
    def die_before_firing(self, after: float) -> None:
        self.world.reconciler._next_poll = 0.0
        self.world.cycle(after, fire=False)
        self.restart(0.1)

    @rule(after=seconds)
    def die_after_firing(self, after: float) -> None:
        """
        One event gets on the bus, and nobody lives to record it.
        """
        self.world.reconciler._next_poll = 0.0
        self.world.cycle(after, fire=False)
        recorded, self.world.ledger.outbox.fired = self.world.ledger.outbox.fired, self._die
        try:
            self.world.fire()
        except ZeroDivisionError:
            pass
        finally:
            self.world.ledger.outbox.fired = recorded
        self.check()
        self.restart(0.1)

    @staticmethod
    def _die(*_: Any) -> None:
        raise ZeroDivisionError

    @rule(refuse=seldom)
    def bus(self, refuse: bool) -> None:
        self.world.bus.refuse = refuse

    def _wire(self) -> None:
        self.world.reconciler._next_poll = 0.0

    @rule(fails=seldom)
    def job_cache(self, fails: bool) -> None:
        """
        The master's job cache cannot be read, or can again.
        """
        self.world.cache.readable = not fails
        self.unreadable = (self.unreadable or self.world.now) if fails else None

    @rule()
    def comment(self) -> None:
        self.world.send_comments()
        for problem in self.problems:
            if problem.status == "CLOSED" and self.spans[problem.problem_id][-1][1] == math.inf:
                self._check_closed(problem)
                self._ends(problem)

    def _check_closed(self, problem: Problem) -> None:
        """
        The engine closes a problem only where it brought something back on each of its minions.
        """
        episode = self.world.ledger.episodes.latest(problem.problem_id)
        assert episode is not None
        for apache in {own for own, _, _ in self.failures[problem.problem_id]}:
            known = self.serving[apache]
            own = [
                word
                for of, number, word in known
                if (of, number) == (problem.problem_id, episode.episode)
            ]
            assert (own or [word for _, _, word in known])[-1] == "good", known

    @rule()
    def pause(self) -> None:
        if self.paused is None:
            self.world.commands._pause({"reason": "test", "who": "model"}, self.world.now)
            self.paused = self.world.now

    @rule()
    def resume(self) -> None:
        self.world.commands._resume({}, self.world.now)
        self.paused = None

    # -- Salt ----------------------------------------------------------------------------------------------------------

    def _takable(self) -> list[str]:
        return [
            jid
            for jid, order in self.orders.items()
            if jid not in self.running and self.world.now <= _seconds(order["valid_until"])
        ]

    @precondition(lambda self: self._takable())
    @rule(which=anything)
    def take(self, which: int) -> None:
        found = self._takable()
        self._take(found[which % len(found)])

    def _take(self, jid: str) -> None:
        order = self.orders[jid]
        self.running[jid] = (self.world.now, set(order["minions"]))
        self.world.take(order)

    @rule(which=st.integers(0, HOSTS - 1), is_gone=seldom)
    def minion(self, which: int, is_gone: bool) -> None:
        """
        A minion goes, or comes back: it answers no question, and its jobs do not return.
        """
        (self.world.gone.add if is_gone else self.world.gone.discard)(f"web{which}")

    @rule(which=anything, known=st.sampled_from(["host", "host", *KNOWN]))
    def identify(self, which: int, known: str) -> None:
        """
        What the master knows of a minion changes: by the host's id, by names that are true or another's, by nothing.
        """
        minion, other = f"web{which % HOSTS}", f"web{(which + 1) % HOSTS}"
        name = other if known == "another's name" else minion
        named = {"nodename": minion, "host": name, "fqdn": f"{name}.example.com"}
        grains = {"host": self.proofs[minion], "nothing": {}}
        self.world.minions[minion] = grains.get(known, named)
        self.world.index.touch(minion)
        if known == "host":
            self.doubted.pop(minion, None)
        else:
            self.doubted.setdefault(minion, self.world.now)

    @precondition(lambda self: any(left for _, left in self.running.values()))
    @rule(which=anything, word=words, heard=st.booleans())
    def give(self, which: int, word: str, heard: bool) -> None:
        found = sorted(
            (jid, minion)
            for jid, (_, left) in self.running.items()
            for minion in left - self.world.gone
        )
        if not found:
            return
        self._give(*found[which % len(found)], word, heard)

    def _give(self, jid: str, minion: str, word: str, heard: bool) -> None:
        since, left = self.running[jid]
        order, now = self.orders[jid], self.world.now
        process = self._process(order, minion)
        # While the job cache cannot be read nothing is given up, and the return counts when it can.
        in_time = now <= since + TIMEOUT
        if heard:
            self.world.give(jid, minion, RETURNS[word])
        else:
            self.world.cache.returned.setdefault(jid, {})[minion] = RETURNS[word]
        if word == "queued":
            return  # It runs later, and returns once more.
        left.discard(minion)
        own = (order["problem_id"], order["episode"], process)
        if word in ("refused", "unproved") and in_time:
            self.hopeless.add(own)
        if word in ("good", "healthy") and self.world.ledger.attempts.by_jid(jid):
            self.serving[process].append((*own[:2], word))
        if word in ("good", "healthy") and in_time:
            known = [
                begun for own, begun, _ in self.failures[order["problem_id"]] if own == process
            ]
            self.healed[own] = (now, max(known, default=0.0))
        self.done.append((jid, process, self.first_fired[jid], now if in_time else None))

    @rule(word=words, after=seconds)
    def all_return(self, word: str, after: float) -> None:
        """
        What mostly happens, and seldom by chance: what is open is seen, ordered, run, and ends.
        """
        self.poll(after)
        for jid in self._takable():
            self._take(jid)
        for jid, (_, left) in self.running.items():
            for minion in sorted(left - self.world.gone):
                self._give(jid, minion, word, True)
        self.cycle(1.0)

    @rule(which=anything, told=st.lists(words, min_size=2, max_size=4), after=seconds)
    def story(self, which: int, told: list[str], after: float) -> None:
        """
        The same for a new problem, more than once.
        """
        self.open(which, bool(which % 2), "AVAILABILITY", False, "none")
        for word in told:
            self.all_return(word, after)

    # -- what must hold ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """
        Look at each event that was fired since the last time.
        """
        fired = self.world.events()[self.read :]
        self.read += len(fired)
        for data in fired:
            self._check_order_of_events(data)
            if data["minions"]:
                self._check_order(data)
                self.first_fired.setdefault(data["jid"], self.world.now)
                self.orders[data["jid"]] = data
        assert len(self._being_healed()) <= LIMIT, self._being_healed()

    def _being_healed(self) -> set[str]:
        now = self.world.now
        minions = {
            minion
            for since, left in self.running.values()
            if now <= since + TIMEOUT
            for minion in left
        }
        for jid in self._takable():
            minions |= set(self.orders[jid]["minions"])
        return minions

    def _check_order_of_events(self, data: dict[str, Any]) -> None:
        told = self.told[data["problem_id"], data["episode"]]
        what = data["what"]
        if not told:
            assert what == "open", (what, data["display_id"])
        if "resolved" in told and what not in ENDED:
            assert what in told and self.kills, (what, told)
        later = (data["problem_id"], data["episode"] + 1)
        assert what in ENDED or not self.told.get(later), (what, told)
        if what == "open" and told:
            repeated = self.kills > 0 or data["attempt"] > 0
            assert repeated and told.count("open") <= self.kills + 5, told
        told.append(what)
        # Once for what serves, or for a job cache that lasts; and once for good.
        assert told.count("escalated") <= 2 + self.kills, told

    def _check_order(self, data: dict[str, Any]) -> None:
        now, own = self.world.now, (data["problem_id"], data["episode"], data["attempt"])
        ids = (data["attempt_id"], data["jid"])
        assert self.ids.setdefault(own, ids) == ids
        assert self.ids.setdefault(ids, own) == own
        spans = self.spans[data["problem_id"]]
        assert any(begin <= now and now - STALE_S <= end for begin, end in spans), "closed"
        assert self.paused is None or now - self.paused <= 20, "paused"
        assert self.unreadable is None or now - self.unreadable <= 20, "nobody could learn its end"
        meant = [(minion, self._process(data, minion)) for minion in data["minions"]]
        actions = self.world.ledger.attempts.actions(data["attempt_id"])
        assert sorted((one.minion, one.process) for one in actions) == sorted(meant)
        for minion in data["minions"]:
            assert now - self.doubted.get(minion, now) <= STALE_S, "hearsay"
            self._check_process(data, minion)
            self._check_not_healed(data, self._process(data, minion))
            if data["jid"] not in self.first_fired:
                own = (data["problem_id"], data["episode"], self._process(data, minion))
                assert own not in self.hopeless, "another attempt would do nothing"
                self._check_budget(data["jid"], minion, self._process(data, minion))

    @staticmethod
    def _process(order: dict[str, Any], minion: str) -> str:
        return str(order["processes"][minion]["entity"])

    def _check_process(self, data: dict[str, Any], minion: str) -> None:
        """
        An order is about a process of the host itself that is down, as it was told a moment ago at least.
        """
        process, own = self._process(data, minion), int(minion[3:])
        assert process in (self.apaches[own], self.instances[own]), "another process"
        assert process in {one for one, _, _ in self.failures[data["problem_id"]]}, "not named"
        back = self.back.get((data["problem_id"], process), self.world.now)
        assert self.world.now - back <= STALE_S, "not down"

    def _check_not_healed(self, data: dict[str, Any], process: str) -> None:
        """
        Who was healed gets another order only for a failure that began after it.
        """
        heal = self.healed.get((data["problem_id"], data["episode"], process))
        if heal is None:
            return
        begun = [begun for own, begun, _ in self.failures[data["problem_id"]] if own == process]
        assert max(begun) > max(heal) - 0.001, "healed already"

    def _check_budget(self, own: str, minion: str, process: str) -> None:
        now = self.world.now
        past = [item for item in self.done if item[1] == process and item[0] != own]
        recent = [item for item in past if item[2] > now - WINDOW + 20]
        assert len(recent) < ATTEMPTS, recent
        for _, _, _, ended in past:
            assert ended is None or now >= ended + COOLDOWN - 20, "cooldown"
        for jid, (since, left) in self.running.items():
            same = minion in left and self._process(self.orders[jid], minion) == process
            assert jid == own or not same or now > since + TIMEOUT, "in progress"

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self._in_the_end()
        finally:
            self.world.close()
            self.tenant.stop()
            self.home.cleanup()

    def _in_the_end(self) -> None:
        """
        Everything works and time passes: no open problem is left without a deed or a reason.
        """
        self.tenant.clear_faults()
        self.world.bus.refuse = False
        self.world.gone.clear()
        self.job_cache(fails=False)
        self.resume()
        for _ in range(5):
            self.world.poll(31)
            self.check()
        # Nothing was done for hearsay; with proof there is.
        for number in range(HOSTS):
            self.identify(number, "host")
        for number in range(100):
            if number > 15 and not self.world.ledger.attempts.open():
                break
            self.world.poll(31)
            self.check()
            for jid in self._takable():
                self._take(jid)
            for jid, (_, left) in self.running.items():
                for minion in sorted(left):
                    self._give(jid, minion, "good", True)
            self.world.cycle(31)
            self.check()
            self.comment()
        for problem in self.problems:
            if problem.status == "OPEN" and problem.problem_id in self.tenant.by_id:
                self._assert_kept(problem)
            texts = [comment.message for comment in self.tenant.comments(problem)]
            assert len(texts) == len(set(texts))
        assert self.world.ledger.queue_length() == 0

    def _assert_kept(self, problem: Problem) -> None:
        episode = self.world.ledger.episodes.latest(problem.problem_id)
        assert episode is not None and episode.state == "open" and episode.announced, episode
        if episode.escalated:
            return
        go, held = self.world.verdicts(episode, LIMIT)
        assert not go, episode
        assert {verdict.reason for _, verdict in held} <= GOOD_REASONS, held
        waits = {
            Reason.COOLDOWN,
            Reason.MAINTENANCE,
            Reason.HEALED,
            Reason.HEALTHY,
            Reason.NOT_CONNECTED,
        }
        if any(verdict.reason in waits for _, verdict in held):
            assert episode.due is not None, (episode, held)


settings.register_profile(
    "model",
    derandomize=not LARGE,
    max_examples=600 if LARGE else 50,
    stateful_step_count=80 if LARGE else 35,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    print_blob=True,
)
Model.TestCase.settings = settings.get_profile("model")
#: Half a minute where nothing else is at work.
TestModel = pytest.mark.timeout(1200)(Model.TestCase)
