"""The software and hosts of a run directory's crate."""

from pathlib import Path

from rocrate.model.entity import Entity

from weighbridge.provenance.graph import CrateGraph
from weighbridge.records.run_record import RunRecord

_SERVER_PAGES = {
    "vLLM": "https://github.com/vllm-project/vllm",
    "SGLang": "https://github.com/sgl-project/sglang",
}


def workflow_entity(graph: CrateGraph, snakefile: Path, record: RunRecord) -> Entity:
    """Add the Snakefile that made the results, and return its entity."""
    version = {"version": record.git_revision} if record.git_revision else {}
    return graph.workflow(snakefile, name="Weighbridge's workflow", **version)


def weighbridge_entity(graph: CrateGraph, record: RunRecord) -> Entity:
    """Add the version of Weighbridge that made a run, and return its entity."""
    return graph.thing(
        f"#weighbridge-{record.code_sha256[:12]}",
        "SoftwareApplication",
        name="Weighbridge",
        description=f"Git revision {record.git_revision or 'not known'}; the hash is over its source files.",
        softwareVersion=record.weighbridge_version,
        sha256=record.code_sha256,
    )


def load_generator_entity(graph: CrateGraph, record: RunRecord) -> Entity:
    """Add the official endpoints client or the LoadGen release of a run, and return its entity."""
    if (client := record.client) is not None:
        return graph.thing(
            f"#client-{client.commit}",
            "SoftwareApplication",
            name="Official endpoints client",
            description=f"{client.repo} at this commit, git tree {client.tree}, "
            f"{'modified' if client.modified else 'proven unmodified before and after the run'}; "
            f"Python {client.python}, packages with sha256 {client.packages_sha256}.",
            softwareVersion=client.commit,
        )
    version = record.load.loadgen_version
    url = f"https://pypi.org/project/mlcommons-loadgen/{version}/"
    return graph.thing(url, "SoftwareApplication", name="MLCommons LoadGen", url=url, softwareVersion=version)


def server_entity(graph: CrateGraph, record: RunRecord) -> Entity:
    """Add the model server of a run, by its recorded kind or as "Model server", and return its entity."""
    server = record.server
    facts = {"name": "Model server", "description": f"It served the model as {server.model_name}."}
    if server.version:
        facts["softwareVersion"] = server.version
        # Records of release 0.1 name no kind; the servers that it started were vLLM.
        kind = server.kind or ("vLLM" if server.command else None)
        if kind is not None:
            facts |= {"name": kind} | ({"url": _SERVER_PAGES[kind]} if kind in _SERVER_PAGES else {})
    return graph.thing(f"#server-{server.version or 'of-unknown-version'}", "SoftwareApplication", **facts)


def host_entity(graph: CrateGraph, record: RunRecord) -> Entity:
    """Add the host of a run's client, and return its entity."""
    host = record.host
    return graph.thing(
        f"#host-{host.name}",
        "Place",
        name=host.name,
        description=(
            f"{host.cpus} CPUs, {host.memory_bytes / 2**30:.0f} GiB of memory, {host.platform}, "
            f"Python {host.python}."
        ),
    )
