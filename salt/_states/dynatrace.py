"""
States from which a remedy reads as a story.

.. code-block:: yaml

    attempt taken -> found not serving -> configuration tested -> restarted -> answers -> finished

Each one fails with a comment that says why. They are chained by ``require`` (a failure ends the
story) and ``onchanges`` (a story that is over, or needs no telling, is skipped): some releases of
Salt treat a failed ``onchanges`` as "no changes", so neither does for both.

What they have to know of the service is the mapping ``settings``, the same for each:

service
    As Salt's ``service`` module names it.
executable
    Full path; only a process that runs it is taken for the service's.
configtest
    The test of its configuration as a list of words; no shell reads them.
url
    ``http`` or ``https``, on the loopback unless ``beyond_loopback`` is true.
host
    Host header of the request; null: none of its own.
statuses
    List of those that count as an answer; empty: every one below 500, from a working server.
timeout, deadline
    Seconds for one request (2), and until the proof must have succeeded (30).
pid_file
    The service's own, if it has one.
ports
    List of those it listens on: by them orphans without a pid file are found, and who is in the
    way.
configtest_timeout
    Seconds (30).
service_timeout
    Seconds (100) for the service manager to restart or start it, both together if need be. A
    command that takes longer is killed and the attempt fails: what hangs is not tried on top.
os_family
    What differs by the grain ``os_family``: for each family a mapping of the above.

The pillar ``dynatrace:lookup:<name of the state>`` wins. The attempt is the pillar's too,
``dynatrace_attempt``, as the reactor hands it on; a run by hand has none.
"""

import errno
import os
import time
from datetime import datetime

import salt.utils.minion
from salt.exceptions import CommandExecutionError

# What a log line may hold of a test's output.
LAST_LINES = 10
SERVER_ERROR = 500
PAUSE_S = 0.05
# For other state runs; the engine calls an attempt lost after two minutes, and tries again.
WAIT_S = 110
# No engine waits longer for a return (the cap of outcome_timeout). A job that has waited longer, for
# another state run to end, would act when nobody expects it any more.
LATE_S = 3600
# From the end of the start command to the pid file.
APPEAR_S = 3
REQUIRED = ("service", "executable", "configtest", "url")
OPTIONAL = {
    "host": None,
    "statuses": [],
    "timeout": 2,
    "deadline": 30,
    "pid_file": None,
    "ports": [],
    "configtest_timeout": 30,
    # systemd by itself kills what does not stop within 90 s, and the engine waits for 120.
    "service_timeout": 100,
    "beyond_loopback": False,
}
# Of other files, without which no story can be told.
NEEDED = ("dynatrace.claim",)
NEEDED_UTILS = ("dynatrace_bounded.call", "dynatrace_http.ask", "dynatrace_service.main_process")


def attempt_taken(name):
    """
    Take the attempt for this minion, so that it runs once, whoever asks and however often.

    Newly taken: changes. Taken before and well finished: no changes. Taken before and not well
    finished: fails, since nobody knows how far it came. By hand there is no attempt: nothing is
    taken, the rest runs.

    name
        The service, as the pillar's ``dynatrace:lookup`` names it.
    """
    missing = [function for function in NEEDED if function not in __salt__]
    missing += [function for function in NEEDED_UTILS if function not in __utils__]
    if missing:
        ask = "run: salt '<minion>' saltutil.sync_all"
        return _ret(name, False, f"This minion lacks {', '.join(missing)}; {ask}")
    given = _attempt()
    attempt = given.get("id")
    if not attempt:
        return _ret(name, True, "Run by hand: no attempt is taken.", {"attempt": "by hand"})
    waited = time.time() - _begun(given.get("jid"))
    if waited > LATE_S:
        told = f"This job has waited {waited / 60:.0f} minutes and comes too late: nothing is done."
        return _ret(name, False, told)
    in_the_way = _other_runs(given.get("jid"))
    if in_the_way:
        return _ret(name, False, f"Another state run is in progress still: {in_the_way}.")
    about = {key: given.get(key) for key in ("jid", "problem_id")}
    try:
        if __opts__["test"] and __salt__["dynatrace.attempt"](attempt) is None:
            return _ret(name, None, f"Attempt {attempt} would be taken.", {"attempt": attempt})
        if not __opts__["test"] and __salt__["dynatrace.claim"](attempt, about):
            return _ret(name, True, f"Attempt {attempt} is taken.", {"attempt": attempt})
        record = __salt__["dynatrace.attempt"](attempt)
    except (CommandExecutionError, OSError) as err:
        return _ret(name, False, f"The attempt cannot be taken: {err}")
    return _taken_before(name, attempt, record or {})


def attempt_finished(name):
    """
    Record the good end of the attempt; what is taken and not finished counts as failed.

    name
        As for ``attempt_taken``.
    """
    attempt = _attempt().get("id")
    if not attempt:
        return _ret(name, True, "Run by hand: there is no attempt to finish.")
    if __opts__["test"]:
        return _ret(name, None, f"Attempt {attempt} would be finished.", {"finished": attempt})
    try:
        record = __salt__["dynatrace.finish"](attempt)
    except (CommandExecutionError, OSError) as err:
        return _ret(name, False, f"The end of the attempt cannot be recorded: {err}")
    return _ret(name, True, f"Attempt {attempt} is finished.", {"finished": record["finished"]})


def found_not_serving(name, settings):
    """
    Make sure that there is something to heal: changes if the service does not serve.

    A person or another problem's attempt may just have healed it; a service that answers is never
    restarted. One request decides, the same as in ``answers``.

    name, settings
        See above.
    """
    try:
        service = _settled(name, settings)
        serves, comment = _proof(service)
        if not serves and _listens_elsewhere(service, comment):
            # Asked once more: it may just have begun to listen.
            serves, comment = _proof(service)
            if not serves and _is_refusal(comment):
                raise CommandExecutionError(
                    f"{comment}, and its main process listens on that port at another address; "
                    f"set the pillar dynatrace:lookup:{name}:url"
                )
    except CommandExecutionError as err:
        return _ret(name, False, f"Nothing has been done: {err}")
    if serves:
        return _ret(name, True, f"It already serves, nothing is done: {comment}.")
    return _ret(
        name,
        None if __opts__["test"] else True,
        f"It does not serve: {comment}.",
        {"outage": comment},
    )


def configuration_tested(name, settings):
    """
    Test the configuration before anything is stopped; fails with the last lines of the test.

    When no process of the service lives, there is nothing to stop: the test is left to the start,
    and the outage is shorter by its time. It also runs with ``test=True``.

    name, settings
        See above.
    """
    try:
        service = _settled(name, settings)
        if not __opts__["test"] and not __utils__["dynatrace_service.lives"](service["executable"]):
            return _ret(
                name, True, f"No process of {name} lives: its start tests the configuration."
            )
    except CommandExecutionError as err:
        return _ret(name, False, f"Nothing has been stopped: {err}")
    broken = _broken(service)
    if broken:
        return _ret(name, False, f"Nothing has been stopped: {broken}")
    return _ret(name, True, f"The configuration of {name} is valid.")


def restarted(name, settings):
    """
    Bring the service back, whatever state it is in.

    A living main process is restarted. A dead one is started, after its orphaned workers, which
    hold the ports, and its stale pid file are gone: the init script would wait for the first and
    signal whoever has the pid of the second.

    name, settings
        See above.
    """
    try:
        service = _settled(name, settings)
    except CommandExecutionError as err:
        return _ret(name, False, f"Nothing has been done: {err}")
    unit = service["service"]
    place = {key: service[key] for key in ("executable", "pid_file", "ports")}
    try:
        main = __utils__["dynatrace_service.main_process"](**place)
        if __opts__["test"]:
            plan = {unit: "restart" if main else "start"}
            return _ret(name, None, _plan(unit, main, place), plan)
        until = time.monotonic() + service["service_timeout"]
        changes = _restart(unit, main, place, until) if main else _start(unit, place, until)
    except TimeoutError as err:
        # No test of the configuration, which may hang for the same reason.
        return _ret(name, False, f"{unit} cannot be brought back: {err}")
    except (CommandExecutionError, OSError) as err:
        broken = _broken(service)
        return _ret(
            name, False, f"{unit} cannot be brought back: {err}" + (f"; {broken}" if broken else "")
        )
    return _ret(name, True, f"{unit} was brought back.", changes)


def answers(name, settings):
    """
    Prove by a local request that the service serves, and that it is the service that answers.

    Its main process must live and hold the port of the URL. It is tried until ``deadline``.

    name, settings
        See above.
    """
    try:
        service = _settled(name, settings)
    except CommandExecutionError as err:
        return _ret(name, False, f"It is not proved that {name} serves: {err}")
    url, deadline = service["url"], service["deadline"]
    if __opts__["test"]:
        return _ret(name, None, f"{url} would be asked.")
    until = time.monotonic() + deadline
    while True:
        serves, comment = _proof(service)
        if serves:
            return _ret(name, True, f"{name} serves: {comment}.")
        if time.monotonic() > until:
            held = __utils__["dynatrace_service.holders"]([__utils__["dynatrace_http.port"](url)])
            return _ret(
                name,
                False,
                f"{name} does not serve {deadline} s after it was brought back: "
                + "; ".join([comment, *held])
                + ".",
            )
        time.sleep(PAUSE_S)


def _attempt():
    return _mapping(__pillar__.get("dynatrace_attempt"))


def _mapping(value):
    return value if isinstance(value, dict) else {}


def _taken_before(name, attempt, record):
    if record.get("finished"):
        ago = _seconds_between(record["finished"], record.get("now"))
        when = f"{record['finished']}, {ago} s ago"
        ret = _ret(name, True, f"Attempt {attempt} was well finished at {when}.")
        # The engine reads this: it was healed then, and not by this run.
        before = record.get("outcome") or "healed"
        told = {"attempt": attempt, "outcome": "repeated", "ago": ago, "before": before}
        return {**ret, "dynatrace": told}
    return _ret(
        name,
        False,
        f"Attempt {attempt} was taken at {record.get('taken') or 'an unknown time'} and has not "
        "finished well: it failed, was cut off, or still runs. It does not run a second time.",
    )


def _seconds_between(first, second):
    try:
        # Python 3.10 does not read the Z of an ISO time.
        begin, end = (
            datetime.fromisoformat(str(moment).replace("Z", "+00:00")) for moment in (first, second)
        )
        return max(int((end - begin).total_seconds()), 0)
    except (TypeError, ValueError):
        return "unknown"


def _settled(name, settings):
    """
    Return the settings of a service for this minion: the SLS's, its family's, and the pillar's.
    """
    place = f"dynatrace:lookup:{name}"
    if not isinstance(settings, dict):
        raise CommandExecutionError(f"settings must be a mapping, not {settings!r}")
    family = _mapping(settings.get("os_family")).get(__grains__.get("os_family"))
    lookup = _mapping(_mapping(__pillar__.get("dynatrace")).get("lookup")).get(name)
    common = {key: value for key, value in settings.items() if key != "os_family"}
    service = {**OPTIONAL, **common, **_mapping(family), **_mapping(lookup)}
    missing = [key for key in REQUIRED if not service.get(key)]
    if missing:
        known = f"for the os_family {__grains__.get('os_family')} nothing is known of it"
        raise CommandExecutionError(
            f"{known}; set the pillar " + ", ".join(f"{place}:{key}" for key in missing)
        )
    unknown = sorted(service.keys() - OPTIONAL.keys() - set(REQUIRED))
    if unknown:
        allowed = ", ".join(sorted([*REQUIRED, *OPTIONAL]))
        raise CommandExecutionError(
            f"{name} has no setting {', '.join(unknown)}; in the SLS and in the pillar {place} "
            f"are allowed: {allowed}"
        )
    if not isinstance(service["configtest"], list):
        raise CommandExecutionError(f"{place}:configtest must be a list of words")
    return service


def _broken(service):
    """
    Run the test of a configuration; return None, or what is wrong.
    """
    try:
        result = __utils__["dynatrace_bounded.call"](
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


def _other_runs(jid):
    """
    Wait for state runs that began before this one; return what is in the way when it takes too long.

    ``queue: True`` does not always see to it: many releases of Salt only wait for runs with a smaller
    job id (issue 69825), and an attempt's is derived from the time at which its problem began.
    """
    until = time.monotonic() + WAIT_S
    while True:
        active = _state_runs() if jid else []
        mine = _begun(jid)
        before = [
            run for run in active if str(run.get("jid")) != jid and _begun(run.get("jid")) < mine
        ]
        if not before or time.monotonic() > until:
            return ", ".join(f"{run.get('fun')} ({run.get('jid')})" for run in before)
        time.sleep(PAUSE_S)


def _state_runs():
    # What saltutil.is_running does, without loading that module while the service is down.
    running = salt.utils.minion.running(__opts__)
    return [run for run in running if str(run.get("fun")).startswith("state.")]


def _begun(jid):
    """
    Return when a job began on this minion: its file in the minion's proc directory is made then.
    """
    try:
        return os.stat(os.path.join(__opts__["cachedir"], "proc", str(jid))).st_mtime
    except (OSError, ValueError):
        return float("inf")


def _proof(service):
    """
    Return whether the service answers, and the evidence either way.
    """
    url, executable = service["url"], service["executable"]
    answer = __utils__["dynatrace_http.ask"](
        url, service["timeout"], service["host"], service["beyond_loopback"]
    )
    if answer["problem"]:
        return False, answer["problem"]
    status, statuses = answer["status"], service["statuses"]
    if status not in statuses if statuses else status >= SERVER_ERROR:
        return False, f"{url} answered {status}"
    port = __utils__["dynatrace_http.port"](url)
    main = __utils__["dynatrace_service.main_process"](executable, service["pid_file"], [port])
    if main is None:
        return False, f"{url} answered {status}, but no main process of {executable} is alive"
    if not __utils__["dynatrace_service.listens"](main, port):
        return (
            False,
            f"{url} answered {status}, but {executable} (pid {main}) does not hold port {port}",
        )
    return True, f"{url} answered {status} from {executable} (pid {main})"


def _is_refusal(comment):
    return comment.endswith(os.strerror(errno.ECONNREFUSED))


def _listens_elsewhere(service, comment):
    """
    Tell whether the connection was refused though the service listens on that port.

    One that hangs accepts connections. So it serves at another address, IPv6 only perhaps, and
    a restart would help nobody.
    """
    if not _is_refusal(comment):
        return False
    port = __utils__["dynatrace_http.port"](service["url"])
    main = __utils__["dynatrace_service.main_process"](
        service["executable"], service["pid_file"], [port]
    )
    return main is not None and __utils__["dynatrace_service.listens"](main, port)


def _plan(name, main, place):
    if main:
        return f"{name} would be restarted; its main process {main} lives."
    orphans = __utils__["dynatrace_service.leftovers"](**place)
    ended = f" after its orphaned processes {orphans} are ended" if orphans else ""
    return f"{name} would be started{ended}; no main process lives."


def _start(name, place, until):
    changes = {}
    ended = __utils__["dynatrace_service.end_leftovers"](**place)
    if ended:
        changes["orphans ended"] = ended
    if __utils__["dynatrace_service.forget_stale_pid_file"](place["executable"], place["pid_file"]):
        changes["stale pid file removed"] = place["pid_file"]
    if _managed("start", name, place, until) and _main_appears(place):
        return {**changes, name: "started"}
    held = __utils__["dynatrace_service.holders"](place["ports"])
    why = "; ".join(held) or "its log tells why"
    done = "".join(f"; {what}: {which}" for what, which in changes.items())
    raise CommandExecutionError(f"it does not start: {why}{done}")


def _restart(name, main, place, until):
    changes = {}
    thawed = __utils__["dynatrace_service.thaw"](**place)
    if thawed:
        changes["stopped processes resumed"] = thawed
    if _managed("restart", name, place, until, main) and _main_appears(place):
        return {**changes, name: "restarted"}
    # It would not stop, or stopped and did not start.
    if __utils__["dynatrace_service.main_process"](**place) == main:
        changes["ended"] = __utils__["dynatrace_service.end_main"](**place)
    return {**changes, **_start(name, place, until)}


def _managed(action, name, place, until, before=None):
    """
    Have the service manager start or restart the service; raise TimeoutError when it hangs.

    What hangs after its work was done, for instance since the daemon of an init script keeps the
    script's output open, is no failure: then there is another main process than ``before``.
    """
    left = until - time.monotonic()
    main_process = __utils__["dynatrace_service.main_process"]
    try:
        return __utils__["dynatrace_bounded.call"](
            left, __salt__[f"service.{action}"], name, spare=lambda: main_process(**place)
        )
    except TimeoutError:
        after = main_process(**place)
        if after in (None, before):
            raise
        return True


def _main_appears(place):
    """
    Wait for the main process: Debian's init script calls a failed start of apache2 a good one.
    """
    until = time.monotonic() + APPEAR_S
    while __utils__["dynatrace_service.main_process"](**place) is None:
        if time.monotonic() > until:
            return False
        time.sleep(PAUSE_S)
    return True


def _ret(name, result, comment, changes=None):
    return {"name": name, "result": result, "comment": comment, "changes": changes or {}}
