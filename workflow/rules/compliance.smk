"""Compliance tests: what the official script finds in a compliance run.

In:  the run; the proofs of the model and of the reference, where there is one
Out: results/{scenario}/{run}/verify_accuracy.txt, as the official checker reads it
"""


rule verify_compliance:
    """Let the official script read a compliance run, or make its checks where there is no reference."""
    input:
        # The record, which has the log's hash.
        run=RUN_RECORD,
        model="resources/model.json",
        reference=["resources/reference.json"] if "reference" in KINDS else [],
    output:
        "results/{scenario}/{run}/verify_accuracy.txt",
    log:
        "logs/verify-{scenario}-{run}.log",
    wildcard_constraints:
        run=either(sorted({run for runs in COMPLIANCE_RUNS.values() for run in runs})),
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=lambda wildcards: fingerprint(
            "compliance",
            compared={"run": ROUND.scenarios[wildcards.scenario].runs[wildcards.run]},
        ),
        logs=lambda wildcards, input: Path(input.run).parent,
        reference=lambda wildcards, input: [
            f"--reference={proof}" for proof in input.reference
        ],
    shell:
        r"""
        weighbridge --log {log:q} verify-compliance \
            --round {params.round:q} \
            --scenario {wildcards.scenario:q} \
            --logs {params.logs:q} \
            {params.reference:q} \
            --model {input.model:q}
        """
