"""Which cluster is meant, and whether it is safe to send code to it."""

import ipaddress
import os
import socket
from importlib.util import find_spec
from typing import NamedTuple

from dlcli.support.errors import MissingExtraError, ResourceError, UsageError

_REACHED_S = 8.0
"""Seconds in which the cluster has to answer."""
_PORT = 65535
_SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
"""An empty frame of settings (RFC 9113, section 6.5); its fourth byte is the type."""


class HeadAddress(NamedTuple):
    """Host and port of the head of a cluster."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def cluster_address(spec: str) -> HeadAddress:
    """The address that the option `cluster` means.

    Raises:
        UsageError: If it is none, or one of another machine without token authentication: anyone who reaches such a cluster can
            run code on it and send code back.
        MissingExtraError: If Ray is not installed.
    """
    address = _parsed(spec)
    if not _is_loopback(address.host) and os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        hint = "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN_PATH on all nodes and here"
        raise UsageError(f"`cluster`: {address} is another machine, and token authentication is off", hint=hint)
    if find_spec("ray") is None:
        raise MissingExtraError("`cluster`", "cluster")
    return address


def check_reachable(address: HeadAddress) -> None:
    """Raise ResourceError if nothing answers at `address` as the head of a cluster does; Ray itself would wait for minutes."""
    try:
        with socket.create_connection(address, timeout=_REACHED_S) as link:
            answer = b"" if os.environ.get("RAY_USE_TLS") == "1" else _greeted(link)
    except OSError as error:
        reason = "no answer" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
        hint = "give the address that Ray printed when its head started, on a node of the cluster"
        raise ResourceError(f"`cluster`: {address} cannot be reached: {reason}", hint=hint) from None
    if answer and answer[3:4] != _SETTINGS[3:4]:
        raise ResourceError(f"`cluster`: {address} is not the head of a Ray cluster", hint="give its HOST:PORT")


def _greeted(link: socket.socket) -> bytes:
    """What the other end of a connection answers to the beginning of HTTP/2, which gRPC speaks: a frame of its settings."""
    link.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS)
    return link.recv(9) or b"closed"


def _parsed(spec: str) -> HeadAddress:
    text = os.environ.get("RAY_ADDRESS", "") if spec == "auto" else spec
    if not text:
        raise UsageError("`cluster=auto` uses RAY_ADDRESS, which is not set", hint="give HOST:PORT of the head of the cluster")
    if "://" in text:
        hint = "run dlcli on a node of the cluster, and give HOST:PORT of its head"
        raise UsageError(f"`cluster`: {text} is the address of another protocol", hint=hint)
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= _PORT:
        raise UsageError(f"`cluster`: '{text}' is not HOST:PORT", hint="such as 127.0.0.1:6379, or auto")
    return HeadAddress(host.strip("[]"), int(port))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
