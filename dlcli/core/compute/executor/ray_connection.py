"""The connection to a Ray cluster, for the time of a command: dlcli connects, and neither starts nor ends a cluster."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from dlcli.core.compute.executor.ray_address import HeadAddress, check_reachable
from dlcli.support.errors import InputError, ResourceError, UsageError

_ENVIRONMENT = {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_USAGE_STATS_ENABLED": "0", "RAY_NUM_REDIS_GET_RETRIES": "5"}
"""What Ray reads when it is imported: silence on standard error, no request to other hosts, an error within seconds."""


@contextmanager
def connected(address: HeadAddress) -> Iterator[ModuleType]:
    """Be connected to a cluster inside the block.

    Args:
        address: The head of the cluster.

    Yields:
        The package ray.

    Raises:
        ResourceError: If the cluster cannot be reached.
        UsageError: If it does not accept the token.
        InputError: If it has another version of Ray or Python.
    """
    check_reachable(address)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    with _without_stdout():
        # Until it knows its log level, Ray logs to standard error.
        with _without_file(2):
            import ray

            own = not ray.is_initialized()  # else by the program that calls dlcli
            if own:
                _connect(ray, address)
        try:
            yield ray
        finally:
            if own:
                ray.shutdown()


def _connect(ray: Any, address: HeadAddress) -> None:
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)} if main else {}
    ended = False
    try:
        ray.init(address=str(address), log_to_driver=False, logging_level=logging.CRITICAL)
    except SystemExit:  # what its handler makes of SIGTERM
        ended = True
    except Exception as error:
        raise _explained(error, address) from error
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if ended:
        signal.raise_signal(signal.SIGTERM)


def _explained(error: Exception, address: HeadAddress) -> Exception:
    text = " ".join(str(error).split())
    if "Version mismatch" in text:
        message = f"`cluster`: {address} has other versions of Ray or Python than this process: {text[:200]}"
        return InputError(message, hint="install the same on all nodes")
    if type(error).__name__ == "AuthenticationError" or "token" in text.lower():
        hint = "RAY_AUTH_TOKEN_PATH names the file with the token of the cluster"
        return UsageError(f"`cluster`: {address} does not accept the token of this process, or there is none", hint=hint)
    hint = "run dlcli on a node of the cluster, with its token (RAY_AUTH_TOKEN_PATH)"
    return ResourceError(f"`cluster`: {address} cannot be used: {text[:200]}", hint=hint)


@contextmanager
def _without_stdout() -> Iterator[None]:
    """Discard standard output inside the block, on which Ray prints what happens to nodes; results are printed after it."""
    sys.stdout.flush()
    before = sys.stdout
    with open(os.devnull, "w") as nowhere:
        sys.stdout = nowhere
        try:
            yield
        finally:
            sys.stdout = before


@contextmanager
def _without_file(number: int) -> Iterator[None]:
    """Discard inside the block what is written to a file by its number."""
    kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, number)
        os.close(kept)
