"""Qwen3-VL-235B-A22B-Instruct on the Shopify product catalogue: category, brand and condition of products.

Heavy modules are imported in the methods, because every process that reads a round imports this file.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighbridge.artifacts.folder import ArtifactKind
    from weighbridge.artifacts.proof import Proof
    from weighbridge.benchmarks.protocol import Benchmark, Task, TokenCounter


class Qwen3Vl:
    """The benchmark qwen3-vl-235b-a22b."""

    name = "qwen3-vl-235b-a22b"
    folder = Path(__file__).parent
    has_answer_schema = True
    answer_tokens = 150  # answers have about 30 tokens; rounds from v6.1 on limit them to 150
    input_data_types = "uint8 pictures, UTF-8 text"
    needs_tokenizer = False
    reference_weights = "Qwen/Qwen3-VL-235B-A22B-Instruct"

    def task(self, prompt: Path | None, model: Path | None = None) -> "Task":  # noqa: ARG002 - the protocol's
        """Return the product catalogue's task with the texts of a prompt file.

        Raises:
            InputError: there is no prompt file, or it cannot be used.
        """
        from weighbridge.benchmarks.qwen3_vl.task import ProductCatalogue
        from weighbridge.core.errors import InputError

        if prompt is None:
            raise InputError(f"{self.name} needs a prompt; set 'artifacts.reference' or 'artifacts.prompt'.")
        return ProductCatalogue.with_prompt(prompt)

    def check_prompt(self, prompt: Path, pins: Mapping[str, str]) -> None:
        """Check the sha256 of both texts of a prompt file.

        Raises:
            InputError: a text differs; the message names it.
        """
        from weighbridge.benchmarks.qwen3_vl.prompt import Prompt

        Prompt.read(prompt).require(pins, prompt)

    def extract_prompt(self, reference: "Proof", pins: Mapping[str, str], out: Path) -> None:
        """Extract the prompt from the source of the reference or of the official client; write a prompt file.

        Raises:
            SetupError: the source has changed since it was verified, or is not structured as expected.
            InputError: the prompt is not the round's.
        """
        from weighbridge.artifacts.folder import ArtifactKind
        from weighbridge.benchmarks.qwen3_vl.client_prompt import extract_from_client
        from weighbridge.benchmarks.qwen3_vl.reference_prompt import extract_official

        of_client = reference.kind is ArtifactKind.CLIENT
        (extract_from_client if of_client else extract_official)(reference, pins, out)

    def synthesise(
        self, kind: "ArtifactKind", samples: int, folder: Path, splits: Sequence[str] = ()
    ) -> None:
        """Generate a synthetic product catalogue, or a model folder without weights.

        Raises:
            InputError: this kind of artifact cannot be generated.
        """
        from weighbridge.benchmarks.qwen3_vl.synthetic import synthesise

        synthesise(kind, samples, folder, splits)

    def token_counter(self, model: Path) -> "TokenCounter | None":
        """Return a counter that uses the model's tokenizer, chat template and image sizes."""
        from weighbridge.benchmarks.qwen3_vl.token_counter import ChatTokenCounter

        return ChatTokenCounter.of(model) if (model / "tokenizer.json").is_file() else None


BENCHMARK: "Benchmark" = Qwen3Vl()
