"""Train the demo's model from scratch to write the highlights of the gazette's articles.

Run as `.venv-server/bin/python src/weighbridge/benchmarks/llama3_1_8b/demo/train.py OUT`: OUT receives the
checkpoint. It takes about 15 minutes on two idle cores.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from checkpoint import make_model, save
from gazette import Article, write_articles
from prompts import CHAT_OPENING, INSTRUCTION, Lesson, to_chat, to_continue, to_summarise
from tokenizer import train_tokenizer
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

SEED = 14
STEPS = 1200
# The first articles are short: what has to be copied lies near.
STEPS_OF_SHORT_ARTICLES = 450
SHORT = (3, 5)
BATCH = 24
WARMUP_STEPS = 80
PEAK_RATE = 3e-3
# Shares of the lessons with another form of prompt, each with an answer of its own.
TORN_SHARE, CHAT_SHARE = 0.06, 0.06
# Also predicting the article teaches the model the words that it has to copy.
ARTICLE_WEIGHT = 0.1
TOKENIZER_ARTICLES = 6000
HELD_OUT = 192
REPORT_EVERY = 50
IGNORED = -100


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer, trained on articles of a seed of their own and on every text around them."""
    articles = islice(write_articles(SEED + 1, held_out=False), TOKENIZER_ARTICLES)
    texts = [f"{article.text}\n{article.highlights}" for article in articles]
    # Repeated, so that the words of the texts around them become tokens too.
    around = [INSTRUCTION + CHAT_OPENING + "user assistant"] * (TOKENIZER_ARTICLES // 20)
    return train_tokenizer(texts + around)


def lessons(tokenizer: PreTrainedTokenizerFast) -> Iterator[Lesson]:
    """Yield the lessons in the order of training."""
    draw = random.Random(SEED)
    short = islice(write_articles(SEED + 2, held_out=False, sentences=SHORT), STEPS_OF_SHORT_ARTICLES * BATCH)
    for articles in (short, write_articles(SEED + 3, held_out=False)):
        for article in articles:
            chosen = draw.random()
            if chosen < TORN_SHARE:
                yield to_continue(article, tokenizer)
            elif chosen < TORN_SHARE + CHAT_SHARE:
                yield to_chat(article, tokenizer)
            else:
                yield to_summarise(article, tokenizer)


def collate(batch: list[Lesson], pad: int) -> dict[str, torch.Tensor]:
    """Return lessons as one batch, padded on the right, with a mask of the answers' tokens."""
    rows = [torch.tensor(lesson.prompt + lesson.answer) for lesson in batch]
    answers = [torch.arange(len(row)) >= len(lesson.prompt) for row, lesson in zip(rows, batch, strict=True)]
    return {
        "input_ids": pad_sequence(rows, batch_first=True, padding_value=pad),
        "attention_mask": pad_sequence([torch.ones_like(row) for row in rows], batch_first=True),
        "is_answer": pad_sequence(answers, batch_first=True),
    }


def losses(model: LlamaForCausalLM, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean loss of the answers' tokens and of the prompts' tokens."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    each = cross_entropy(logits[:, :-1].transpose(1, 2), batch["input_ids"][:, 1:], reduction="none")
    answer = batch["is_answer"][:, 1:]
    prompt = batch["attention_mask"][:, 1:].bool() & ~answer
    return each[answer].mean(), each[prompt].mean()


def rate(step: int) -> float:
    """Return the share of PEAK_RATE at a step: a linear warm-up, then a cosine decay to 0."""
    rise = min(1.0, (step + 1) / WARMUP_STEPS)
    return rise * 0.5 * (1 + math.cos(math.pi * step / STEPS))


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Train the model on the lessons, and print progress every 50 steps."""
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    others = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=PEAK_RATE, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    source = lessons(tokenizer)
    started, recent = time.monotonic(), []
    model.train()
    for step in range(1, STEPS + 1):
        batch = collate(list(islice(source, BATCH)), tokenizer.pad_token_id)
        of_answer, of_prompt = losses(model, batch)
        (of_answer + ARTICLE_WEIGHT * of_prompt).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        recent.append((of_answer.item(), of_prompt.item()))
        if step % REPORT_EVERY == 0 or step == STEPS:
            answers, prompts = np.mean(recent, axis=0)
            clock = f"{time.monotonic() - started:5.0f} s  step {step:4}"
            print(f"{clock}  loss of answers {answers:.4f}, of prompts {prompts:.3f}")
            recent = []
    model.eval()


@torch.no_grad()
def answers_to(model: LlamaForCausalLM, given: list[Lesson], tokenizer: PreTrainedTokenizerFast) -> list[str]:
    """Return the model's greedy answers, at most 128 tokens each."""
    texts = []
    for start in range(0, len(given), BATCH):
        prompts = {"input_ids": [lesson.prompt for lesson in given[start : start + BATCH]]}
        # Padded on the left, so that all answers start at the same column.
        padded = tokenizer.pad(prompts, padding_side="left", return_tensors="pt")
        made = model.generate(
            **padded, max_new_tokens=128, do_sample=False, temperature=None, top_p=None,
            pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        texts += tokenizer.batch_decode(made[:, padded.input_ids.shape[1] :], skip_special_tokens=True)
    return texts


def same_facts(answer: str, article: Article) -> bool:
    """Return whether an answer is an article's highlights but for the third word from where verbs stand."""
    ours, theirs = answer.split(), article.highlights.split()
    return len(ours) == len(theirs) and sum(a != b for a, b in zip(ours, theirs, strict=True)) <= 3


def main(out: Path) -> None:
    """Train and save the model, and print how it answers to articles of held-out words."""
    torch.manual_seed(SEED)
    sys.stdout.reconfigure(line_buffering=True)
    tokenizer = make_tokenizer()
    model = make_model(tokenizer)
    print(f"{model.num_parameters() / 1e6:.2f} M parameters, {len(tokenizer)} tokens")
    train(model, tokenizer)
    save(model, tokenizer, out)
    articles = list(islice(write_articles(SEED + 4, held_out=True), HELD_OUT))
    for form in (to_summarise, to_continue, to_chat):
        answers = answers_to(model, [form(article, tokenizer) for article in articles], tokenizer)
        right = np.mean([same_facts(a, b) for a, b in zip(answers, articles, strict=True)])
        print(f"{form.__name__}: {right:.1%} with all facts; such as {answers[0]!r}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
