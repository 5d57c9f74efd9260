"""The measurement: one LoadGen run a target, for each scenario and mode.

In:  the proven model, the request store
Out: results/{scenario}/{mode}/ with LoadGen's logs, user.conf and run.json

The log files of server and client are declared as logs, which Snakemake keeps when a job fails.
"""

# Asked for by name, because Snakemake does not remake a deleted file that only others needed.
RUN_FILES = expand(
    "results/{scenario}/{mode}/{name}",
    scenario=SCENARIOS,
    mode=["performance", "accuracy"],
    name=["run.json", "mlperf_log_detail.txt", "mlperf_log_accuracy.json"],
)


rule benchmark:
    """Serve the model, drive it with LoadGen once, stop it."""
    input:
        preflight="resources/preflight.json",
        program="resources/server.json",
        model="resources/model.json",
        store="resources/requests",
        # Only to come before: what it found holds for all runs of these requests.
        lengths=ancient("resources/prompt-tokens.json"),
        peak=lambda wildcards: (
            PEAK if SEARCHED and wildcards.scenario == "server" else []
        ),
    output:
        record="results/{scenario}/{mode}/run.json",
        summary="results/{scenario}/{mode}/mlperf_log_summary.txt",
        detail="results/{scenario}/{mode}/mlperf_log_detail.txt",
        accuracy="results/{scenario}/{mode}/mlperf_log_accuracy.json",
        user_conf="results/{scenario}/{mode}/user.conf",
    log:
        main="logs/benchmark-{scenario}-{mode}.log",
        server="results/{scenario}/{mode}/server.log",
        errors="results/{scenario}/{mode}/errors.jsonl",
    benchmark:
        "benchmarks/{scenario}-{mode}.tsv"
    conda:
        CLIENT_ENVIRONMENT
    # All cores: two measurements on one machine would measure each other.
    threads: ALL_CORES
    params:
        round=ROUND_FILE,
        pin=lambda wildcards: pin(
            ROUND.loadgen, ROUND.samples, ROUND.scenarios[wildcards.scenario]
        ),
        # Not from `input`: Snakemake compares no param that is derived from it, and a new rate would rerun nothing.
        rate=lambda wildcards: (
            f"--peak {PEAK}"
            if SEARCHED and wildcards.scenario == "server"
            else f"--target-qps {SETTINGS.scenarios[wildcards.scenario].target_qps}"
        ),
        client_program=CLIENT,
        server=SETTINGS.server.model_dump_json(),
        client=SETTINGS.client.model_dump_json(),
        out=lambda wildcards, output: Path(output.record).parent,
    shell:
        r"""
        {params.client_program:q} --log {log.main:q} run \
            --scenario {wildcards.scenario:q} \
            --mode {wildcards.mode:q} \
            --round {params.round:q} \
            {params.rate} \
            --server {params.server:q} \
            --client {params.client:q} \
            --program {input.program:q} \
            --model {input.model:q} \
            --store {input.store:q} \
            --out {params.out:q}
        """
