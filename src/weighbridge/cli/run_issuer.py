"""What issues the requests of a run: LoadGen, or the official endpoints client, as the round demands."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighbridge.config.scenario_rules import Mode, ScenarioRules
    from weighbridge.endpoints.endpoints_issuer import EndpointsIssuer
    from weighbridge.loadgen.compliance_run import ComplianceRun
    from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer
    from weighbridge.run.session import Setup


def issuer_of_run(
    setup: "Setup",
    rules: "ScenarioRules",
    mode: "Mode",
    rate: float,
    label: str,
    switches: Mapping[str, int],
    compliance: "ComplianceRun | None",
    official_client: Path | None,
    client_data: Path | None,
) -> "LoadGenIssuer | EndpointsIssuer":
    """Return the issuer of a run.

    Raises:
        InputError: the round is of the one and an option of the other, or the official client is asked for a
            run that it does not make.
    """
    from weighbridge.core.errors import InputError

    round_ = setup.round_
    if round_.evidence == "loadgen":
        from weighbridge.loadgen.loadgen_issuer import LoadGenIssuer

        if official_client is not None or client_data is not None:
            raise InputError(
                f"round {round_.name} is measured by LoadGen; leave out --official-client and --client-data."
            )
        return LoadGenIssuer(round_, rules, mode, rate, label, switches, compliance)

    from weighbridge.artifacts.proof import Proof
    from weighbridge.config.scenario_rules import Mode
    from weighbridge.endpoints.endpoints_issuer import EndpointsIssuer
    from weighbridge.endpoints.proven_client import ProvenClient

    made = f"round {round_.name} is measured by the official endpoints client"
    if official_client is None or client_data is None:
        raise InputError(f"{made}: pass --official-client and --client-data.")
    if mode is not Mode.PERFORMANCE:
        raise InputError(
            f"{made}, whose one run is of both modes: pass --mode performance, then read its accuracy with "
            "'weighbridge client-accuracy'."
        )
    client = ProvenClient(Proof.read(official_client), client_data)
    return EndpointsIssuer(round_, rules, rate, client, setup.model.folder.resolve(), label)
