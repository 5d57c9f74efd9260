"""The verdict on a scenario: do its runs count?

In:  the runs of a scenario, its score, and what the runs were made from: proofs and the store's manifest
Out: results/{scenario}/verdict.json; a failed gate is a result too, and its verdict is kept; an entry in history/
"""


rule gate:
    """Judge a scenario: score, latency, LoadGen's validity, early stopping, counts, seeds, failures."""
    input:
        performance="results/{scenario}/performance/run.json",
        repeats=lambda wildcards: [
            run_of_verdict(wildcards.scenario, run)
            for run in PERFORMANCE_RUNS[wildcards.scenario][1:]
        ],
        accuracy=lambda wildcards: run_of_verdict(wildcards.scenario, "accuracy"),
        score="results/{scenario}/accuracy.json",
        compliance=lambda wildcards: compliance_files(wildcards.scenario),
        # Small files, compared by content: they change when the runs do.
        artifacts=lambda wildcards: [
            "resources/model.json",
            dataset_proof(dataset_of(wildcards.scenario)),
        ],
        store=lambda wildcards: store_of(dataset_of(wildcards.scenario)),
        rows=lambda wildcards: client_rows(dataset_of(wildcards.scenario)),
    output:
        "results/{scenario}/verdict.json",
    log:
        "logs/gate-{scenario}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=fingerprint(
            "judgement", compared={"round": ROUND, "strict": SETTINGS.strict or None}
        ),
        strict=uncompared(["--strict"] if SETTINGS.strict else []),
        performance=lambda wildcards, input: Path(input.performance).parent,
        repeats=lambda wildcards, input: [
            f"--repeat={Path(repeat).parent}" for repeat in input.repeats
        ],
        accuracy=lambda wildcards, input: Path(input.accuracy).parent,
        compliance=lambda wildcards, output: [
            f"--compliance=results/{wildcards.scenario}/{run}"
            for run in COMPLIANCE_RUNS[wildcards.scenario]
        ],
        artifacts=lambda wildcards, input: [
            f"--artifact={proof}" for proof in input.artifacts
        ],
        rows=lambda wildcards, input: [f"--client-data={file}" for file in input.rows],
        # Not an input, so that old results are kept: accuracy.json, which is one, follows from it.
        prompt=uncompared(["--prompt", *PROMPT_FILES] if PROMPT_FILES else []),
    shell:
        r"""
        weighbridge --log {log:q} gate \
            --scenario {wildcards.scenario:q} \
            --round {params.round:q} \
            --performance {params.performance:q} \
            {params.repeats:q} \
            --accuracy {params.accuracy:q} \
            --score {input.score:q} \
            {params.compliance:q} \
            {params.artifacts:q} \
            --store {input.store:q} \
            {params.rows:q} \
            {params.prompt:q} \
            {params.strict:q} \
            --output {output:q} \
            --history history
        """
