"""Describe with what quality is measured: settings, data and model, and the identity of the answers."""

from dataclasses import dataclass
from hashlib import sha256

from weighbridge.artifacts.proof import Proof
from weighbridge.config.client_settings import ClientSettings
from weighbridge.config.closed_rules import TaskPart
from weighbridge.config.fingerprint import OPERATIONAL, canonical
from weighbridge.config.quality_settings import MmluSettings
from weighbridge.config.round import Round
from weighbridge.config.server_settings import ServerSettings
from weighbridge.core.errors import InputError
from weighbridge.core.models import read_json
from weighbridge.quality.harness_start import harness_versions
from weighbridge.quality.questions import QuestionSet
from weighbridge.records.quality_answers import QuestionSource

_TOKENIZER_FILES = frozenset(
    {"vocab.json", "vocab.txt", "merges.txt", "added_tokens.json", "special_tokens_map.json", "spiece.model"}
)


@dataclass(frozen=True)
class QualitySetup:
    """What is measured, and with what.

    Attributes:
        mmlu: Which questions are asked, and how.
        server: The server's settings.
        client: The client's settings, which name the key.
        dataset: Proof of the questions.
        model: Proof of the model; None: endpoints serve it, and the protocol needs no tokenizer.
        settings: What of all settings the answers depend on.
        round_: The round whose demands on the server apply; None: none.
        must_not_change: Parts of the task that no argument or variable of the server may change.
        serves_model: False: the server is started by a command that is not given the model, so that what it
            serves is as little proven as an endpoint's.
    """

    mmlu: MmluSettings
    server: ServerSettings
    client: ClientSettings
    dataset: Proof
    model: Proof | None
    settings: str
    round_: Round | None = None
    must_not_change: tuple[TaskPart, ...] = ()
    serves_model: bool = True

    def check(self, *, starting: bool) -> None:
        """Check that there is a model where one is needed.

        Args:
            starting: Whether a server is started with it, where no endpoint is named.

        Raises:
            InputError: there is none.
        """
        if starting and self.model is None and not self.server.endpoints:
            raise InputError("a server that is started needs a model: pass --model, or set server.endpoints.")
        if starting and self.model is not None and not self.server.endpoints:
            self.model.folder_with_weights()
        check_tokenizer(self.mmlu, self.model)

    @property
    def model_digest(self) -> str | None:
        """Digest of the model; None: nobody has proven what an endpoint serves."""
        served = self.serves_model and not self.server.endpoints
        return self.model.manifest_digest if self.model is not None and served else None

    @property
    def tokenizer_digest(self) -> str | None:
        """One hash for the tokenizer, of the lines 'sha256 path' of its files; None: none is needed."""
        if self.model is None or not self.mmlu.by_likelihood:
            return None
        lines = [
            f"{entry.sha256} {entry.path}\n"
            for entry in self.model.files
            if entry.path.startswith("tokenizer") or entry.path in _TOKENIZER_FILES
        ]
        return sha256("".join(lines).encode()).hexdigest()

    def identity(self, server: str | None, version: str | None) -> str:
        """Return the sha256 of all that answers depend on, with the kind and version of the server."""
        parts = {
            "settings": self.settings,
            "questions": self.dataset.manifest_digest,
            "model": self.model_digest,
            "tokenizer": self.tokenizer_digest,
            "versions": harness_versions(),
            "server": [server, version],
        }
        return sha256(canonical(parts).encode()).hexdigest()

    def source(self, questions: QuestionSet) -> QuestionSource:
        """Return where the questions come from."""
        proof = self.dataset
        return QuestionSource(
            name=questions.name, repo=proof.repo, revision=proof.revision, digest=proof.manifest_digest
        )


def check_tokenizer(mmlu: MmluSettings, model: object | None) -> None:
    """Check that there is a model where its tokenizer is needed.

    Raises:
        InputError: there is none.
    """
    if model is None and mmlu.by_likelihood:
        raise InputError(
            "the protocol log-likelihood needs the model's tokenizer: pass --model, or set "
            "quality.mmlu.protocol: chat."
        )


def measured_settings(settings: str, **sections: str | None) -> str:
    """Return what of a command's settings its answers depend on, as canonical JSON.

    Args:
        settings: Its --settings: a fingerprint, or sections.
        sections: Single sections as JSON, whose keys override those; operational ones do not count.

    Raises:
        InputError: a text is no JSON.
    """
    content = {"settings": read_json(settings, "--settings")}
    for name, text in sections.items():
        if text is None:
            continue
        given = read_json(text, f"--{name}")
        if isinstance(given, dict):
            given = {key: value for key, value in given.items() if key not in OPERATIONAL.get(name, ())}
        if given:
            content[name] = given
    return canonical(content)
