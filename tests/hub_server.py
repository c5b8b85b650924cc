"""A hub of Hugging Face on this machine: the endpoints with which huggingface_hub makes, fills and reads a repository.

It keeps repositories in memory, with branches, commits, pull requests and large files (LFS), and fails by a script.
Xet, a binary protocol for large files, is not spoken: `environment` turns it off.

    with running_hub() as hub:
        subprocess.run(["isoglot", "push", "aligned", "me/model"], env=os.environ | hub.environment)

`use_in_this_process` does the same where huggingface_hub was imported before.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants, hf_api

from isoglot.platform.hub import reachable

TOKEN = "hf_" + "t" * 34
OTHERS_TOKEN = "hf_" + "o" * 34
"""Tokens of the users ``me`` and ``other``."""

_LARGE = 1_000_000
"""Size in bytes from which a file goes by LFS, whatever it is."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a commit."""

    content: bytes
    large: bool

    @property
    def oid(self) -> str:
        """SHA-256 of a large file; git's hash of any other."""
        if self.large:
            return hashlib.sha256(self.content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()


@dataclass
class Repository:
    """A repository of a model.

    Attributes:
        owner: Name of the user who may write to it.
        private: Whether others do not see it.
        commits: Id of a commit -> path -> file.
        branches: Branch, or ``refs/pr/1`` ... -> id of its commit.
        messages: Messages of the commits, in their order.
    """

    owner: str
    private: bool = False
    commits: dict[str, dict[str, StoredFile]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    def commit(self, branch: str, files: dict[str, StoredFile], message: str) -> str:
        """Add a commit to a branch and return its id."""
        oid = hashlib.sha1(f"{branch} {len(self.commits)} {id(self)}".encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        self.messages.append(message)
        return oid

    def find(self, revision: str) -> str | None:
        """Return the id of the commit that a branch or the id of a commit names."""
        return self.branches.get(revision, revision if revision in self.commits else None)


@dataclass
class Failure:
    """What the hub does instead of answering; `status` 0 cuts the connection."""

    pattern: str
    status: int
    times: int
    headers: dict[str, str]


@dataclass
class Hub:
    """A running hub.

    Attributes:
        url: Its address.
        users: Token -> user.
        repositories: ``OWNER/NAME`` -> repository.
        large_files: SHA-256 -> content.
        requests: Method and path of each request, in the order of arrival.
        failures: What goes wrong.
    """

    url: str = ""
    users: dict[str, str] = field(default_factory=lambda: {TOKEN: "me", OTHERS_TOKEN: "other"})
    repositories: dict[str, Repository] = field(default_factory=dict)
    large_files: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this hub as ``me``."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": TOKEN,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def fail(self, pattern: str, status: int, *, times: int = 1, **headers: str) -> None:
        """Fail the next requests whose method and path match; status 0 cuts the connection."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.failures.append(Failure(pattern, status, times, named))

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """Return path -> content of a repository."""
        repository = self.repositories[name]
        return {path: file.content for path, file in repository.commits[repository.branches[revision]].items()}


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Run an empty hub on a free port."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_in_this_process(hub: Hub, patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let huggingface_hub use this hub, with a cache and without a stored token, until `patch` is undone."""
    for name, value in hub.environment.items():
        patch.setenv(name, value)
    read_at_import = {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(folder / "hub"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(folder / "no token"),
    }
    for name, value in read_at_import.items():
        patch.setattr(constants, name, value)
    patch.setattr(hf_api.api, "endpoint", hub.url)
    reachable.cache_clear()  # whoever asks anew is told of this hub


@contextmanager
def documented_hub() -> Iterator[dict[str, str]]:
    """Run a hub for a page of the documentation, whose reader is the user ``jane`` and has set ``HF_TOKEN``."""
    with running_hub() as hub, pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        hub.users[TOKEN] = "jane"
        use_in_this_process(hub, patch, Path(folder))
        yield {"https://huggingface.co": hub.url}
    reachable.cache_clear()


class _RefusedError(Exception):
    """An answer that is an error: status, message, the hub's code in a header, and more of the body."""

    def __init__(self, status: int, message: str, code: str = "", **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.more = status, code, more


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        failure = next((f for f in self.hub.failures if f.times and re.search(f.pattern, self.hub.requests[-1])), None)
        if failure is not None:
            failure.times -= 1
            if not failure.status:
                self.close_connection = True
                return
            self._send(failure.status, json.dumps({"error": "by the script"}).encode(), failure.headers)
            return
        try:
            for method, pattern, action in _ROUTES:
                found = re.fullmatch(pattern, path)
                if found and self.command in method.split():
                    content, headers = action(self, body, **found.groupdict())
                    self._send(200, content, headers)
                    return
            raise _RefusedError(404, f"no endpoint {self.command} {path}")
        except _RefusedError as refused:
            headers = {"X-Error-Message": str(refused)} | ({"X-Error-Code": refused.code} if refused.code else {})
            self._send(refused.status, json.dumps({"error": str(refused), **refused.more}).encode(), headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    @property
    def user(self) -> str | None:
        """Who asks; None without a token."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if given and given not in self.hub.users:
            raise _RefusedError(401, "Invalid credentials in Authorization header")
        return self.hub.users.get(given)

    def repository(self, name: str, *, to_write: bool = False) -> Repository:
        found, user = self.hub.repositories.get(name), self.user
        if found is None or (found.private and user != found.owner):
            raise _RefusedError(401 if user is None else 404, "Repository not found", "RepoNotFound")
        if to_write and user != found.owner:
            raise _RefusedError(403, f"You don't have the rights to write to {name}")
        return found

    def tree(self, name: str, revision: str) -> tuple[str, dict[str, StoredFile]]:
        repository = self.repository(name)
        oid = repository.find(revision)
        if oid is None:
            raise _RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid, repository.commits[oid]

    def query(self, name: str) -> str:
        return parse_qs(urlsplit(self.path).query).get(name, [""])[0]


_Answer = tuple[bytes, dict[str, str]]


def _json(value: Any) -> _Answer:
    return json.dumps(value).encode(), {}


def _whoami(request: _Handler, body: bytes) -> _Answer:
    if request.user is None:
        raise _RefusedError(401, "Invalid username or password.")
    return _json({"type": "user", "name": request.user, "orgs": []})


def _create(request: _Handler, body: bytes) -> _Answer:
    asked = json.loads(body)
    user = request.user
    owner = asked["organization"] or user
    if user is None:
        raise _RefusedError(401, "Invalid username or password.")
    if owner != user:
        raise _RefusedError(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
    name = f"{owner}/{asked['name']}"
    if name in request.hub.repositories:
        raise _RefusedError(409, "You already created this model repo", url=f"{request.hub.url}/{name}")
    repository = Repository(owner, private=asked.get("visibility") == "private")
    repository.commit("main", {".gitattributes": StoredFile(b"*.safetensors filter=lfs\n", False)}, "initial commit")
    request.hub.repositories[name] = repository
    return _json({"url": f"{request.hub.url}/{name}"})


def _validate(request: _Handler, body: bytes) -> _Answer:
    head = re.match(r"---\n(.*?)\n---\n", json.loads(body)["content"], re.DOTALL)
    try:
        metadata = yaml.safe_load(head[1]) if head else {}
    except yaml.YAMLError as error:
        raise _RefusedError(400, str(error)) from error
    licence = metadata.get("license", "mit")
    if not re.fullmatch(r"[a-z0-9.-]+", licence):
        raise _RefusedError(400, "Invalid metadata", errors=[{"message": f'"license" is {licence}, which is unknown'}])
    return _json({"errors": [], "warnings": []})


def _preupload(request: _Handler, body: bytes, name: str, revision: str) -> _Answer:
    request.repository(name, to_write=not request.query("create_pr"))
    _, tree = request.tree(name, revision)
    files = []
    for asked in json.loads(body)["files"]:
        large = asked["path"].endswith(".safetensors") or asked["size"] >= _LARGE
        stored = tree.get(asked["path"])
        mode = "lfs" if large else "regular"
        oid = None if stored is None else stored.oid
        files.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
    return _json({"files": files})


def _batch(request: _Handler, body: bytes, name: str) -> _Answer:
    request.repository(name)
    objects = []
    for asked in json.loads(body)["objects"]:
        entry = {"oid": asked["oid"], "size": asked["size"]}
        if asked["oid"] not in request.hub.large_files:
            upload = {"href": f"{request.hub.url}/lfs/{asked['oid']}"}
            entry["actions"] = {"upload": upload, "verify": {"href": f"{request.hub.url}/lfs/verify"}}
        objects.append(entry)
    return _json({"transfer": "basic", "objects": objects})


def _upload(request: _Handler, body: bytes, oid: str) -> _Answer:
    if hashlib.sha256(body).hexdigest() != oid:
        raise _RefusedError(400, "the content is not what its hash says")
    request.hub.large_files[oid] = body
    return b"", {}


def _verify(request: _Handler, body: bytes) -> _Answer:
    asked = json.loads(body)
    if len(request.hub.large_files.get(asked["oid"], b"")) != asked["size"]:
        raise _RefusedError(404, "the file has not arrived")
    return _json({})


def _commit(request: _Handler, body: bytes, name: str, revision: str) -> _Answer:
    as_request = bool(request.query("create_pr"))
    repository = request.repository(name, to_write=not as_request)
    _, tree = request.tree(name, revision)
    files, message = dict(tree), ""
    for line in body.splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "header":
            message = value["summary"]
        elif entry["key"] == "file":
            files[value["path"]] = StoredFile(base64.b64decode(value["content"]), False)
        elif entry["key"] == "lfsFile":
            files[value["path"]] = StoredFile(request.hub.large_files[value["oid"]], True)
        else:
            raise _RefusedError(400, f"no operation {entry['key']}")
    number = 1 + sum(branch.startswith("refs/pr/") for branch in repository.branches)
    oid = repository.commit(f"refs/pr/{number}" if as_request else revision, files, message)
    address = f"{request.hub.url}/{name}"
    pull_request = f"{address}/discussions/{number}" if as_request else None
    return _json({"commitUrl": f"{address}/commit/{oid}", "commitOid": oid, "pullRequestUrl": pull_request})


def _branch(request: _Handler, body: bytes, name: str, revision: str) -> _Answer:
    repository = request.repository(name, to_write=True)
    if revision in repository.branches:
        raise _RefusedError(409, "Reference already exists")
    repository.branches[revision] = repository.branches["main"]
    return _json({})


def _info(request: _Handler, body: bytes, name: str, revision: str = "main") -> _Answer:
    repository = request.repository(name)
    oid, tree = request.tree(name, revision)
    readme = tree.get("README.md")
    head = re.match(rb"---\n(.*?)\n---\n", readme.content if readme else b"", re.DOTALL)
    metadata = yaml.safe_load(head[1]) if head else {}
    return _json(
        {
            "_id": "0",
            "id": name,
            "modelId": name,
            "sha": oid,
            "private": repository.private,
            "downloads": 0,
            "likes": 0,
            "createdAt": "2026-01-01T00:00:00.000Z",
            "lastModified": "2026-01-01T00:00:00.000Z",
            "tags": metadata.get("tags", []),
            "library_name": metadata.get("library_name"),
            "pipeline_tag": metadata.get("pipeline_tag"),
            "cardData": metadata,
            "siblings": [{"rfilename": path} for path in tree],
        }
    )


def _list(request: _Handler, body: bytes, name: str, revision: str, folder: str | None = None) -> _Answer:
    _, tree = request.tree(name, revision)
    prefix = f"{folder}/" if folder else ""
    found = [
        {"type": "file", "path": path, "size": len(file.content), "oid": file.oid}
        | ({"lfs": {"oid": file.oid, "size": len(file.content), "pointerSize": 134}} if file.large else {})
        for path, file in tree.items()
        if path.startswith(prefix)
    ]
    if folder and not found:
        raise _RefusedError(404, f"{folder} does not exist", "EntryNotFound")
    return _json(found)


def _commits(request: _Handler, body: bytes, name: str, revision: str) -> _Answer:
    repository = request.repository(name)
    date = "2026-01-01T00:00:00.000Z"
    return _json(
        [
            {"id": oid, "title": message, "message": "", "date": date, "authors": [{"user": repository.owner}]}
            for oid, message in reversed(list(zip(repository.commits, repository.messages, strict=True)))
        ]
    )


def _resolve(request: _Handler, body: bytes, name: str, revision: str, file: str) -> _Answer:
    oid, tree = request.tree(name, revision)
    headers = {"X-Repo-Commit": oid}
    if file not in tree:
        raise _RefusedError(404, "Entry not found", "EntryNotFound")
    stored = tree[file]
    headers |= {"ETag": f'"{stored.oid}"', "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    if stored.large:
        headers |= {"X-Linked-Etag": f'"{stored.oid}"', "X-Linked-Size": str(len(stored.content))}
    return stored.content, headers


_NAME, _REVISION = r"(?P<name>[^/]+/[^/]+)", r"(?P<revision>refs/pr/\d+|[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., _Answer]]] = [
    ("GET", "/api/whoami-v2", _whoami),
    ("POST", "/api/repos/create", _create),
    ("POST", "/api/validate-yaml", _validate),
    ("POST", f"/api/models/{_NAME}/preupload/{_REVISION}", _preupload),
    ("POST", rf"/{_NAME}\.git/info/lfs/objects/batch", _batch),
    ("POST", "/lfs/verify", _verify),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", _upload),
    ("POST", f"/api/models/{_NAME}/commit/{_REVISION}", _commit),
    ("POST", f"/api/models/{_NAME}/branch/{_REVISION}", _branch),
    ("GET", f"/api/models/{_NAME}", _info),
    ("GET", f"/api/models/{_NAME}/revision/{_REVISION}", _info),
    ("GET", f"/api/models/{_NAME}/tree/{_REVISION}(?:/(?P<folder>.+))?", _list),
    ("GET", f"/api/models/{_NAME}/commits/{_REVISION}", _commits),
    ("GET HEAD", f"/{_NAME}/resolve/{_REVISION}/(?P<file>.+)", _resolve),
]
