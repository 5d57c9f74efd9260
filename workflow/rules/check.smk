"""The tree as a stranger finds it: checked by our own rules and by the official tools.

In:  results/submission.tar.gz, results/originals/, the proven reference where there is one
Out: results/check.txt, there only when the tree is accepted; results/check.json, kept in any case
"""


rule check_tree:
    """Check the tree; each complaint is told with its file and its remedy."""
    input:
        archive="results/submission.tar.gz",
        originals="results/originals",
        reference=["resources/reference.json"] if "reference" in KINDS else [],
    output:
        "results/check.txt",
    log:
        main="logs/check.log",
        report="results/check.json",
    conda:
        "../../envs/analysis.yaml"
    params:
        round=ROUND_FILE,
        pin=pin(ROUND),
        reference=lambda wildcards, input: (
            f"--reference {input.reference[0]}" if input.reference else ""
        ),
    shell:
        r"""
        weighbridge --log {log.main:q} check \
            --round {params.round:q} \
            --tree {input.archive:q} \
            --originals {input.originals:q} \
            --output {log.report:q} \
            {params.reference} >{output:q}.part \
            || {{ code=$?; cat {output:q}.part >&2; exit $code; }}
        mv {output:q}.part {output:q}
        """
