"""A round as LoadGen follows it in the run of a compliance test."""

from weighbridge.config.compliance_rules import ComplianceRules
from weighbridge.config.round import Round
from weighbridge.config.scenario_rules import Limits
from weighbridge.core.errors import InputError


def compliance_rules(round_: Round, test: str) -> ComplianceRules:
    """Return a round's rules of a compliance test.

    Raises:
        InputError: it has none for it.
    """
    if test not in round_.compliance_tests:
        known = ", ".join(round_.compliance_tests) or "none"
        raise InputError(f"round {round_.name} has no compliance test {test}; its tests are: {known}.")
    return round_.compliance_tests[test]


def audited(round_: Round, test: str) -> Round:
    """Return the round with what a test's audit.config changes: fewer samples, drawn at random.

    Its latencies are no result, and too few to be judged, so that no limit holds for them.

    Raises:
        InputError: the round has no rules for the test.
    """
    audit = compliance_rules(round_, test).audit
    changes = {
        "min_query_count": audit.min_query_count,
        "min_duration_s": audit.min_duration / 1000,
        "limits": Limits(),
    }
    scenarios = {name: rules.model_copy(update=changes) for name, rules in round_.scenarios.items()}
    loadgen = round_.loadgen_rules.model_copy(update={"whole_passes": False})
    return round_.model_copy(update={"loadgen": loadgen, "scenarios": scenarios})
