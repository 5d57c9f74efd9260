"""A small Hugging Face hub over real HTTP, which fails on demand.

It speaks as much of the hub's protocol as a download needs: the paginated tree of a commit with LFS hashes
and blob ids, and `resolve`, which answers small files itself and redirects large ones to a second server,
the CDN.

Or it is MLCommons' storage: a .uri file that names a folder, a list of files with their md5, and the files.
"""

import hashlib
import itertools
import json
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "someone/something"
URI = "some-dataset.uri"
FOLDER = "some/folder"
LFS_FROM_BYTES = 1000
TREE = "(the tree)"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    stall_after: int | None = None
    stall_s: float = 0.0
    trickle_bytes: int | None = None
    flip: bool = False
    shorten_to: int | None = None
    ignore_range: bool = False
    says: bytes | None = None


@dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    server: str
    path: str
    range: str | None
    token: str | None


class Hub:
    """The hub's files, what is to go wrong with them, and what was asked for."""

    def __init__(
        self,
        files: dict[str, bytes],
        *,
        page_size: int = 100,
        needs_token: str | None = None,
        storage: bool = False,
    ) -> None:
        self.files = files
        self.storage = storage
        self.names_folder = f"https://inference.mlcommons-storage.org/{FOLDER}"
        self.asked_before: list[str] = []
        self.page_size = page_size
        self.needs_token = needs_token
        self.pretended_sizes: dict[str, int] = {}
        self.next: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.always: dict[str, Fault] = {}
        self.seen: list[Seen] = []
        self.bytes_sent: defaultdict[str, int] = defaultdict(int)
        self.at_once = 0
        self.most_at_once = 0
        self.url = ""
        self.cdn_url = ""
        self._passed_on: list[Fault] = []
        self._lock = threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self._lock:
                self.at_once -= 1

    def fault(self, name: str) -> Fault:
        with self._lock:
            return self.next[name].popleft() if self.next[name] else self.always.get(name, Fault())

    def pass_on(self, fault: Fault) -> int:
        with self._lock:
            self._passed_on.append(fault)
            return len(self._passed_on) - 1

    def passed_on(self, number: int) -> Fault:
        return self._passed_on[number]

    def count(self, path: str, server: str = "hub") -> int:
        """How often a file was asked for."""
        return sum(seen.path == path and seen.server == server for seen in self.seen)

    @property
    def sender(self) -> str:
        """The server that sends large files."""
        return "hub" if self.storage else "cdn"

    def md5_list(self) -> bytes:
        """The list of files, in the forms of md5sum."""
        lines = [
            f"{hashlib.md5(content, usedforsecurity=False).hexdigest()} {form}{path}"
            for form, (path, content) in zip(
                itertools.cycle((" ", "*", " ./")), sorted(self.files.items()), strict=False
            )
        ]
        return ("\n".join(lines) + "\n").encode()

    def tree(self) -> list[dict[str, object]]:
        entries: list[dict[str, object]] = []
        for path, content in sorted(self.files.items()):
            size = self.pretended_sizes.get(path, len(content))
            entry: dict[str, object] = {"type": "file", "path": path, "size": size, "oid": blob_id(content)}
            if size >= LFS_FROM_BYTES:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha256, "size": size, "pointerSize": 130}
            entries.append(entry)
        return [{"type": "directory", "path": "data", "size": 0, "oid": "0" * 40}, *entries]


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub
    server_name: str

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        with self.hub.counted():
            try:
                self.answer()
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    def answer(self) -> None:
        raise NotImplementedError

    def note(self, path: str) -> None:
        token = self.headers.get("Authorization") or self.headers.get("cf-access-token")
        self.hub.seen.append(Seen(self.server_name, path, self.headers.get("Range"), token))

    def refuse(self, status: int, headers: dict[str, str]) -> None:
        body = b'{"error": "no"}'
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(self, path: str, fault: Fault) -> None:
        content = self.hub.files[path]
        if fault.flip:
            content = bytes([content[0] ^ 1]) + content[1:]
        if fault.shorten_to is not None:
            content = content[: fault.shorten_to]
        start = 0
        asked = self.headers.get("Range")
        if asked and not fault.ignore_range:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.refuse(416, {"Content-Range": f"bytes */{len(content)}"})
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{blob_id(content)}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(path, content[start:], fault)

    def send_body(self, path: str, body: bytes, fault: Fault) -> None:
        end = len(body) if fault.cut_after is None else fault.cut_after
        position = 0
        while position < end:
            step = fault.trickle_bytes or 1 << 16
            if fault.stall_after is not None and position < fault.stall_after:
                step = min(step, fault.stall_after - position)
            chunk = body[position : min(position + step, end)]
            self.wfile.write(chunk)
            position += len(chunk)
            self.hub.bytes_sent[path] += len(chunk)
            if fault.trickle_bytes:
                time.sleep(0.01)
            if position == fault.stall_after:
                time.sleep(fault.stall_s)
        if end < len(body):
            self.close_connection = True

    def send_page(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _HubHandler(_Handler):
    server_name = "hub"

    def answer(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path).removeprefix("/api/models/").removeprefix("/api/datasets/")
        path = path.removeprefix("/datasets/").removeprefix("/")
        if not path.startswith(f"{REPO}/"):
            self.refuse(404, {"X-Error-Code": "RepoNotFound"})
            return
        verb, _, rest = path.removeprefix(f"{REPO}/").partition("/")
        revision, _, name = rest.partition("/")
        asked = {"tree": TREE, "revision": f"({revision})"}.get(verb, name)
        fault = self.hub.fault(asked)
        self.note(asked)
        if self.hub.needs_token and self.headers.get("Authorization") != f"Bearer {self.hub.needs_token}":
            self.refuse(401, {})
        elif fault.status is not None:
            self.refuse(fault.status, fault.headers)
        elif verb == "revision":
            self.send_page(json.dumps({"id": REPO, "sha": COMMIT, "tags": []}).encode())
        elif revision != COMMIT:
            self.refuse(404, {"X-Error-Code": "RevisionNotFound"})
        elif fault.says is not None:
            self.send_page(fault.says)
        elif verb == "tree":
            self.send_tree(int(parse_qs(url.query).get("cursor", ["0"])[0]))
        elif name not in self.hub.files:
            self.refuse(404, {"X-Error-Code": "EntryNotFound"})
        elif len(self.hub.files[name]) >= LFS_FROM_BYTES:
            self.redirect(name, fault)
        else:
            self.send_file(name, fault)

    def send_tree(self, start: int) -> None:
        entries = self.hub.tree()
        end = start + self.hub.page_size
        body = json.dumps(entries[start:end]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if end < len(entries):
            here = self.hub.url + urlsplit(self.path).path
            self.send_header("Link", f'<{here}?recursive=true&cursor={end}>; rel="next"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def redirect(self, name: str, fault: Fault) -> None:
        content = self.hub.files[name]
        self.send_response(302)
        self.send_header("Location", f"{self.hub.cdn_url}/{name}?fault={self.hub.pass_on(fault)}")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.send_header("Content-Length", "0")
        self.end_headers()


class _StorageHandler(_Handler):
    """MLCommons' storage; what comes before the files is noted apart."""

    server_name = "hub"

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        name = path.removeprefix(f"{FOLDER}/")
        if path == f"metadata/{URI}" or self.command == "HEAD":
            self.hub.asked_before.append(f"{self.command} {path}")
            fault = Fault() if self.command == "HEAD" else self.hub.fault(URI)
        else:
            name = TREE if path == f"metadata/{URI.removesuffix('.uri')}.md5" else name
            self.note(name)
            fault = self.hub.fault(name)
        if self.hub.needs_token and self.headers.get("cf-access-token") != self.hub.needs_token:
            login = "https://mlcommons.cloudflareaccess.com/cdn-cgi/access/login"
            self.refuse(302, {"Location": login})
        elif fault.status is not None:
            self.refuse(fault.status, fault.headers)
        elif fault.says is not None:
            self.send_page(fault.says)
        elif path == f"metadata/{URI}":
            self.send_page(self.hub.names_folder.encode() + b"\n")
        elif name == TREE:
            self.send_page(self.hub.md5_list())
        elif name not in self.hub.files:
            self.refuse(404, {})
        elif self.command == "HEAD":
            self.send_size(self.hub.pretended_sizes.get(name, len(self.hub.files[name])))
        else:
            self.send_file(name, fault)

    def send_size(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()


class _CdnHandler(_Handler):
    server_name = "cdn"

    def answer(self) -> None:
        url = urlsplit(self.path)
        name = unquote(url.path).removeprefix("/")
        self.note(name)
        self.send_file(name, self.hub.passed_on(int(parse_qs(url.query)["fault"][0])))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve a hub, or a storage, and its CDN on two free ports of 127.0.0.1."""
    servers = [
        _Server(("127.0.0.1", 0), type("Handler", (handler,), {"hub": hub}))
        for handler in (_StorageHandler if hub.storage else _HubHandler, _CdnHandler)
    ]
    hub.url, hub.cdn_url = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    threads = [threading.Thread(target=server.serve_forever, args=(0.05,)) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
