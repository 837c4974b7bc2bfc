"""
States that install, configure and remove the OneAgent of Dynatrace.

.. code-block:: yaml

    dynatrace-oneagent-installed-dynatrace-oneagent-installed:
      dynatrace_oneagent.installed

    dynatrace-oneagent-configured-dynatrace-oneagent-managed:
      dynatrace_oneagent.managed:
        - host_group: web
        - tags: {role: [web, db]}
        - require:
            - dynatrace_oneagent: dynatrace-oneagent-installed-dynatrace-oneagent-installed

What no argument says stands in pillar or configuration under ``dynatrace:oneagent``; ``pillar.example``
explains every key. URL and token stand only there, so no argument and nothing that is returned holds the
token. ``test=True`` may ask the tenant which version is the latest and ``oneagentctl`` what is set; it
downloads no installer, and runs and changes nothing.
"""

from salt.exceptions import CommandExecutionError

try:
    from _dynatrace_utils import arguments
    from _dynatrace_utils.oneagent import agent, settings
    from _dynatrace_utils.oneagent import options as oneagent_options

    LACKING = None
except ImportError as err:
    LACKING = f"{err.name}; run: salt '<minion>' saltutil.sync_all"


def installed(
    name,
    version=None,
    upgrade=None,
    install_path=None,
    arch=None,
    ca_certificate=None,
    ca_sha256=None,
    host_group=None,
    network_zone=None,
    app_log_access=None,
    auto_update=None,
    monitoring_mode=None,
    properties=None,
    tags=None,
    download_attempts=None,
    download_pause=None,
    install_timeout=None,
    **unknown,
):
    """
    Make sure that a OneAgent is installed, of the wanted version.

    The installer is run only when its signature is Dynatrace's. Without URL or token nothing can be
    installed, and a OneAgent that is there will do. It is never replaced by an older one. What
    ``managed`` takes is set by a first installation, too.

    name
        Any text.
    version, upgrade
        ``latest`` (default), or a version as Dynatrace names it; whether ``latest`` also upgrades (no).
    install_path, arch
        Where it is installed, and for which processor; default: as Dynatrace and this minion have it.
    ca_certificate, ca_sha256
        The root certificate of Dynatrace: a ``salt://`` URL, a full path or PEM; and its fingerprint.
    download_attempts, download_pause, install_timeout
        How often, and after how many seconds, a download is tried again; seconds for the installer.
    """
    return _told(_installed, locals())


def managed(
    name,
    install_path=None,
    host_group=None,
    network_zone=None,
    app_log_access=None,
    auto_update=None,
    monitoring_mode=None,
    properties=None,
    tags=None,
    **unknown,
):
    """
    Make sure that the OneAgent is configured as wanted.

    Sets what is missing, removes what this state has set before and is no longer wanted, and every
    other value of a wanted key. The agent is restarted once when anything changes, else never.

    name
        Any text.
    install_path
        Where it is installed, if not where Dynatrace installs it.
    host_group, network_zone, app_log_access, auto_update, monitoring_mode
        As ``oneagentctl`` takes them; what is not given is left as it is.
    properties, tags
        Mappings of keys to a value, a list of values, or nothing.
    """
    return _told(_managed, locals())


def absent(name, install_path=None, purge=None, **unknown):
    """
    Make sure that no OneAgent is installed, and that nothing is left of what these states keep.

    name
        Any text.
    install_path
        Where it is installed, if not where Dynatrace installs it.
    purge
        Also remove what Dynatrace's uninstaller leaves behind: logs, and the identity by which this
        host stays the same host when a OneAgent comes back; default: no.
    """
    return _told(_absent, locals())


def _told(act, names):
    try:
        if LACKING:
            raise CommandExecutionError(f"This minion lacks {LACKING}")
        result, comment, changes = act(oneagent_options.wanted(arguments.given(names)))
    except (CommandExecutionError, OSError) as err:
        result, comment, changes = False, str(err), {}
    return {"name": names["name"], "result": result, "comment": comment, "changes": changes}


def _installed(want):
    have = agent.version(want)
    new = agent.update(want)
    if new is None:
        return True, f"OneAgent {have} is installed.", {}
    if __opts__["test"]:
        comment = f"OneAgent {have} would be upgraded to {new}."
        if not have:
            flags = " ".join(settings.arguments_of(want))
            comment = f"OneAgent {new} would be installed with {flags}."
        return None, comment, {"oneagent": {"old": have, "new": new}}
    now = agent.install(want)
    known = agent.host_id(want)
    _tell_master()
    comment = f"OneAgent {now} is installed; this host is {known or 'not known to Dynatrace yet'}."
    return True, comment, {"oneagent": {"old": have, "new": now}}


def _managed(want):
    if __opts__["test"] and not agent.installed(want):
        agent.update(want)
        return None, "No OneAgent is installed yet; its installation sets what is wanted.", {}
    changes = settings.difference(want) if __opts__["test"] else settings.configure(want)
    if not changes:
        return True, "The OneAgent is configured as wanted.", {}
    if __opts__["test"]:
        return None, "These would be changed, and the agent restarted.", changes
    _tell_master()
    return True, "The OneAgent is configured, and was restarted once.", changes


def _absent(want):
    have = _version_to_remove(want)
    left = agent.leftovers(want)
    if have is None and not left:
        return True, "No OneAgent is installed.", {}
    changes = {"oneagent": {"old": have, "new": None}} if have else {}
    if __opts__["test"]:
        comment = "The OneAgent would be uninstalled." if have else "Leftovers would be removed."
        return None, comment, {**changes, "removed": left}
    removed = agent.uninstall(want)
    _tell_master()
    comment = f"OneAgent {have} is uninstalled." if have else "Leftovers are removed."
    return True, comment, {**changes, **({"removed": removed} if removed else {})}


def _version_to_remove(want):
    try:
        return agent.version(want)
    except CommandExecutionError:
        # A broken one is to go like any other.
        return "(unknown)"


def _tell_master():
    # The master is to know the new host id, or that there is none.
    agent.forget_grain()
    __salt__["saltutil.refresh_grains"]()
