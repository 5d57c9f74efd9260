"""What a stranger can verify: the tree and all that it was made from, by hashes, signed if a key is named.

In:  results/submission.sha256, which lists the tree's archive by hash; results/check.txt, there once the tree was
     accepted; the proven reference where there is one
Out: results/attestation.json, which `weighbridge verify` reads
"""


rule attest:
    """Attest the archive: an in-toto statement in an envelope."""
    input:
        checksums="results/submission.sha256",
        checked="results/check.txt",
        reference=["resources/reference.json"] if "reference" in KINDS else [],
    output:
        "results/attestation.json",
    log:
        "logs/attest.log",
    # On the host of the workflow: the key is there, and travels to no other.
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        # The name of a key, never its text.
        settings=fingerprint(
            "attestation",
            compared={
                "round": ROUND,
                "signing_key_env": SETTINGS.submission.signing_key_env,
                "signing_key_file": SETTINGS.submission.signing_key_file,
            },
        ),
        archive=lambda wildcards, input: Path(input.checksums).with_suffix(".tar.gz"),
        reference=lambda wildcards, input: (
            f"--reference {input.reference[0]}" if input.reference else ""
        ),
        key=uncompared(
            ["--key-env", SETTINGS.submission.signing_key_env]
            if SETTINGS.submission.signing_key_env
            else ["--key-file", str(SIGNING_KEY_FILE)] if SIGNING_KEY_FILE else []
        ),
    shell:
        r"""
        weighbridge --log {log:q} attest \
            --round {params.round:q} \
            --tree {params.archive:q} \
            {params.reference} \
            {params.key:q} \
            --output {output:q}
        """
