"""A server on a loopback port with a thread for each connection."""

import contextlib
import socket
import threading
from abc import ABC, abstractmethod


class Listener(ABC):
    """Accepts until it is stopped; what is said on a connection is the subclass's `serve`."""

    def __init__(self, *, backlog: int = 128) -> None:
        self.connections = 0
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def start(self) -> None:
        """Begin to accept, once the subclass is ready for it."""
        self._threads[0].start()

    @abstractmethod
    def serve(self, sock: socket.socket, number: int) -> None:
        """Speak on the connection, the `number`th; in a thread of its own."""

    def idle(self) -> bool:
        """True when no connection is being served."""
        served = self._threads[1:]
        return all(one.ident is not None and not one.is_alive() for one in served)

    def stop(self) -> None:
        """Close the port, wake every connection's thread and wait for it."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self.serve, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()
