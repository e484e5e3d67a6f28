"""Writes daemon/token/tests/vectors: tiny tokenizers of every kind, and what the reference packages make of texts.

Run from the root of the repository, in an environment with gguf, jinja2, sentencepiece, tokenizers and transformers:
    python tests/oracle/token_vectors.py [COUNT]
COUNT adds that many random texts to each list (for a long comparison; what is committed has none). The trained
vocabularies come from the texts below, so that nothing is downloaded.
"""

import io
import json
import pathlib
import random
import sys

import gguf
import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors,
                        trainers)

OUT = pathlib.Path("daemon/token/tests/vectors")
CORPUS = [
    "The daemon reads the model where it lies, and the worker reads the tokens as they come.",
    "I'll say that we've seen what they'd done; it's not what you're told, and don't ask who'll pay.",
    "def call(name, arguments):\n    return {\"name\": name, \"arguments\": arguments}\n\n\tprint(call(1, 2))\n",
    "In 2024 there were 1234567 rows, 99% of them shorter than 3.14 pages.",
    "Größe, café, naïve, señor, Ελληνικά, русский текст, 漢字かな交じり文, 한국어, العربية",
    "the the the then them there these those this that than thanks think thing",
    "read write list open close read_file write_file list_dir path file name token tokens",
] * 4
TEXTS = [
    "", " ", "  ", "a", " a", "a ", "Hello, world! 123 spaces  here.", "multiple    spaces\tand\ttabs end   ",
    "naïve café résumé — em-dash and ünïcödé", "新しい日本語のテキストとmixed English 漢字", "🙂 emoji 👩‍👩‍👧 family 🇩🇪",
    "I'll, you're, we've, don't, it's, they'd, can't, I'LL, WE'VE", "def f(n):\n    return n if n < 2 else f(n-1)\n",
    "\n\n\n  \n x", "tabs\t\t\tand\r\nreturns\r\n\r\n", "1234567890 3.14 1,000 ٣٤ Ⅷ ½", "e\u0301 vs \u00e9", "\u00a0nbsp\u2003em\u3000wide",
    "CamelCaseWords and snake_case_words", "https://example.com/path?q=1&x=2#frag", "<|im_start|>user\nhi<|im_end|>\n",
    "a<|im_end|>b", "<|im_end|>", "x <keep> y<keep>z", "<s>text</s>", "\u2581sign\u2581of\u2581space", "\x00\x01\x7f", "zero\u200bwidth",
    "a" * 70, "the" * 40, " the" * 40, " " * 40, "=" * 33 + "\n", "\n" * 30, "aAbBcC" * 12, "漢" * 30, "!?" * 25,
    "mixed: Größe 漢字 🙂 \t x1y2z3 'quoted' \"double\" (paren) [brack] {brace} <tag/> &amp; 100% $5 #6 @7 ^8 *9 ~0 `b` \\n",
]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
DEEPSEEK = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = [AddedToken("<|im_start|>", special=True), AddedToken("<|im_end|>", special=True),
            AddedToken("<s>", special=True), AddedToken("</s>", special=True),
            AddedToken("<keep>", special=False, normalized=False)]


def isolated(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def bytes_of(*cuts):
    return pre_tokenizers.Sequence([*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def random_texts(rng, count):
    """Pieces of the texts above and any characters, put together at random."""
    pieces = [word for text in TEXTS + CORPUS[:7] for word in text.split(" ")] + [" ", "  ", "\n", "\t", "'s", "12", "<s>"]
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randrange(1, 12)):
            kind = rng.random()
            if kind < 0.6:
                parts.append(rng.choice(pieces))
            elif kind < 0.8:
                parts.append(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x80, 0x2000), rng.randrange(0x3000, 0xD000),
                                              rng.randrange(0x1F300, 0x1F700), rng.randrange(0, 32)])))
            else:
                parts.append(" ")
        texts.append("".join(parts))
    return texts


def byte_level(pre, normalizer=None, ignore_merges=False, post=None, specials=SPECIALS):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=420, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens(specials)
    if post:
        ids = {name: tokenizer.token_to_id(name) for name in post if name}
        template = [name or "$A" for name in post]
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=template, special_tokens=list(ids.items()))])
    return tokenizer


def spaced(normalizer, pre, decoder, fuse=True):
    """Characters with bytes for the unknown, and a sign for spaces."""
    base = ["<unk>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "\u2581")
    trained.pre_tokenizer = pre_tokenizers.Split("\u2581", "merged_with_next")
    trainer = trainers.BpeTrainer(vocab_size=600, show_progress=False, special_tokens=base)
    trained.train_from_iterator(CORPUS, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=model["vocab"], merges=merges, unk_token="<unk>", fuse_unk=fuse, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoder
    tokenizer.add_tokens([AddedToken("<unk>", special=True, normalized=False), *SPECIALS])
    return tokenizer


def llama2_decoder(strip):
    parts = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(parts + ([decoders.Strip(" ", 1, 0)] if strip else []))


def tokenizers():
    prepend = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    sides = [AddedToken("<|im_end|>", special=True, rstrip=True), AddedToken("<|im_start|>", special=True, lstrip=True),
             AddedToken("<keep>", single_word=True, normalized=False)]
    return {
        "gpt2": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False)),
        "gpt2-space": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True)),
        "llama3": byte_level(bytes_of(isolated(LLAMA3)), ignore_merges=True, post=["<s>", None]),
        "qwen2": byte_level(bytes_of(isolated(QWEN2)), normalizers.NFC()),
        "o200k": byte_level(bytes_of(isolated(O200K)), post=["<s>", None, "</s>"]),
        "smollm": byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                      pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        "deepseek": byte_level(bytes_of(isolated(r"\p{N}{1,3}"), isolated("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
                                        isolated(DEEPSEEK))),
        "sides": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), specials=sides),
        "llama2": spaced(prepend, None, llama2_decoder(True)),
        "mistral": spaced(None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False), llama2_decoder(True)),
        "metaspace": spaced(None, pre_tokenizers.Metaspace(prepend_scheme="always", split=True), llama2_decoder(True), fuse=False),
        "gemma": spaced(normalizers.Replace(" ", "\u2581"), pre_tokenizers.Split(" ", "merged_with_previous"), llama2_decoder(False)),
    }


def rows(tokenizer, texts):
    lines = []
    for text in texts:
        tokenizer.encode_special_tokens = False
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        full = tokenizer.encode(text).ids
        tokenizer.encode_special_tokens = True
        plain = tokenizer.encode(text, add_special_tokens=False).ids
        tokenizer.encode_special_tokens = False
        row = {"text": text, "ids": ids, "plain": plain, "decoded": tokenizer.decode(plain, skip_special_tokens=True)}
        if full != ids:
            row["full"] = full
        lines.append(json.dumps(row, ensure_ascii=False))
    return "\n".join(lines) + "\n"


PRE = {"gpt2": "gpt-2", "llama3": "llama-bpe", "smollm": "smollm", "o200k": "gpt-4o", "deepseek": "deepseek-v3"}


def gguf_of(tokenizer, name):
    """The same vocabulary as GGUF metadata."""
    path = OUT / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    text = json.loads(tokenizer.to_str())
    count = tokenizer.get_vocab_size()
    special = {added["id"]: added["special"] for added in text["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE[name])
    writer.add_token_list([tokenizer.id_to_token(id) for id in range(count)])
    writer.add_token_types([{True: 3, False: 4}.get(special.get(id), 1) for id in range(count)])
    writer.add_token_merges([" ".join(merge) for merge in text["model"]["merges"]])
    writer.add_bos_token_id(tokenizer.token_to_id("<s>"))
    writer.add_add_bos_token(name in ("llama3", "o200k"))
    writer.add_eos_token_id(tokenizer.token_to_id("</s>"))
    writer.add_add_eos_token(name == "o200k")
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def sentence_piece(texts):
    """A SentencePiece model, as GGUF, and its own answers."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=model, model_type="bpe", vocab_size=560, byte_fallback=True,
        normalization_rule_name="identity", remove_extra_whitespaces=False, character_coverage=1.0, minloglevel=2,
        user_defined_symbols=["<keep>"], num_threads=1)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    writer = gguf.GGUFWriter(OUT / "spm.gguf", "llama")
    writer.add_tokenizer_model("llama")
    count = sp.get_piece_size()
    kinds = [2 if sp.is_unknown(id) else 3 if sp.is_control(id) else 6 if sp.is_byte(id) else 5 if sp.is_unused(id)
             else 4 if sp.id_to_piece(id) == "<keep>" else 1 for id in range(count)]
    writer.add_token_list([sp.id_to_piece(id) for id in range(count)])
    writer.add_token_scores([sp.get_score(id) for id in range(count)])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(sp.bos_id())
    writer.add_eos_token_id(sp.eos_id())
    writer.add_unk_token_id(sp.unk_id())
    writer.add_add_space_prefix(True)
    finish(writer)
    # NUL ends a text in SentencePiece, and a token of the user's takes no space behind it there.
    texts = [text for text in texts if "\x00" not in text and "<keep>" not in text]
    lines = [json.dumps({"text": text, "ids": sp.encode(text), "decoded": sp.decode(sp.encode(text))}, ensure_ascii=False)
             for text in texts]
    (OUT / "spm.jsonl").write_text("\n".join(lines) + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    rng = random.Random(5)
    texts = TEXTS + random_texts(rng, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    for name, tokenizer in tokenizers().items():
        (OUT / f"{name}.json").write_text(tokenizer.to_str() + "\n")
        (OUT / f"{name}.jsonl").write_text(rows(tokenizer, texts))
        if name in PRE:
            gguf_of(tokenizer, name)
    sentence_piece(texts)


if __name__ == "__main__":
    main()
