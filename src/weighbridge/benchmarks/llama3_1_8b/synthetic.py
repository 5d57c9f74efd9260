"""Generate synthetic artifacts for a rehearsal: articles with summaries, a model with only a tokenizer.

Summaries have the number of characters that the reference's have on average, and articles of 12 sentences
are shorter than news: a rehearsal tests counts, durations and files at full scale, not bandwidth.
"""

import json
import struct
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from weighbridge.artifacts.folder import ArtifactKind
from weighbridge.core.errors import InputError

_SEED = 20261130
_ROWS_PER_GROUP = 1024
_SPLIT = "validation"
_VOCABULARY = 2048
_TRAINED_ON = 200  # articles
_FIRST, _ENDS = "<|begin_of_text|>", ("<|end_of_text|>", "<|eot_id|>")
_NAMES = ("Alder", "Birk", "Corin", "Dalia", "Edwin", "Farah", "Gustav", "Hanna", "Ivo", "Jolanta", "Kerim")
_SURNAMES = ("Amselberg", "Brandtner", "Castorius", "Dornfelder", "Ebersbach", "Falkenried", "Grevelink")
_PLACES = ("Aldhamstead", "Brenfordby", "Corvaleton", "Dunmereside", "Eastwickham", "Farrowfield", "Glenholt")
_ROLES = ("mayor", "teacher", "engineer", "farmer", "librarian", "surgeon", "pilot", "gardener")
_THINGS = ("bridge", "library", "harbour", "school", "market hall", "orchard", "tramway", "lighthouse")
_CAUSES = ("a storm", "a flood", "a fire", "a vote", "a strike", "a long drought", "a court's ruling")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FACTS = (
    "{name} {surname}, the {role} of {place}, said on {day} that its {thing} will open in {number} weeks .",
    "Repairs of the {thing} in {place} after {cause} cost {number} thousand crowns, the council was told .",
    "{number} residents of {place} signed a letter to {name} {surname} because of the {thing} on {day} .",
    "The {thing} near {place} was closed for {number} days after {cause}, and {surname} has been asked why .",
    "Some {role} named {surname} found {number} old coins below the {thing} of {place} last {day} .",
    "{name} {surname} will leave the council of {place} on {day} after {number} years as its {role} .",
)
_FILLERS = (
    "Nobody at the {thing} wanted to comment when this paper asked again on {day}.",
    "The weather in {place} had been mild for the season, with light winds from the west.",
    "One {role} who passed by said that such things happen more often than people believe.",
    "The next meeting is open to everyone who lives in {place} or works there.",
)
_SCHEMA = pa.schema([("article", pa.string()), ("highlights", pa.string()), ("id", pa.string())])


def synthesise(kind: ArtifactKind, samples: int, folder: Path, splits: Sequence[str] = ()) -> None:
    """Write a dataset in the hub's form, or a model folder with a tokenizer and without weights.

    The same number of samples gives the same bytes.

    Raises:
        InputError: this kind of artifact cannot be generated.
    """
    if kind is ArtifactKind.DATASET:
        _write_articles(samples, splits or (_SPLIT,), folder / "data")
    elif kind is ArtifactKind.MODEL:
        _write_model(folder)
    else:
        raise InputError(f"artifacts.{kind}: cannot be synthetic; set repo and revision, or null.")


def _write_articles(samples: int, splits: Sequence[str], folder: Path) -> None:
    """Write articles in equal shares to the splits; the first get what is left over."""
    folder.mkdir(parents=True)
    rows = articles(samples)
    for number, split in enumerate(splits):
        count = len(range(number, samples, len(splits)))
        with pq.ParquetWriter(folder / f"{split}-00000-of-00001.parquet", _SCHEMA) as writer:
            for start in range(0, count, _ROWS_PER_GROUP):
                group = [next(rows) for _ in range(min(_ROWS_PER_GROUP, count - start))]
                writer.write_table(pa.Table.from_pylist(group, schema=_SCHEMA))


def articles(samples: int) -> Iterator[dict[str, str]]:
    """Yield articles; each fact of a summary is a sentence of its article."""
    random = np.random.default_rng(_SEED)
    for number in range(samples):
        facts = [_sentence(_FACTS[index], random) for index in random.permutation(len(_FACTS))]
        fillers = [_sentence(_FILLERS[random.integers(len(_FILLERS))], random) for _ in range(6)]
        mixed = [sentence for pair in zip(facts, fillers, strict=True) for sentence in pair]
        yield {
            "article": " ".join(sentence.replace(" .", ".") for sentence in mixed),
            "highlights": "\n".join(facts),
            "id": f"{number:040x}",
        }


def _sentence(form: str, random: np.random.Generator) -> str:
    def one_of(words: tuple[str, ...]) -> str:
        return words[random.integers(len(words))]

    return form.format(
        name=one_of(_NAMES),
        surname=one_of(_SURNAMES),
        place=one_of(_PLACES),
        role=one_of(_ROLES),
        thing=one_of(_THINGS),
        cause=one_of(_CAUSES),
        day=one_of(_DAYS),
        number=random.integers(2, 100),
    )


def _write_model(folder: Path) -> None:
    """Write the files that make a model folder for the workflow; a simulated server reads no weights."""
    folder.mkdir(parents=True)
    tokenizer = Tokenizer.from_str(trained_tokenizer())
    ends = [tokenizer.token_to_id(each) for each in _ENDS]
    config = {
        "note": "No model: made up for a rehearsal on a simulated server.",
        "bos_token_id": tokenizer.token_to_id(_FIRST),
        "eos_token_id": ends,
    }
    # As of the real model: what a request leaves out is sampled, and answers are decoded with a clean-up.
    generation = {"eos_token_id": ends, "do_sample": True, "temperature": 0.6, "top_p": 0.9}
    for name, content in (
        ("config.json", config),
        ("generation_config.json", generation),
        ("tokenizer_config.json", {"bos_token": _FIRST, "clean_up_tokenization_spaces": True}),
    ):
        (folder / name).write_text(json.dumps(content) + "\n")
    (folder / "tokenizer.json").write_text(trained_tokenizer(), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")


@cache
def trained_tokenizer() -> str:
    """Train a byte-level tokenizer that begins prompts with an id; return the text of tokenizer.json."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_VOCABULARY,
        special_tokens=[_FIRST, *_ENDS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [text for row in articles(_TRAINED_ON) for text in (row["article"], row["highlights"])]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_FIRST} $A", special_tokens=[(_FIRST, tokenizer.token_to_id(_FIRST))]
    )
    return tokenizer.to_str()
