"""The index of results over time: of this run directory, and of those beside it. docs/history.md says how to read it.

In:  the entries in history/ of each run directory, which the commands record that finish a result
Out: results/index.html, results/index.md

It measures nothing and waits for nothing: what is not finished is not in it.
"""


rule index_history:
    """List all recorded results, with their trends and what changed."""
    output:
        page="results/index.html",
        text="results/index.md",
    log:
        "logs/index.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        # Were entries inputs, Snakemake would ask for those of run directories that were deleted.
        settings=lambda wildcards: fingerprint(
            "report", compared={"entries": recorded_entries()}
        ),
        root=uncompared(history_root()),
        folder=lambda wildcards, output: Path(output.page).parent,
    shell:
        r"""
        weighbridge --log {log:q} history {params.root:q} --write {params.folder:q}
        """
