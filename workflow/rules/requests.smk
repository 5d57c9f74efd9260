"""The request stores, one a dataset: every sample's body, encoded once, before any clock runs.

In:  resources/dataset.json, the prompt; the proven model, where prompts are token ids
Out: resources/requests/ (bodies.bin, index.bin, manifest.json), the lengths of all prompts in tokens; the same of
     each further dataset: resources/requests-NAME/, resources/prompt-tokens-NAME.json
"""

STORES, LENGTHS = named_with("requests"), named_with("tokens")


rule build_requests:
    """Encode all request bodies in parallel, or take those that another run directory has encoded."""
    input:
        dataset=lambda wildcards: dataset_proof(STORES[wildcards.store]),
        prompt=PROMPT_FILES,
        # Its tokenizer makes prompts, or is compared with the one that made the dataset's.
        model=TOKENIZER_PROOFS,
    output:
        # Later stages take the manifest as their input: it holds the hash of the bodies and is small enough for
        # Snakemake to compare by content, so that a copied store reruns nothing.
        manifest="resources/{store}/manifest.json",
        bodies="resources/{store}/bodies.bin",
        index="resources/{store}/index.bin",
    log:
        "logs/build-{store}.log",
    wildcard_constraints:
        store=either(STORES),
    priority: BEFORE_RUNS
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        round=uncompared(ROUND_FILE),
        division=uncompared(DIVISION),
        settings=lambda wildcards: fingerprint(
            "requests",
            compared={
                **of_round("benchmark", "prompt", "max_tokens"),
                **of_dataset(STORES[wildcards.store], "samples", "splits"),
                "sampling": ROUND.sampling.model_dump(exclude_defaults=True) or None,
                # What streamed runs send around the same prompts is recorded too.
                "streamed": has_streams(ROUND) or None,
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
        further=lambda wildcards, output: further_dataset(STORES[wildcards.store]),
        out=lambda wildcards, output: Path(output.manifest).parent,
    shell:
        r"""
        weighbridge --log {log:q} build-requests \
            --round {params.round:q} \
            --division {params.division:q} \
            --dataset {input.dataset:q} \
            {params.further:q} \
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
        store=lambda wildcards: store_of(LENGTHS[wildcards.tokens]),
        model="resources/model.json",
    output:
        "resources/prompt-{tokens}.json",
    log:
        "logs/count-{tokens}.log",
    wildcard_constraints:
        tokens=either(LENGTHS),
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
