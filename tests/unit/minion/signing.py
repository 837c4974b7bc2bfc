"""
Makes signed events in the documented form; every value in them is invented.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

KEY = "0123456789abcdef" * 4
ACT_UNTIL = "2024-07-21T07:03:00.000Z"
#: Debian's apache2 as an order describes it.
PROCESS = {
    "entity": "PROCESS_GROUP_INSTANCE-00000000000000B1",
    "failed": "2024-07-21T06:59:59.999Z",
    "executable": "/usr/sbin/apache2",
    "command_line": "/usr/sbin/apache2 -k start",
    "config": "/etc/apache2/apache2.conf",
    "ports": [80],
    "unit": "apache2.service",
}


def iso(offset_s: float) -> str:
    """
    Return the ISO time so many seconds from now.
    """
    return (
        (datetime.now(timezone.utc) + timedelta(seconds=offset_s))
        .isoformat()
        .replace("+00:00", "Z")
    )


def write_key(cachedir: Path) -> None:
    """
    Put the signing key where the engine puts it.
    """
    (cachedir / "dynatrace").mkdir(exist_ok=True)
    (cachedir / "dynatrace" / "signing.key").write_text(KEY)


def signed(**changes: Any) -> dict[str, Any]:
    """
    Return a signed event, with the changes made before it was signed.
    """
    event = {
        "schema": 1,
        "instance": "dynatrace",
        "what": "open",
        "problem_id": "7861321333982118719_1721545199999V2",
        "display_id": "P-2407114",
        "attempt": 1,
        "attempt_id": "9f0c2a41d7e85b36",
        "jid": "20240721065959123456",
        "title": "Process unavailable",
        "minions": ["web01"],
        "technologies": {"APACHE_HTTPD": ["web01"]},
        "processes": {"web01": PROCESS},
        "act_until": ACT_UNTIL,
        "fired": iso(-1),
        "valid_until": iso(119),
        **changes,
    }
    text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    event["signature"] = hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()
    return event
