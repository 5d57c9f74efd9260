"""Pinned inputs, fetched once and proven byte by byte.

In:  artifacts.* and quality.mmlu.dataset of the configuration
Out: KINDS, ARTIFACT_PROOFS; resources/{model,dataset,reference,client,mmlu}.json and dataset-NAME.json,
     the proofs: folder, files, sizes, sha256; resources/prompt.json

A folder of 470 GB is no declared output, because Snakemake deletes outputs when a job fails;
its proof is, and is written last.
"""

KINDS = list(SETTINGS.artifacts.by_name)
ARTIFACT_PROOFS = expand("resources/{kind}.json", kind=KINDS)
PROMPT = "resources/prompt.json"
GIVEN_PROMPT = SETTINGS.artifacts.prompt
# Whose prompt it is: the one's that makes the results.
PROMPT_SOURCE = (
    "resources/client.json"
    if ROUND.evidence == "endpoints"
    else "resources/reference.json"
)
# A benchmark may have no fixed texts.
PROMPT_FILES = [PROMPT] if GIVEN_PROMPT or ROUND.prompt else []
# Only where prompts or answers are token ids, so that nothing else waits for a model or follows from it.
TOKENIZER_PROOFS = ["resources/model.json"] if needs_tokenizer(ROUND.benchmark) else []


rule preflight:
    """Check in seconds that this machine can do the runs, before anything expensive starts.

    It comes first and is never made again: every measurement makes the same checks when it starts. So other
    settings, or another LoadGen, do not send everything back to the start.
    """
    output:
        "resources/preflight.json",
    log:
        "logs/preflight.log",
    priority: 10
    conda:
        CLIENT_ENVIRONMENT
    params:
        client_program=uncompared(CLIENT),
        round=uncompared(ROUND_FILE),
        server=uncompared(canonical(SETTINGS.server)),
        client=uncompared(operational("client", SETTINGS.client)),
        division=uncompared(DIVISION),
    shell:
        r"""
        {params.client_program:q} --log {log:q} preflight \
            --round {params.round:q} \
            --server {params.server:q} \
            --client {params.client:q} \
            --division {params.division:q} \
            --output {output:q}
        """


rule find_server:
    """Find the model server's program, which with --sdm conda has an environment of its own.

    Before anything is fetched, where cores allow: it has no input, and a higher priority. Of endpoints that
    were changed since the preflight, it checks that they answer.
    """
    output:
        "resources/server.json",
    log:
        "logs/find-server.log",
    priority: 10
    conda:
        SERVER_ENVIRONMENT
    params:
        round=uncompared(ROUND_FILE),
        settings=fingerprint(
            "program",
            compared={"vllm": DEPLOYED_SERVER},
            server=of_server(
                "model_name", "adapter", "executable", "container", "endpoints"
            ),
        ),
        server=uncompared(operational("server", SETTINGS.server)),
        client=uncompared(operational("client", SETTINGS.client)),
        preflight=uncompared("resources/preflight.json"),
    shell:
        r"""
        weighbridge --log {log:q} find-server \
            --round {params.round:q} \
            --settings {params.settings:q} \
            --server {params.server:q} \
            --client {params.client:q} \
            --preflight {params.preflight:q} \
            --output {output:q}
        """


rule fetch:
    """Fetch an artifact, or verify the given folder, and write its proof."""
    input:
        "resources/preflight.json",
    output:
        "resources/{kind}.json",
    log:
        "logs/fetch-{kind}.log",
    benchmark:
        "benchmarks/fetch-{kind}.tsv"
    wildcard_constraints:
        kind=either(["model", "reference", "client", "mmlu", *named_with("dataset")]),
    priority: BEFORE_RUNS
    localrule: SETTINGS.fetch_on == "submit-host"
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        settings=lambda wildcards: artifact_fingerprint(wildcards.kind),
        round=uncompared(ROUND_FILE),
        kind=lambda wildcards, output: kind_option(wildcards.kind),
        into=lambda wildcards, output: output[0].removesuffix(".json"),
        weights=lambda wildcards, output: (
            ["--without-weights"]
            if wildcards.kind == "model" and without_weights()
            else []
        ),
    shell:
        r"""
        weighbridge --log {log:q} fetch \
            --round {params.round:q} \
            {params.kind:q} \
            --settings {params.settings:q} \
            --into {params.into:q} \
            {params.weights:q} \
            --proof {output:q}
        """


rule prompt:
    """Write the prompt, from the given file or its proven source, after comparing it with the round's hashes.

    A given file is no input, because its path may be one of the checkout; its hash is compared.
    """
    input:
        [] if GIVEN_PROMPT else PROMPT_SOURCE,
    output:
        PROMPT,
    log:
        "logs/prompt.log",
    priority: BEFORE_RUNS
    localrule: True
    conda:
        "../../envs/fetch.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=fingerprint(
            "prompt",
            compared={**of_round("prompt"), "given": sha256_of_file(GIVEN_PROMPT)},
        ),
        source=lambda wildcards, input: (
            ["--given", ROOT / GIVEN_PROMPT]
            if GIVEN_PROMPT
            else ["--reference", *input]
        ),
    shell:
        r"""
        weighbridge --log {log:q} extract-prompt \
            {params.source:q} \
            --round {params.round:q} \
            --out {output:q}
        """
