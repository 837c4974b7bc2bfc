"""
Tells of the OneAgent of this minion; it changes nothing.

What the states ``dynatrace_oneagent`` do is in private modules (``_utils/_dynatrace_utils/oneagent``),
which no job can name: who may call all that begins with ``dynatrace`` can install, set and remove
nothing.
"""

from _dynatrace_utils.oneagent import agent as oneagent


def installed():
    """
    Tell whether a OneAgent is installed.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.installed
    """
    return oneagent.installed()


def version():
    """
    Return the version of the installed OneAgent, or None without one.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.version
    """
    return oneagent.version()


def host_id():
    """
    Return by which id Dynatrace knows this host, or None if its OneAgent does not know yet.

    CLI Example:

    .. code-block:: bash

        salt web01 dynatrace_oneagent.host_id
    """
    return oneagent.host_id()
