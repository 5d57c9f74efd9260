"""Which systems of a sweep have answered its questions, and the comparison of their answers.

The copy of the baseline is not asked: it would answer as the baseline does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.config.sweep_settings import SweepSettings
from weighbridge.core.files import sha256_of
from weighbridge.quality.compare_quality import compare_quality
from weighbridge.quality.finished_quality import read_finished
from weighbridge.records.asked_system import ASKED, AskedSystem, quality_folder
from weighbridge.records.comparison import SweepComparison
from weighbridge.records.quality_answers import MEASURED
from weighbridge.records.quality_comparison import QualityComparison
from weighbridge.records.quality_scores import OVERALL
from weighbridge.sweep.quality_key import quality_key


@dataclass(frozen=True)
class SweepQuality:
    """The answers of a sweep's systems.

    Attributes:
        settings: The sweep's.
        folder: The sweep's.
        model: Folder of the model that started servers serve; None: none is started.
    """

    settings: SweepSettings
    folder: Path
    model: Path | None

    def missing(self, systems: Sequence[str]) -> list[str]:
        """Return which of these systems have not answered what is asked now.

        Raises:
            InputError: the sweep asks nothing, or an asked.json is damaged.
        """
        return [name for name in systems if not self._is_finished(name)]

    def _is_finished(self, name: str) -> bool:
        place = quality_folder(self.folder, name)
        if not all((place / file).is_file() for file in (ASKED, MEASURED, OVERALL)):
            return False
        asked = AskedSystem.read(place / ASKED)
        key = quality_key(self.settings, name, self.model)
        return asked.key == key and asked.measured == sha256_of(place / MEASURED)

    def compared(self) -> QualityComparison | None:
        """Return the comparison of the systems that have answered; None: none has.

        Raises:
            InputError, InvalidRunError: files of a measurement are damaged, or do not belong together.
        """
        missing = self.missing([*self.settings.systems])
        found = {
            name: read_finished(quality_folder(self.folder, name))
            for name in self.settings.systems
            if name not in missing
        }
        if not found:
            return None
        margin, reference = self.settings.quality_equivalence, self.settings.reference
        if reference in found:
            return compare_quality(found, margin=margin, baseline=reference)
        # Without the baseline nothing is compared, rather than with another system.
        return compare_quality(found, margin=margin).model_copy(update={"rows": ()})


def with_quality(comparison: SweepComparison, sweep: SweepQuality) -> SweepComparison:
    """Return a comparison with what the systems answered, and a warning of those that were not asked.

    Raises:
        InputError, InvalidRunError: as `SweepQuality.compared`.
    """
    if sweep.settings.quality is None:
        return comparison
    missing = sweep.missing([*sweep.settings.systems])
    warning = (
        f"{', '.join(missing)} did not answer the questions of the sweep's file yet: `weighbridge sweep-mmlu "
        "FILE` asks them, where lm-evaluation-harness is installed."
    )
    warnings = (*comparison.warnings, warning) if missing else comparison.warnings
    return comparison.model_copy(update={"quality": sweep.compared(), "warnings": warnings})
