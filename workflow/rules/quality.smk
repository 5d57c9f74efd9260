"""Model quality: MMLU, asked of the served model by lm-evaluation-harness.

In:  quality.mmlu of the configuration; the proven questions; the proven model, where its tokenizer is needed or a
     server is started
Out: results/quality/mmlu/: measured.json and answers/; overall.json, by_domain.json, by_subject.json, samples.csv,
     plots/; passed.txt, there only where all checks passed; an entry in history/

The answers, a file for each subject, lie beside the declared output, which Snakemake deletes before a job: an
interrupted measurement goes on with the next subject.
"""


rule measure_mmlu:
    """Serve the model, or visit the user's servers, and ask all questions."""
    input:
        program="resources/server.json",
        questions="resources/mmlu.json",
        model=model_of_mmlu(),
    output:
        MEASURED_MMLU,
    log:
        "logs/measure-mmlu.log",
    benchmark:
        "benchmarks/mmlu.tsv"
    # Before what needs no GPU, because a server waits for it; after the runs, and after what those wait for.
    priority: 1
    conda:
        QUALITY_ENVIRONMENT
    # All cores, as of the runs: a server that they have started is the same only then.
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        measuring=1,
    params:
        client_program=uncompared(QUALITY_CLIENT),
        round=uncompared(ROUND_FILE),
        division=uncompared(DIVISION),
        settings=fingerprint(
            "quality",
            compared={
                "lm_eval": pinned("lm-eval", QUALITY_ENVIRONMENT),
                "round": of_round("server_must_not"),
            },
            server=server_of_mmlu(),
            mmlu=SETTINGS.quality.mmlu,
        ),
        server=uncompared(operational("server", SETTINGS.server)),
        client=uncompared(operational("client", SETTINGS.client)),
        mmlu=uncompared(operational("mmlu", SETTINGS.quality.mmlu)),
        model=lambda wildcards, input: [f"--model={proof}" for proof in input.model],
        out=lambda wildcards, output: Path(output[0]).parent,
    shell:
        r"""
        {params.client_program:q} --log {log:q} measure-mmlu \
            --round {params.round:q} \
            --division {params.division:q} \
            --settings {params.settings:q} \
            --server {params.server:q} \
            --client {params.client:q} \
            --mmlu {params.mmlu:q} \
            --program {input.program:q} \
            --dataset {input.questions:q} \
            {params.model:q} \
            --replaced replaced \
            --lives results/lives \
            --out {params.out:q}
        """


rule score_mmlu:
    """Compute the accuracy over all questions, of each domain and of each subject, and plot it."""
    input:
        MEASURED_MMLU,
    output:
        overall=OVERALL_MMLU,
        domains=f"{MMLU}/{BY_DOMAIN}",
        subjects=f"{MMLU}/{BY_SUBJECT}",
        samples=f"{MMLU}/{SAMPLES}",
        plot=report(
            f"{MMLU}/{SCORE_PLOT}.png",
            caption="../report/quality.rst",
            category="Figures",
            subcategory="Quality",
        ),
        vector=f"{MMLU}/{SCORE_PLOT}.svg",
    log:
        "logs/score-mmlu.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        settings=fingerprint("quality-scores", mmlu=of_mmlu("floor") or None),
        out=lambda wildcards, output: Path(output.overall).parent,
    shell:
        r"""
        weighbridge --log {log:q} score-mmlu \
            --settings {params.settings:q} \
            --out {params.out:q} \
            --history history
        """


rule check_mmlu:
    """Check the scores: all questions were asked, and the floor is reached where there is one."""
    input:
        OVERALL_MMLU,
    output:
        PASSED_MMLU,
    log:
        "logs/check-mmlu.log",
    localrule: True
    conda:
        "../../envs/analysis.yaml"
    params:
        quality=lambda wildcards, input: Path(input[0]).parent,
    shell:
        r"""
        weighbridge --log {log:q} check-mmlu \
            --quality {params.quality:q} \
            --output {output:q}
        """
