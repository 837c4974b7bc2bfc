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

try:
    from _dynatrace_utils import arguments
    from _dynatrace_utils.remedy import healing, taking

    LACKING = None
except ImportError as err:
    LACKING = f"{err.name}; run: salt '<minion>' saltutil.sync_all"


def healed(
    name,
    service=None,
    executable=None,
    configtest=None,
    url=None,
    host=None,
    statuses=None,
    timeout=None,
    deadline=None,
    starts_within=None,
    pid_file=None,
    ports=None,
    logs=None,
    config=None,
    config_options=None,
    configtest_timeout=None,
    service_timeout=None,
    beyond_loopback=None,
    os_family=None,
    **unknown,
):
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
    names = locals()
    return _told(name, lambda: healing.healed(name, arguments.given(names)))


def attempt_taken(name):
    """
    Take the attempt for this minion, so that it runs once, whoever asks and however often.

    It is the first state of a site's own remedy. Newly taken: changes. Taken before and well finished:
    no changes. Taken before and not well finished: fails, since nobody knows how far it came. By hand
    there is no attempt: nothing is taken, the rest runs.

    name
        Any text.
    """
    return _told(name, lambda: taking.attempt_taken(name))


def attempt_finished(name):
    """
    Record the good end of the attempt; what is taken and not finished counts as failed.

    It is the last state of a site's own remedy.

    name
        Any text.
    """
    return _told(name, lambda: taking.attempt_finished(name))


def _told(name, act):
    if LACKING:
        about = {"attempt": None, "outcome": "refused"}
        told = {"name": name, "result": False, "comment": f"This minion lacks {LACKING}"}
        return {**told, "changes": {}, "dynatrace": about}
    return act()
