"""Values of LoadGen's user.conf that a user sets where a round leaves them free, except for the rate."""

from pydantic import Field

from weighbridge.config.round import Round
from weighbridge.core.errors import InputError
from weighbridge.core.models import Model


class ConfOverlay(Model):
    """A user's own values of user.conf; an unset one leaves the round's."""

    min_duration: int | None = Field(
        default=None, gt=0, lt=2**63, description="Shortest duration of a run in ms, at least the round's."
    )
    min_query_count: int | None = Field(
        default=None,
        gt=0,
        lt=2**63,
        description="Smallest number of queries (Offline: samples), at least the round's.",
    )
    coalesce_queries: bool = Field(
        default=False,
        description="Server: LoadGen hands over late queries together; latencies stay the same.",
    )
    print_timestamps: bool = Field(
        default=False, description="LoadGen prints when the measurement starts and stops."
    )

    @property
    def switches(self) -> dict[str, int]:
        """The keys that are no part of a scenario's rules, with the values that LoadGen reads."""
        return {name: 1 for name in ("coalesce_queries", "print_timestamps") if getattr(self, name)}

    def over(self, round_: Round, scenario: str) -> Round:
        """Return the round with this duration and count in one of its scenarios.

        Raises:
            InputError: a value is below the round's, or the round has no such scenario.
        """
        rules = round_.scenario(scenario)
        changes: dict[str, float] = {}
        for key, value, least, field in (
            ("min_duration", self.min_duration, round(rules.min_duration_s * 1000), "min_duration_s"),
            ("min_query_count", self.min_query_count, rules.min_query_count, "min_query_count"),
        ):
            if value is None:
                continue
            if value < least:
                raise InputError(
                    f"user_conf: {key} is {value}, but round {round_.name} requires at least {least} in "
                    f"{rules.loadgen_scenario}; raise it, or remove it."
                )
            changes[field] = value / 1000 if field == "min_duration_s" else value
        raised = rules.model_copy(update=changes)
        return round_.model_copy(update={"scenarios": {**round_.scenarios, scenario: raised}})
