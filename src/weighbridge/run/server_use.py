"""The use of a server by one command: how its life is recorded, and whether the next command may have it."""

from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.client.frames import faults
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.records.run_record import LoadReport
from weighbridge.records.server_life import LifeBrief
from weighbridge.run.later_runs import folder_of, wanted_later
from weighbridge.serving.keeping import Keeping


@dataclass
class SessionUse:
    """One session's use of the server that it starts or takes over.

    Attributes:
        lives: Folder of the lives of servers.
        label: What the session is for, such as 'offline performance'.
        record: The file that its command writes at the end: run.json, peak.json.
        measured: What was measured so far, in order.
    """

    lives: Path
    label: str
    record: Path
    measured: list[str] = field(default_factory=list)
    _at_rest: bool = True
    _faultless: bool = True

    def keeping(self, round_: Round, settings: ServerSettings, model_digest: str) -> Keeping:
        """Return how the server is recorded and kept.

        Where the round lets servers reuse work of earlier queries, none is kept: the next run would find the
        work of this one done.
        """
        return Keeping(
            lives=self.lives,
            label=self.label,
            folder=str(folder_of(self.record)),
            model_digest=model_digest,
            keep_s=settings.keep_s if settings.keep and round_.runs_are_independent else 0.0,
            wanted_later=self._wanted_later,
        )

    def begin(self) -> None:
        """Note that a measurement begins."""
        self._at_rest = self._faultless = False

    def end(self, label: str, report: LoadReport) -> None:
        """Note how a measurement ended."""
        self.measured.append(label)
        # After requests that were ended with a run, the server comes to rest.
        self._at_rest, self._faultless = report.aborted is None, not sum(faults(report.failed).values())

    def finished(self, label: str) -> None:
        """Note that a measurement ended whose requests were all answered."""
        self.measured.append(label)
        self._at_rest = self._faultless = True

    def settled(self) -> None:
        """Note that the server has finished what an ended measurement left it."""
        self._at_rest = True

    def brief(self, life: LifeBrief | None) -> LifeBrief | None:
        """Return a life's brief with what this session has measured before, too."""
        return life and life.model_copy(update={"before": (*life.before, *self.measured)})

    @property
    def worth_settling(self) -> bool:
        """Whether a later run can want the server, once it has finished what an ended measurement left it."""
        # After failed requests nobody knows what the server still works on.
        return self._faultless and wanted_later(self.record)

    def _wanted_later(self) -> bool:
        return self._at_rest and self.worth_settling
