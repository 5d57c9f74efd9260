"""Compare summaries with their references: split into sentences, then ROUGE, in as many processes as cores.

Imported by the scoring processes, which is why nothing heavy is imported before it is needed.
"""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import TYPE_CHECKING

from weighbridge.core.errors import SetupError
from weighbridge.core.parent_death import die_with_parent

if TYPE_CHECKING:
    from nltk.tokenize.punkt import PunktSentenceTokenizer
    from rouge_score.rouge_scorer import RougeScorer

KINDS = ("rouge1", "rouge2", "rougeL", "rougeLsum")
"""ROUGE of words, of pairs of words, of the longest common sequence, and of that by sentence."""
_LANGUAGE = "english"
_PAIRS_AT_ONCE = 64
_FEW = 4 * _PAIRS_AT_ONCE  # pairs that are compared before other processes have started
_STEMS = 1 << 17  # words whose stems are remembered; news have fewer


Compared = tuple[float, ...]
"""One summary beside its reference: the F-measure of each kind, 0 to 1, then its length in characters."""


class SummaryScorer:
    """Splits texts into sentences and compares them, with the reference's own libraries.

    Source: postprocess_text in evaluation.py of language/llama3.1-8b in mlcommons/inference, and the metric
    "rouge" of the library evaluate, which calls rouge_score.
    """

    def __init__(self) -> None:
        self._sentences = _sentence_tokenizer()
        self._rouge = _rouge_scorer()

    def split(self, text: str) -> str:
        """Return a text without outer blanks, one sentence a line."""
        return "\n".join(self._sentences.tokenize(text.strip()))

    def compare(self, reference: str, summary: str) -> Compared:
        """Compare a summary with its reference."""
        target, prediction = self.split(reference), self.split(summary)
        scores = self._rouge.score(target, prediction)
        return (*(float(scores[kind].fmeasure) for kind in KINDS), float(len(prediction)))


def compare_all(references: Sequence[str], summaries: Sequence[str]) -> list[Compared]:
    """Compare each summary with the reference of the same index.

    Raises:
        SetupError: a process was killed.
    """
    pairs = list(zip(references, summaries, strict=True))
    cores = len(os.sched_getaffinity(0))
    if len(pairs) <= _FEW or cores == 1:
        return _compare_chunk(pairs)
    chunks = [pairs[start : start + _PAIRS_AT_ONCE] for start in range(0, len(pairs), _PAIRS_AT_ONCE)]
    processes = min(cores, len(chunks))
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start, (os.getpid(),)) as pool:
        try:
            return [compared for chunk in pool.map(_compare_chunk, chunks) for compared in chunk]
        except BrokenProcessPool:
            raise SetupError(
                f"one of {processes} scoring processes was killed, perhaps for lack of memory; score again."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _start(parent: int) -> None:
    """Initialise a scoring process."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and stops the pool


def _compare_chunk(pairs: Sequence[tuple[str, str]]) -> list[Compared]:
    scorer = _scorer()
    return [scorer.compare(reference, summary) for reference, summary in pairs]


@lru_cache(maxsize=1)
def _scorer() -> SummaryScorer:
    return SummaryScorer()


def _sentence_tokenizer() -> "PunktSentenceTokenizer":
    """Return NLTK's own English sentence tokenizer; a package holds the parameters that NLTK would download.

    That package's own tokenizer is not used: it splits otherwise where a lone mark follows an abbreviation.
    """
    import punkt
    from nltk.tokenize.punkt import PunktParameters, PunktSentenceTokenizer

    learned = punkt.load_model(_LANGUAGE)
    parameters = PunktParameters()
    parameters.abbrev_types = set(learned.abbrev_types)
    parameters.collocations = set(learned.collocations)
    parameters.sent_starters = set(learned.sent_starters)
    parameters.ortho_context.update(learned.ortho_context)
    return PunktSentenceTokenizer(parameters)


class _Words:
    """rouge_score's default tokenizer with stems, which remembers the stem of each word."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self.stem = lru_cache(maxsize=_STEMS)(PorterStemmer().stem)

    def tokenize(self, text: str) -> list[str]:
        from rouge_score.tokenize import tokenize

        words: list[str] = tokenize(text, self)
        return words


def _rouge_scorer() -> "RougeScorer":
    from rouge_score import rouge_scorer

    # The same table in a fraction of the time, most of which rouge_score spends on it.
    rouge_scorer._lcs_table = lcs_table
    return rouge_scorer.RougeScorer([*KINDS], use_stemmer=True, tokenizer=_Words())


def lcs_table(reference: Sequence[str], candidate: Sequence[str]) -> list[list[int]]:
    """Return the length of the longest common subsequence of each pair of prefixes, as rouge_score does.

    A word that the candidate lacks adds the row above once more, which is not copied: nobody changes it.
    """
    row, words = [0] * (len(candidate) + 1), set(candidate)
    table = [row]
    for word in reference:
        if word in words:
            above, row, longest = row, [0], 0
            for column, other in enumerate(candidate):
                if word == other:
                    longest = above[column] + 1
                elif above[column + 1] > longest:
                    longest = above[column + 1]
                row.append(longest)
        table.append(row)
    return table
