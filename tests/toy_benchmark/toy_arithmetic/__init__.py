"""The benchmark toy-arithmetic: sums, differences and products of small numbers.

What is heavy is imported when it is called: every process that reads a round imports this file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.benchmarks.no_prompt import NoPrompt

if TYPE_CHECKING:
    from weighbridge.artifacts.folder import ArtifactKind
    from weighbridge.benchmarks.protocol import Benchmark, Task, TokenCounter


class ToyArithmetic(NoPrompt):
    """The benchmark as a plug-in; it has no prompt file and no reference."""

    name = "toy-arithmetic"
    folder = Path(__file__).parent
    answer_tokens = 8
    input_data_types = "UTF-8 text"
    needs_tokenizer = False
    reference_weights = "toy/calculator"

    def task(self, prompt: Path | None, model: Path | None = None) -> "Task":
        """Return the task.

        Raises:
            InputError: a prompt file is given, and this benchmark has no use for one.
        """
        from toy_arithmetic.task import Arithmetic

        if prompt is not None:
            self.check_prompt(prompt, {})
        return Arithmetic()

    def synthesise(
        self, kind: "ArtifactKind", samples: int, folder: Path, splits: Sequence[str] = ()
    ) -> None:
        """Make up questions, or a model without weights.

        Raises:
            InputError: nothing else can be made up.
        """
        from toy_arithmetic.synthetic import synthesise

        synthesise(kind, samples, folder, splits)

    def token_counter(self, model: Path) -> "TokenCounter | None":
        """Return None: the made-up model has no tokenizer."""
        return None


BENCHMARK: "Benchmark" = ToyArithmetic()
