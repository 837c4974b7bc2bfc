"""
What the webhook benchmark loads, each a process of its own that prints a JSON line and ends with its standard input.

`ours` is the listener with the real recorder and ledger; `bare` is a tornado handler that answers 202 and keeps
nothing; `engine` is the whole engine, on a bus that writes down when an event was fired.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import salt.config  # First of all: Salt 3006 then gives its own tornado, as in a master.
import tornado.httpserver
import tornado.ioloop
import tornado.web

from tests.bench.webhook_load import TOKEN
from tests.harness.ports import free_ports


def _ready(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def _until_told() -> None:
    sys.stdin.read()


def bare(_: str) -> None:
    """
    Answer 202 and keep nothing.
    """

    class Bare(tornado.web.RequestHandler):
        def post(self) -> None:
            self.set_status(202)
            self.write({"accepted": True})

    def serve() -> None:
        loop = tornado.ioloop.IOLoop(make_current=True)
        port = free_ports(1)[0]
        server = tornado.httpserver.HTTPServer(tornado.web.Application([("/dynatrace", Bare)]))
        server.listen(port, "127.0.0.1")
        loop.add_callback(_ready, port=port)
        loop.start()

    threading.Thread(target=serve, daemon=True).start()
    _until_told()


def ours(directory: str) -> None:
    """
    Record each notification on disk, then answer 202; at the end print how many the ledger holds.
    """
    from _dynatrace.config import config as configuration
    from _dynatrace.store.ledger import Ledger
    from _dynatrace.webhook.endpoints import Health
    from _dynatrace.webhook.listener import webhook_listener
    from _dynatrace.webhook.recorder import Recorder

    port = free_ports(1)[0]
    webhook = {"port": port, "token": TOKEN}
    given = {"environment_url": "http://127.0.0.1:1", "api_token": "dt0c01.X.Y", "webhook": webhook}
    config = configuration.load(given)
    ledger = Ledger(Path(directory) / "ledger.db")
    recorder = Recorder("bench", ledger.notifications, lambda: None)
    threading.Thread(target=recorder.run, daemon=True).start()
    listener = webhook_listener("bench", config, recorder, lambda _: None, Health())
    threading.Thread(target=listener.run, daemon=True).start()
    _ready(port=port)
    _until_told()
    _ready(recorded=ledger.queue_length())


class ClockedBus:
    """
    Both ends of an event bus that keeps the time of each fire; what is fired is heard.
    """

    def __init__(self) -> None:
        self.fired: dict[str, float] = {}
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def fire_event(self, data: dict[str, Any], tag: str, timeout: int) -> bool:
        if tag.startswith("dynatrace/problem/open/"):
            self.fired.setdefault(data["display_id"], time.time())
        self._events.put({"tag": tag, "data": data})
        return True

    def get_event(self, wait: float, **_: Any) -> dict[str, Any] | None:
        try:
            return self._events.get(timeout=wait)
        except queue.Empty:
            return None

    def destroy(self) -> None:
        return None


def engine(given: str) -> None:
    """
    Run the engine as a master would, all but the bus, the keys and the grains; at the end print when events were fired.
    """
    import dynatrace

    settings = json.loads(given)
    opts = salt.config.master_config(None)
    opts.update(
        cachedir=settings["cachedir"], reactor=[{"dynatrace/problem/*": []}], job_cache=False
    )
    bus = ClockedBus()
    grains = settings["grains"]
    dynatrace.__opts__ = opts
    dynatrace._connect_to_fire = lambda: bus
    dynatrace._connect_to_listen = lambda: bus
    dynatrace._accepted = lambda: list(grains)
    dynatrace._grains = lambda: grains.get
    config = settings["config"]
    threading.Thread(target=dynatrace.start, kwargs=config, daemon=True).start()
    _ready(port=config["webhook"]["port"])
    _until_told()
    _ready(fired=bus.fired)


if __name__ == "__main__":
    logging.getLogger().setLevel(
        logging.WARNING
    )  # As a master has it; a record for each request costs.
    {"bare": bare, "ours": ours, "engine": engine}[sys.argv[1]](sys.argv[2] if sys.argv[2:] else "")
