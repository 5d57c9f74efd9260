"""The score of the answers.

In:  an accuracy run, whose run.json holds the hashes of its logs; the dataset's truth columns
Out: results/{scenario}/accuracy.txt as the official checker reads it, accuracy.json with everything
"""


rule evaluate:
    """Score an accuracy run as its benchmark does."""
    input:
        # The record, not the log: it has the log's hash, and is small enough to be compared by content.
        run="results/{scenario}/accuracy/run.json",
        dataset=lambda wildcards: dataset_proof(dataset_of(wildcards.scenario)),
        prompt=PROMPT_FILES,
    output:
        text="results/{scenario}/accuracy.txt",
        record="results/{scenario}/accuracy.json",
    log:
        "logs/evaluate-{scenario}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=uncompared(ROUND_FILE),
        settings=lambda wildcards: fingerprint(
            "scoring",
            # Stricter floors stand in accuracy.json beside the scores.
            compared=of_round("benchmark", "accuracy")
            | of_dataset(dataset_of(wildcards.scenario), "samples", "splits"),
        ),
        logs=lambda wildcards, input: Path(input.run).parent,
        prompt=prompt_option,
        model=tokenizer_option(),
        out=lambda wildcards, output: Path(output.text).parent,
    shell:
        r"""
        weighbridge --log {log:q} evaluate \
            --round {params.round:q} \
            --scenario {wildcards.scenario:q} \
            --logs {params.logs:q} \
            --dataset {input.dataset:q} \
            {params.prompt:q} \
            {params.model:q} \
            --out {params.out:q}
        """
