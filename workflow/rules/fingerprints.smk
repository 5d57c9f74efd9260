"""Fingerprints: what a rerun depends on, as text that Snakemake compares and the job then reads.

In:  SETTINGS and ROUND; the environments' files in envs/
Out: uncompared(), of_round(), of_dataset(), of_server(), of_mmlu(), run_rules(), measurement(),
     measurement_by_client(), without_weights(), artifact_fingerprint(), sha256_of_file(), DEPLOYED_SERVER, CONTEXT_OPTION

A rule's only compared param is `settings`, a fingerprint (weighbridge.config.fingerprint). Everything else that
a command needs passes through uncompared(). docs/caching.md says what reruns what.
"""

from weighbridge.artifacts.proof import Proof
from weighbridge.config.audited_round import compliance_rules
from weighbridge.config.conf_overlay import ConfOverlay
from weighbridge.config.fingerprint import VERSIONS, canonical, fingerprint, operational
from weighbridge.config.round_of_scenario import round_of_dataset
from weighbridge.core.errors import InputError
from weighbridge.core.files import sha256_of
from weighbridge.serving.installed_adapters import adapter_of


def of_round(*fields):
    """Return fields of the round, for the fingerprint of a job that reads them."""
    return {field: getattr(ROUND, field) for field in fields}


def of_dataset(dataset, *fields):
    """Return fields of the round with one of its datasets, for the fingerprint of a job that reads them."""
    round_ = round_of_dataset(ROUND, dataset)
    return {field: getattr(round_, field) for field in fields}


def of_server(*fields):
    """Return settings of the server, for the fingerprint of a job that reads only these."""
    return SETTINGS.server.model_dump(
        mode="json", exclude_defaults=True, include=set(fields)
    )


def of_mmlu(*fields):
    """Return settings of MMLU, for the fingerprint of a job that reads only these."""
    return SETTINGS.quality.mmlu.model_dump(
        mode="json", exclude_defaults=True, include=set(fields)
    )


def sha256_of_file(path):
    """Hash a file that the settings name, for the fingerprint of a job that reads it; null without one."""
    return (
        None if path is None or not (ROOT / path).is_file() else sha256_of(ROOT / path)
    )


def uncompared(value):
    """Return a param that reruns nothing when it changes: Snakemake compares none that is derived from outputs."""
    return lambda wildcards, output: value


# With --sdm conda, the version of the server that its environment holds. Otherwise it is the user's.
DEPLOYED_SERVER = (
    pinned("vllm", SERVER_ENVIRONMENT)
    if SETTINGS.server.found_by_name and workflow.deployment_settings.deployment_method
    else None
)


# The argument that limits a prompt's length.
CONTEXT_OPTION = adapter_of(SETTINGS.server).context_option


def without_weights():
    """Return whether the model's weights are left to the endpoints that serve them.

    A proof that has them stays: finished runs follow from it, and it proves more than is asked for.
    """
    model, proof = SETTINGS.artifacts.model, Path("resources/model.json")
    wanted = not SETTINGS.server.endpoints if model.weights is None else model.weights
    if wanted or model.synthetic is not None:
        return False
    try:
        return not proof.is_file() or Proof.read(proof).without_weights
    except InputError:  # damaged: it is written anew
        return True


def artifact_fingerprint(kind):
    """Write the fingerprint of an artifact: its pin, and what its manifest says."""
    questions = kind == "mmlu"
    artifact = (
        SETTINGS.quality.mmlu.dataset if questions else SETTINGS.artifacts.by_name[kind]
    )
    manifest = sha256_of_file(artifact.manifest)
    # What is made up depends on whose samples they are; questions are nobody's.
    made_up = artifact.synthetic is not None and not questions
    benchmark = ROUND.benchmark if made_up else None
    further = named_with("dataset").get(kind)
    return fingerprint(
        "fetch",
        compared={
            "manifest": manifest,
            "benchmark": benchmark,
            "splits": (
                of_dataset(further, "splits")["splits"] if made_up and further else None
            ),
            "weights": (
                "at the endpoints" if kind == "model" and without_weights() else None
            ),
        },
        artifact=artifact,
    )


def run_rules(run):
    """Return what makes a run; for a compliance test, that is also what LoadGen is told for it."""
    if not run.compliance_test:
        return run
    audit = compliance_rules(ROUND, run.compliance_test).audit
    return run.model_dump(mode="json", exclude_defaults=True) | {
        "audit": audit.model_dump()
    }


def measurement(stage, scenario, run=None, **settings):
    """Write the fingerprint of a job that measures: all that the figures depend on.

    Not of the rules: which other LoadGen releases would do, how the scenario is called in a tree and judged.
    """
    scenario_rules, overlay = ROUND.scenarios[scenario], ASKED[scenario].overlay
    loadgen_rules = ROUND.loadgen and ROUND.loadgen.model_dump(
        mode="json", exclude_defaults=True, exclude={"versions"}
    )
    return fingerprint(
        stage,
        compared={
            # The search measures too, so both have the measurement's version.
            "measurement": VERSIONS["measurement"],
            "loadgen": pinned("mlcommons-loadgen", CLIENT_ENVIRONMENT),
            "round": of_round("name", "server_must_not")
            | of_dataset(scenario_rules.dataset, "samples")
            # A round that is withdrawn keeps the fingerprints of its finished runs: nothing else was measured.
            | {"submittable": ROUND.held_to_rules},
            "loadgen_rules": loadgen_rules,
            "scenario": scenario_rules.model_dump(
                mode="json",
                exclude_defaults=True,
                exclude={"folder", "metric", "metrics", "required", "runs"},
            ),
            "run": run and run_rules(scenario_rules.rules_of(run)),
        },
        server=SETTINGS.server,
        client=SETTINGS.client,
        # Only where it sets something: a file that repeats the round's values changes nothing.
        user_conf=overlay if overlay != ConfOverlay() else None,
        **settings,
    )


def measurement_by_client(scenario):
    """Write the fingerprint of a job that measures with the official client: all that the figures depend on.

    As `measurement`, with the client's commit and the round's rules for it in the place of LoadGen's. What a run is
    judged by is left out: the client is told no limit.
    """
    return fingerprint(
        "measurement",
        compared={
            "official_client": {
                "commit": SETTINGS.artifacts.client.revision,
                "packages": ROUND.client,
            },
            "round": of_round("name", "max_tokens", "server_must_not")
            | of_dataset(dataset_of(scenario), "samples")
            | {"submittable": ROUND.held_to_rules},
            "sampling": ROUND.sampling.model_dump(exclude_defaults=True) or None,
            "endpoints_rules": ROUND.endpoints.model_dump(
                mode="json", exclude_defaults=True, exclude={"commits", "commits_note"}
            ),
            "scenario": ROUND.scenarios[scenario].model_dump(
                mode="json",
                exclude_defaults=True,
                exclude={"folder", "metric", "metrics", "limits", "required", "runs"},
            ),
        },
        server=SETTINGS.server,
        client=SETTINGS.client,
        target_qps=ASKED[scenario].target_qps,
    )
