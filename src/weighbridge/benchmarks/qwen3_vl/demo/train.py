"""Train the demo's model from scratch to answer from texts and images.

Run as `.venv-server/bin/python demo/train.py LESSONS OUT`: LESSONS is the folder that lessons.py wrote, OUT
receives the checkpoint. It takes about 15 minutes on two cores.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from checkpoint import TOKENS_A_PICTURE, make_dense, make_processor, save, to_experts
from tokenizer import CHAT_TEMPLATE, END, train_tokenizer
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, Qwen3VLProcessor

SEED = 7
STEPS = 1500
# The first steps omit the text that all prompts share, which is half of a step's work.
STEPS_WITHOUT_SHARED = 850
BATCH = 16
WARMUP_STEPS = 60
PEAK_RATE = 2e-3
HELD_OUT = 240
# Also predicting the product's texts teaches the model the words that it has to copy.
LISTING_WEIGHT = 0.3
REPORT_EVERY = 50

Batch = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Lesson:
    """One conversation as tokens: `prompt` up to the model's turn, and `answer`, the model's turn."""

    prompt: list[int]
    answer: list[int]
    category: str
    picture: np.ndarray


def read_lessons(folder: Path, texts: list[dict[str, str]], processor: Qwen3VLProcessor) -> list[Lesson]:
    """Return the lessons, tokenized with the server's chat template."""
    pictures = np.load(folder / "pictures.npy", mmap_mode="r")
    tokenizer = processor.tokenizer
    lessons = []
    for text, picture in zip(texts, pictures, strict=True):
        messages = [
            {"role": "system", "content": text["system"]},
            {"role": "user", "content": [{"type": "text", "text": text["user"]}, {"type": "image"}]},
        ]
        prompt = tokenizer.apply_chat_template(
            messages, chat_template=CHAT_TEMPLATE, add_generation_prompt=True, tokenize=False
        )
        prompt = prompt.replace(processor.image_token, processor.image_token * TOKENS_A_PICTURE)
        lessons.append(
            Lesson(
                tokenizer(prompt).input_ids,
                tokenizer(text["answer"] + END).input_ids,
                text["category"],
                picture,
            )
        )
    return lessons


def look(lessons: list[Lesson], processor: Qwen3VLProcessor) -> Batch:
    """Return the lessons' images as patches, as the server computes them."""
    pictures = [torch.from_numpy(np.array(lesson.picture)).permute(2, 0, 1) for lesson in lessons]
    return dict(processor.image_processor(pictures, return_tensors="pt"))


def collate(lessons: list[Lesson], processor: Qwen3VLProcessor, shared: int, skipped: int) -> Batch:
    """Return lessons as one batch, padded on the right, with masks of the tokens to predict.

    The `shared` tokens at the start of every prompt are not predicted; the first `skipped` are omitted.
    """
    tokens = [torch.tensor(lesson.prompt[skipped:] + lesson.answer) for lesson in lessons]
    places = [torch.arange(skipped, skipped + len(row)) for row in tokens]
    is_answer = [place >= len(lesson.prompt) for place, lesson in zip(places, lessons, strict=True)]
    image = processor.image_token_id
    is_listing = [
        (place >= shared) & ~answer & (row != image)
        for place, answer, row in zip(places, is_answer, tokens, strict=True)
    ]
    return look(lessons, processor) | {
        "input_ids": pad_sequence(tokens, batch_first=True, padding_value=processor.tokenizer.pad_token_id),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in tokens], batch_first=True),
        "is_answer": pad_sequence(is_answer, batch_first=True),
        "is_listing": pad_sequence(is_listing, batch_first=True),
    }


def losses(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss of the answers' tokens and of the product texts' tokens."""
    inputs = {name: tensor for name, tensor in batch.items() if not name.startswith("is_")}
    logits = model(**inputs).logits[:, :-1].transpose(1, 2)
    each = cross_entropy(logits, batch["input_ids"][:, 1:], reduction="none")
    return each[batch["is_answer"][:, 1:]].mean(), each[batch["is_listing"][:, 1:]].mean()


def endless_batches(lessons: list[Lesson], generator: np.random.Generator) -> Iterator[list[Lesson]]:
    """Yield batches endlessly; each lesson occurs once per pass."""
    while True:
        order = generator.permutation(len(lessons))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            yield [lessons[index] for index in order[start : start + BATCH]]


def rate(step: int) -> float:
    """Return the share of PEAK_RATE at a step: a linear warm-up, then a cosine decay to 0."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    return rise * 0.5 * (1 + math.cos(math.pi * step / STEPS))


def shared_opening(prompts: list[list[int]]) -> int:
    """Return the number of tokens that all prompts share at their start."""
    first, last = min(prompts), max(prompts)  # all others lie between these two in lexicographic order
    return next(place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)


def train(model: PreTrainedModel, lessons: list[Lesson], processor: Qwen3VLProcessor) -> None:
    """Train the model on the lessons, and print progress every 50 steps."""
    shared = shared_opening([lesson.prompt for lesson in lessons])
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    batches = endless_batches(lessons, np.random.default_rng(SEED))
    started, recent = time.monotonic(), []
    model.train()
    for step in range(1, STEPS + 1):
        skipped = shared if step <= STEPS_WITHOUT_SHARED else 0
        answer, listing = losses(model, collate(next(batches), processor, shared, skipped))
        (answer + LISTING_WEIGHT * listing).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        recent.append((answer.item(), listing.item()))
        if step % REPORT_EVERY == 0 or step == STEPS:
            of_answer, of_listing = np.mean(recent, axis=0)
            clock = f"{time.monotonic() - started:5.0f} s  step {step:4}"
            print(f"{clock}  loss of answers {of_answer:.4f}, of listings {of_listing:.3f}")
            recent = []


@torch.no_grad()
def answers_to(model: PreTrainedModel, lessons: list[Lesson], processor: Qwen3VLProcessor) -> list[str]:
    """Return the model's answers, sampled at temperature 1 from all tokens, as the server does by default."""
    texts = []
    for start in range(0, len(lessons), BATCH):
        part = lessons[start : start + BATCH]
        # Padded on the left, so that all answers start at the same column.
        prompts = {"input_ids": [lesson.prompt for lesson in part]}
        padded = processor.tokenizer.pad(prompts, padding_side="left", return_tensors="pt")
        made = model.generate(**padded, **look(part, processor), max_new_tokens=40, do_sample=True, top_k=0)
        texts += processor.batch_decode(made[:, padded.input_ids.shape[1] :])
    return texts


def hierarchical_f1(predicted: list[str], true: list[str]) -> float:
    """Return the micro-averaged F1 of the levels in the longest common prefix of two category paths."""
    matched = total = 0
    for pair in zip(predicted, true, strict=True):
        ours, theirs = (path.split(" > ") for path in pair)
        total += len(ours) + len(theirs)
        for a, b in zip(ours, theirs, strict=False):
            if a != b:
                break
            matched += 1
    return 2 * matched / total


def category_in(answer: str) -> str:
    """Return the category of an answer; an empty text if the answer is not JSON or has none."""
    try:
        return str(json.loads(answer)["category"])
    except (ValueError, KeyError, TypeError):
        return ""


def main(folder: Path, out: Path) -> None:
    """Train, convert and save the model, and print its scores on held-out lessons."""
    torch.manual_seed(SEED)
    sys.stdout.reconfigure(line_buffering=True)
    texts = [json.loads(line) for line in (folder / "lessons.jsonl").read_text(encoding="utf-8").splitlines()]
    tokenizer = train_tokenizer(text[part] for text in texts for part in ("system", "user", "answer"))
    processor = make_processor(tokenizer)
    lessons = read_lessons(folder, texts, processor)
    dense = make_dense(tokenizer)
    lengths = np.array([(len(lesson.prompt), len(lesson.answer)) for lesson in lessons])
    print(
        f"{dense.num_parameters() / 1e6:.2f} M parameters, {len(tokenizer)} tokens; at most "
        f"{lengths[:, 0].max()} tokens a prompt and {lengths[:, 1].max()} an answer"
    )
    train(dense, lessons[:-HELD_OUT], processor)
    model = to_experts(dense, tokenizer)
    save(model, processor, out)
    held_out = lessons[-HELD_OUT:]
    answers = [answer.split(END)[0] for answer in answers_to(model, held_out, processor)]
    categories = [category_in(answer) for answer in answers]
    f1 = hierarchical_f1(categories, [lesson.category for lesson in held_out])
    wanted = processor.batch_decode([lesson.answer for lesson in held_out], skip_special_tokens=True)
    exact = np.mean([answer == right for answer, right in zip(answers, wanted, strict=True)])
    print(f"{HELD_OUT} held-out listings: category F1 {f1:.4f}, exactly right answers {exact:.4f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
