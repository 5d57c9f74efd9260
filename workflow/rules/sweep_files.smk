"""Sweeps: the files in sweeps/, and which sessions each consists of.

In:  SETTINGS (where the files are; the section server, which started systems are laid over), ROOT; plan.json of a
     sweep that was begun
Out: SWEEP_NAMES, SWEEP, WAVE, ANSWERS, sweep_json(), speed_json(), asked_of_system(), questions_fingerprint(),
     model_of_sweep(), model_of_answers(), planned_before(), session_before(), measured_of_sweep(), files_of_sweep(),
     answers_of_sweep(), expected_session(), expected_whole()

A file is read only when its sweep is asked for, so that a wrong one stops nothing else.
"""

from functools import cache

from weighbridge.config.sweep_files import read_sweep, sweep_names
from weighbridge.records.asked_system import ASKED as SYSTEM_ASKED
from weighbridge.records.asked_system import SWEEP_QUALITY
from weighbridge.records.sweep_plan import PLAN as SWEEP_PLAN
from weighbridge.records.sweep_plan import SweepPlan
from weighbridge.sweep.cell_key import identities_of
from weighbridge.sweep.expected_sessions import (
    expected_run_s,
    expected_sessions,
    held_one_by_one,
)
from weighbridge.sweep.quality_key import asked_of, questions_of

SWEEP_NAMES = sweep_names(ROOT / SETTINGS.sweeps)
SWEEP = "results/sweeps/{sweep}"
WAVE = f"{SWEEP}/w{{wave}}"
ANSWERS = f"{SWEEP}/{SWEEP_QUALITY}/{{system}}"
MODEL_PROOF = "resources/model.json"


@cache
def sweep_settings(name):
    """Return a sweep's settings, its servers laid over the configuration's, with paths relative to ROOT."""
    return read_sweep(
        ROOT / SETTINGS.sweeps / f"{name}.yaml",
        server=SETTINGS.server.model_dump(mode="json", exclude_unset=True),
        context={"portable_from": ROOT},
    )


def sweep_json(name):
    """Return a sweep's settings as its jobs are given them."""
    return canonical(sweep_settings(name))


def speed_json(name):
    """Return a sweep's settings as the jobs that measure speed are given them: questions are not their matter."""
    return canonical(sweep_settings(name).without_quality())


def asked_of_system(name, system):
    """Return what a system of a sweep is asked, and by which release of the harness."""
    return [
        asked_of(sweep_settings(name), system),
        pinned("lm-eval", QUALITY_ENVIRONMENT),
    ]


def questions_fingerprint(name):
    """Write the fingerprint of the questions that a sweep asks: their pin, and what its manifest says."""
    dataset = questions_of(sweep_settings(name)).dataset
    manifest = sha256_of_file(dataset.manifest)
    return fingerprint("fetch", compared={"manifest": manifest}, artifact=dataset)


def starts_servers(name):
    """Return whether a sweep has a server that serves the benchmark's model, rather than the user's."""
    return not all(
        system.attached or system.command
        for system in sweep_settings(name).systems.values()
    )


def model_of_sweep(name):
    """Return the proof of the model, where a sweep starts servers."""
    return [MODEL_PROOF] if starts_servers(name) else []


def model_of_answers(name):
    """Return the proof of the model, where a sweep starts servers, or its tokenizer makes the prompts."""
    quality = sweep_settings(name).quality
    by_tokens = quality and quality.mmlu.by_likelihood
    return [MODEL_PROOF] if by_tokens or starts_servers(name) else []


def model_folder(name):
    """Return the model's folder, which says whether a server is still the one that was measured."""
    proof = Path(MODEL_PROOF)
    if not starts_servers(name) or not proof.is_file():
        return None
    return Path(read_data(proof)["folder"])


@cache
def expected(name):
    """Return the sessions of a sweep: those that are planned, and those that will be."""
    plan = Path(SWEEP.format(sweep=name)) / SWEEP_PLAN
    settings = sweep_settings(name)
    return expected_sessions(
        settings,
        SweepPlan.read(plan) if plan.is_file() else None,
        identities_of(settings, model_folder(name)),
    )


def session_of(name, folder):
    """Return a session by its folder."""
    [found] = [each for each in expected(name).sessions if each.folder == folder]
    return found


def session_file(name, session):
    """Return the file that is written last of a session."""
    return f"{SWEEP.format(sweep=name)}/{session.folder}/held.json"


def planned_before(wildcards):
    """Return what must be measured before a wave is planned: all of the waves before it."""
    sessions = expected(wildcards.sweep).sessions
    return [
        session_file(wildcards.sweep, each)
        for each in sessions
        if each.wave < int(wildcards.wave)
    ][-1:]


def session_before(wildcards):
    """Return the session that comes before another one, which makes them a chain."""
    folder = f"w{wildcards.wave}/b{wildcards.block}/{wildcards.system}"
    session = session_of(wildcards.sweep, folder)
    sessions = expected(wildcards.sweep).sessions
    before = sessions[: sessions.index(session)]
    return [session_file(wildcards.sweep, each) for each in before[-1:]]


def measured_of_sweep(wildcards):
    """Return what tells that all of a sweep is measured."""
    return files_of_sweep(wildcards.sweep)


def files_of_sweep(name):
    """Return what tells that all of a sweep is measured, by its name."""
    if not held_one_by_one(sweep_settings(name)):
        return [f"{SWEEP.format(sweep=name)}/measured.json"]
    return [session_file(name, each) for each in expected(name).sessions]


def answers_of_sweep(name):
    """Return what tells that the systems of a sweep have answered its questions; nothing: it asks none.

    The copy of the baseline would answer as the baseline does.
    """
    settings = sweep_settings(name)
    if settings.quality is None:
        return []
    return [
        f"{ANSWERS.format(sweep=name, system=system)}/{SYSTEM_ASKED}"
        for system in settings.systems
    ]


def expected_session(wildcards):
    """Return how many minutes a session takes but for its server's start, for those who read a dry run."""
    folder = f"w{wildcards.wave}/b{wildcards.block}/{wildcards.system}"
    runs = expected(wildcards.sweep).runs_of(session_of(wildcards.sweep, folder))
    return minutes_of_runs(wildcards.sweep, runs)


def expected_whole(wildcards):
    """Return how many minutes the runs of a sweep take that is one job."""
    settings = sweep_settings(wildcards.sweep)
    loads = len(settings.levels.all) or 8
    cells = len(settings.workloads) * loads * len(settings.measured)
    runs = cells * settings.blocks * settings.runs_per_session
    return minutes_of_runs(wildcards.sweep, runs)


def minutes_of_runs(name, runs):
    """Return how many minutes so many runs of a sweep take, at least one."""
    return max(round(runs * expected_run_s(sweep_settings(name)) / 60), 1)


def check_sweeps_asked_for():
    """Read the sweeps that the command names, and say how much each of them is.

    Raises:
        InputError: one of their files is wrong.
    """
    asked = " ".join(sys.argv)
    for name in SWEEP_NAMES:
        if not re.search(
            rf"(^| )sweep_{re.escape(name)}( |$)|sweeps/{re.escape(name)}/", asked
        ):
            continue
        settings = sweep_settings(name)
        if not held_one_by_one(settings) or not workflow.is_main_process:
            continue
        sessions = expected(name).sessions
        runs = sum(map(expected(name).runs_of, sessions))
        logger.info(
            f"sweep {name}: {runs} runs in {len(sessions)} sessions, about {minutes_of_runs(name, runs)} min, "
            "and the starts of servers; what is finished is not repeated"
        )


try:
    check_sweeps_asked_for()
except WeighbridgeError as error:
    sys.stderr.write(f"weighbridge: {error}\n")
    sys.exit(error.exit_code)
