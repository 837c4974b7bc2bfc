"""
Tells what a minion remembers of attempts, and breaks a service on purpose where the minion allows it.

``genuine`` and ``order`` are for reactors, on the master; ``dynatrace_master`` has them.
"""

from salt.exceptions import CommandExecutionError

try:
    from _dynatrace_utils.remedy import attempts, chaos
    from _dynatrace_utils.remedy import evidence as evidence_
except ImportError:
    # A master that was installed by pip has no _utils, and needs none for its reactors.
    attempts = chaos = evidence_ = None


def genuine(data):
    """
    Tell whether this master's engine signed the event, and lately enough to act on it.

    CLI Example:

    .. code-block:: jinja

        {% if salt['dynatrace.genuine'](data) %}
    """
    return _on_the_master("genuine")(data)


def order(data, technology=None):
    """
    Return what a reaction to a genuine event needs, or None: see ``dynatrace_master.order``.

    CLI Example:

    .. code-block:: jinja

        {% set order = salt['dynatrace.order'](data) %}
    """
    return _on_the_master("order")(data, technology)


def attempt(attempt_id):
    """
    Return what this minion remembers of an attempt, or None if it never took it.

    The engine asks it of minions whose job did not return. The mapping has ``id``, ``taken`` and
    ``finished``, which is None until the good end; and ``outcome`` once it has ended. With them goes
    ``now``, this minion's time, for a reader whose clock differs.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace.attempt 9f0c2a41d7e85b36
    """
    _check_synced()
    return attempts.attempt(attempt_id)


def evidence(attempt_id):
    """
    Return what was kept on this minion of a failure before an attempt touched the service, or None.

    Text by part: ``unit``, ``journal``, ``log``, ``listeners``, ``processes``, ``memory``, ``kernel``,
    ``threads``. What looked like a secret was taken out when it was kept.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace.evidence 9f0c2a41d7e85b36
    """
    _check_synced()
    return evidence_.kept(attempt_id)


def outage(remedy, how="stop", timeout=120, order=None):
    """
    Stop or kill the service that a remedy heals, and wait until it serves again.

    When nobody has healed it after ``timeout`` seconds, the remedy is applied here, whatever has
    become of the master. Returns ``service``, ``seconds`` of the outage, ``healed`` (by somebody
    else, in time), ``serves`` (in the end), and ``restored``: what the remedy said, if it was
    needed. ``refused`` alone says why nothing was done, and an error that something went wrong
    after the service was broken; it was started again then.

    ``order`` is what a remedy of the master's catalogue gets, ``name`` and ``settings``; what could run
    a command is left out of it.

    It refuses unless ``dynatrace_chaos: true`` stands in a file of ``/etc/salt/minion.d``.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace.outage dynatrace.remedy.apache2 how=kill timeout=60
    """
    _check_synced()
    told = chaos.outage(remedy, how, timeout, order)
    if "refused" in told:
        __context__["retcode"] = 1
    return told


def _on_the_master(function):
    if f"dynatrace_master.{function}" not in __salt__:
        raise CommandExecutionError("this is no master, or its module_dirs do not name dynatrace")
    return __salt__[f"dynatrace_master.{function}"]


def _check_synced():
    if attempts is None:
        raise CommandExecutionError(
            "this minion lacks _dynatrace_utils; run: salt '<minion>' saltutil.sync_all"
        )
