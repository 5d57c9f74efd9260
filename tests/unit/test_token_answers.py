"""Answers that are token ids: read as the reference's tokenizer does, and refused where they are none."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from weighbridge.benchmarks.token_answers import TokenAnswers
from weighbridge.core.errors import InputError

END = 257


def model_in(folder: Path, config: Mapping[str, object] | None = None) -> Path:
    """Write a tokenizer whose ids 0 to 255 are the bytes, and 256 and 257 special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(
        models.BPE(vocab={character: index for index, character in enumerate(alphabet)}, merges=[])
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|begin|>", "<|end|>"])
    folder.mkdir(exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [END, 256]}))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> TokenAnswers:
    return TokenAnswers(model_in(tmp_path_factory.mktemp("model")))


@given(st.lists(st.text(max_size=20), max_size=5))
def test_texts_are_read_as_they_were_encoded(answers: TokenAnswers, texts: list[str]) -> None:
    encoded = answers.encoded(texts)
    assert all(np.frombuffer(each, dtype="<i4")[-1] == END for each in encoded)
    assert answers.texts(list(enumerate(encoded))) == texts


def test_special_tokens_are_no_text(answers: TokenAnswers) -> None:
    [encoded] = answers.encoded(["ab"])
    ids = np.frombuffer(encoded, dtype="<i4")
    twice = np.concatenate([[256], ids, ids]).astype("<i4").tobytes()
    assert answers.texts([(3, twice), (4, b"")]) == ["abab", ""]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (b"\0\0\0", "the answer to sample 7 has 3 bytes, not 4 for each token id"),
        (
            np.array([1, 258], dtype="<i4").tobytes(),
            "sample 7 has the token id 258, but the tokenizer has 0 to 257",
        ),
        (np.array([-1], dtype="<i4").tobytes(), "sample 7 has the token id -1"),
    ],
)
def test_bytes_that_are_no_ids_name_the_sample(answers: TokenAnswers, answer: bytes, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        answers.texts([(6, b""), (7, answer)])


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (None, "Is it so ? It wasn 't , no . It 's 'fine ' ."),
        ({}, "Is it so ? It wasn 't , no . It 's 'fine ' ."),
        ({"clean_up_tokenization_spaces": False}, "Is it so ? It wasn 't , no . It 's 'fine ' ."),
        ({"clean_up_tokenization_spaces": True}, "Is it so? It wasn 't, no. It's 'fine '."),
    ],
    ids=str,
)
def test_blanks_are_cleaned_up_where_the_model_says_so(
    tmp_path: Path, config: Mapping[str, object] | None, expected: str
) -> None:
    answers = TokenAnswers(model_in(tmp_path / "model", config))
    [encoded] = answers.encoded(["Is it so ? It wasn 't , no . It 's 'fine ' ."])
    assert answers.texts([(0, encoded)]) == [expected]


def test_without_a_tokenizer_nothing_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pass the model's proof"):
        TokenAnswers(None).texts(())
    for content in (None, "{}", "no JSON"):
        if content is not None:
            (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(InputError, match=r"has no tokenizer\.json that can be read"):
            TokenAnswers(tmp_path).texts(())


def test_a_model_that_names_no_end_cannot_be_imitated(tmp_path: Path) -> None:
    model = model_in(tmp_path / "model")
    (model / "generation_config.json").write_text("{}")
    with pytest.raises(InputError, match="names an eos_token_id"):
        TokenAnswers(model).encoded(["a"])
    (model / "config.json").write_text('{"eos_token_id": 256}')
    assert TokenAnswers(model).encoded([""]) == [np.array([256], dtype="<i4").tobytes()]
