"""
The state that heals any service, and two for a remedy of a site's own.

.. code-block:: yaml

    nginx:
      dynatrace.healed:
        - service: nginx
        - proof: http://127.0.0.1/health

It goes one way, and ends at the first step that says so: the attempt is taken, the process that
Dynatrace names is compared with the service, it is found out whether that is down, its configuration is
tested, it is brought back, and it proves that it serves. Its comment tells each step; ``changes`` holds
what was done to the service, also when the end is bad.

It is ordered by the pillar ``dynatrace_attempt``, as the reactor hands it on; a run by hand has none.
With ``ordered: true`` name and settings come from there too, from its ``remedy``, or by hand from the pillar
``dynatrace_remedy``: ``{"name": "nginx", "settings": {"service": "nginx"}}``.

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
    ordered=None,
    service=None,
    container=None,
    sls=None,
    units=None,
    proof=None,
    stays=None,
    steps=None,
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
        By which the pillar ``dynatrace:lookup:<name>`` knows the service; what is there wins. With
        ``ordered`` any text.
    ordered
        Whether name and settings come from the order, or by hand from the pillar ``dynatrace_remedy``.
    service
        As Salt's ``service`` module names it. One of this, ``container`` and ``sls`` is needed.
    container
        Name or glob of a container of Docker or Podman, which is restarted instead of a service.
    sls
        An SLS of the site's own that is run instead, if the proof fails; it needs a ``proof``.
    units
        Globs of the catalogue, where none of these three is given: the order's unit is the service if it fits
        one and is a service's unit that systemd has loaded here.
    proof
        What proves that it serves, one or a list of which all must hold: ``http://...``, a mapping with
        ``url``, ``host``, ``statuses``, ``contains`` and ``server_name``, ``http``, ``tcp:[host:]port``,
        ``unix:/path``, ``unit``, a command as a list of words, ``disk:/mount<90%``, ``process:/path``,
        ``container:name``. None: ``unit``, that it is active and keeps its main process.
    stays
        Seconds that ``unit`` wants the main process to stay (3).
    steps
        List of what is done to a service that lives, ``reload`` and ``restart``: the next one only when the
        proof failed after the one before ([restart]).
    executable
        Full path; only a process that runs it is taken for the service's. None: what its main process runs,
        or its unit starts.
    configtest
        The test of its configuration as a list of words; no shell reads them. None: it is not tested.
    url
        The site's own proof that it serves, as a short form: ``http`` or ``https``, on the loopback unless
        ``beyond_loopback`` is true. It stands in the place of a ``proof`` that is ``http``.
    host
        Host header of that request; None: none of its own.
    statuses
        List of those that count as an answer of ``url``; empty: every one below 500.
    timeout
        Seconds for one request, connection or command of a proof (10).
    deadline, starts_within
        Seconds until the proof must have succeeded (30), and that it may take to start (30): until the
        later of both is waited for, and a younger process is not called stuck.
    pid_file
        The service's own, if it has one.
    ports
        List of those it listens on: by them orphans without a pid file are found, and who is in the
        way.
    logs
        List of files with its own messages, shown when it does not start.
    config
        Full path of its main configuration file, by which other instances of its program are told.
    config_options
        List of the options of its command line that name another instance (``-d``, ``-f``).
    configtest_timeout, service_timeout
        Seconds for the test of the configuration (30), and for the service manager or the SLS (100). A command
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
