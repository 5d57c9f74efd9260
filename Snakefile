"""Weighbridge: from pinned artifacts to a checked MLPerf Inference submission.

    snakemake --profile profiles/demo submission          everything, on the embedded demo
    snakemake --profile profiles/demo results/offline/accuracy.txt
    snakemake -n                                          what the real benchmark would do
    snakemake sweep_NAME                                  the comparison that sweeps/NAME.yaml describes
    snakemake quality                                     the model's score in MMLU

Settings are in config.yaml, constants of a round in its benchmark's rounds/, stages in workflow/rules.
"""

from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/config_file.smk"


configfile: workflow.source_path("config.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/events.smk"
include: "workflow/rules/fingerprints.smk"
include: "workflow/rules/artifacts.smk"
include: "workflow/rules/downloads.smk"
include: "workflow/rules/requests.smk"
include: "workflow/rules/plan.smk"
include: "workflow/rules/run_kinds.smk"
include: "workflow/rules/order.smk"
include: "workflow/rules/lives.smk"


if ROUND.evidence == "endpoints":

    include: "workflow/rules/endpoints.smk"

else:

    include: "workflow/rules/benchmark.smk"


include: "workflow/rules/peak.smk"
include: "workflow/rules/accuracy.smk"
include: "workflow/rules/compliance.smk"
include: "workflow/rules/quality_files.smk"
include: "workflow/rules/quality.smk"
include: "workflow/rules/gates.smk"
include: "workflow/rules/submission.smk"
include: "workflow/rules/check.smk"
include: "workflow/rules/attest.smk"
include: "workflow/rules/crate.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/history_files.smk"
include: "workflow/rules/history.smk"
include: "workflow/rules/sweep_files.smk"
include: "workflow/rules/sweeps.smk"


# The targets that a user names; the first is what a bare `snakemake` makes.
rule submission:
    """The whole way: the runs, their verdicts, the checked submission tree and its summary."""
    input:
        run_files,
        "results/submission",
        "results/check.txt",
        "results/attestation.json",
        "results/summary.json",
        "results/ro-crate-metadata.json",
        "results/report.html",
        "results/report.md",


rule artifacts:
    """The pinned inputs alone, fetched and proven."""
    input:
        ARTIFACT_PROOFS,


rule check:
    """The submission tree, checked by our own rules and by the official tools."""
    input:
        "results/check.txt",


rule verdicts:
    """What the gates say of all scenarios, whether or not they pass, and the runs that this needs."""
    input:
        run_files,
        expand("results/{scenario}/verdict.json", scenario=SCENARIOS),


rule quality:
    """The model's scores in MMLU, which must have passed their checks."""
    input:
        QUALITY_FILES,
