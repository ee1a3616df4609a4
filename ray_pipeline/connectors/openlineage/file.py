"""Events to a file, one a line, by the client's file transport."""

from __future__ import annotations

from pathlib import Path

from .client_events import client_event
from .delivery import Event, UndeliveredError


class FileDelivery:
    """Appends to a file, each event by one write, so gates that share a local file tear no line of each other."""

    def __init__(self, path: Path) -> None:
        from openlineage.client.transport.file import FileConfig, FileTransport

        self._path = path
        self._transport = FileTransport(FileConfig(log_file_path=str(path), append=True))

    def send(self, event: Event) -> None:
        mine = client_event(event)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._transport.emit(mine)
        except (OSError, RuntimeError) as error:
            cause = error.__cause__ or error  # the client wraps it
            why = cause.strerror if isinstance(cause, OSError) else type(cause).__name__
            raise UndeliveredError(f"the file cannot be written: {why}", again=False) from None

    def close(self) -> None:
        self._transport.close()
