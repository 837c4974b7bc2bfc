"""
The state that heals a service, and two for a remedy of a site's own.

.. code-block:: yaml

    apache2:
      dynatrace.healed:
        - service: apache2
        - executable: /usr/sbin/apache2
        - configtest: [/usr/sbin/apache2ctl, configtest]

It goes one way, and ends at the first step that says so: the attempt is taken, the process that
Dynatrace names is compared with the service, it is found out whether that is down, its configuration is
tested, it is brought back, and it proves that it serves. Its comment tells each step; ``changes`` holds
what was done to the service, also when the end is bad.

It is ordered by the pillar ``dynatrace_attempt``, as the reactor hands it on; a run by hand has none.

Beside what every state returns, each of these returns ``dynatrace``, which the engine reads: ``attempt``,
and ``outcome``: ``healed`` (it was done, and is proved), ``healthy`` (it serves, nothing was done),
``failed`` (another attempt may help), ``refused`` (nothing was touched, and another attempt would end so
too), ``unproved`` (it was brought back and lives; another attempt would do nothing), ``repeated`` (this
attempt was well finished before).
"""

import time
from functools import partial

from salt.exceptions import CommandExecutionError

# What a log line may hold of a test's output.
LAST_LINES = 10
# Of other files, without which nothing can be done.
NEEDED_UTILS = (
    "dynatrace_attempts.claim",
    "dynatrace_remedy.settled",
    "dynatrace_service.look",
)
PLACE = ("service", "executable", "pid_file", "ports", "logs", "starts_within")


class _End(Exception):
    """
    The remedy is over: how, and what there is to say last.
    """

    def __init__(self, outcome, said, **more):
        super().__init__(said)
        self.outcome, self.more = outcome, more


class _Story:
    """
    What is told of a run: sentences, and what was done.
    """

    def __init__(self, name):
        self.name, self.attempt, self.taken = name, None, False
        self.said, self.changes, self.touched = [], {}, False

    def say(self, text):
        self.said.append(text if text.endswith((".", "\n")) else f"{text}.")

    def told(self, end):
        """
        Return what a state returns.
        """
        self.say(str(end))
        good = {"healed": True, "healthy": True, "repeated": True, None: None}
        about = {"attempt": self.attempt, "outcome": end.outcome, **end.more}
        return _ret(
            self.name, good.get(end.outcome, False), " ".join(self.said), self.changes, about
        )


def healed(name, **settings):
    """
    Bring a service back if it is down, whatever state it is in, and prove that it serves.

    What lives is restarted only when it is known to be stuck: when it is stopped (SIGSTOP), takes
    connections and says nothing, or fails the site's own proof. What serves is left alone.

    name
        By which the pillar ``dynatrace:lookup:<name>`` knows the service; what is there wins.
    service
        As Salt's ``service`` module names it.
    executable
        Full path; only a process that runs it is taken for the service's.
    configtest
        The test of its configuration as a list of words; no shell reads them.
    url
        The site's own proof that it serves: ``http`` or ``https``, on the loopback unless
        ``beyond_loopback`` is true. None: its process is asked where it listens, and any answer counts.
    host
        Host header of that request; None: none of its own.
    statuses
        List of those that count as an answer of ``url``; empty: every one below 500.
    timeout
        Seconds for one request (10).
    deadline, starts_within
        Seconds until the proof must have succeeded (30), and that it may take to start (30): until the
        later of both is waited for, and a younger process is not called stuck.
    pid_file
        The service's own, if it has one.
    ports
        List of those it listens on: by them orphans without a pid file are found, and who is in the
        way.
    config
        Full path of its main configuration file, by which other instances of its program are told.
    config_options
        List of the options of its command line that name another instance (``-d``, ``-f``).
    configtest_timeout, service_timeout
        Seconds for the test of the configuration (30), and for the service manager (100). A command
        that takes longer is ended and the attempt fails: what hangs is not tried on top.
    os_family
        What differs by the grain ``os_family``: for each family a mapping of the above.
    """
    story = _Story(name)
    try:
        _heal(story, {key: one for key, one in settings.items() if not key.startswith("__")})
    except _End as end:
        return _finished(story, end)
    except (CommandExecutionError, OSError) as err:
        return _finished(story, _End("failed" if story.touched else "refused", str(err)))


def attempt_taken(name):
    """
    Take the attempt for this minion, so that it runs once, whoever asks and however often.

    It is the first state of a site's own remedy. Newly taken: changes. Taken before and well finished:
    no changes. Taken before and not well finished: fails, since nobody knows how far it came. By hand
    there is no attempt: nothing is taken, the rest runs.

    name
        Any text.
    """
    story = _Story(name)
    try:
        order = _taken(story)
    except _End as end:
        return story.told(end)
    attempt = order["id"] if order else "by hand"
    result = None if order and __opts__["test"] else True
    about = {"attempt": story.attempt, "outcome": None}
    return _ret(name, result, " ".join(story.said), {"attempt": attempt}, about)


def attempt_finished(name):
    """
    Record the good end of the attempt; what is taken and not finished counts as failed.

    It is the last state of a site's own remedy.

    name
        Any text.
    """
    about = {"attempt": None, "outcome": None}
    try:
        order = __utils__["dynatrace_remedy.ordered"](__pillar__, __opts__["id"])
        if not order:
            return _ret(name, True, "Run by hand: there is no attempt to finish.", {}, about)
        about["attempt"] = attempt = order["id"]
        if __opts__["test"]:
            told = f"Attempt {attempt} would be finished."
            return _ret(name, None, told, {"finished": attempt}, about)
        record = __utils__["dynatrace_attempts.finish"](attempt)
    except (CommandExecutionError, OSError) as err:
        told = f"The end of the attempt cannot be recorded: {err}"
        return _ret(name, False, told, {}, about)
    told = f"Attempt {attempt} is finished."
    return _ret(name, True, told, {"finished": record["finished"]}, about)


def _heal(story, settings):
    _check_needed()
    service = __utils__["dynatrace_remedy.settled"](
        story.name, settings, __pillar__, __grains__.get("os_family")
    )
    order = _taken(story)
    seen = _looking(service)()
    if order:
        _compare(story, order["process"], service, seen)
    way = _way(story, order, service, seen)
    _test_configuration(story, service, way["seen"])
    if __opts__["test"]:
        raise _End(None, _plan(service, way))
    began = time.time()
    _bring_back(story, service, order, way["how"])
    _prove(story, service, order, began)


def _check_needed():
    missing = [function for function in NEEDED_UTILS if function not in __utils__]
    if missing:
        ask = "run: salt '<minion>' saltutil.sync_all"
        raise _End("refused", f"This minion lacks {', '.join(missing)}; {ask}")


def _taken(story):
    """
    Take the attempt and return its order; None for a run by hand. Ends what may not run.
    """
    _check_needed()
    try:
        order = __utils__["dynatrace_remedy.ordered"](__pillar__, __opts__["id"])
    except CommandExecutionError as err:
        raise _End("refused", f"Nothing is done: {err}") from None
    if not order:
        story.say("Run by hand: no attempt is taken.")
        return None
    story.attempt = order["id"]
    _check_time(order)
    in_the_way = __utils__["dynatrace_remedy.others"](__opts__, order["jid"])
    if in_the_way:
        raise _End("failed", f"Another state run is in progress still: {in_the_way}")
    _check_time(order)
    _claim(story, order)
    return order


def _check_time(order):
    late = __utils__["dynatrace_remedy.late"](order, time.time())
    if late:
        raise _End("refused", f"Nothing is done: {late}")


def _claim(story, order):
    attempt = order["id"]
    about = {key: order.get(key) for key in ("jid", "problem_id")}
    try:
        if __opts__["test"] and __utils__["dynatrace_attempts.attempt"](attempt) is None:
            story.say(f"Attempt {attempt} would be taken.")
            return
        if not __opts__["test"] and __utils__["dynatrace_attempts.claim"](attempt, about):
            story.taken = True
            story.say(f"Attempt {attempt} is taken.")
            return
        record = __utils__["dynatrace_attempts.attempt"](attempt) or {}
    except (CommandExecutionError, OSError) as err:
        raise _End("failed", f"The attempt cannot be taken: {err}") from None
    raise _taken_before(attempt, record)


def _taken_before(attempt, record):
    if record.get("finished"):
        ago = __utils__["dynatrace_remedy.seconds_between"](record["finished"], record.get("now"))
        told = f"Attempt {attempt} was well finished at {record['finished']}, {ago} s ago."
        return _End("repeated", told, ago=ago, before=record.get("outcome") or "healed")
    outcome = record.get("outcome") or "failed"
    return _End(
        outcome,
        f"Attempt {attempt} was taken at {record.get('taken') or 'an unknown time'} and has not "
        "finished well: it failed, was cut off, or still runs. It does not run a second time.",
    )


def _looking(service):
    """
    Return what looks at the service; it is called where this state's dunders are out of reach.
    """
    return partial(__utils__["dynatrace_service.look"], _place(service))


def _place(service):
    # To ask for a function that only Salt's module for systemd has would load all the others.
    systemd = __salt__["service.start"].__module__.endswith("systemd_service")
    return {**{key: service[key] for key in PLACE}, "systemd": systemd}


def _compare(story, named, service, seen):
    listens = sorted({port for _, port in seen["listens"]}) if seen["main"] else []
    own = {**service, "listens": listens, "runs": seen["executable"], "units": [seen["unit"]]}
    differs = __utils__["dynatrace_remedy.contradiction"](named, own)
    if differs:
        raise _End("refused", f"Nothing is done: {differs}")
    known = " and ".join(filter(None, (named.get("executable"), named.get("unit"))))
    story.say(f"Dynatrace names {known}, which is {story.name} here")


def _way(story, order, service, seen):
    """
    Return how it is to be brought back; ends what serves, and what is not known to be down.
    """
    failed = order["failed"] if order else None
    decided = __utils__["dynatrace_remedy.decided"]
    way = decided(story.name, service, seen, _looking(service), _asking(service), failed)
    if "outcome" in way:
        raise _End(way["outcome"], way["said"])
    story.say(way["said"])
    if way["seen"]["refusal"]:
        raise _End("refused", f"Nothing is done: {way['seen']['refusal']}")
    return way


def _asking(service):
    """
    Return what asks a living main process whether it serves.
    """
    return partial(__utils__["dynatrace_remedy.proof"], service)


def _test_configuration(story, service, seen):
    """
    Test the configuration before anything living is stopped; where nothing lives the start does it.

    The outage is shorter by its time.
    """
    if not (seen["main"] or seen["orphans"] or __opts__["test"]):
        return
    broken = _broken(service)
    if broken:
        raise _End("failed", f"Nothing has been stopped: {broken}")
    story.say("Its configuration is valid")


def _broken(service):
    """
    Run the test of a configuration; return None, or what is wrong.
    """
    try:
        result = __utils__["dynatrace_remedy.bounded"](
            service["configtest_timeout"],
            __salt__["cmd.run_all"],
            [str(word) for word in service["configtest"]],
            python_shell=False,
            redirect_stderr=True,
            ignore_retcode=True,
            output_loglevel="debug",
        )
    except (CommandExecutionError, OSError) as err:
        return f"the configuration cannot be tested: {err}"
    if result["retcode"] == 0:
        return None
    lines = result["stdout"].splitlines()[-LAST_LINES:]
    return "the configuration is broken:\n" + "\n".join(lines)


def _plan(service, way):
    orphans = way["seen"]["orphans"]
    after = f" after its orphaned processes {orphans} are ended" if orphans else ""
    return f"{service['service']} would be {way['how']}ed{after}, and asked whether it serves"


def _bring_back(story, service, order, how):
    unit, place, story.touched = service["service"], _place(service), True
    left = order["until"] - time.time() if order else float("inf")
    until = time.monotonic() + min(service["service_timeout"], left)
    manage = {verb: __salt__[f"service.{verb}"] for verb in ("start", "restart")}
    ended = __utils__["dynatrace_service.bring_back"](place, how, until, manage)
    story.changes.update(ended["done"])
    if ended["ok"]:
        story.say(f"{unit} was {how}ed" if ended["done"] else f"{unit} came back by itself")
        if ended["why"]:
            story.say(ended["why"])
        return
    if ended["by_others"]:
        # Another attempt would undo what a person has just done.
        raise _End(
            "unproved" if ended["done"] else "refused", f"{unit} is left alone: {ended['why']}"
        )
    # When the time is over, the test may hang for the same reason.
    broken = _broken(service) if time.monotonic() < until else None
    why = "; ".join(filter(None, (ended["why"], broken)))
    raise _End("refused" if ended["refused"] else "failed", f"{unit} cannot be brought back: {why}")


def _prove(story, service, order, began):
    proved = __utils__["dynatrace_remedy.proved"]
    end = proved(story.name, service, _looking(service), _asking(service))
    if end["outcome"] == "healed":
        _compare_ports(story, order, end["seen"])
        outcome = "healed" if story.changes else "healthy"
        raise _End(outcome, end["said"])
    words = __utils__["dynatrace_service.words"](_place(service), began)
    held = __utils__["dynatrace_service.holders"](service["ports"])
    lives = end["seen"]["main"]
    raise _End(
        end["outcome"], "; ".join(filter(None, [end["said"], *([] if lives else held), words]))
    )


def _compare_ports(story, order, seen):
    named = (order["process"].get("ports") if order else None) or []
    if named and not {port for _, port in seen["listens"]} & set(named):
        ports = ", ".join(str(port) for port in sorted(named))
        story.say(f"It listens on none of the ports that Dynatrace named: {ports}")


def _finished(story, end):
    """
    Record how a taken attempt ended, and return what the state returns.
    """
    if story.taken:
        try:
            __utils__["dynatrace_attempts.finish"](story.attempt, end.outcome)
        except (CommandExecutionError, OSError) as err:
            story.say(str(end))
            end = _End("failed", f"The end of the attempt cannot be recorded: {err}")
    return story.told(end)


def _ret(name, result, comment, changes, about):
    """
    Return what a state returns, with what the engine reads.
    """
    told = {"name": name, "result": result, "comment": comment, "changes": changes}
    return {**told, "dynatrace": about}
