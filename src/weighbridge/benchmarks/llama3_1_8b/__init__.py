"""Llama-3.1-8B-Instruct on CNN/DailyMail: summaries of news articles, in a datacenter or at the edge.

Heavy modules are imported in the methods, because every process that reads a round imports this file.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.benchmarks.no_prompt import NoPrompt

if TYPE_CHECKING:
    from weighbridge.artifacts.folder import ArtifactKind
    from weighbridge.benchmarks.protocol import Benchmark, Task, TokenCounter


class Llama31(NoPrompt):
    """The benchmark llama3.1-8b."""

    name = "llama3.1-8b"
    folder = Path(__file__).parent
    has_answer_schema = False
    answer_tokens = 128
    input_data_types = "int32 token ids"
    needs_tokenizer = True
    reference_weights = "meta-llama/Llama-3.1-8B-Instruct"

    def task(self, prompt: Path | None, model: Path | None = None) -> "Task":
        """Return the task with the instruction of a prompt file and the tokenizer of a model."""
        raise NotImplementedError

    def synthesise(self, kind: "ArtifactKind", samples: int, folder: Path) -> None:
        """Generate synthetic articles with their summaries, or a model folder without weights."""
        raise NotImplementedError

    def token_counter(self, model: Path) -> "TokenCounter | None":
        """Return a counter of token ids, which needs no tokenizer."""
        raise NotImplementedError


BENCHMARK: "Benchmark" = Llama31()
