"""Which clusters are refused, and how: no code goes to a machine that anybody may join."""

import socket
import threading
from contextlib import suppress

import pytest

from dlcli.core.compute.executor import ray_address
from dlcli.core.compute.executor.ray_address import HeadAddress, check_reachable, cluster_address
from dlcli.specs.ensemble import EnsembleConfig
from dlcli.specs.train import TrainConfig
from dlcli.support.errors import MissingExtraError, ResourceError, UsageError


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(ray_address, "find_spec", lambda name: name)


@pytest.mark.parametrize("spec", ["10.0.0.1:6379", "192.0.2.7:6379", "head.example:6379", "[2001:db8::1]:6379", "0.0.0.0:6379"])
def test_another_machine_needs_a_token(spec: str, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="token authentication is off") as caught:
        cluster_address(spec)
    assert "RAY_AUTH_MODE=token" in caught.value.hint
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    assert cluster_address(spec).port == 6379


@pytest.mark.parametrize("spec", ["127.0.0.1:6379", "localhost:6379", "[::1]:6379", "127.9.9.9:1"])
def test_this_machine_needs_none(spec: str):
    assert cluster_address(spec).host == spec.rpartition(":")[0].strip("[]")


def test_auto_is_the_address_of_the_environment(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="RAY_ADDRESS, which is not set"):
        cluster_address("auto")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1234")
    assert cluster_address("auto") == HeadAddress("127.0.0.1", 1234)
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.7:6379")
    with pytest.raises(UsageError, match="token authentication is off"):
        cluster_address("auto")


@pytest.mark.parametrize("spec", ["here", "127.0.0.1", "127.0.0.1:", ":6379", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x"])
def test_what_is_no_address_is_refused(spec: str):
    with pytest.raises(UsageError, match="is not HOST:PORT"):
        cluster_address(spec)
    with pytest.raises(UsageError, match="another protocol"):
        cluster_address("ray://127.0.0.1:10001")


def test_without_ray_the_hint_installs_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray_address, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="needs the extra 'cluster'") as caught:
        cluster_address("127.0.0.1:6379")
    assert caught.value.hint.startswith("pip install ")


def test_a_closed_port_cannot_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = HeadAddress(*server.getsockname())
    with pytest.raises(ResourceError, match=f"{address} cannot be reached: connection refused"):
        check_reachable(address)


@pytest.mark.parametrize(("answer", "reason"), [(b"", "cannot be reached: no answer"), (b"SSH-2.0-other", "is not the head")])
def test_what_does_not_speak_as_ray_does_is_refused(answer: bytes, reason: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray_address, "_REACHED_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            link, _ = server.accept()
            with link, suppress(ConnectionError):
                link.sendall(answer)
                while link.recv(100):  # until the other end closes
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(ResourceError, match=reason):
            check_reachable(HeadAddress(*server.getsockname()))
        thread.join()


def test_options_that_do_not_go_with_a_cluster():
    with pytest.raises(UsageError, match="`cluster`: members that are stacked"):
        EnsembleConfig(cluster="auto", strategy="stacked")
    with pytest.raises(UsageError, match="`cluster` needs `versus`"):
        TrainConfig(cluster="auto")
