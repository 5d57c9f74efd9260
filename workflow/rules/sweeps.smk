"""Comparisons of systems: which is faster, by how much, how sure. docs/comparing.md says how to read them.

In:  sweeps/NAME.yaml; the proven model, where a sweep starts servers that serve it
Out: results/sweeps/NAME/: table.md, table.csv, report.html, comparison.json, plots/, and a folder for each run; an
     entry in history/

A session is one life of a server, or one visit to the user's, and a job. Runs lie beside the declared outputs, which
Snakemake deletes before a job: an interrupted session goes on with the next run.
"""


wildcard_constraints:
    sweep=either([re.escape(name) for name in SWEEP_NAMES]),
    wave=r"\d+",
    block=r"\d+",
    system=r"[A-Za-z0-9][A-Za-z0-9._-]*",


rule plan_sweep:
    """Try each system briefly, fix how many requests a run has, and store the bytes that all systems get."""
    input:
        model=lambda wildcards: model_of_sweep(wildcards.sweep),
        # Only to come before.
        before=ancient(planned_before),
    output:
        f"{WAVE}/planned.json",
    log:
        "logs/plan-sweep-{sweep}-{wave}.log",
    conda:
        "../../envs/sweep.yaml"
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        measuring=1,
    params:
        settings=lambda wildcards, output: speed_json(wildcards.sweep),
        model=lambda wildcards, input: [f"--model={proof}" for proof in input.model],
        out=lambda wildcards, output: SWEEP.format(sweep=wildcards.sweep),
    shell:
        r"""
        weighbridge --log {log:q} sweep --only plan \
            --settings {params.settings:q} \
            {params.model:q} \
            --wave {wildcards.wave:q} \
            --out {params.out:q} \
            --done {output:q}
        """


rule hold_session:
    """Open one system, measure all workloads at all loads of the wave once, close it."""
    input:
        planned=f"{WAVE}/planned.json",
        model=lambda wildcards: model_of_sweep(wildcards.sweep),
        # Only to come before: systems are measured in turns.
        before=ancient(session_before),
    output:
        f"{WAVE}/b{{block}}/{{system}}/held.json",
    log:
        "logs/sweep-{sweep}-w{wave}-b{block}-{system}.log",
    conda:
        "../../envs/sweep.yaml"
    # All cores: two measurements on one machine would measure each other.
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        measuring=1,
        # Told by a dry run; nothing reads it.
        expected_min=expected_session,
    params:
        settings=lambda wildcards, output: speed_json(wildcards.sweep),
        model=lambda wildcards, input: [f"--model={proof}" for proof in input.model],
        out=lambda wildcards, output: SWEEP.format(sweep=wildcards.sweep),
        session=lambda wildcards, output: f"w{wildcards.wave}/b{wildcards.block}/{wildcards.system}",
    shell:
        r"""
        weighbridge --log {log:q} sweep --only session \
            --settings {params.settings:q} \
            {params.model:q} \
            --session {params.session:q} \
            --out {params.out:q} \
            --done {output:q}
        """


rule measure_sweep:
    """Measure a whole sweep in one job: its servers run side by side, or it chooses its loads as it goes."""
    input:
        model=lambda wildcards: model_of_sweep(wildcards.sweep),
    output:
        f"{SWEEP}/measured.json",
    log:
        "logs/measure-sweep-{sweep}.log",
    conda:
        "../../envs/sweep.yaml"
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        measuring=1,
        expected_min=expected_whole,
    params:
        # Compared: what is finished is kept, and what was added is measured.
        settings=lambda wildcards: speed_json(wildcards.sweep),
        model=lambda wildcards, input: [f"--model={proof}" for proof in input.model],
        out=lambda wildcards, output: SWEEP.format(sweep=wildcards.sweep),
    shell:
        r"""
        weighbridge --log {log:q} sweep --only measure \
            --settings {params.settings:q} \
            {params.model:q} \
            --out {params.out:q} \
            --done {output:q}
        """


rule fetch_sweep_questions:
    """Fetch the questions that a sweep asks, and prove them."""
    output:
        f"{SWEEP}/questions.json",
    log:
        "logs/fetch-questions-{sweep}.log",
    localrule: SETTINGS.fetch_on == "submit-host"
    conda:
        "../../envs/fetch.yaml"
    params:
        settings=lambda wildcards: questions_fingerprint(wildcards.sweep),
        into=lambda wildcards, output: output[0].removesuffix(".json"),
    shell:
        r"""
        weighbridge --log {log:q} fetch \
            --kind mmlu \
            --settings {params.settings:q} \
            --into {params.into:q} \
            --proof {output:q}
        """


rule sweep_quality:
    """Open one system, ask it all questions, score its answers, close it.

    The answers, a file for each subject, lie beside the declared outputs: an interrupted job goes on with the next.
    """
    input:
        questions=f"{SWEEP}/questions.json",
        model=lambda wildcards: model_of_answers(wildcards.sweep),
        # Only to come before: no system is asked while one is measured.
        before=ancient(measured_of_sweep),
    output:
        asked=f"{ANSWERS}/{SYSTEM_ASKED}",
        scores=expand(
            f"{ANSWERS}/{{file}}",
            file=[OVERALL, BY_DOMAIN, BY_SUBJECT, SAMPLES],
            allow_missing=True,
        ),
    log:
        "logs/sweep-quality-{sweep}-{system}.log",
    conda:
        QUALITY_ENVIRONMENT
    threads: ALL_CORES
    resources:
        **BESIDE_SNAKEMAKE,
        measuring=1,
    params:
        client_program=uncompared(QUALITY_CLIENT),
        # Compared. The command reads it from the sweep's settings, of which it needs no other.
        asked=lambda wildcards: asked_of_system(wildcards.sweep, wildcards.system),
        settings=lambda wildcards, output: sweep_json(wildcards.sweep),
        model=lambda wildcards, input: [f"--model={proof}" for proof in input.model],
        out=lambda wildcards, output: SWEEP.format(sweep=wildcards.sweep),
    shell:
        r"""
        {params.client_program:q} --log {log:q} sweep-mmlu \
            --settings {params.settings:q} \
            --system {wildcards.system:q} \
            --dataset {input.questions:q} \
            {params.model:q} \
            --out {params.out:q}
        """


rule compare_sweep:
    """Pair the runs by block and the answers by question, and write table, page and plots."""
    input:
        measured_of_sweep,
        lambda wildcards: answers_of_sweep(wildcards.sweep),
    output:
        comparison=f"{SWEEP}/comparison.json",
        table=f"{SWEEP}/table.md",
        values=f"{SWEEP}/table.csv",
        page=f"{SWEEP}/report.html",
        plots=directory(f"{SWEEP}/plots"),
    log:
        "logs/compare-sweep-{sweep}.log",
    localrule: True
    conda:
        "../../envs/sweep.yaml"
    params:
        settings=lambda wildcards: sweep_json(wildcards.sweep),
        model=lambda wildcards, output: [
            f"--model={proof}" for proof in model_of_answers(wildcards.sweep)
        ],
        out=lambda wildcards, output: SWEEP.format(sweep=wildcards.sweep),
    shell:
        r"""
        weighbridge --log {log:q} sweep --only compare \
            --settings {params.settings:q} \
            {params.model:q} \
            --out {params.out:q} \
            --history history
        """


# The target of each sweep: snakemake sweep_NAME.
for name in SWEEP_NAMES:

    rule:
        name:
            f"sweep_{name}"
        input:
            f"results/sweeps/{name}/comparison.json",
            f"results/sweeps/{name}/report.html",
            # By name, because Snakemake does not remake a deleted file that only others needed.
            lambda wildcards, name=name: files_of_sweep(name),
            lambda wildcards, name=name: answers_of_sweep(name),
