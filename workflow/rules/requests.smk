"""The request store: every sample's body, encoded once, before any clock runs.

In:  resources/dataset.json, the prompt; the proven model, where prompts are token ids
Out: resources/requests/ (bodies.bin, index.bin, manifest.json), the lengths of all prompts in tokens
"""


rule build_requests:
    """Encode all request bodies in parallel, or take those that another run directory has encoded."""
    input:
        dataset="resources/dataset.json",
        prompt=PROMPT_FILES,
        # Its tokenizer makes prompts, or is compared with the one that made the dataset's.
        model=TOKENIZER_PROOFS,
    output:
        # Later stages take the manifest as their input: it holds the hash of the bodies and is small enough for
        # Snakemake to compare by content, so that a copied store reruns nothing.
        manifest="resources/requests/manifest.json",
        bodies="resources/requests/bodies.bin",
        index="resources/requests/index.bin",
    log:
        "logs/build-requests.log",
    priority: BEFORE_RUNS
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        round=uncompared(ROUND_FILE),
        division=uncompared(DIVISION),
        settings=fingerprint(
            "requests",
            compared={
                **of_round("benchmark", "samples", "splits", "prompt", "max_tokens"),
                "sampling": ROUND.sampling.model_dump(exclude_defaults=True) or None,
                # What streamed runs send around the same prompts is recorded too.
                "streamed": (ROUND.loadgen and ROUND.loadgen.token_latencies) or None,
            },
            requests=SETTINGS.requests.bodies,
            server=of_server("model_name"),
        ),
        prompt=prompt_option,
        model=tokenizer_option(),
        # Shared with other run directories; the bytes are the same with it and without.
        cache=uncompared(
            ["--cache", ROOT / SETTINGS.requests.cache]
            if SETTINGS.requests.cache is not None
            else []
        ),
        out=lambda wildcards, output: Path(output.manifest).parent,
    shell:
        r"""
        weighbridge --log {log:q} build-requests \
            --round {params.round:q} \
            --division {params.division:q} \
            --dataset {input.dataset:q} \
            {params.prompt:q} \
            {params.model:q} \
            --settings {params.settings:q} \
            --processes {threads} \
            {params.cache:q} \
            --out {params.out:q}
        """


rule count_tokens:
    """Count every prompt's tokens, and refuse those that the server would, before a GPU is asked for."""
    input:
        store="resources/requests/manifest.json",
        model="resources/model.json",
    output:
        "resources/prompt-tokens.json",
    log:
        "logs/count-tokens.log",
    priority: BEFORE_RUNS
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        # Of the server's arguments only the limit, so that tuning the others counts nothing again.
        settings=fingerprint(
            "tokens",
            server=of_server("model_name", "adapter")
            | {
                "args": [
                    argument
                    for argument in SETTINGS.server.args
                    if argument.replace("_", "-").startswith(CONTEXT_OPTION)
                ]
            },
        ),
        store=lambda wildcards, input: Path(input.store).parent,
    shell:
        r"""
        RAYON_NUM_THREADS={threads} weighbridge --log {log:q} count-tokens \
            --store {params.store:q} \
            --model {input.model:q} \
            --settings {params.settings:q} \
            --output {output:q}
        """
