"""The tree as a stranger finds it: checked by our own rules and by the official tools.

In:  results/submission.sha256, which lists the tree's files and its archive by hash; the proven reference where
     there is one
Out: results/check.txt, there only when the tree is accepted; results/check.json, kept in any case
"""


rule check_tree:
    """Check the tree; each complaint is told with its file and its remedy."""
    input:
        checksums="results/submission.sha256",
        reference=["resources/reference.json"] if "reference" in KINDS else [],
    output:
        "results/check.txt",
    log:
        main="logs/check.log",
        report="results/check.json",
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=fingerprint("tree", compared={"round": ROUND}),
        archive=lambda wildcards, input: Path(input.checksums).with_suffix(".tar.gz"),
        # In the open division, what differs from the closed one is a warning and no reason to refuse.
        strict=uncompared(
            "--strict" if SETTINGS.submission.division == "closed" else ""
        ),
        reference=lambda wildcards, input: (
            f"--reference {input.reference[0]}" if input.reference else ""
        ),
    shell:
        r"""
        weighbridge --log {log.main:q} check \
            --round {params.round:q} \
            --tree {params.archive:q} \
            --originals results/originals \
            {params.strict} \
            --output {log.report:q} \
            {params.reference} >{output:q}.part \
            || {{ code=$?; cat {output:q}.part >&2; exit $code; }}
        mv {output:q}.part {output:q}
        """
