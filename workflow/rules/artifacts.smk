"""Pinned inputs, fetched once and proven byte by byte.

In:  artifacts.* of the configuration
Out: resources/{model,dataset,reference}.json, the proofs: folder, files, sizes, sha256; the prompt

A folder of 470 GB is no declared output, because Snakemake deletes outputs when a job fails;
its proof is, and is written last.
"""

KINDS = [
    kind
    for kind in ("model", "dataset", "reference")
    if getattr(SETTINGS.artifacts, kind)
]
ARTIFACT_PROOFS = expand("resources/{kind}.json", kind=KINDS)
PROMPT = SETTINGS.artifacts.prompt or "resources/prompt.json"


rule preflight:
    """See in seconds whether this machine can do what is asked, before anything expensive starts."""
    output:
        "resources/preflight.json",
    log:
        "logs/preflight.log",
    conda:
        CLIENT_ENVIRONMENT
    params:
        round=ROUND_FILE,
        pin=pin(ROUND.loadgen),
        client_program=CLIENT,
        # Only what it looks at: tuning the server must not send everything back to the start. (An
        # ancient() input instead would: Snakemake then forgets missing files further down, its issue 4166.)
        server=SETTINGS.server.model_dump_json(
            include={"model_name", "gpus", "port", "endpoints"}
        ),
    shell:
        r"""
        {params.client_program:q} --log {log:q} preflight \
            --round {params.round:q} \
            --server {params.server:q} \
            --output {output:q}
        """


rule find_server:
    """Find the model server's program, which with --sdm conda has an environment of its own."""
    output:
        "resources/server.json",
    log:
        "logs/find-server.log",
    conda:
        SERVER_ENVIRONMENT
    params:
        round=ROUND_FILE,
        pin=pin(ROUND.vllm_version),
        server=SETTINGS.server.model_dump_json(
            include={"model_name", "adapter", "executable", "container", "endpoints"}
        ),
    shell:
        r"""
        weighbridge --log {log:q} find-server \
            --round {params.round:q} \
            --server {params.server:q} \
            --output {output:q}
        """


rule fetch:
    """Bring an artifact to disk and prove it."""
    input:
        "resources/preflight.json",
        "resources/server.json",
    output:
        "resources/{kind}.json",
    log:
        "logs/fetch-{kind}.log",
    wildcard_constraints:
        kind="model|dataset|reference",
    localrule: SETTINGS.fetch_on == "submit-host"
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        artifact=lambda wildcards: getattr(
            SETTINGS.artifacts, wildcards.kind
        ).model_dump_json(),
        into=lambda wildcards: f"resources/{wildcards.kind}",
        round=ROUND_FILE,
    shell:
        r"""
        weighbridge --log {log:q} fetch \
            --round {params.round:q} \
            --kind {wildcards.kind:q} \
            --artifact {params.artifact:q} \
            --into {params.into:q} \
            --proof {output:q}
        """


rule extract_prompt:
    """Take the official prompt out of the proven reference; its hashes must be the round's."""
    input:
        "resources/reference.json",
    output:
        "resources/prompt.json",
    log:
        "logs/extract-prompt.log",
    localrule: True
    conda:
        "../../envs/fetch.yaml"
    params:
        round=ROUND_FILE,
        pin=pin(ROUND.prompt),
    shell:
        r"""
        weighbridge --log {log:q} extract-prompt \
            --reference {input:q} \
            --round {params.round:q} \
            --out {output:q}
        """
