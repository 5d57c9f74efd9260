"""A connection within TLS: the handshake, and bytes that must be encrypted in this process."""

import socket
import ssl

from weighbridge.client.connection import RECEIVE_BYTES, Connection
from weighbridge.client.endpoint import socket_error


class TlsConnection(Connection):
    """A connection within TLS."""

    def _establish(self) -> None:
        if not isinstance(self.socket, ssl.SSLSocket):
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                self.owner.unreachable(self, socket_error(error))
                return
            assert self.endpoint.tls is not None
            self.socket = self.endpoint.tls.wrap_socket(
                self.socket, server_hostname=self.endpoint.host, do_handshake_on_connect=False
            )
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self.owner.want_write(self, False)
        except ssl.SSLWantWriteError:
            self.owner.want_write(self, True)
        except OSError as error:
            self.owner.unreachable(self, f"TLS: {error}")
        else:
            self._opened()

    def _transmit(self) -> None:
        # TLS encrypts the bytes, so they must pass through this process. A call that would have blocked has
        # to be repeated with the same bytes: the head therefore goes out alone.
        try:
            if self._head_left:
                self.socket.sendall(self._head_left)
                self._head_left = b""
            end = self._at + self._left
            while self._left:
                written = self.socket.send(self.owner.bodies.slice(self._at, end))
                self._at += written
                self._left -= written
            if self._tail_left:
                self.socket.sendall(self._tail_left)
                self._tail_left = b""
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError) as error:
            raise BlockingIOError from error

    def _receive(self) -> bytes:
        try:
            data = self.socket.recv(RECEIVE_BYTES)
            # What TLS has decoded already is invisible to epoll: take it now.
            while isinstance(self.socket, ssl.SSLSocket) and (left := self.socket.pending()):
                data += self.socket.recv(left)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        return data
