"""The measurement by the official endpoints client: one run of it a scenario, first performance, then accuracy.

In:  the proven client, model and datasets, the request stores
Out: resources/client-data/{name}.json and the rows beside it; results/{scenario}/performance/ with the client's own files
     and run.json; results/{scenario}/accuracy/, read from them

These rules take the place of benchmark.smk in rounds whose evidence is the client's.
"""

from weighbridge.records.official_client import (
    CLIENT_FILES,
    CLIENT_FOLDER,
    CLIENT_LOG,
    CLIENT_REQUEST,
    PHASE_ANSWERS,
)

CLIENT_RUN = f"results/{{scenario}}/{Mode.PERFORMANCE}"
CLIENT_PROOF = "resources/client.json"


def rows_rules(scenario):
    """Return what the client's rows of a scenario's dataset depend on, beside the proofs."""
    preset = ROUND.scenarios[scenario].endpoints.dataset
    return {"preset": preset, **of_dataset(dataset_of(scenario), "splits", "samples")}


rule client_data:
    """Let the client's own function make its rows of a proven dataset, so that it asks no hub for them."""
    input:
        client=CLIENT_PROOF,
        dataset="resources/{name}.json",
    output:
        "resources/client-data/{name}.json",
    log:
        "logs/client-data-{name}.log",
    wildcard_constraints:
        name=either(named_with("dataset")),
    priority: BEFORE_RUNS
    conda:
        CLIENT_ENVIRONMENT
    params:
        client_program=uncompared(CLIENT),
        round=uncompared(ROUND_FILE),
        scenario=lambda wildcards, output: scenario_with_rows(wildcards.name),
        settings=lambda wildcards: fingerprint(
            "client-data",
            compared=rows_rules(scenario_with_rows(wildcards.name)),
        ),
    shell:
        r"""
        {params.client_program:q} --log {log:q} client-data \
            --round {params.round:q} \
            --scenario {params.scenario:q} \
            --client {input.client:q} \
            --dataset {input.dataset:q} \
            --output {output:q}
        """


rule official_client:
    """Serve the model, drive it with the official client once, stop it."""
    input:
        program="resources/server.json",
        model="resources/model.json",
        store=lambda wildcards: store_of(dataset_of(wildcards.scenario)),
        golden=lambda wildcards: golden_store(wildcards.scenario),
        # A simulated server answers from all stores, whichever scenario starts it; and what is not made before
        # the first run would keep the second one from beginning beside it.
        before=(
            [
                file
                for dataset in DATASETS
                for file in (
                    store_of(dataset),
                    lengths_of(dataset),
                    *client_rows(dataset),
                )
            ]
            if ROUND.simulated
            else []
        ),
        lengths=lambda wildcards: lengths_of(dataset_of(wildcards.scenario)),
        official_client=CLIENT_PROOF,
        rows=lambda wildcards: client_rows(dataset_of(wildcards.scenario)),
    output:
        record=CLIENT_RECORD,
        request=f"{CLIENT_RUN}/{CLIENT_REQUEST}",
        files=[f"{CLIENT_RUN}/{CLIENT_FOLDER / file}" for file in CLIENT_FILES],
    log:
        main="logs/official-client-{scenario}.log",
        server=f"{CLIENT_RUN}/server.log",
        client=f"{CLIENT_RUN}/{CLIENT_LOG}",
        errors=f"{CLIENT_RUN}/errors.jsonl",
    benchmark:
        "benchmarks/{scenario}-official-client.tsv"
    priority: lambda wildcards: PRIORITIES[wildcards.scenario, Mode.PERFORMANCE]
    conda:
        CLIENT_ENVIRONMENT
    # All cores: two measurements on one machine would measure each other.
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        # Told by a dry run; nothing reads it.
        measuring=1,
        expected_min=lambda wildcards: expected_min(wildcards.scenario, *Mode),
    params:
        client_program=uncompared(CLIENT),
        round=uncompared(ROUND_FILE),
        division=uncompared(DIVISION),
        mode=uncompared(str(Mode.PERFORMANCE)),
        settings=lambda wildcards: measurement_by_client(wildcards.scenario),
        server=uncompared(operational("server", SETTINGS.server)),
        client=uncompared(operational("client", SETTINGS.client)),
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
            --official-client {input.official_client:q} \
            --client-data {input.rows:q} \
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


rule official_accuracy:
    """Read the accuracy phase from the files of the client's run: its record, and every answer."""
    input:
        # The record, not the files: it has their hashes, and is small enough to be compared by content.
        CLIENT_RECORD,
    output:
        record=f"results/{{scenario}}/{Mode.ACCURACY}/run.json",
        answers=f"results/{{scenario}}/{Mode.ACCURACY}/{PHASE_ANSWERS}",
    log:
        "logs/official-accuracy-{scenario}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=fingerprint("client-accuracy"),
        run=lambda wildcards, input: Path(input[0]).parent,
        out=lambda wildcards, output: Path(output.record).parent,
    shell:
        r"""
        weighbridge --log {log:q} client-accuracy \
            --run {params.run:q} \
            --out {params.out:q}
        """
