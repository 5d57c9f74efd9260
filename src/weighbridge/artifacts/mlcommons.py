"""A dataset or model in MLCommons' storage: a .uri file names its folder, an .md5 file beside it its files.

MLCOMMONS_ENDPOINT names a mirror; MLCOMMONS_ACCESS_TOKEN opens what Cloudflare Access guards, such as models
with a licence. Both are read from the environment only.

Source: mlc-r2-downloader.sh of mlcommons/r2-downloader.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote, urlsplit

import httpx2
from huggingface_hub import constants, get_session

from weighbridge.artifacts.download import refuse_errors, retried
from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import is_bookkeeping
from weighbridge.artifacts.proxy import check_proxy
from weighbridge.artifacts.remote import AGAIN, FAILURES, RemoteFile, explained
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import SetupError
from weighbridge.core.files import stays_inside

_STORAGE = "https://inference.mlcommons-storage.org/metadata/"
_OURS = ".mlcommons-storage.org"
_TOKEN, _ENDPOINT = "MLCOMMONS_ACCESS_TOKEN", "MLCOMMONS_ENDPOINT"
_LINE = re.compile(r"([0-9a-f]{32})\s+\*?(?:\./)?(\S.*)")
_CONNECTIONS = 16
_LARGEST_LIST_BYTES = 16 << 20
_SHOWN = 80


class Storage:
    """One artifact in MLCommons' storage."""

    title = "MLCommons' storage"
    pin = "the uri"
    other_source = f"another {_ENDPOINT}"
    # A file that needs a login redirects there; what is open does not redirect.
    follow_redirects = False

    def __init__(self, artifact: Artifact, kind: ArtifactKind) -> None:
        assert artifact.uri is not None
        self.kind = kind
        self.name = artifact.uri
        self._endpoint = (os.environ.get(_ENDPOINT) or "").rstrip("/")
        self._token = os.environ.get(_TOKEN)
        whole = artifact.uri if "://" in artifact.uri else f"{_STORAGE}{artifact.uri}"
        self.place = self._mirrored(whole)
        self._folder = ""
        self._single: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a download; no compression, because a range counts the file's own bytes."""
        plain = {"Accept-Encoding": "identity"}
        return plain | {"cf-access-token": self._token} if self._token else plain

    def url(self, path: str) -> str:
        """Return the address of a file."""
        # A .uri may name its only file in place of a folder.
        return self._folder if path == self._single else f"{self._folder}/{quote(path)}"

    def files(self) -> list[RemoteFile]:
        """Return the files that the .md5 lists, with the sizes that the storage tells of each.

        Raises:
            SetupError: the storage or a proxy cannot be reached, refuses access, or does not hold such files.
        """
        check_proxy()
        self._folder = self._folder_in(self._text(self.place))
        hashes = dict(self._listed(self._text(re.sub(r"\.ur[il]$", ".md5", self.place))))
        if list(hashes) == [self._folder.rpartition("/")[2]]:
            self._single = next(iter(hashes))
        paths = [path for path in hashes if not is_bookkeeping(path)]
        pool = ThreadPoolExecutor(_CONNECTIONS)
        try:
            sizes = list(pool.map(self._size, paths))
        finally:
            pool.shutdown(cancel_futures=True)
        return [
            RemoteFile(path, size, None, hashes[path], "md5") for path, size in zip(paths, sizes, strict=True)
        ]

    def _mirrored(self, url: str) -> str:
        """Return an address of the storage as an address of the mirror, if one is set."""
        return f"{self._endpoint}/{url.split('/', 3)[3]}" if self._endpoint else url

    def _folder_in(self, text: str) -> str:
        url = text.strip()
        parts = urlsplit(url)
        host = parts.hostname or ""
        if (
            parts.scheme != "https"
            or not host.endswith(_OURS)
            or not parts.path.strip("/")
            or len(url.split()) != 1
        ):
            raise SetupError(
                f"{self.kind} {self.name}: {self.place} names '{url[:_SHOWN]}', which is no folder of "
                f"{_OURS[1:]}; check its uri, and whether a proxy answers in its place."
            )
        return self._mirrored(url.rstrip("/"))

    def _listed(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield path and md5 of each file."""
        seen: set[str] = set()
        for line in filter(None, map(str.strip, text.splitlines())):
            found = _LINE.fullmatch(line)
            if found is None:
                raise SetupError(
                    f"{self.kind} {self.name}: the list of files beside {self.place} has the line "
                    f"'{line[:_SHOWN]}', which is no md5 and path; check whether a proxy answers in its "
                    "place."
                )
            md5, path = found.groups()
            if not stays_inside(path):
                raise SetupError(f"{self.place} lists '{path}', outside of its folder; do not use it.")
            if path in seen:
                raise SetupError(f"{self.place} lists '{path}' twice; do not use it.")
            seen.add(path)
            yield path, md5
        if not seen:
            raise SetupError(f"{self.kind} {self.name}: the list of files beside {self.place} is empty.")

    def _text(self, url: str) -> str:
        response = self._answer("GET", url)
        content = response.content
        if len(content) > _LARGEST_LIST_BYTES:
            raise SetupError(
                f"{self.kind} {self.name}: {url} is no list of files, it has {len(content)} bytes."
            )
        return content.decode(errors="replace")

    def _size(self, path: str) -> int:
        url = self.url(path)
        stated = self._answer("HEAD", url).headers.get("Content-Length", "")
        if not stated.isdecimal():
            raise SetupError(f"{self.kind} {self.name}: {url} does not tell its size; check {_ENDPOINT}.")
        return int(stated)

    def _answer(self, method: str, url: str) -> httpx2.Response:
        def attempt() -> httpx2.Response:
            response = get_session().request(
                method,
                url,
                headers=self.headers,
                timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT,
                follow_redirects=False,
            )
            refuse_errors(response)
            return response

        try:
            return retried(attempt, url, self.title)
        except FAILURES as error:
            raise self.explain(error) from error

    def explain(self, error: Exception) -> SetupError:
        """Return a failure as an error whose message says what failed, where, and what to do next."""
        what = f"{self.kind} {self.name}"
        return explained(error, what, self.place, _ENDPOINT, lambda refused: self._refusal(refused.response))

    def _refusal(self, response: httpx2.Response) -> str:
        status, url = response.status_code, str(response.url)
        if status in (401, 403) or 300 <= status < 400:
            login = f"'cloudflared access login {self.place}'"
            prints = f"'cloudflared access token --app={self.place}' prints"
            if self._token:
                return f"{_TOKEN} does not open it; log in again with {login}, and set it to what {prints}."
            return (
                f"access is restricted (Cloudflare Access, status {status}); accept its licence with "
                f"MLCommons, log in with {login}, and set {_TOKEN} to what {prints}, or give the path of a "
                "copy."
            )
        if status == 404:
            wrong = (
                "correct its uri" if url == self.place else f"what {self.place} names is incomplete, {AGAIN}"
            )
            return f"{url} does not exist; {wrong}."
        if status == 429:
            return f"{self.title} limits the rate of requests (429); {AGAIN}."
        if status >= 500:
            return f"{self.title} fails ({status}); {AGAIN}."
        return f"{self.title} answers {status} to {url}; check {_ENDPOINT}."
