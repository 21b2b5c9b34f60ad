"""A hub on loopback: repositories as folders, served as the Hugging Face hub and torchvision serve theirs."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class FakeHub:
    """Its address, its folder, the files that were asked for with GET, and what to send instead of a file.

    `folder/OWNER/NAME/FILE` is a file of a repository, in every revision; `folder/FILE` one of torchvision.
    """

    url: str
    folder: Path
    sent: list[str] = field(default_factory=list)
    spoiled: set[str] = field(default_factory=set)

    def environment(self, cache: Path) -> dict[str, str]:
        """The variables under which dlcli reaches this hub and nothing else, with a cache of its own."""
        return {
            "HF_ENDPOINT": self.url,
            "DLCLI_TORCHVISION_MIRROR": self.url,
            "XDG_CACHE_HOME": str(cache),
            "HF_HOME": str(cache / "huggingface"),
            "TORCH_HOME": str(cache / "torch"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }


@contextmanager
def serving(folder: Path) -> Iterator[FakeHub]:
    """A hub with what lies in `folder`, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_address[1]}", folder)
    server.hub = hub  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Be quiet."""

    def do_HEAD(self) -> None:
        """The head of a file."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """A file."""
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub: FakeHub = self.server.hub  # type: ignore[attr-defined]
        parts = self.path.partition("?")[0].strip("/").split("/")
        name = "/".join([*parts[:2], *parts[4:]]) if parts[2:3] == ["resolve"] else "/".join(parts)
        path = hub.folder / name
        if not path.is_file():
            code = "EntryNotFound" if path.parent.is_dir() and len(parts) > 1 else "RepoNotFound"
            self.send_response(404)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if body:
            hub.sent.append(name)
            data = data[:-1] + bytes([data[-1] ^ 1]) if name in hub.spoiled else data
        self.send_response(200)
        large = name.endswith(".safetensors")
        self.send_header("ETag", f'"{digest if large else digest[:40]}"')
        self.send_header("X-Repo-Commit", _COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
