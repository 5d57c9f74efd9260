"""Build the model that is trained, and write its checkpoint for a server."""

from __future__ import annotations

from pathlib import Path

from tokenizer import BEGIN, END_OF_TEXT, END_OF_TURN
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SHAPE = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,  # the smallest that vLLM's attention on CPUs supports
    "intermediate_size": 320,
    "max_position_embeddings": 2048,
    "rope_theta": 10_000.0,
    "initializer_range": 0.04,
    "tie_word_embeddings": True,
}


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Return an untrained model for the tokenizer."""
    ids = tokenizer.get_vocab()
    ends = [ids[END_OF_TEXT], ids[END_OF_TURN]]
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), bos_token_id=ids[BEGIN], eos_token_id=ends, dtype="float32", **SHAPE
        )
    )
    # Llama 3's defaults, on purpose: a server samples with them when a request leaves the sampling out.
    model.generation_config = GenerationConfig(
        bos_token_id=ids[BEGIN], eos_token_id=ends, do_sample=True, temperature=0.6, top_p=0.9
    )
    return model


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights, configuration and tokenizer as a server reads them."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
