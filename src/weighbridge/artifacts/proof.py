"""The proof that an artifact lies on disk, whole and unchanged: what later stages take as their input."""

import json
from pathlib import Path
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.artifacts.manifest import FileEntry
from weighbridge.config.fingerprint import project_root
from weighbridge.core.errors import InputError
from weighbridge.core.files import write_atomic
from weighbridge.core.models import Model, Sha256, read_data

# In the file: the folder at which a relative `folder` starts. A proof that names no place of this machine
# holds in a copied or moved checkout, or run directory, too.
_START = "folder_starts_at"
_AT_PROOF = "proof"
_AT_PROJECT = "project"


class Proof(Model):
    """Where an artifact lies and what it consists of; written only after every byte was compared."""

    kind: ArtifactKind
    folder: Path = Field(description="Absolute.")
    repo: str | None = Field(description="Where it was fetched from; null where it was not.")
    revision: str | None
    uri: str | None = Field(default=None, description="The .uri file of MLCommons' storage that names it.")
    tree: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{40}$",
        description="git's hash of all files of the commit, for a client.",
    )
    manifest_digest: Sha256 = Field(description="One hash for the whole artifact.")
    files: tuple[FileEntry, ...]
    without_weights: bool = Field(
        default=False,
        description="Whether the model's weights were left where they are, because endpoints serve them: "
        "nothing here proves those.",
    )

    @model_serializer(mode="wrap")
    def _without_what_is_not_said(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what earlier releases did not write: proofs of the same files stay equal."""
        data: dict[str, Any] = handler(self)
        if not self.without_weights:
            data.pop("without_weights", None)
        if self.tree is None:
            data.pop("tree", None)
        return data

    def folder_with_weights(self) -> Path:
        """Return the folder, for a server that is started with it.

        Raises:
            InputError: the weights are not proven.
        """
        if self.without_weights:
            raise InputError(
                f"{self.folder}: only tokenizer and configuration of the model are proven here, and a server "
                "that is started needs its weights; set artifacts.model.weights to true, which fetches them."
            )
        return self.folder

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a proof's file; its folder becomes absolute.

        Raises:
            InputError: the file is missing, is no JSON, or holds a wrong value.
        """
        data = read_data(path)
        if isinstance(data, dict) and _START in data:
            starts = {_AT_PROOF: path.resolve().parent, _AT_PROJECT: project_root().resolve()}
            start, folder = starts.get(str(data.pop(_START))), data.get("folder")
            if start is None:
                raise InputError(f"{path}: '{_START}' is neither '{_AT_PROOF}' nor '{_AT_PROJECT}'.")
            if isinstance(folder, str):
                data["folder"] = str(start / folder)
        return cls.parse(data, str(path))

    def write(self, path: Path) -> None:
        """Write the proof's file, with its folder relative where that lies beside the file or in the project.

        Raises:
            OSError: the file cannot be written.
        """
        # Proofs from before there was a uri are still equal to those that are written now.
        data = self.model_dump(mode="json", exclude={"uri"} if self.uri is None else set())
        # The file's own folder first: a run directory moves with what was fetched into it.
        for name, start in ((_AT_PROOF, path.resolve().parent), (_AT_PROJECT, project_root().resolve())):
            if self.folder.is_relative_to(start):
                data |= {"folder": self.folder.relative_to(start).as_posix(), _START: name}
                break
        write_atomic(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
