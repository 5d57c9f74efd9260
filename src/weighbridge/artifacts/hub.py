"""A repository on the Hugging Face hub at a commit: its files with their hashes, and its failures explained.

HF_ENDPOINT names another hub or a mirror; HF_TOKEN, or HUGGINGFACE_HUB_TOKEN of older tools, grants access.
All are read from the environment only, so that no token is left in a file or shown on a command line.
"""

import logging
import os

from huggingface_hub import HfApi, constants, get_session, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.hub_token import TOKEN_VARIABLES, token_variable
from weighbridge.artifacts.manifest import is_bookkeeping
from weighbridge.artifacts.proxy import check_proxy
from weighbridge.artifacts.remote import AGAIN, FAILURES, RemoteFile, explained
from weighbridge.config.artifact_settings import Artifact
from weighbridge.core.errors import InputError, SetupError
from weighbridge.core.files import stays_inside

# It warns of each attempt to reach the hub, twice; the error says it once, and what to do.
logging.getLogger("huggingface_hub").setLevel(logging.ERROR)


def hub_address() -> str:
    """Return the base address of the hub, or of the mirror that the environment names."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def unreachable_because(timeout_s: float) -> str | None:
    """Return why the hub cannot be reached, in words; None: it answers, whatever it says.

    Args:
        timeout_s: How long to wait for it.
    """
    try:
        check_proxy()
        get_session().head(hub_address(), timeout=timeout_s)
    except SetupError as error:
        return str(error).rstrip(".")
    except FAILURES as error:
        return f"{hub_address()} does not answer within {timeout_s:g} s ({type(error).__name__})"
    return None


class Repository:
    """One repository at one commit."""

    title = "the hub"
    pin = "the revision"
    other_source = "another HF_ENDPOINT"
    follow_redirects = True

    def __init__(self, artifact: Artifact, kind: ArtifactKind) -> None:
        assert artifact.repo is not None
        assert artifact.revision is not None
        self.name = artifact.repo
        self.revision = artifact.revision
        self.kind = kind
        self._endpoint = hub_address()
        # False: with None the client would look for a token of an earlier login.
        self._token_name = token_variable() or TOKEN_VARIABLES[0]
        self._token: str | bool = os.environ.get(self._token_name) or False

    @property
    def page(self) -> str:
        """The page where a person sees the repository and accepts its conditions."""
        datasets = "" if self.kind is ArtifactKind.MODEL else "datasets/"
        return f"{self._endpoint}/{datasets}{self.name}"

    @property
    def place(self) -> str:
        """The page and the commit."""
        return f"{self.page} at {self.revision}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a download; no compression, because a range counts the file's own bytes."""
        plain = {"Accept-Encoding": "identity"}
        return plain if self._token is False else plain | {"Authorization": f"Bearer {self._token}"}

    def url(self, path: str) -> str:
        """The address of a file at the commit."""
        return hf_hub_url(
            self.name, path, repo_type=self.kind.repo_type, revision=self.revision, endpoint=self._endpoint
        )

    def files(self) -> list[RemoteFile]:
        """Return the repository's files. The client itself retries on 429, 5xx and lost connections.

        Raises:
            InputError: the repository's name is not of the form owner/name.
            SetupError: the proxy cannot be used; the hub cannot be reached, does not know the commit, or
                refuses access.
        """
        check_proxy()
        api = HfApi(endpoint=self._endpoint, token=self._token)
        try:
            tree = list(
                api.list_repo_tree(
                    self.name, recursive=True, revision=self.revision, repo_type=self.kind.repo_type
                )
            )
        except FAILURES as error:
            raise self.explain(error) from error
        except HFValidationError:
            raise InputError(f"{self.kind.setting}.repo is '{self.name}'; write it as owner/name.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError(
                f"{self.kind} {self.name}: {self._endpoint} does not answer as a hub does; check HF_ENDPOINT "
                "and whether a proxy answers in its place."
            ) from error
        for file in tree:
            if not stays_inside(file.path):
                raise SetupError(f"{self.page} lists '{file.path}', outside of its folder; do not use it.")
        return [
            RemoteFile(file.path, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id, "git blob")
            for file in tree
            if isinstance(file, RepoFile) and not is_bookkeeping(file.path)
        ]

    def commit_of(self, branch: str) -> str:
        """Return the commit that a branch is at now.

        Raises:
            InputError, SetupError: as `files`.
        """
        check_proxy()
        api = HfApi(endpoint=self._endpoint, token=self._token)
        try:
            found = api.repo_info(self.name, revision=branch, repo_type=self.kind.repo_type).sha
        except FAILURES as error:
            raise self.explain(error) from error
        if found is None:
            raise SetupError(f"{self.page} names no commit of '{branch}'; check HF_ENDPOINT.")
        return found

    def explain(self, error: Exception) -> SetupError:
        """Return a failure as an error whose message says what failed, where, and what to do next."""
        what = f"{self.kind} {self.name}"
        return explained(error, what, self._endpoint, "HF_ENDPOINT", self._refusal)

    def _refusal(self, error: HfHubHTTPError) -> str:
        status = error.response.status_code
        if isinstance(error, RevisionNotFoundError):
            return f"{self._endpoint} does not know the commit {self.revision}; correct its revision."
        if isinstance(error, GatedRepoError) or status == 403:
            if self._token is False:
                return f"access is restricted; accept the conditions on {self.page} and set HF_TOKEN."
            return (
                f"{self._token_name} does not open it; accept the conditions on {self.page} with the token's "
                "account."
            )
        if status == 401:
            if self._token is False:
                return f"it does not exist or is not public; check the name on {self.page}, or set HF_TOKEN."
            return (
                f"{self._token_name} is not valid on {self._endpoint}, or {self.page} does not exist; check "
                "both."
            )
        if isinstance(error, RepositoryNotFoundError):
            return f"{self.page} does not exist; correct its repo."
        if status == 404:
            return f"{error.response.url} does not exist; check HF_ENDPOINT ({self._endpoint})."
        if status == 429:
            return f"{self._endpoint} limits the rate of requests (429); {AGAIN}, HF_TOKEN raises the limit."
        if status >= 500:
            return f"{self._endpoint} fails ({status}); {AGAIN}."
        return f"{self._endpoint} answers {status} to {error.response.url.path}; check HF_ENDPOINT."
