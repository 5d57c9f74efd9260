"""The submission tree, and the table that a person reads.

In:  verdicts, runs and scores of all scenarios; the proofs of model and dataset; the manifest of the requests
Out: results/submission/, its archive and checksums, results/originals/ (the full accuracy logs), summary.json
"""


rule assemble:
    """Build the tree from runs that passed every gate; accuracy logs are cut there, never in place."""
    input:
        verdicts=expand("results/{scenario}/verdict.json", scenario=SCENARIOS),
        scores=expand("results/{scenario}/accuracy.txt", scenario=SCENARIOS),
        artifacts=expand("resources/{kind}.json", kind=["model", "dataset"]),
        store=store_of(None),
        further=FURTHER_FILES,
        rows=[file for dataset in DATASETS for file in client_rows(dataset)],
    output:
        tree=directory("results/submission"),
        originals=directory("results/originals"),
        archive="results/submission.tar.gz",
        checksums="results/submission.sha256",
    log:
        "logs/assemble.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=fingerprint(
            "tree",
            compared={
                "round": ROUND,
                "system_description": sha256_of_file(
                    SETTINGS.submission.system_description
                ),
                "calibration": sha256_of_file(SETTINGS.submission.calibration),
            },
            submission=SETTINGS.submission,
        ),
        source=uncompared(ROOT),
        again=uncompared([f"--submitted-with={word}" for word in SUBMITTED_WITH]),
        # A verdict from before a scenario lost its settings is not taken.
        scenarios=uncompared(
            [option for name in SCENARIOS for option in ("--scenario", name)]
        ),
        artifacts=lambda wildcards, input: [
            f"--artifact={proof}" for proof in input.artifacts
        ],
        further=uncompared(FURTHER_OPTIONS),
        rows=lambda wildcards, input: [
            *(f"--client-data={file}" for file in client_rows(None)),
            *(
                f"--further-client-data={dataset}={file}"
                for dataset in DATASETS[1:]
                for file in client_rows(dataset)
            ),
        ],
    shell:
        r"""
        weighbridge --log {log:q} assemble \
            --round {params.round:q} \
            --settings {params.settings:q} \
            --results results \
            --source {params.source:q} \
            {params.again:q} \
            {params.scenarios:q} \
            {params.artifacts:q} \
            --store {input.store:q} \
            {params.further:q} \
            {params.rows:q} \
            --originals {output.originals:q} \
            --replaced replaced \
            --out {output.tree:q}
        """


rule summary_page:
    """Put the same on a short page to send to others."""
    input:
        expand("results/{scenario}/verdict.json", scenario=SCENARIOS),
        quality_results,
    output:
        "results/report.md",
    log:
        "logs/summary-page.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    shell:
        r"""
        weighbridge --log {log:q} summary --results results --markdown {output:q}
        """


rule summary:
    """Put rates, latencies, scores and verdicts into one table."""
    input:
        expand("results/{scenario}/verdict.json", scenario=SCENARIOS),
        quality_results,
    output:
        "results/summary.json",
    log:
        "logs/summary.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    shell:
        r"""
        weighbridge --log {log:q} summary --results results --output {output:q}
        """
