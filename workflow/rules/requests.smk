"""The request store: every sample's body, encoded once, before any clock runs.

In:  resources/dataset.json, the prompt
Out: resources/requests/ (bodies.bin, index.bin, manifest.json), the lengths of all prompts in tokens
"""


rule build_requests:
    """Encode all request bodies in parallel."""
    input:
        dataset="resources/dataset.json",
        prompt=PROMPT,
    output:
        directory("resources/requests"),
    log:
        "logs/build-requests.log",
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        round=ROUND_FILE,
        pin=pin(ROUND.benchmark, ROUND.samples, ROUND.splits, ROUND.prompt),
        requests=SETTINGS.requests.model_dump_json(),
        model_name=SETTINGS.server.model_name,
    shell:
        r"""
        weighbridge --log {log:q} build-requests \
            --round {params.round:q} \
            --dataset {input.dataset:q} \
            --prompt {input.prompt:q} \
            --requests {params.requests:q} \
            --model-name {params.model_name:q} \
            --processes {threads} \
            --out {output:q}
        """


rule count_tokens:
    """Count every prompt's tokens, and refuse those that the server would, before a GPU is asked for."""
    input:
        store="resources/requests",
        model="resources/model.json",
    output:
        "resources/prompt-tokens.json",
    log:
        "logs/count-tokens.log",
    conda:
        "../../envs/fetch.yaml"
    threads: ALL_CORES
    params:
        server=SETTINGS.server.model_dump_json(include={"model_name", "adapter", "args"}),
    shell:
        r"""
        RAYON_NUM_THREADS={threads} weighbridge --log {log:q} count-tokens \
            --store {input.store:q} \
            --model {input.model:q} \
            --server {params.server:q} \
            --output {output:q}
        """
