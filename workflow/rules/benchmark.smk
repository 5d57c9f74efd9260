"""The measurement: one LoadGen run a target, for each scenario and its runs.

In:  the proven model, the request store
Out: results/{scenario}/{run}/ with LoadGen's logs, user.conf and run.json

The log files of server and client are declared as logs, which Snakemake keeps when a job fails.
"""


rule benchmark:
    """Serve the model, drive it with LoadGen once, stop it."""
    input:
        program="resources/server.json",
        model="resources/model.json",
        store=lambda wildcards: store_of(dataset_of(wildcards.scenario)),
        golden=lambda wildcards: golden_store(wildcards.scenario),
        # Only to come before: what it found holds for all runs of these requests.
        lengths=lambda wildcards: lengths_of(dataset_of(wildcards.scenario)),
        peak=lambda wildcards: (PEAK if wildcards.scenario in SEARCHED else []),
        # Of whose rate a share is asked for.
        offline=lambda wildcards: (
            OFFLINE_RECORDS if share_of_offline(wildcards.scenario) else []
        ),
        # Its audit.config is the official one where there is one.
        reference=lambda wildcards: (
            ["resources/reference.json"]
            if compliance_test(wildcards.scenario, wildcards.run)
            and "reference" in KINDS
            else []
        ),
    output:
        record=RUN_RECORD,
        summary="results/{scenario}/{run}/mlperf_log_summary.txt",
        detail="results/{scenario}/{run}/mlperf_log_detail.txt",
        accuracy="results/{scenario}/{run}/mlperf_log_accuracy.json",
        user_conf="results/{scenario}/{run}/user.conf",
    log:
        main="logs/benchmark-{scenario}-{run}.log",
        server="results/{scenario}/{run}/server.log",
        errors="results/{scenario}/{run}/errors.jsonl",
    benchmark:
        "benchmarks/{scenario}-{run}.tsv"
    wildcard_constraints:
        # The performance run of a searched scenario comes from its search (adopt_peak).
        scenario=either(
            f"{scenario}(?!/performance/)" if scenario in SEARCHED else scenario
            for scenario in SCENARIOS
        ),
    priority: lambda wildcards: PRIORITIES[wildcards.scenario, wildcards.run]
    conda:
        CLIENT_ENVIRONMENT
    # All cores: two measurements on one machine would measure each other.
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        # Told by a dry run; nothing reads it.
        measuring=1,
        expected_min=lambda wildcards: expected_min(wildcards.scenario, wildcards.run),
    params:
        client_program=uncompared(CLIENT),
        round=uncompared(ROUND_FILE),
        division=uncompared(DIVISION),
        # Not compared: the fingerprint has it, as a field of the run.
        mode=lambda wildcards, output: (
            ROUND.scenarios[wildcards.scenario].rules_of(wildcards.run).mode
        ),
        settings=lambda wildcards: measurement(
            "measurement",
            wildcards.scenario,
            wildcards.run,
            # A searched rate comes from peak.json, whose content is compared; a share is one of an input.
            target_qps=(
                None
                if wildcards.scenario in SEARCHED
                or share_of_offline(wildcards.scenario)
                else ASKED[wildcards.scenario].target_qps
            ),
            offline_share=share_of_offline(wildcards.scenario),
        ),
        server=uncompared(operational("server", SETTINGS.server)),
        client=uncompared(operational("client", SETTINGS.client)),
        peak=lambda wildcards, input: ["--peak", input.peak] if input.peak else [],
        offline=lambda wildcards, input: [f"--offline={run}" for run in input.offline],
        # Not compared: a probe changes nothing of what is measured after it.
        probe=lambda wildcards, output: (
            # The run before has proven that the rate can pass.
            0
            if number_of_repeat(wildcards.run)
            else SETTINGS.scenarios[wildcards.scenario].probe_s
        ),
        after=lambda wildcards, output: after_performance(
            wildcards.scenario, wildcards.run
        ),
        # Not compared: with or without it, a run that counts is the same.
        stop=uncompared(stop_option()),
        compliance=lambda wildcards, input, output: [
            *compliance_test(wildcards.scenario, wildcards.run),
            *(f"--reference={proof}" for proof in input.reference),
        ],
        store=lambda wildcards, input: Path(input.store).parent,
        golden=golden_option,
        out=lambda wildcards, output: Path(output.record).parent,
    shell:
        r"""
        {params.client_program:q} --log {log.main:q} run \
            --scenario {wildcards.scenario:q} \
            --mode {params.mode:q} \
            --round {params.round:q} \
            --division {params.division:q} \
            --settings {params.settings:q} \
            {params.peak:q} \
            {params.offline:q} \
            --probe-s {params.probe:q} \
            {params.after:q} \
            {params.stop:q} \
            {params.compliance:q} \
            --server {params.server:q} \
            --client {params.client:q} \
            --program {input.program:q} \
            --model {input.model:q} \
            --store {params.store:q} \
            {params.golden:q} \
            --replaced replaced \
            --lives results/lives \
            --out {params.out:q}
        """
