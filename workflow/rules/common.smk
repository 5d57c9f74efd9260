"""What all stages share: validated settings, the round, and the environments.

In:  OWN_CONFIG; config.yaml under the profile's overlay, the round's file in its benchmark's folder
Out: SETTINGS, SIGNING_KEY_FILE, ROUND, ROUND_FILE, DIVISION, ASKED, PLANNED, SCENARIOS, RUNS, OFFLINE_RECORDS, SEARCHED, PEAK,
     IS_TOP_SNAKEMAKE, SUBMITTED_WITH, CLIENT, QUALITY_CLIENT, the environments' files, ALL_CORES, BEFORE_RUNS, pinned(), either(), prompt_option(),
     tokenizer_option(), check_interpreter(), name_of()
"""

import os
import re
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from snakemake.exceptions import WorkflowError

from weighbridge.config.derived_round import RoundChanges
from weighbridge.config.fingerprint import ROOT_VARIABLE
from weighbridge.config.round_of_scenario import round_of_scenario
from weighbridge.config.round_settings import (
    check_against_round,
    check_statements,
    planned_runs,
    planned_scenarios,
    without_search,
)
from weighbridge.config.settings import portable_settings
from weighbridge.config.signing_key import key_text
from weighbridge.config.snakemake_profile import named_profiles, read_profiles
from weighbridge.config.target_rate import offline_share
from weighbridge.core.errors import InputError, WeighbridgeError
from weighbridge.core.owner import note_snakemake
from weighbridge.core.models import read_data
from weighbridge.core.yaml_place import Sources
from weighbridge.benchmarks.registry import check_requests, needs_tokenizer
from weighbridge.benchmarks.rounds import load_round, round_file
from weighbridge.endpoints.work_of_rounds import warn_of_work
from weighbridge.loadgen.own_user_conf import asked_scenario
from weighbridge.records.notice import reason_of
from weighbridge.run.closed_division import check_division, unproven_servers
from weighbridge.run.results_folder import check_results_folder
from weighbridge.serving.arguments import check_arguments, spelled_out

# Of this checkout, and not of a workflow that imports it as a module.
ROOT = Path(str(workflow.current_basedir)).parents[1]
# Paths in the settings start here, for every job: on a cluster, jobs read this file too.
os.environ[ROOT_VARIABLE] = str(ROOT)
# However this process ends, its jobs end with it. Snakemake starts others like it below the top one.
IS_TOP_SNAKEMAKE = note_snakemake()
# What `weighbridge submit` makes the same with; jobs elsewhere do not know it, and make no tree.
SUBMITTED_WITH = []
ON_COMMAND_LINE = {}


def config_files():
    """Return the files of the configuration, the last one on top; of a copy that Snakemake made, its original."""
    on_top = list(map(str, workflow.overwrite_configfiles))
    below = [file for file in map(str, workflow.configfiles) if file not in on_top]
    return tuple(
        OWN_CONFIG if file.endswith(str(OWN_CONFIG)) else Path(file)
        for file in [*below, *on_top]
    )


try:
    for path in (workflow.main_snakefile, str(ROOT)):
        if set(path) & {"{", "}"}:
            raise InputError(
                f"{path}: Snakemake takes braces in a path for wildcards; move it to a path without."
            )
    paths_of_module = workflow.modifier.path_modifier
    if paths_of_module.prefix or paths_of_module._prefix_replacements:
        raise InputError(
            "module of Weighbridge: its results are in results/, and commands find them there; leave out prefix "
            "and replace_prefix, and choose the run directory with --directory."
        )
    if workflow.is_main_process:
        # The files and values of a command line take the place of those of its profile.
        profile = read_profiles(
            named_profiles(sys.argv[1:], os.environ), Path(workflow.rundir)
        )
        replaced = profile.replacement(
            workflow.overwrite_configfiles,
            workflow.config_settings.config,
            Path(workflow.rundir),
        )
        if replaced:
            raise InputError(replaced)
        ON_COMMAND_LINE = profile.of_command_line(workflow.config_settings.config)
        SUBMITTED_WITH = profile.arguments(
            workflow.overwrite_configfiles,
            workflow.config_settings.config,
            Path(workflow.rundir),
        )
    # Snakemake takes the last of two equal keys, and what it has read no longer shows that there were two.
    for path in map(Path, workflow.configfiles):
        if path.is_file():
            read_data(path)
    SETTINGS = portable_settings(config, ROOT, Sources(config_files(), ON_COMMAND_LINE))
    ROUND = load_round(SETTINGS.round_reference, SETTINGS.category)
    SETTINGS = without_search(SETTINGS, ROUND)
    check_against_round(SETTINGS, ROUND)
    check_statements(SETTINGS, ROOT)
    check_requests(ROUND.benchmark, SETTINGS.requests)
    # Target rates, and what users' own user.conf files say of the scenarios.
    ASKED = {
        name: asked_scenario(chosen, ROUND, name, ROOT)
        for name, chosen in SETTINGS.scenarios.items()
        if name in ROUND.scenarios
    }
    # However it is written, it is the same server, and so the same fingerprint.
    SETTINGS = SETTINGS.model_copy(update={"server": spelled_out(SETTINGS.server)})
    REPLACED_RUNS = check_results_folder(Path("results"), ROUND)
    check_arguments(SETTINGS.server, ROUND.server_must_not, os.environ)
    OPEN_ONLY = check_division(SETTINGS, ROUND, os.environ)
    SIGNING_KEY_FILE = SETTINGS.submission.signing_key_file and (
        ROOT / SETTINGS.submission.signing_key_file
    )
    if workflow.is_main_process:
        # Jobs on other hosts read this file too, and have neither the variable nor the file.
        key_text(
            SETTINGS.submission.signing_key_env,
            SIGNING_KEY_FILE,
            os.environ,
            {"the project": ROOT, "the results": Path("results")},
        )
    RAISED = {
        name: round_of_scenario(asked.overlay.over(ROUND, name), name)
        for name, asked in ASKED.items()
    }
    LONGER = [
        warn_of_work(RAISED[name], RAISED[name].scenarios[name], asked.target_qps)
        for name, asked in ASKED.items()
        if isinstance(asked.target_qps, float)
    ]
except WeighbridgeError as error:
    # One sentence and its exit code; Snakemake would wrap an exception in the text of this file.
    sys.stderr.write(f"weighbridge: {error}\n")
    sys.exit(error.exit_code)


def pinned(package, environment):
    """Return the version at which an environment's file (in envs/) pins a package; None: it has no such package."""
    text = (ROOT / "workflow" / "rules" / environment).read_text()
    found = re.search(rf"^ *- {re.escape(package)}==(\S+)", text, re.MULTILINE)
    return found and found[1]


# What the closed division forbids is refused above, and by each command again before it starts.
DIVISION = SETTINGS.submission.division
# What commands are given: a file, whose round may have categories, and what the settings change of it.
ROUND_FILE = str(round_file(SETTINGS.round))
if ROUND.category:
    ROUND_FILE += f"@{ROUND.category}"
ROUND_FILE += RoundChanges.split(SETTINGS.round_reference)[1].suffix
# LoadGen's seeds are compiled in, so a round may need another LoadGen than the environment of this process has; the
# official endpoints client has an environment of its own.
CLIENT_ENVIRONMENT = f"../../envs/client-{ROUND.client}.yaml"
CLIENT = "weighbridge"
if not workflow.deployment_settings.deployment_method and (
    ROUND.evidence == "endpoints"
    or find_spec("mlperf_loadgen")
    and version("mlcommons-loadgen") != pinned("mlcommons-loadgen", CLIENT_ENVIRONMENT)
):
    # `make setup-NAME` makes the client's own. Without it the preflight fails, and says what to install.
    own = ROOT / f".venv-{ROUND.client}" / "bin" / "weighbridge"
    CLIENT = str(own) if own.is_file() else CLIENT
# lm-evaluation-harness is in an environment of its own, which `make setup-quality` makes. Without it, the command
# fails and says so.
QUALITY_ENVIRONMENT = "../../envs/quality.yaml"
QUALITY_CLIENT = ROOT / ".venv-quality" / "bin" / "weighbridge"
if workflow.deployment_settings.deployment_method or not QUALITY_CLIENT.is_file():
    QUALITY_CLIENT = "weighbridge"
# A server named by a path, in a container or run by the user needs no environment of ours.
SERVER_ENVIRONMENT = (
    "../../envs/server.yaml" if SETTINGS.server.found_by_name else CLIENT_ENVIRONMENT
)
if workflow.deployment_settings.deployment_method:
    # An isolated job runs this checkout's package, and with its own environment's Python.
    # Snakemake fills in braces here too, which is why they are doubled twice.
    shell.prefix(
        f"weighbridge() {{{{ PYTHONPATH={quote(str(ROOT / 'src'))} python -P -m weighbridge \"$@\"; }}}}; "
    )
if ROUND.not_submittable_because:
    logger.warning(f"round {ROUND.name}: {reason_of(ROUND)}")
UNPROVEN = unproven_servers(SETTINGS.server, ROUND, DIVISION)
for sentence in filter(None, (*OPEN_ONLY, UNPROVEN, *LONGER, REPLACED_RUNS)):
    logger.warning(sentence)
# The rate of these is searched for, and the run that confirms it becomes the performance run.
SEARCHED = [
    str(scenario) for scenario, asked in ASKED.items() if asked.target_qps == "auto"
]
PEAK = "results/{scenario}/peak.json"
# What a rule gets that can use all of a machine; on a cluster, the profile's set-threads says it instead.
ALL_CORES = workflow.resource_settings.cores or 8
# The priority of what runs wait for: above that of MMLU's questions, which would else be asked meanwhile.
BEFORE_RUNS = 2
# What there is to measure: a scenario that the round does not require may have no settings.
PLANNED = planned_scenarios(SETTINGS, ROUND)
SCENARIOS = list(PLANNED)
RUNS = [
    (name, run)
    for name, scenario in PLANNED.items()
    for run in planned_runs(SETTINGS, scenario)
]
# Whose rate searches start from, and shares are of.
OFFLINE_RECORDS = [
    f"results/{name}/performance/run.json"
    for name, scenario in PLANNED.items()
    if scenario.offline
][:1]


def either(choices):
    """Return a wildcard's constraint that matches one of the choices; without any, nothing."""
    return "|".join(choices) or "(?!)"


wildcard_constraints:
    scenario=either(SCENARIOS),
    run=either(sorted({run for scenario, run in RUNS})),


def check_interpreter():
    """Refuse to submit jobs that could not start: Snakemake gives them the interpreter's path unquoted.

    Raises:
        WorkflowError: Jobs run elsewhere, and the path has a blank in it.
    """
    if workflow.non_local_exec and re.search(r"\s", sys.executable):
        raise WorkflowError(
            f"{sys.executable}: Snakemake does not quote this path in the jobs that it submits; "
            "move the checkout to a path without blanks, and run `make setup` there."
        )


def name_of(rule):
    """Return a rule's name, which a workflow that imports this one may change; only while it is loaded.

    A module's `use rule X as Y` loads this workflow once more, and would then name every rule Y.
    """
    if rules.has(rule):
        return getattr(rules, rule).rule.name
    return workflow.modifier.modify_rulename(rule)


def prompt_option(wildcards, input):
    """Return the command's option for the benchmark's fixed texts, where it has some."""
    return ["--prompt", *input.prompt] if input.prompt else []


def tokenizer_option():
    """Return the command's option for the model whose tokenizer the benchmark needs, where it needs one.

    Of scoring it is no input: the accuracy run, which is one, follows from it, and old results are kept.
    """
    return uncompared(["--model", *TOKENIZER_PROOFS] if TOKENIZER_PROOFS else [])


def drawn(group, title):
    """Declare a folder of figures; which are in it, the results decide. `snakemake --report` shows them too."""
    return report(
        directory(f"results/figures/{group}"),
        patterns=["{figure}.png"],
        caption=f"../report/{group}.rst",
        category="Figures",
        subcategory=title,
        labels={"figure": "{figure}"},
    )
