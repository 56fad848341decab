"""A client without an engine: records what is asked, and lets a test say what is answered."""

from __future__ import annotations

from collections.abc import Callable

from jaxtui.client import EngineSettings
from jaxtui.protocol import AnyEvent, AnyRequest, Cancel, Run, Trace


class FakeClient:
    """Stands in for EngineClient, whose engine takes seconds to start."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        self.settings = settings or EngineSettings(platform="cpu", count=8)
        self.running = True
        self.requests: list[AnyRequest] = []
        self.restarts: list[EngineSettings | None] = []
        self.kills = 0
        self._id = 0
        self._listener: Callable[[AnyEvent], None] | None = None

    def start(self) -> None:
        self.running = True

    def listen(self, on_event: Callable[[AnyEvent], None]) -> None:
        self._listener = on_event

    def next_id(self) -> int:
        self._id += 1
        return self._id

    def send(self, request: AnyRequest) -> None:
        self.requests.append(request)

    def restart(self, settings: EngineSettings | None = None) -> None:
        self.restarts.append(settings)
        if settings is not None:
            self.settings = settings

    def kill(self) -> None:
        self.kills += 1

    def close(self) -> None:
        self.running = False

    # ------------------------------------------------------------------------- for the test

    def say(self, event: AnyEvent) -> None:
        """Have the engine say something."""
        assert self._listener is not None
        self._listener(event)

    def asked(self, kind: type[AnyRequest]) -> list[AnyRequest]:
        """The requests of a kind, in order."""
        return [request for request in self.requests if isinstance(request, kind)]

    @property
    def trace(self) -> Trace:
        """The newest Trace."""
        return self.asked(Trace)[-1]  # type: ignore[return-value]

    @property
    def run(self) -> Run:
        """The newest Run."""
        return self.asked(Run)[-1]  # type: ignore[return-value]

    @property
    def cancels(self) -> list[int]:
        """The ids of requests that were given up."""
        return [request.target for request in self.requests if isinstance(request, Cancel)]
