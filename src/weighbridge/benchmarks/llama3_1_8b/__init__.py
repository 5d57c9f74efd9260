"""Llama-3.1-8B-Instruct on CNN/DailyMail: summaries of news articles, in a datacenter or at the edge.

Heavy modules are imported in the methods, because every process that reads a round imports this file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighbridge.artifacts.folder import ArtifactKind
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.protocol import Benchmark, Task, TokenCounter


class Llama31:
    """The benchmark llama3.1-8b."""

    name = "llama3.1-8b"
    folder = Path(__file__).parent
    has_answer_schema = False
    answer_tokens = 128
    input_data_types = "int32 token ids"
    needs_tokenizer = True
    reference_weights = "meta-llama/Llama-3.1-8B-Instruct"

    def task(self, prompt: Path | None, model: Path | None = None) -> "Task":
        """Return the task with the instruction of a prompt file and the tokenizer of a model.

        Raises:
            InputError: the file is no prompt.
        """
        from weighbridge.benchmarks.llama3_1_8b.prompt import Instruction
        from weighbridge.benchmarks.llama3_1_8b.task import NewsSummaries

        instruction = None if prompt is None else Instruction.of_file(prompt)
        return NewsSummaries(instruction, model)

    def check_prompt(self, prompt: Path, pins: Mapping[str, str]) -> None:
        """Check the sha256 of a prompt file's instruction.

        Raises:
            InputError: it differs.
        """
        from weighbridge.benchmarks.llama3_1_8b.prompt import Instruction

        Instruction.of_file(prompt).require(pins, prompt)

    def extract_prompt(self, reference: "Proof", pins: Mapping[str, str], out: Path) -> None:
        """Extract the official instruction from the reference's source and write it as a prompt file.

        Raises:
            SetupError: the reference has changed since it was verified, or is not structured as expected.
            InputError: the instruction is not the round's.
        """
        from weighbridge.benchmarks.llama3_1_8b.prompt import extract_official

        extract_official(reference, pins, out)

    def synthesise(
        self, kind: "ArtifactKind", samples: int, folder: Path, splits: Sequence[str] = ()
    ) -> None:
        """Generate synthetic articles with their summaries, or a model without weights.

        Raises:
            InputError: this kind of artifact cannot be generated.
        """
        from weighbridge.benchmarks.llama3_1_8b.synthetic import synthesise

        synthesise(kind, samples, folder, splits)

    def token_counter(self, model: Path) -> "TokenCounter":  # noqa: ARG002 - the protocol's
        """Return a counter of token ids, which needs no tokenizer."""
        from weighbridge.benchmarks.llama3_1_8b.id_counter import IdCounter

        return IdCounter()


BENCHMARK: "Benchmark" = Llama31()
