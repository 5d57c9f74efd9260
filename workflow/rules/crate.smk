"""What came of what, for programs that follow provenance.

In:  the runs, what was made of them, the inputs' proofs
Out: results/ro-crate-metadata.json, which names all of it with sizes and hashes
"""


rule crate:
    """Tie inputs, software, runs and products together as an RO-Crate."""
    input:
        # Records and lists rather than logs and folders: Snakemake compares small files by content.
        RUN_RECORDS,
        expand("results/{scenario}/verdict.json", scenario=SCENARIOS),
        "results/submission.sha256",
        "results/check.txt",
        "results/attestation.json",
        "results/summary.json",
        "results/report.html",
        artifacts=[proof for proof in ARTIFACT_PROOFS if proof not in FURTHER_FILES],
        further=FURTHER_FILES,
    output:
        "results/ro-crate-metadata.json",
    log:
        "logs/crate.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        artifacts=lambda wildcards, input: [
            f"--artifact={proof}" for proof in input.artifacts
        ],
        further=uncompared(FURTHER_OPTIONS),
        submitter=uncompared(SETTINGS.submission.submitter),
        settings=fingerprint(
            "report", submission={"submitter": SETTINGS.submission.submitter}
        ),
    shell:
        r"""
        weighbridge --log {log:q} crate \
            --results results \
            --submitter {params.submitter:q} \
            {params.further:q} \
            {params.artifacts:q}
        """
