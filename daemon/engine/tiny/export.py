"""Writes the GGUF file of a checkpoint, and reads one back.

    python export.py CHECKPOINT.pt FILE.gguf

Matrices are rounded to F16, norms stay F32. The same weights give the same bytes.
"""

import hashlib
import struct
import sys
from pathlib import Path

import gguf
import numpy as np
import torch

from data import END, PAD, SPECIALS, VOCAB
from model import CONTEXT, EPSILON, FFN, HEAD_DIM, HEADS, HIDDEN, KV_HEADS, LAYERS, THETA, Model

NAME = "fakd-tiny"


def byte_signs():
    """The printable sign of each byte, as byte-level vocabularies have it: visible Latin-1 for itself, the rest from U+0100."""
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = (b for b in range(256) if b not in own)
    signs = {b: chr(b) for b in own} | {b: chr(256 + n) for n, b in enumerate(rest)}
    return [signs[b] for b in range(256)]


class Writer(gguf.GGUFWriter):
    """The package's writer refuses empty lists; the format has them."""

    def _pack_val(self, val, vtype, add_vtype, sub_type=None):
        if vtype == gguf.GGUFValueType.ARRAY and len(val) == 0:
            return (struct.pack("<I", vtype) if add_vtype else b"") + struct.pack("<IQ", sub_type, 0)
        return super()._pack_val(val, vtype, add_vtype, sub_type)


def write(state, path):
    out = Writer(path, "llama")
    out.add_name(NAME)
    out.add_description("Byte-level demo model: calls five file tools, copies names, reads refusals")
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    out.add_vocab_size(VOCAB)
    out.add_context_length(CONTEXT)
    out.add_embedding_length(HIDDEN)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(FFN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_key_length(HEAD_DIM)
    out.add_value_length(HEAD_DIM)
    out.add_rope_dimension_count(HEAD_DIM)
    out.add_rope_freq_base(THETA)
    out.add_layer_norm_rms_eps(EPSILON)
    tokens = byte_signs() + SPECIALS
    tokens += [f"<|reserved_{n}|>" for n in range(len(tokens), VOCAB)]
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * (VOCAB - 256)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types(kinds)
    # One byte is one token: there are no merges, but readers want the list.
    out.add_key_value("tokenizer.ggml.merges", [], gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.STRING)
    out.add_eos_token_id(END)
    out.add_pad_token_id(PAD)
    out.add_add_bos_token(False)
    out.add_chat_template((Path(__file__).parent / "template.jinja").read_text().strip())
    for name, value in state.items():
        value = value.detach().numpy()
        out.add_tensor(name, value.astype(np.float16) if value.ndim == 2 else value.astype(np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def read(path):
    """The weights of a GGUF file as the model takes them: f32."""
    return {t.name: torch.from_numpy(np.array(t.data, dtype=np.float32)) for t in gguf.GGUFReader(path).tensors}


def main():
    source, path = sys.argv[1:]
    model = Model()
    model.load_state_dict(torch.load(source))
    write(model.state_dict(), path)
    data = Path(path).read_bytes()
    print(f"{len(data)} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
