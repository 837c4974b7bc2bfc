"""
A minion that somebody else has taken over: its key is accepted, and it sends what it likes.

Requests go straight to the master's port, without a salt-minion: what a real one would refuse to send is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import salt.channel.client
import salt.config

from tests.harness.config import write_minion
from tests.harness.scratch import ScratchSalt


class Intruder:
    """
    One accepted minion of a scratch master that accepts all keys.
    """

    def __init__(self, scratch: ScratchSalt, minion: str = "intruder") -> None:
        self.id = minion
        conf = write_minion(scratch.root, scratch.ports, minion, {"request_channel_timeout": 10})
        self._opts = salt.config.minion_config(str(conf / "minion"), minion_id=minion)
        port = self._opts["master_port"]
        self._opts.update(master_ip="127.0.0.1", master_uri=f"tcp://127.0.0.1:{port}")
        self._opts["__role"] = "minion"
        Path(self._opts["pki_dir"]).mkdir(parents=True, exist_ok=True)

    def request(self, load: Mapping[str, Any]) -> Any:
        """
        Send one request as this minion, signed and encrypted as the master wants it; return the answer.
        """
        with salt.channel.client.ReqChannel.factory(self._opts) as channel:
            return channel.send({"id": self.id, **load}, timeout=15, tries=1)

    def fire(self, tag: str, data: Mapping[str, Any], pretag: str | None = None) -> Any:
        """
        Put an event on the master's bus, byte for byte: nothing in it tells where it came from.
        """
        event = {"tag": tag, "data": dict(data)}
        load: dict[str, Any] = {"cmd": "_minion_event", "events": [event]}
        if pretag is not None:
            load["pretag"] = pretag
        return self.request(load)

    def fakes_a_job(self, jid: str, minion: str, returned: Mapping[str, Any]) -> Any:
        """
        Put a job, and a return in the name of any minion, into the master's job cache, as a syndic may.
        """
        job = {"fun": "state.apply", "tgt": [minion], "tgt_type": "list", "arg": [], "user": "root"}
        told = {"jid": jid, "id": self.id, "fun": "state.apply", "return": {minion: returned}}
        load = {**told, "load": {**job, "jid": jid, "Minions": [minion]}}
        return self.request({"cmd": "_syndic_return", "load": [load]})
