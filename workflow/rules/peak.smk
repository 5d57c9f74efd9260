"""The highest Server rate that still passes.

In:  the proven model, the request store, the Offline run's rate
Out: results/{scenario}/peak.json, results/{scenario}/peak/ with every probe; where scenarios.{scenario}.target_qps
     is 'auto', the performance run too: the full-length run that confirmed the peak
"""


rule search_peak:
    """Bracket, bisect and confirm the highest Server rate, within one server start."""
    input:
        program="resources/server.json",
        model="resources/model.json",
        store=lambda wildcards: store_of(dataset_of(wildcards.scenario)),
        golden=lambda wildcards: golden_store(wildcards.scenario),
        lengths=lambda wildcards: lengths_of(dataset_of(wildcards.scenario)),
        offline=OFFLINE_RECORDS,
    output:
        PEAK,
    log:
        "logs/search-peak-{scenario}.log",
    wildcard_constraints:
        scenario=either(
            name for name, scenario in PLANNED.items() if scenario.searchable
        ),
    # In the place of the performance run that comes of it.
    priority: lambda wildcards: PRIORITIES[wildcards.scenario, "performance"]
    conda:
        CLIENT_ENVIRONMENT
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        measuring=1,
    params:
        client_program=uncompared(CLIENT),
        round=uncompared(ROUND_FILE),
        division=uncompared(DIVISION),
        settings=lambda wildcards: measurement(
            "search", wildcards.scenario, search=SETTINGS.search
        ),
        server=uncompared(operational("server", SETTINGS.server)),
        client=uncompared(operational("client", SETTINGS.client)),
        stop=uncompared(stop_option(searches=True)),
        store=lambda wildcards, input: Path(input.store).parent,
        golden=golden_option,
    shell:
        r"""
        {params.client_program:q} --log {log:q} search-qps \
            --scenario {wildcards.scenario:q} \
            --round {params.round:q} \
            --division {params.division:q} \
            --settings {params.settings:q} \
            --server {params.server:q} \
            --client {params.client:q} \
            {params.stop:q} \
            --program {input.program:q} \
            --model {input.model:q} \
            --store {params.store:q} \
            {params.golden:q} \
            --offline {input.offline:q} \
            --replaced replaced \
            --lives results/lives \
            --output {output:q}
        """


rule adopt_peak:
    """Copy the run that confirmed the peak to the performance run.

    It makes what `benchmark` makes for a rate that is given; the wildcards' constraints keep the two apart.
    """
    input:
        PEAK,
    output:
        record="results/{scenario}/performance/run.json",
        summary="results/{scenario}/performance/mlperf_log_summary.txt",
        detail="results/{scenario}/performance/mlperf_log_detail.txt",
        accuracy="results/{scenario}/performance/mlperf_log_accuracy.json",
        user_conf="results/{scenario}/performance/user.conf",
    log:
        main="logs/adopt-peak-{scenario}.log",
        server="results/{scenario}/performance/server.log",
        errors="results/{scenario}/performance/errors.jsonl",
    wildcard_constraints:
        scenario=either(SEARCHED),
    localrule: True
    conda:
        CLIENT_ENVIRONMENT
    params:
        client_program=uncompared(CLIENT),
        out=lambda wildcards, output: Path(output.record).parent,
    shell:
        r"""
        {params.client_program:q} --log {log.main:q} adopt-peak \
            --peak {input:q} \
            --replaced replaced \
            --out {params.out:q}
        """
