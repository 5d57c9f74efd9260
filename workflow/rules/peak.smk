"""The highest Server rate that still passes.

In:  the proven model, the request store, the Offline run's rate
Out: results/server/peak.json, results/server/peak/ with every probe; where scenarios.server.target_qps is
     'auto', the Server performance run too: the full-length run that confirmed the peak
"""


rule search_peak:
    """Bracket, bisect and confirm the highest Server rate, within one server start."""
    input:
        preflight="resources/preflight.json",
        program="resources/server.json",
        model="resources/model.json",
        store="resources/requests",
        lengths=ancient("resources/prompt-tokens.json"),
        offline="results/offline/performance/run.json",
    output:
        PEAK,
    log:
        "logs/search-peak.log",
    conda:
        CLIENT_ENVIRONMENT
    threads: ALL_CORES
    params:
        round=ROUND_FILE,
        pin=pin(ROUND.loadgen, ROUND.samples, ROUND.scenarios.get("server")),
        client_program=CLIENT,
        server=SETTINGS.server.model_dump_json(),
        client=SETTINGS.client.model_dump_json(),
        search=SETTINGS.search.model_dump_json(),
    shell:
        r"""
        {params.client_program:q} --log {log:q} search-qps \
            --round {params.round:q} \
            --server {params.server:q} \
            --client {params.client:q} \
            --search {params.search:q} \
            --program {input.program:q} \
            --model {input.model:q} \
            --store {input.store:q} \
            --offline {input.offline:q} \
            --output {output:q}
        """


if SEARCHED:

    ruleorder: adopt_peak > benchmark

    rule adopt_peak:
        """Take the run that confirmed the peak as the Server performance run."""
        input:
            PEAK,
        output:
            record="results/server/performance/run.json",
            summary="results/server/performance/mlperf_log_summary.txt",
            detail="results/server/performance/mlperf_log_detail.txt",
            accuracy="results/server/performance/mlperf_log_accuracy.json",
            user_conf="results/server/performance/user.conf",
        log:
            main="logs/adopt-peak.log",
            server="results/server/performance/server.log",
            errors="results/server/performance/errors.jsonl",
        localrule: True
        conda:
            CLIENT_ENVIRONMENT
        params:
            client_program=CLIENT,
            out=lambda wildcards, output: Path(output.record).parent,
        shell:
            r"""
            {params.client_program:q} --log {log.main:q} adopt-peak \
                --peak {input:q} \
                --out {params.out:q}
            """
