"""
Runs a service's own test of its configuration.
"""

from salt.exceptions import CommandExecutionError

from .. import bounded
from ..dunders import __salt__

# What a log line may hold of a test's output.
LAST_LINES = 10


def broken(service):
    """
    Return what is wrong with the configuration, or None; None too for a service that has no test of it.
    """
    if not service["configtest"]:
        return None
    try:
        result = bounded.call(
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
