"""Known letters: the question at the end of a prompt is found, and its letter is the likeliest."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_simulated_server import ask
from tokenizers import Tokenizer

from weighbridge.cli.simulate import simulate
from weighbridge.core.errors import InputError
from weighbridge.core.openai_api import Api
from weighbridge.quality.made_up_questions import write_made_up_questions
from weighbridge.quality.questions import Domain, Question, QuestionSet, Subject, read_questions
from weighbridge.records.quality_answers import LETTERS
from weighbridge.simulate.asked_question import QuestionFinder, text_of
from weighbridge.simulate.behaviour import Behaviour
from weighbridge.simulate.known_letters import UNREADABLE, KnownLetters, LetterRates, known_letters
from weighbridge.simulate.letter_probabilities import LIKELY, UNLIKELY
from weighbridge.simulate.simulated_server import SimulatedServer

MODEL = Path(__file__).parents[2] / "src/weighbridge/benchmarks/llama3_1_8b/demo/model"
RATES = LetterRates(rate=0.5, rates={"made_up_trade": 1.0, "made_up_words": 0.1}, unreadable=0.2)
HEADER = "The following are multiple choice questions (with answers) about something.\n\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("questions")
    write_made_up_questions(10, made)
    return made


@pytest.fixture(scope="module")
def questions(folder: Path) -> QuestionSet:
    return read_questions(folder)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL / "tokenizer.json"))


def served(questions: QuestionSet, rates: LetterRates = RATES, **behaviour: object) -> SimulatedServer:
    return SimulatedServer(Behaviour.parse(behaviour, "test"), KnownLetters("m", questions, rates, MODEL))


def completion(server: SimulatedServer, prompt: object, **fields: object) -> Any:
    asked = {"model": "m", "prompt": prompt, "max_tokens": 1, "logprobs": 1, "echo": True, **fields}
    return json.loads(ask(server, json.dumps(asked).encode(), api=Api.COMPLETIONS))


def chat(server: SimulatedServer, *texts: str) -> str:
    messages = [{"role": "user", "content": text} for text in texts]
    answer = json.loads(ask(server, json.dumps({"model": "m", "messages": messages}).encode()))
    said: str = answer["choices"][0]["message"]["content"]
    return said


def prompt_of(subject: Subject, question: Question) -> str:
    solved = [f"{text_of(each)}\nAnswer: {LETTERS[each.answer]}\n\n" for each in subject.dev]
    return "".join([HEADER, *solved, f"{text_of(question)}\nAnswer:"])


def likeliest(server: SimulatedServer, prompt: str, tokenizer: Tokenizer) -> str:
    """Return the letter with the highest log-probability, as a harness finds it: four requests of ids."""
    context = len(tokenizer.encode(prompt, add_special_tokens=False).ids)
    found = {}
    for letter in LETTERS:
        ids = tokenizer.encode(f"{prompt} {letter}", add_special_tokens=False).ids
        [choice] = completion(server, [ids])["choices"]
        assert len(choice["logprobs"]["token_logprobs"]) == len(ids) + 1
        found[letter] = sum(choice["logprobs"]["token_logprobs"][context:-1])
    assert sorted(found.values()) == pytest.approx([UNLIKELY] * 3 + [LIKELY])
    return max(found, key=lambda letter: found[letter])


def test_the_first_questions_are_answered_right_and_the_others_with_the_next_letter(
    questions: QuestionSet,
) -> None:
    letters = known_letters(questions, RATES)
    for name, right in (("made_up_history", 5), ("made_up_trade", 10), ("made_up_words", 1)):
        truth = [LETTERS[each.answer] for each in questions.subjects[name].test]
        assert [*letters[name][:right]] == truth[:right]
        others = [LETTERS[(LETTERS.index(each) + 1) % 4] for each in truth[right:]]
        assert [*letters[name][right:]] == others
    in_chat = known_letters(questions, RATES, chat=True)
    assert in_chat["made_up_words"] == (*letters["made_up_words"][:8], None, None)


def test_the_known_letter_is_the_likeliest(questions: QuestionSet, tokenizer: Tokenizer) -> None:
    server, letters = served(questions), known_letters(questions, RATES)
    for name, subject in questions.subjects.items():
        found = [likeliest(server, prompt_of(subject, each), tokenizer) for each in subject.test[::3]]
        assert tuple(found) == letters[name][::3]


def test_log_probabilities_have_vllm_s_form(questions: QuestionSet, tokenizer: Tokenizer) -> None:
    subject = questions.subjects["made_up_words"]
    server, prompt = served(questions), prompt_of(subject, subject.test[0])
    right = LETTERS[subject.test[0].answer]
    wrong = LETTERS[(subject.test[0].answer + 1) % 4]
    answer = completion(server, f"{prompt} {wrong}", add_special_tokens=False)
    ids = tokenizer.encode(f"{prompt} {wrong}", add_special_tokens=False).ids
    assert answer == completion(server, ids) | {"id": answer["id"]}
    assert answer == completion(server, [f"{prompt} {wrong}"], add_special_tokens=False)
    assert answer["usage"] == {
        "prompt_tokens": len(ids),
        "completion_tokens": 1,
        "total_tokens": len(ids) + 1,
    }
    [choice] = answer["choices"]
    assert choice["text"] == f"{prompt} {wrong}\n\n"
    named = choice["logprobs"]
    assert "".join(named["tokens"]) == choice["text"]
    assert {len(column) for column in named.values()} == {len(ids) + 1}
    assert named["text_offset"] == [len("".join(named["tokens"][:number])) for number in range(len(ids) + 1)]
    assert named["token_logprobs"][0] is named["top_logprobs"][0] is None
    assert named["top_logprobs"][-2] == {f" {right}": LIKELY, f" {wrong}": UNLIKELY}
    assert all(
        own == top[text]
        for text, own, top in zip(
            named["tokens"][1:], named["token_logprobs"][1:], named["top_logprobs"][1:], strict=True
        )
    )


def test_a_prompt_with_the_beginning_of_sequence_and_no_generated_token(questions: QuestionSet) -> None:
    subject = questions.subjects["made_up_words"]
    prompt = f"{prompt_of(subject, subject.test[0])} A"
    [choice] = completion(served(questions), prompt, max_tokens=0)["choices"]
    assert choice["logprobs"]["tokens"][0] == "<|begin_of_text|>"
    assert choice["logprobs"]["tokens"][-1] == " A"
    assert choice["text"] == prompt


def test_a_prompt_without_an_answer_gets_the_letter(questions: QuestionSet) -> None:
    subject = questions.subjects["made_up_trade"]
    prompt, right = prompt_of(subject, subject.test[2]), LETTERS[subject.test[2].answer]
    server = served(questions)
    [choice] = completion(server, prompt, echo=False, logprobs=4)["choices"]
    assert choice["text"] == f" {right}"
    assert choice["logprobs"]["tokens"] == [f" {right}"]
    tops = choice["logprobs"]["top_logprobs"][0]
    assert sum(math.exp(each) for each in tops.values()) == pytest.approx(1)
    [echoed] = completion(server, prompt)["choices"]
    assert echoed["logprobs"]["tokens"][-1] == f" {right}"
    [plain] = completion(server, prompt, echo=False, logprobs=None)["choices"]
    assert plain["text"] == f" {right}"
    assert "logprobs" not in plain


@pytest.mark.parametrize(("form", "said"), [("letter", "{}"), ("sentence", "The answer is {}.")])
def test_a_chat_is_answered_with_the_letter(questions: QuestionSet, form: str, said: str) -> None:
    rates = RATES.model_copy(update={"chat": form})
    server, letters = served(questions, rates), known_letters(questions, rates, chat=True)
    for name, subject in questions.subjects.items():
        for question, letter in zip(subject.test, letters[name], strict=True):
            expected = UNREADABLE if letter is None else said.format(letter)
            assert chat(server, prompt_of(subject, question)) == expected
    turns = [HEADER + text_of(subject.dev[0]), "A", text_of(subject.test[0]) + "\nAnswer with a letter."]
    first = letters["made_up_words"][0]
    assert chat(server, *turns) == said.format(first)
    assert chat(server, "Hello?") == UNREADABLE


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"prompt": [[1, 2], [3]]}, "one prompt"),
        ({"prompt": []}, "one prompt"),
        ({"prompt": None}, "one prompt"),
        ({"prompt": {}}, "one prompt"),
        ({"prompt": "Which question is this? A"}, "none of the known questions"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    questions: QuestionSet, fields: dict[str, object], why: str
) -> None:
    answer = completion(served(questions), fields["prompt"])
    assert why in answer["error"]["message"]
    assert answer["error"]["code"] == 400


def test_a_server_may_refuse_to_echo(questions: QuestionSet) -> None:
    subject = questions.subjects["made_up_trade"]
    prompt = prompt_of(subject, subject.test[0])
    server = served(questions, LetterRates(echo=False))
    assert "'echo' and 'logprobs' are not supported" in completion(server, prompt)["error"]["message"]
    assert completion(server, prompt, echo=False)["choices"]
    without = SimulatedServer(Behaviour(), KnownLetters("m", questions, LetterRates(), None))
    assert "--model" in completion(without, prompt)["error"]["message"]
    assert chat(without, prompt) == LETTERS[subject.test[0].answer]


def test_a_share_of_first_attempts_fails(questions: QuestionSet) -> None:
    subject = questions.subjects["made_up_trade"]
    server = served(questions, failures={"status_503": 0.5}, failing_attempts=1)
    prompts = [f"{prompt_of(subject, each)} {letter}" for each in subject.test for letter in LETTERS]
    first = ["error" in completion(server, each) for each in prompts]
    assert 10 <= sum(first) <= 30
    assert not any("error" in completion(server, each) for each in prompts)
    always = served(questions, failures={"status_503": 0.5})
    assert [["error" in completion(always, each) for each in prompts] for _ in range(2)] == [first] * 2


def test_rates_of_an_unknown_subject_are_refused(questions: QuestionSet) -> None:
    with pytest.raises(InputError, match="'anatomy' is none of the subjects"):
        KnownLetters("m", questions, LetterRates(rates={"anatomy": 1.0}), None)
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        KnownLetters("m", questions, LetterRates(), Path("nowhere"))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"store": Path("x")}, "--questions has answers of its own"),
        ({"behaviour": '{"right": 0.5}'}, "--questions has answers of its own"),
        ({"questions": None}, "are for a server with --questions"),
        ({"questions": None, "letters": "{}", "behaviour": '{"failing_attempts": 1}'}, "with --questions"),
        ({"letters": '{"rate": 2}'}, "--letters.*rate.*is 2"),
        ({"letters": '{"chats": "letter"}'}, "--letters.*chats"),
        ({"questions": Path("nowhere")}, "folder does not exist"),
    ],
)
def test_a_server_that_cannot_be_is_not_started(folder: Path, given: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        simulate(**{"questions": folder, "letters": '{"rate": 0.5}'} | given)


TEXTS = st.text(st.sampled_from("ab\n. D"), max_size=6)
QUESTIONS = st.lists(st.tuples(TEXTS, st.tuples(TEXTS, TEXTS, TEXTS, TEXTS)), min_size=1, max_size=6)


@given(asked=QUESTIONS, before=TEXTS, letter=st.sampled_from(["", " A", " B"]))
def test_any_question_is_found_with_what_stands_behind_it(
    asked: list[tuple[str, tuple[str, str, str, str]]], before: str, letter: str
) -> None:
    test = tuple(Question(number, text, choices, 0) for number, (text, choices) in enumerate(asked))
    finder = QuestionFinder(QuestionSet("synthetic", {"s": Subject("s", Domain.OTHER, (), test)}))
    for question in test:
        prompt = f"{before}\n\n{text_of(question)}\nAnswer:"
        found = finder.find(prompt + letter)
        assert found is not None
        assert found.text.endswith(text_of(question))
        assert (found.end, found.answer) == (len(prompt), letter)
    assert finder.find(before) is None
