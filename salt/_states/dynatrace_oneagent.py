"""
States that install, configure and remove the OneAgent of Dynatrace.

.. code-block:: yaml

    dynatrace-oneagent-installed-dynatrace-oneagent-installed:
      dynatrace_oneagent.installed

    dynatrace-oneagent-configured-dynatrace-oneagent-configured:
      dynatrace_oneagent.configured:
        - require:
            - dynatrace_oneagent: dynatrace-oneagent-installed-dynatrace-oneagent-installed

They take no arguments: what is wanted stands in pillar or configuration under ``dynatrace``, and
``pillar.example`` explains every key. So the token is in no argument, and none of what is returned
holds it. ``test=True`` may ask the tenant which version is the latest and ``oneagentctl`` what is
set; it downloads no installer, and runs and changes nothing.
"""

from salt.exceptions import CommandExecutionError

try:
    from _dynatrace_utils.oneagent import agent as oneagent
    from _dynatrace_utils.oneagent import options as oneagent_options
    from _dynatrace_utils.oneagent import settings as oneagent_settings

    LACKING = None
except ImportError as err:
    LACKING = f"{err.name}; run: salt '<minion>' saltutil.sync_all"


def installed(name):
    """
    Make sure that a OneAgent is installed, of the version that ``dynatrace:oneagent`` names.

    The installer is run only when its signature is Dynatrace's. Without URL or token nothing can be
    installed, and a OneAgent that is there will do. It is never replaced by an older one.

    name
        Any text.
    """
    return _told(name, _installed)


def configured(name):
    """
    Make sure that the OneAgent is configured as ``dynatrace:oneagent`` says.

    Sets what is missing, removes what this state has set before and is no longer wanted, and every
    other value of a wanted key. The agent is restarted once when anything changes, else never.

    name
        Any text.
    """
    return _told(name, _configured)


def absent(name):
    """
    Make sure that no OneAgent is installed, and that nothing is left of what these states keep.

    What Dynatrace's uninstaller leaves behind (logs, and the host's identity, so that the host
    stays the same host when a OneAgent comes back) stays, unless ``dynatrace:oneagent:purge``.

    name
        Any text.
    """
    return _told(name, _absent)


def _told(name, act):
    """
    Return what the act says as a state does; what it raises is a failure.
    """
    try:
        if LACKING:
            raise CommandExecutionError(f"This minion lacks {LACKING}")
        result, comment, changes = act()
    except (CommandExecutionError, OSError) as err:
        result, comment, changes = False, str(err), {}
    return {"name": name, "result": result, "comment": comment, "changes": changes}


def _installed():
    have = oneagent.version()
    new = oneagent.update()
    if new is None:
        return True, f"OneAgent {have} is installed.", {}
    if __opts__["test"]:
        return None, _install_plan(have, new), {"oneagent": {"old": have, "new": new}}
    now = oneagent.install()
    known = oneagent.host_id()
    _tell_master()
    comment = f"OneAgent {now} is installed; this host is {known or 'not known to Dynatrace yet'}."
    return True, comment, {"oneagent": {"old": have, "new": now}}


def _install_plan(have, new):
    if have:
        return f"OneAgent {have} would be upgraded to {new}."
    want = oneagent_options.wanted()
    arguments = oneagent_settings.arguments_of(want)
    return f"OneAgent {new} would be installed with {' '.join(arguments)}."


def _configured():
    if __opts__["test"] and not oneagent.installed():
        oneagent.update()
        return None, "No OneAgent is installed yet; its installation sets what is wanted.", {}
    if __opts__["test"]:
        changes = oneagent_settings.difference()
        comment = "These would be changed, and the agent restarted."
        return (None, comment, changes) if changes else _nothing()
    changes = oneagent_settings.configure()
    if not changes:
        return _nothing()
    _tell_master()
    return True, "The OneAgent is configured, and was restarted once.", changes


def _nothing():
    return True, "The OneAgent is configured as wanted.", {}


def _absent():
    have = _version_to_remove()
    left = oneagent.leftovers()
    if have is None and not left:
        return True, "No OneAgent is installed.", {}
    changes = {"oneagent": {"old": have, "new": None}} if have else {}
    if __opts__["test"]:
        comment = "The OneAgent would be uninstalled." if have else "Leftovers would be removed."
        return None, comment, {**changes, "removed": left}
    removed = oneagent.uninstall()
    _tell_master()
    comment = f"OneAgent {have} is uninstalled." if have else "Leftovers are removed."
    return True, comment, {**changes, **({"removed": removed} if removed else {})}


def _version_to_remove():
    try:
        return oneagent.version()
    except CommandExecutionError:
        # A broken one is to go like any other.
        return "(unknown)"


def _tell_master():
    """
    Refresh grains and pillar, so that the master knows the new host id, or that there is none.
    """
    oneagent.forget_grain()
    __salt__["saltutil.refresh_grains"]()
