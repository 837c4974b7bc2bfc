"""
Tells of the OneAgent of this minion; it changes nothing.

What the states ``dynatrace_oneagent`` do is private: who may call all that begins with ``dynatrace`` can
install, set and remove nothing.
"""

from _dynatrace_utils.oneagent import agent, options


def installed():
    """
    Tell whether a OneAgent is installed.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.installed
    """
    return agent.installed(options.place())


def version():
    """
    Return the version of the installed OneAgent, or None without one.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.version
    """
    return agent.version(options.place())


def host_id():
    """
    Return by which id Dynatrace knows this host, or None if its OneAgent does not know yet.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.host_id
    """
    return agent.host_id(options.place())
