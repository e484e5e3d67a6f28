"""Checks the committed file on its own: its prompt text, its weights, and what it says in the demo.

    python check.py [CHECKPOINT.pt]

1. The template renders as the training data was written, and the demo renders to `demo.txt`.
2. A forward pass in double precision, written here from the metadata alone, chooses the same tokens as the model of
   training with the file's weights; given the checkpoint, its weights rounded to F16 are the file's, to the bit.
3. The demo's answers are what the model says, greedy and without a grammar.
"""

import json
import random
import sys
from pathlib import Path

import gguf
import jinja2
import numpy as np
import torch

import eval as judge
from data import Maker, encode, segments
from export import read

HERE = Path(__file__).parent
FILE = HERE / "fakd-tiny.gguf"


def template(text):
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)

    def refuse(message):
        raise ValueError(message)

    environment.globals["raise_exception"] = refuse
    return environment.from_string(text)


def as_text(dialogue):
    names = ["<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|call|>"]
    return "".join("".join(names[h - 256] for h in head) + text + "<|end|>" for head, text, _ in segments(dialogue))


def double(file):
    """Tokens to scores of the file, in float64 and from its metadata."""
    w = {t.name: np.array(t.data, dtype=np.float64) for t in file.tensors}

    def key(name):
        return file.fields[f"llama.{name}"].contents()

    heads, kv, dim = key("attention.head_count"), key("attention.head_count_kv"), key("attention.key_length")
    epsilon, theta = key("attention.layer_norm_rms_epsilon"), key("rope.freq_base")

    def norm(x, gain):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * gain

    def turn(x):
        angle = np.arange(x.shape[0])[:, None, None] * theta ** (-2 * np.arange(dim // 2) / dim)
        pairs = x.reshape(*x.shape[:2], dim // 2, 2)
        turned = (pairs[..., 0] + 1j * pairs[..., 1]) * np.exp(1j * angle)
        return np.stack([turned.real, turned.imag], -1).reshape(x.shape)

    def scores(tokens):
        x = w["token_embd.weight"][tokens]
        for n in range(key("block_count")):
            b = {k.removeprefix(f"blk.{n}."): v for k, v in w.items() if k.startswith(f"blk.{n}.")}
            y = norm(x, b["attn_norm.weight"])
            q = turn((y @ b["attn_q.weight"].T).reshape(len(x), heads, dim))
            k = turn((y @ b["attn_k.weight"].T).reshape(len(x), kv, dim)).repeat(heads // kv, 1)
            v = (y @ b["attn_v.weight"].T).reshape(len(x), kv, dim).repeat(heads // kv, 1)
            s = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(dim)
            s[:, np.triu(np.ones((len(x), len(x)), bool), 1)] = -np.inf
            s = np.exp(s - s.max(-1, keepdims=True))
            y = np.einsum("hij,jhd->ihd", s / s.sum(-1, keepdims=True), v).reshape(len(x), -1)
            x = x + y @ b["attn_output.weight"].T
            y = norm(x, b["ffn_norm.weight"])
            g = y @ b["ffn_gate.weight"].T
            x = x + (g / (1 + np.exp(-g)) * (y @ b["ffn_up.weight"].T)) @ b["ffn_down.weight"].T
        return norm(x, w["output_norm.weight"]) @ w["token_embd.weight"].T

    return scores


def main():
    torch.set_num_threads(1)
    file = gguf.GGUFReader(FILE)
    source = file.fields["tokenizer.chat_template"].contents()
    assert source == (HERE / "template.jinja").read_text().strip()
    render, demo = template(source), json.loads((HERE / "demo.json").read_text())
    samples = [Maker(random.Random(n), "para").dialogue() for n in range(50)]
    for dialogue in [*samples, demo]:
        told = render.render(messages=dialogue["messages"], tools=dialogue["tools"], add_generation_prompt=False)
        assert told == as_text(dialogue), told
    assert as_text(demo) == (HERE / "demo.txt").read_text()
    print("template: 51 dialogues render as the training data is written")

    model, scores, same = judge.load(FILE), double(file), 0
    for dialogue in [*samples[:20], demo]:
        tokens, _ = encode(dialogue)
        with torch.no_grad():
            ours = model.logits(model(torch.tensor([tokens]))[0]).double().numpy()
        theirs = scores(np.array(tokens))
        assert np.abs(ours - theirs).max() < 1e-2 * np.abs(theirs).max(), np.abs(ours - theirs).max()
        # Two scores nearer than the error of f32 may change places.
        best = np.sort(theirs, -1)
        clear = best[:, -1] - best[:, -2] > 1e-3
        assert (ours.argmax(-1) == theirs.argmax(-1))[clear].all()
        same += int(clear.sum())
    print(f"weights: {same} positions choose the same token in f32 and in double precision")
    if len(sys.argv) > 1:
        state, kept = torch.load(sys.argv[1]), read(FILE)
        assert state.keys() == kept.keys()
        for name, value in state.items():
            assert torch.equal(value.half().float() if value.dim() == 2 else value, kept[name]), name
        print("checkpoint: rounded to F16 it is the file, to the bit")

    for true, got in judge.turns(model, demo):
        assert true == got, (true, got)
        print(f"  {got}")
    print("demo: every answer as written")


if __name__ == "__main__":
    main()
