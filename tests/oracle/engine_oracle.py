"""What tiny models of each architecture must answer, in double precision, by PyTorch and transformers.

For each case a configuration, the names and shapes of its tensors, a prompt and the expected numbers are written to
daemon/engine/tests/fixtures. The weights are not: both sides make them from the tensors' names (`fill`).

Run: python engine_oracle.py [case ...]    with torch 2.15 and transformers 5.23.

Everything is computed in double precision, also what transformers does in single precision on purpose (norms, softmax,
angles): the names of single precision are bound to double precision before it is imported.
"""

import json
import pathlib
import sys

import numpy as np
import torch

torch.float32 = torch.float = torch.float64
torch.Tensor.float = torch.Tensor.double
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

from transformers import AutoConfig, AutoModelForCausalLM  # noqa: E402

OUT = pathlib.Path(__file__).resolve().parents[2] / "daemon/engine/tests/fixtures"

PROMPT = 80  # tokens: more than a page of the cache
LOGITS = 20  # of the last positions of the prompt
HIDDEN = 4  # positions whose residual stream is kept, after every layer
GREEDY = 32

BASE = dict(
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    intermediate_size=128,
    vocab_size=199,
    max_position_embeddings=512,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
)
MOE = dict(num_experts_per_tok=2)
LLAMA3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=128)
LONG = dict(
    rope_type="longrope",
    rope_theta=10000.0,
    short_factor=[1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7],
    long_factor=[1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0],
    original_max_position_embeddings=64,
)

# Case: (model type, what differs from BASE).
CASES = {
    "llama": ("llama", dict(head_dim=16)),
    "qwen2": ("qwen2", dict(use_sliding_window=False, tie_word_embeddings=True)),
    "qwen3": ("qwen3", dict(head_dim=32, tie_word_embeddings=True)),
    "mistral": ("mistral", dict(head_dim=16, sliding_window=8)),
    "gemma2": ("gemma2", dict(head_dim=16, sliding_window=8, query_pre_attn_scalar=24)),
    "gemma3": (
        "gemma3_text",
        dict(
            head_dim=16,
            sliding_window=8,
            query_pre_attn_scalar=24,
            num_hidden_layers=3,
            layer_types=["sliding_attention", "sliding_attention", "full_attention"],
            rope_parameters=dict(
                full_attention=dict(rope_type="linear", factor=4.0, rope_theta=1000000.0),
                sliding_attention=dict(rope_type="default", rope_theta=10000.0),
            ),
        ),
    ),
    "phi3": ("phi3", dict(sliding_window=None)),
    "olmo2": ("olmo2", {}),
    "smollm3": ("smollm3", dict(num_hidden_layers=4, hidden_size=32, intermediate_size=64)),
    "mixtral": ("mixtral", dict(MOE, num_local_experts=4, intermediate_size=64)),
    "qwen3_moe": (
        "qwen3_moe",
        dict(
            MOE,
            num_experts=8,
            moe_intermediate_size=32,
            head_dim=16,
            decoder_sparse_step=1,
            norm_topk_prob=True,
        ),
    ),
    "qwen2_moe": (
        "qwen2_moe",
        dict(
            MOE,
            num_experts=4,
            moe_intermediate_size=32,
            shared_expert_intermediate_size=48,
            decoder_sparse_step=1,
            norm_topk_prob=False,
            use_sliding_window=False,
        ),
    ),
    "gpt_oss": (
        "gpt_oss",
        dict(
            MOE,
            num_local_experts=4,
            head_dim=16,
            sliding_window=8,
            intermediate_size=64,
            rope_parameters=dict(YARN, truncate=False, beta_fast=32.0, beta_slow=1.0),
        ),
    ),
    "glm4": ("glm4", dict(head_dim=16, attention_bias=True)),
    "gemma": ("gemma", dict(head_dim=16)),
    "granite": (
        "granite",
        dict(
            embedding_multiplier=3.0,
            residual_multiplier=0.5,
            attention_multiplier=0.2,
            logits_scaling=2.0,
        ),
    ),
    "llama_llama3": ("llama", dict(head_dim=16, rope_parameters=LLAMA3)),
    "llama_linear": (
        "llama",
        dict(
            head_dim=16,
            rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
            attention_bias=True,
            mlp_bias=True,
        ),
    ),
    "qwen2_yarn": ("qwen2", dict(use_sliding_window=False, rope_parameters=YARN)),
    "phi3_longrope": (
        "phi3",
        dict(sliding_window=None, rope_parameters=LONG, original_max_position_embeddings=64),
    ),
    "llama_q8_0": ("llama", dict(head_dim=16)),
    "moe_q8_0": (
        "qwen3_moe",
        dict(
            MOE,
            num_experts=4,
            moe_intermediate_size=32,
            head_dim=32,
            decoder_sparse_step=1,
            norm_topk_prob=True,
        ),
    ),
}


def fill(name, count, scale, offset):
    """Numbers made of a name: xorshift64* from the name's FNV-1a hash, the top 24 bits as a number from -1 to 1."""
    mask = (1 << 64) - 1
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & mask
    out = np.empty(count, dtype=np.float32)
    for index in range(count):
        state ^= state >> 12
        state = (state ^ (state << 25)) & mask
        state ^= state >> 27
        bits = ((state * 2685821657736338717) & mask) >> 40
        out[index] = (bits - (1 << 23)) / (1 << 23)
    return out * np.float32(scale) + np.float32(offset)


def q8_0_weights(numbers, columns):
    """What is left of a tensor's numbers in blocks of 32 signed bytes with a scale of 16 bits."""
    blocks = numbers.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    ratio = blocks * (np.float32(1) / scale)
    codes = np.sign(ratio) * np.floor(np.abs(ratio) + np.float32(0.5))
    assert columns % 32 == 0
    return codes.astype(np.float64) * scale.astype(np.float16).astype(np.float64)


def q8_activations(x):
    """Rows of activations as the engine meets quantised weights with: bytes with a scale of 32 bits, ties to even."""
    blocks = x.detach().numpy().astype(np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)
    inverse = np.where(scale > 0, np.float32(1) / np.where(scale > 0, scale, 1), np.float32(0))
    codes = np.rint(blocks * inverse.astype(np.float32))
    return torch.from_numpy(codes.astype(np.float64) * scale.astype(np.float64)).view(x.shape)


def quantise_products(routers):
    """From here on, every product with a matrix quantises its activations, but for those with as many rows as routers."""
    plain = torch.nn.functional.linear

    def linear(x, weight, bias=None):
        if weight.shape[0] == routers:
            return plain(x, weight, bias)
        return plain(q8_activations(x.contiguous()), weight, bias)

    torch.nn.functional.linear = linear


def range_of(name, plus_one):
    """Scale and offset of a tensor's numbers."""
    if name.endswith("norm.weight") or "layernorm" in name:
        return 0.2, 0.0 if plus_one else 1.0
    if name.endswith("bias") or name.endswith("_bias"):
        return 0.1, 0.0
    if name.endswith("sinks"):
        return 1.0, 0.0
    if name.endswith("router.weight") or name.endswith("gate.weight"):
        return 0.4, 0.0
    return 0.1386, 0.0


def parts_of(kind, name, tensor):
    """The tensors of a file that make a parameter: (name, view of the parameter)."""
    if kind in ("mixtral", "qwen2_moe", "qwen3_moe"):
        names = ("gate_proj", "up_proj", "down_proj")
        file = name
        if kind == "mixtral":
            names = ("w1", "w3", "w2")
            file = name.replace(".mlp.", ".block_sparse_moe.")
        stem = file.rsplit(".", 1)[0]
        if name.endswith("experts.gate_up_proj"):
            half = tensor.shape[1] // 2
            for expert in range(tensor.shape[0]):
                yield f"{stem}.{expert}.{names[0]}.weight", tensor[expert, :half]
                yield f"{stem}.{expert}.{names[1]}.weight", tensor[expert, half:]
            return
        if name.endswith("experts.down_proj"):
            for expert in range(tensor.shape[0]):
                yield f"{stem}.{expert}.{names[2]}.weight", tensor[expert]
            return
        name = file
    yield name, tensor


def build(case):
    kind, more = CASES[case]
    config = AutoConfig.for_model(kind, **{**BASE, **more})
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval().double()
    tensors = []
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            for file, view in parts_of(kind, name, parameter):
                scale, offset = range_of(file, kind.startswith("gemma"))
                numbers = fill(f"{case}/{file}", view.numel(), scale, offset)
                if case.endswith("_q8_0") and view.dim() == 2 and not file.endswith("mlp.gate.weight"):
                    numbers = q8_0_weights(numbers, view.shape[1])
                view.copy_(torch.from_numpy(numbers.astype(np.float64)).reshape(view.shape))
                tensors.append([file, list(view.shape), scale, offset])
    return config, model, tensors


def run(case):
    config, model, tensors = build(case)
    if case.endswith("_q8_0"):
        quantise_products(getattr(config, "num_experts", None))
    ids = torch.randint(3, 190, (1, PROMPT), generator=torch.Generator().manual_seed(3))
    streams = []

    def keep(_module, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        streams.append(output[0, -HIDDEN:].clone())

    layers = model.model.layers
    hooks = [layer.register_forward_hook(keep) for layer in layers]
    hooks.append(
        layers[0].register_forward_pre_hook(
            lambda _m, args, kwargs: keep(None, None, args[0] if args else kwargs["hidden_states"]),
            with_kwargs=True,
        )
    )
    with torch.no_grad():
        logits = model(ids, use_cache=False).logits[0]
        for hook in hooks:
            hook.remove()
        greedy, gap, seen = [], float("inf"), ids
        last = logits[-1]
        for _ in range(GREEDY):
            best = torch.topk(last, 2).values
            gap = min(gap, float(best[0] - best[1]))
            greedy.append(int(last.argmax()))
            seen = torch.cat([seen, torch.tensor([[greedy[-1]]])], dim=1)
            last = model(seen, use_cache=False).logits[0, -1]
    assert logits.dtype == torch.float64
    text = config.to_dict()
    text = {key: value for key, value in text.items() if value is not None}
    note = dict(
        case=case,
        config=text,
        tensors=tensors,
        prompt=ids[0].tolist(),
        logits=LOGITS,
        hidden=HIDDEN,
        greedy=greedy,
        gap=gap,
    )
    numbers = [logits[-LOGITS:].flatten()] + [stream.flatten() for stream in streams]
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{case}.json").write_text(json.dumps(note, indent=None, sort_keys=True) + "\n")
    torch.cat(numbers).numpy().astype("<f4").tofile(OUT / f"{case}.f32")
    print(f"{case}: |logit| up to {float(logits.abs().max()):.2f}, smallest gap {gap:.1e}")


# Cases with quantised products come last: they change how products are computed.
for case in sorted(sys.argv[1:] or CASES, key=lambda case: case.endswith("_q8_0")):
    run(case)
