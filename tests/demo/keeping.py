"""
What one can do with a demo that is left running.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path

from tests.demo.saying import Interrupted, say
from tests.harness import apache, apart
from tests.harness.stage import MINION, Stage


def keep(stage: Stage) -> None:
    """
    Leave everything running until somebody ends it, and say how to look around.
    """
    # Tokens are told here; a transcript is for others to see.
    os.environ.pop("TRANSCRIPT", None)
    program = Path(sys.executable).parent
    keeper, member = os.environ.get(apart.KEEPER), os.environ.get(apart.MEMBER)
    config = stage.salt.config_dir
    say("\nEverything is left running. To look around, in another terminal:\n")
    if member:
        say(
            f"  sudo nsenter --target {member} --net bash    # it has a network of its own; then in it"
        )
    say(f"  {program}/salt-run -c {config} state.event 'dynatrace/*' pretty=True")
    say(f"  {program}/salt -c {config} {MINION} grains.get dynatrace")
    say(f"  {program}/salt -c {config} {MINION} service.stop {apache.NAME}")
    say(f"  tail -f {stage.salt.logs}/master")
    say(f"\nTo break {apache.NAME} under the eyes of the engine, or heal it by hand:\n")
    say(f"  {program}/salt-run -c {config} state.orchestrate dynatrace.orch.chaos \\")
    allow = f'"dynatrace": {{"chaos": {{"allow": ["{MINION}"]}}}}'
    say(
        f'    pillar=\'{{"minion": "{MINION}", "service": "{apache.NAME}", "how": "kill", {allow}}}\''
    )
    say(f"  {program}/salt-run -c {config} state.orchestrate dynatrace.orch.heal \\")
    say(f'    pillar=\'{{"minion": "{MINION}", "service": "{apache.NAME}"}}\'\n')
    say(f"  tenant    {stage.tenant.url}/api/v2/problems")
    say(f"            with the header  Authorization: Api-Token {stage.api_token}")
    if stage.webhook_url:
        say(
            f"  webhook   {stage.webhook_url}   health: {stage.webhook_url.rsplit('/', 1)[0]}/healthz"
        )
        say(
            f"  status    {stage.webhook_url.rsplit('/', 1)[0]}/   any user, password {stage.webhook_token}"
        )
    say(f"  salt-api  {stage.salt.api.url}   with the header  X-Auth-Token: {stage.salt.api.token}")
    say(f"  {apache.NAME:<8}  {apache.URL}")
    say(f"\nTo stop it and clean up: Ctrl-C here, or  kill {keeper or os.getpid()}")
    with contextlib.suppress(Interrupted):
        while True:
            signal.pause()
