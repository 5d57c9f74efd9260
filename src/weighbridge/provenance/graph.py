"""Build a Workflow Run RO-Crate: entities, files in its folder, and actions that made the files.

Sources: RO-Crate 1.1, Process Run Crate 0.5 and Workflow Run Crate 0.5 (researchobject.org).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.entity import Entity
from rocrate.rocrate import ROCrate

from weighbridge.core.files import sha256_of

_PROCESS_RUN, _WORKFLOW_RUN, _WORKFLOW = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)
_PROFILES = {
    _PROCESS_RUN: {"name": "Process Run Crate", "version": "0.5"},
    _WORKFLOW_RUN: {"name": "Workflow Run Crate", "version": "0.5"},
    _WORKFLOW: {"name": "Workflow RO-Crate", "version": "1.0"},
}
_RUN_TERMS = "https://w3id.org/ro/terms/workflow-run/context"  # RO-Crate's own terms lack sha256
# Not from the standard library, whose table depends on the machine.
_MEDIA_TYPES = {
    ".gz": "application/gzip",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
}


class CrateGraph:
    """The entities of a crate by id; adding an existing id returns the existing entity."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._crate = ROCrate(version="1.1")
        self._crate.metadata.extra_contexts.append(_RUN_TERMS)
        self._conforms_to(_PROCESS_RUN)

    def root(self, **properties: Any) -> None:
        """Set properties of the crate; `datePublished` is required, as it defaults to the current time."""
        for name, value in properties.items():
            self._crate.root_dataset[name] = value

    def thing(self, identifier: str, kind: str, /, **properties: Any) -> Entity:
        """Add an entity that is not a file, and return it."""
        known: Entity | None = self._crate.get(identifier)
        if known is None:
            known = self._crate.add(
                ContextEntity(self._crate, identifier, properties={"@type": kind} | properties)
            )
        return known

    def page(self, url: str, **properties: Any) -> Entity:
        """Add a folder of files on the web, and return its entity."""
        known: Entity | None = self._crate.get(url)
        return known or self._crate.add_dataset(source=url, properties={"url": url} | properties)

    def files(self, folder: str, named: Mapping[str, str], hashes: Mapping[str, str] = {}) -> list[Entity]:
        """Add the files that exist, and return their entities.

        Args:
            folder: Their folder, relative to the crate's.
            named: Description of each file, by file name.
            hashes: Known sha256 values by file name; others are computed.
        """
        return [
            self._file(Path(folder, name), description, hashes.get(name))
            for name, description in named.items()
            if (self.folder / folder / name).is_file()
        ]

    def _file(self, path: Path, description: str, sha256: str | None) -> Entity:
        known: Entity | None = self._crate.get(path.as_posix())
        return known or self._crate.add_file(
            source=self.folder / path,
            dest_path=path.as_posix(),
            properties=self._facts(path, sha256) | {"description": description},
        )

    def _facts(self, path: Path, sha256: str | None = None) -> dict[str, str]:
        file = self.folder / path
        return {
            "name": path.name,
            "contentSize": str(file.stat().st_size),
            "encodingFormat": _MEDIA_TYPES.get(path.suffix, "text/plain"),
            "sha256": sha256 or sha256_of(file),
        }

    def action(
        self,
        identifier: str,
        name: str,
        used: Iterable[Entity],
        consumed: Iterable[Entity],
        made: Iterable[Entity],
        **properties: Any,
    ) -> None:
        """Add an action: programs (`used`) made files (`made`) from inputs (`consumed`)."""
        action = self.thing(identifier, "CreateAction", name=name, **properties)
        for role, entities in (("instrument", used), ("object", consumed), ("result", made)):
            named = list(entities)
            # RO-Crate expects a single entity instead of a list of one.
            action[role] = named[0] if len(named) == 1 else named
        self._crate.root_dataset.append_to("mentions", action)

    def workflow(self, snakefile: Path, **properties: str) -> Entity:
        """Add the Snakefile, which is below the crate's folder, as the crate's main entity; return it."""
        path = snakefile.relative_to(self.folder)
        for profile in (_WORKFLOW_RUN, _WORKFLOW):
            self._conforms_to(profile)
        main: Entity = self._crate.add_workflow(
            source=snakefile,
            dest_path=path.as_posix(),
            main=True,
            lang="snakemake",
            properties=self._facts(path) | properties,
        )
        return main

    def metadata(self) -> dict[str, Any]:
        """Return the graph as JSON-LD."""
        metadata: dict[str, Any] = self._crate.metadata.generate()
        return metadata

    def _conforms_to(self, profile: str) -> None:
        self._crate.root_dataset.append_to(
            "conformsTo", self.thing(profile, "CreativeWork", **_PROFILES[profile]), compact=True
        )
