"""Check which client made a run: a commit of the round, unmodified, on the proven rows of the dataset."""

from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import ScenarioRules
from weighbridge.endpoints.client_results import ClientResults
from weighbridge.gates.closed_checks import Inputs
from weighbridge.records.official_client import OfficialClient
from weighbridge.records.run_record import RunRecord
from weighbridge.records.verdict import Gate

_SHA_DIGITS = 7  # that the client writes of its commit
_SHOWN_DIGITS = 12
_AGAIN = "Repeat with the client that Weighbridge fetches for the round."
_NOT_RECORDED = (
    "No run.json, so nothing proves which client made this; repeat the run with `weighbridge run`."
)
_MODIFIED = (
    "The rules demand the unmodified client: a file of its checkout differed from the commit before or after "
    "the run. Remove the checkout, so that it is fetched again, and repeat."
)
_ROWS = "Make the client's rows again from the proven dataset, and repeat."


def proof_checks(
    gate: Gate,
    results: ClientResults,
    record: RunRecord | None,
    inputs: Inputs,
    round_: Round,
    scenario: ScenarioRules,
) -> None:
    """Check the commit by the proof and by the result, and the rows by the proofs of client and dataset.

    Args:
        gate: Takes the checks.
        results: What the client wrote.
        record: The run's run.json; None: the run is another's, and what proves its client is unknown.
        inputs: What the runs were made from.
        round_: The round as it holds for the scenario.
        scenario: The scenario.
    """
    commits = round_.endpoints_rules.commits
    accepted = " or ".join(commit[:_SHOWN_DIGITS] for commit in commits)
    client = record.client if record else None
    if record is None:
        gate.unknown("client's commit", accepted, _NOT_RECORDED)
        gate.unknown("client unmodified", "yes", _NOT_RECORDED)
        gate.unknown("rows of the dataset", f"{round_.samples}, proven", _NOT_RECORDED)
        _stated_commit(gate, results, [commit[:_SHA_DIGITS] for commit in commits], is_ours=False)
        return
    if client is None:
        remedy = f"run.json has no proof of the official client, so another client made this run. {_AGAIN}"
        gate.holds("client's commit", "not recorded", accepted, False, remedy)
        return
    known = client.commit in commits
    gate.holds("client's commit", client.commit[:_SHOWN_DIGITS], accepted, known, _AGAIN)
    gate.holds("client unmodified", "no" if client.modified else "yes", "yes", not client.modified, _MODIFIED)
    gate.equals("client's exit code", client.exit_code, 0, "Read client.log, fix the cause, and repeat.")
    _stated_commit(gate, results, [client.commit[:_SHA_DIGITS]], is_ours=True)
    _rows(gate, client, inputs, round_, scenario)


def _stated_commit(gate: Gate, results: ClientResults, wanted: list[str], *, is_ours: bool) -> None:
    """Check the commit in the result; the client states none where its source is not its own work tree."""
    if results.summary is None:
        return
    name, limit, stated = "commit in the result", " or ".join(wanted), results.summary.git_sha
    if stated is None and not is_ours:
        remedy = (
            "The client ran from no git work tree of its own; its submitter must say which commit it was."
        )
        gate.unknown(name, limit, remedy)
        return
    gate.holds(name, stated, limit, stated in wanted, _AGAIN)


def _rows(gate: Gate, client: OfficialClient, inputs: Inputs, round_: Round, scenario: ScenarioRules) -> None:
    """Check that the client read all rows of the round's dataset, and that they were made from it."""
    drive = scenario.endpoints
    assert drive is not None
    gate.equals("preset of the rows", client.dataset_name, drive.dataset, _ROWS)
    gate.equals("rows of the dataset", client.dataset_rows, round_.samples, _ROWS)
    rows, dataset = inputs.rows, inputs.dataset
    name, limit = "rows made from the dataset", "those of its proof"
    if rows is None or dataset is None:
        if round_.held_to_rules:
            gate.unknown(
                name,
                limit,
                "Pass what proves the rows: --client-data resources/client-data/dataset.json and --artifact "
                "resources/dataset.json, or those of the scenario's own dataset.",
            )
        return
    faults = [
        fault
        for fault, agrees in (
            ("the client read others", rows.sha256 == client.dataset_sha256),
            ("made from another dataset", rows.dataset_sha256 == dataset.manifest_digest),
            ("made by another client", rows.client_commit == client.commit),
            ("of another preset", rows.preset == client.dataset_name),
        )
        if not agrees
    ]
    gate.holds(name, "; ".join(faults) or rows.sha256[:_SHOWN_DIGITS], limit, not faults, _ROWS)
