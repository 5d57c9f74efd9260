"""The report: one page that opens anywhere, and its figures, which `snakemake --report` shows too.

In:  verdicts, runs and scores of all scenarios, whatever they say; results/server/peak.json and the scores of MMLU
     where there are some
Out: results/report.html, results/figures/{group}/*.png
"""


rule write_report:
    """Show what was measured, what passed, what did not and what to do."""
    input:
        verdicts=expand("results/{scenario}/verdict.json", scenario=SCENARIOS),
        runs=run_records,
        scores=score_records,
        dataset=dataset_proof(None),
        further=[dataset_proof(dataset) for dataset in DATASETS[1:]],
        prompt=PROMPT_FILES,
        peak=expand(PEAK, scenario=SEARCHED),
        quality=quality_results,
    output:
        page=report(
            "results/report.html", caption="../report/page.rst", category="Report"
        ),
        latency=drawn("latency", "Latency"),
        load=drawn("load", "Load"),
        tokens=drawn("tokens", "Tokens"),
        server=drawn("server", "Server queue"),
        machines=drawn("machines", "GPUs and processors"),
        accuracy=drawn("accuracy", "Accuracy"),
        search=drawn("search", "Peak search"),
    log:
        "logs/report.log",
    # Before the tree, which is refused where a gate failed: the report says what to do then.
    priority: 1
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=lambda wildcards: fingerprint(
            "report",
            compared={
                "round": ROUND,
                # Were they inputs, a changed setting would repeat a search that nobody asked for. By their hashes
                # the page is made again when there is a new one.
                "searches": {
                    scenario: sha256_of_file(
                        Path(PEAK.format(scenario=scenario)).resolve()
                    )
                    for scenario in set(SCENARIOS) - set(SEARCHED)
                },
            },
        ),
        further=lambda wildcards, input: further_options(
            "further-dataset", dataset_proof
        ),
        prompt=prompt_option,
        model=tokenizer_option(),
        figures=lambda wildcards, output: Path(output.latency).parent,
    shell:
        r"""
        weighbridge --log {log:q} report \
            --round {params.round:q} \
            --results results \
            --dataset {input.dataset:q} \
            {params.further:q} \
            {params.prompt:q} \
            {params.model:q} \
            --figures {params.figures:q} \
            --output {output.page:q}
        """
