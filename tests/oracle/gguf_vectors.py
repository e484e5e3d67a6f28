"""Writes daemon/gguf/tests/vectors: what the `gguf`, `safetensors` and `transformers` packages make of the same bytes.

Run from the root of the repository, in an environment with gguf, numpy, safetensors and transformers:
    python tests/oracle/gguf_vectors.py
The numbers come from a fixed seed, so that a second run changes nothing.
"""

import json
import pathlib

import gguf
import numpy as np
from safetensors.numpy import save_file
from transformers import AutoConfig

OUT = pathlib.Path("daemon/gguf/tests/vectors")
Q = gguf.GGMLQuantizationType
TYPES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"]
# Where the half-precision scales of a block stand.
SCALES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
}
WRITTEN = ["BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]


def blocks(rng, name, count):
    """Random blocks whose scales are finite: ordinary ones, tiny ones, zero."""
    _, size = gguf.GGML_QUANT_SIZES[Q[name]]
    raw = rng.integers(0, 256, size=(count, size), dtype=np.uint8)
    for at in SCALES.get(name, []):
        scales = (rng.standard_normal(count) * 0.05).astype(np.float16)
        scales[0] = np.float16(6e-8)
        scales[-1] = np.float16(-0.0)
        raw[:, at:at + 2] = scales.view(np.uint8).reshape(count, 2)
    if name in ("F32", "F16", "BF16"):
        floats = rng.standard_normal(count).astype(np.float32)
        floats[:4] = [0.0, -0.0, 6e-8, -65504.0]
        raw = gguf.quants.quantize(floats, Q[name]).reshape(count, size) if name == "BF16" else (
            floats.astype(np.float16 if name == "F16" else np.float32).view(np.uint8).reshape(count, size))
    return raw


def rows():
    rng = np.random.default_rng(11)
    lines = []
    for name in TYPES:
        length, _ = gguf.GGML_QUANT_SIZES[Q[name]]
        raw = blocks(rng, name, 32 if length == 1 else 4)
        floats = gguf.quants.dequantize(raw.reshape(1, -1), Q[name]).astype(np.float32).reshape(-1)
        lines.append(f"{name} {raw.tobytes().hex()} {floats.tobytes().hex()}")
    (OUT / "dequantize.txt").write_text("\n".join(lines) + "\n")
    lines = []
    for name in WRITTEN:
        floats = (rng.standard_normal(128) * np.repeat([1.0, 30.0, 1e-4, 0.0], 32)).astype(np.float32)
        raw = gguf.quants.quantize(floats.reshape(1, -1), Q[name])
        lines.append(f"{name} {floats.tobytes().hex()} {raw.tobytes().hex()}")
    (OUT / "quantize.txt").write_text("\n".join(lines) + "\n")


def file():
    """A small file with every value type, arrays of arrays, and a tensor of most types."""
    rng = np.random.default_rng(12)
    writer = gguf.GGUFWriter(OUT / "small.gguf", "llama")
    writer.add_uint8("t.u8", 200)
    writer.add_int8("t.i8", -100)
    writer.add_uint16("t.u16", 60000)
    writer.add_int16("t.i16", -30000)
    writer.add_uint32("t.u32", 4000000000)
    writer.add_int32("t.i32", -2000000000)
    writer.add_float32("t.f32", 0.1)
    writer.add_uint64("t.u64", 1 << 63)
    writer.add_int64("t.i64", -(1 << 63))
    writer.add_float64("t.f64", 0.1)
    writer.add_bool("t.bool", True)
    writer.add_string("t.string", "naïve — 漢字")
    writer.add_array("t.strings", ["a", "", "漢"])
    writer.add_array("t.nested", [[1, 2], [3, 4, 5]])
    writer.add_array("t.flags", [True, False, True])
    writer.add_block_count(2)
    writer.add_context_length(128)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["a", "b", "<s>", "</s>"])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(3)
    writer.add_chat_template("{{ messages }}")
    writer.add_tensor("token_embd.weight", rng.standard_normal((4, 32)).astype(np.float32))
    writer.add_tensor("blk.0.attn_norm.weight", rng.standard_normal(33).astype(np.float32))
    writer.add_tensor("blk.0.attn_q.weight", rng.standard_normal((3, 32)).astype(np.float16))
    for name in ("Q8_0", "Q4_0", "Q5_1", "BF16"):
        raw = gguf.quants.quantize(rng.standard_normal((2, 64)).astype(np.float32), Q[name])
        writer.add_tensor(f"blk.0.{name}.weight", raw, raw_dtype=Q[name])
    raw = blocks(rng, "Q6_K", 2).reshape(1, -1)
    writer.add_tensor("blk.0.Q6_K.weight", raw, raw_dtype=Q["Q6_K"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def safetensors():
    rng = np.random.default_rng(13)
    save_file(
        {
            "model.embed_tokens.weight": rng.standard_normal((4, 8)).astype(np.float32),
            "model.norm.weight": rng.standard_normal(8).astype(np.float16),
            "scalar": np.array(7, dtype=np.int64),
        },
        OUT / "small.safetensors",
        metadata={"format": "np"},
    )


SMALL = dict(
    hidden_size=64, intermediate_size=128, num_hidden_layers=8, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=199, max_position_embeddings=256, bos_token_id=1, eos_token_id=2, pad_token_id=0,
)
YARN = {"rope_type": "yarn", "rope_theta": 5e5, "factor": 4.0, "original_max_position_embeddings": 64}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
CONFIGS = [
    ("llama", {}), ("llama", {"rope_parameters": LLAMA3}), ("llama", {"head_dim": 32, "tie_word_embeddings": True}),
    ("mistral", {"sliding_window": 8}), ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    ("qwen2", {}), ("qwen2", {"rope_parameters": YARN}), ("qwen2", {"use_sliding_window": True, "sliding_window": 8,
                                                                  "max_window_layers": 4}),
    ("qwen2_moe", {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}),
    ("qwen3", {"head_dim": 32}), ("qwen3_moe", {"num_experts": 4, "num_experts_per_tok": 2}),
    ("gemma", {"head_dim": 16}), ("gemma2", {"head_dim": 16, "sliding_window": 8}),
    ("gemma3_text", {"head_dim": 16, "sliding_window": 8}), ("phi3", {"sliding_window": 8}),
    ("granite", {"embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22,
                 "attention_multiplier": 0.0156}),
    ("olmo2", {}), ("smollm3", {}), ("gpt_oss", {"num_local_experts": 4, "head_dim": 16, "sliding_window": 8}),
    ("glm4", {"head_dim": 16}), ("stablelm", {}), ("starcoder2", {}), ("cohere2", {"sliding_window": 8}),
]


def expectation(config):
    """What the configuration object itself says, in our words."""
    get = lambda key, default=None: getattr(config, key, default)
    heads = config.num_attention_heads
    dim = get("head_dim") or config.hidden_size // heads
    rope = get("rope_parameters") or {}
    full = rope.get("full_attention", rope)
    types = get("layer_types")
    slides = None
    if get("sliding_window"):
        slides = [ty == "sliding_attention" for ty in types] if types else [True] * config.num_hidden_layers
    eos = config.eos_token_id
    return {
        "layers": config.num_hidden_layers, "hidden": config.hidden_size, "vocab": config.vocab_size,
        "context": config.max_position_embeddings, "query": heads, "kv": get("num_key_value_heads") or heads,
        "dim": dim, "ffn": config.intermediate_size, "theta": full.get("rope_theta"),
        "rotated": int(dim * full.get("partial_rotary_factor", 1.0)), "rope_type": full.get("rope_type", "default"),
        "tied": bool(config.tie_word_embeddings), "slides": slides if slides and any(slides) else None,
        "window": get("sliding_window"), "eos": eos if isinstance(eos, list) else [eos],
        "experts": get("num_local_experts") or get("num_experts"), "used": get("num_experts_per_tok"),
        "attention_cap": get("attn_logit_softcapping"), "logit_cap": get("final_logit_softcapping"),
    }


def configs():
    lines = []
    for name, more in CONFIGS:
        config = AutoConfig.for_model(name, **{**SMALL, **more})
        lines.append(json.dumps({"config": json.loads(config.to_json_string(use_diff=False)), "expect": expectation(config)}))
    (OUT / "configs.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    rows()
    file()
    safetensors()
    configs()
