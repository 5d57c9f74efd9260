"""The score of the answers.

In:  results/{scenario}/accuracy/mlperf_log_accuracy.json, the dataset's truth columns
Out: results/{scenario}/accuracy.txt as the official checker reads it, accuracy.json with everything
"""


rule evaluate:
    """Score an accuracy run: F1 of the category, brand, is_secondhand, unparsable answers."""
    input:
        log="results/{scenario}/accuracy/mlperf_log_accuracy.json",
        dataset="resources/dataset.json",
        prompt=PROMPT,
    output:
        text="results/{scenario}/accuracy.txt",
        record="results/{scenario}/accuracy.json",
    log:
        "logs/evaluate-{scenario}.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        round=ROUND_FILE,
        pin=pin(ROUND.benchmark, ROUND.samples, ROUND.splits),
        logs=lambda wildcards, input: Path(input.log).parent,
        out=lambda wildcards, output: Path(output.text).parent,
    shell:
        r"""
        weighbridge --log {log:q} evaluate \
            --round {params.round:q} \
            --logs {params.logs:q} \
            --dataset {input.dataset:q} \
            --prompt {input.prompt:q} \
            --out {params.out:q}
        """
