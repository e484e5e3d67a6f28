"""The model: a plain Llama (RMSNorm, RoPE of neighbouring pairs as GGUF's `llama` has it, SwiGLU, GQA, tied head)."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from data import VOCAB

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, FFN = 128, 4, 4, 2, 32, 384
THETA, EPSILON, CONTEXT = 10000.0, 1e-5, 2048


def rotated(x, cos, sin):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        kv = KV_HEADS * HEAD_DIM
        self.attn_norm, self.ffn_norm = nn.RMSNorm(HIDDEN, eps=EPSILON), nn.RMSNorm(HIDDEN, eps=EPSILON)
        self.attn_q, self.attn_k, self.attn_v = (nn.Linear(HIDDEN, n, bias=False) for n in (HEADS * HEAD_DIM, kv, kv))
        self.attn_output = nn.Linear(HEADS * HEAD_DIM, HIDDEN, bias=False)
        self.ffn_gate, self.ffn_up = nn.Linear(HIDDEN, FFN, bias=False), nn.Linear(HIDDEN, FFN, bias=False)
        self.ffn_down = nn.Linear(FFN, HIDDEN, bias=False)

    def forward(self, x, cos, sin, past=None):
        """`past`: keys and values of the tokens before, which those of `x` join."""
        rows, length, _ = x.shape
        y = self.attn_norm(x)
        q, k, v = (w(y).view(rows, length, -1, HEAD_DIM).transpose(1, 2) for w in (self.attn_q, self.attn_k, self.attn_v))
        q, k = rotated(q, cos, sin), rotated(k, cos, sin)
        if past is not None:
            k, v = torch.cat([past.get("k", k[:, :, :0]), k], 2), torch.cat([past.get("v", v[:, :, :0]), v], 2)
            past["k"], past["v"] = k, v
        group = HEADS // KV_HEADS
        y = F.scaled_dot_product_attention(q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), is_causal=length > 1)
        x = x + self.attn_output(y.transpose(1, 2).reshape(rows, length, -1))
        y = self.ffn_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(y)) * self.ffn_up(y))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embd = nn.Embedding(VOCAB, HIDDEN)
        self.blk = nn.ModuleList(Block() for _ in range(LAYERS))
        self.output_norm = nn.RMSNorm(HIDDEN, eps=EPSILON)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0.0, 0.02)

    def forward(self, tokens, begin=0, past=None):
        """tokens [rows, length] -> hidden states [rows, length, HIDDEN]; `logits` makes scores of them.

        With `past` (a dictionary per layer) `tokens` go on at position `begin`: all at once first, then one by one.
        """
        x = self.token_embd(tokens)
        rate = THETA ** (-torch.arange(0, HEAD_DIM, 2, dtype=torch.float32) / HEAD_DIM)
        angle = torch.outer(torch.arange(begin, begin + tokens.shape[1], dtype=torch.float32), rate)
        cos, sin = angle.cos(), angle.sin()
        for n, block in enumerate(self.blk):
            x = block(x, cos, sin, None if past is None else past[n])
        return self.output_norm(x)

    def logits(self, hidden):
        return F.linear(hidden, self.token_embd.weight)
