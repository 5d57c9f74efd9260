"""Build the model in two forms: dense for fast training, and as the mixture of experts that is served."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    Qwen2TokenizerFast,
    Qwen2VLImageProcessorFast,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeConfig,
    Qwen3VLMoeForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

PICTURE_SIDE = 128
PATCH_SIDE = 16
TOKENS_A_PICTURE = (PICTURE_SIDE // PATCH_SIDE // 2) ** 2  # four neighbouring patches become one token
EXPERTS, EXPERTS_PER_TOKEN = 4, 2

TEXT = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,  # the smallest that vLLM's attention on CPUs supports
    "max_position_embeddings": 4096,
    "rope_theta": 10_000.0,
    "rope_scaling": {"rope_type": "default", "mrope_interleaved": True, "mrope_section": [8, 4, 4]},
    "initializer_range": 0.04,
    "tie_word_embeddings": True,
}
FEED_FORWARD = 256
VISION = {
    "depth": 3,
    "hidden_size": 96,
    "num_heads": 3,
    "intermediate_size": 192,
    "patch_size": PATCH_SIDE,
    "out_hidden_size": TEXT["hidden_size"],
    "num_position_embeddings": (PICTURE_SIDE // PATCH_SIDE) ** 2,
    "deepstack_visual_indexes": [1],
    "initializer_range": 0.04,
}


def make_processor(tokenizer: Qwen2TokenizerFast) -> Qwen3VLProcessor:
    """Return the processor that brings every picture to PICTURE_SIDE squared pixels, 16 tokens."""
    pixels = PICTURE_SIDE**2
    sizes = {
        "size": {"shortest_edge": pixels, "longest_edge": pixels},
        "patch_size": PATCH_SIDE,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessorFast(**sizes),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**sizes),
        chat_template=tokenizer.chat_template,
    )


def _shared_settings(tokenizer: Qwen2TokenizerFast) -> dict[str, object]:
    ids = tokenizer.get_vocab()
    return {
        "vision_config": VISION,
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def make_dense(tokenizer: Qwen2TokenizerFast) -> Qwen3VLForConditionalGeneration:
    """Return an untrained model with one feed-forward block per layer."""
    text = TEXT | {"vocab_size": len(tokenizer), "intermediate_size": FEED_FORWARD}
    return Qwen3VLForConditionalGeneration(Qwen3VLConfig(text_config=text, **_shared_settings(tokenizer)))


def to_experts(
    dense: Qwen3VLForConditionalGeneration, tokenizer: Qwen2TokenizerFast
) -> Qwen3VLMoeForConditionalGeneration:
    """Return an equivalent mixture of experts, in which every expert is a copy of the dense block.

    The weights of the chosen experts sum to 1, so the result is the dense block's for any choice.
    """
    text = TEXT | {
        "vocab_size": len(tokenizer),
        "intermediate_size": FEED_FORWARD,
        "moe_intermediate_size": FEED_FORWARD,
        "num_experts": EXPERTS,
        "num_experts_per_tok": EXPERTS_PER_TOKEN,
        "norm_topk_prob": True,
    }
    model = Qwen3VLMoeForConditionalGeneration(
        Qwen3VLMoeConfig(text_config=text, **_shared_settings(tokenizer))
    )
    weights = {name: tensor for name, tensor in dense.state_dict().items() if not _is_block(name)}
    for number, layer in enumerate(dense.model.language_model.layers):
        block, name = layer.mlp, f"model.language_model.layers.{number}.mlp"
        # The experts' matrices are stored input first, the dense block's output first.
        gate_up = torch.cat([block.gate_proj.weight, block.up_proj.weight]).T
        weights[f"{name}.experts.gate_up_proj"] = gate_up.repeat(EXPERTS, 1, 1)
        weights[f"{name}.experts.down_proj"] = block.down_proj.weight.T.repeat(EXPERTS, 1, 1)
        weights[f"{name}.gate.weight"] = model.state_dict()[f"{name}.gate.weight"]
    model.load_state_dict(weights)
    return model.eval()


def _is_block(name: str) -> bool:
    return ".language_model.layers." in name and ".mlp." in name


def save(model: Qwen3VLMoeForConditionalGeneration, processor: Qwen3VLProcessor, folder: Path) -> None:
    """Write the checkpoint for a server: weights, configuration, tokenizer, processor and template."""
    tokenizer = processor.tokenizer
    # No temperature, top_p or top_k: a server would use them as its defaults.
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model.generation_config = GenerationConfig(**ends)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
