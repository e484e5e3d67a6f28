"""Counts what the model gets right on dialogues it has not seen: greedy, without a grammar.

    python eval.py WEIGHTS [--count 500] [--split test|para]      WEIGHTS: a checkpoint (.pt) or the GGUF file

`test` has names kept out of training, `para` also phrasings kept out. Every answer is judged with the true history
before it; a greedy run goes the same way until its first mistake, and a request counts only if it has none.
"""

import argparse
import collections
import json
import random

import torch

from data import ASSISTANT, CALL, END, Maker, call_text, encode, segments
from model import CONTEXT, LAYERS, Model

SEED = {"test": 900, "para": 901}
ANSWER_MAX = 240


def load(path):
    model = Model()
    if str(path).endswith(".gguf"):
        from export import read

        model.load_state_dict(read(path))
    else:
        model.load_state_dict(torch.load(path))
    return model.eval()


@torch.no_grad()
def answer(model, tokens):
    """The tokens a greedy run writes after `tokens`, without the end."""
    out, feed, begin, past = [], list(tokens), 0, [{} for _ in range(LAYERS)]
    while len(out) < ANSWER_MAX and begin + len(feed) < CONTEXT:
        best = int(model.logits(model(torch.tensor([feed]), begin, past)[0, -1]).argmax())
        if best == END:
            break
        begin, feed = begin + len(feed), [best]
        out.append(best)
    return out


def shown(tokens):
    """A call as its text after `<|call|>`, anything else as its text."""
    return ("<|call|>" if tokens[:1] == [CALL] else "") + bytes(t for t in tokens if t < 256).decode(errors="replace")


def named(text):
    """The tool a call names; None for an answer in words, "" for a call that cannot be read."""
    if not text.startswith("<|call|>"):
        return None
    try:
        return json.loads(text.removeprefix("<|call|>"))["name"]
    except (ValueError, KeyError, TypeError):
        return ""


@torch.no_grad()
def turns(model, dialogue):
    """[(true text, text of the model)] of the assistant's turns."""
    tokens, _ = encode(dialogue)
    best = model.logits(model(torch.tensor([tokens]))[0]).argmax(-1).tolist()
    at, out = 0, []
    for head, text, own in segments(dialogue):
        body = [*head[1:], *text.encode(), END]
        if own:
            true = shown(body[:-1])
            right = best[at:at + len(body)] == body
            out.append((true, true if right else shown(answer(model, tokens[:at + 1]))))
        at += 1 + len(body)
    return out


def judge(model, count, split, wrong):
    maker = Maker(random.Random(SEED[split]), split)
    tally = collections.Counter()
    for _ in range(count):
        dialogue = maker.dialogue()
        said = iter(turns(model, dialogue))
        kind, steps, right = None, 0, True
        kinds = iter(dialogue["kinds"])

        def close():
            if kind is not None:
                tally[f"request {kind}", right] += 1
                if steps > 1:
                    tally["multi-step", right] += 1

        for message in dialogue["messages"]:
            if message["role"] == "user":
                close()
                kind, steps, right = next(kinds), 0, True
                asked = message["content"]
            if message["role"] != "assistant":
                continue
            true, got = next(said)
            steps += "tool_calls" in message
            right &= true == got
            tally["tool choice", named(true) == named(got)] += 1
            if "tool_calls" in message:
                tally["exact call", true == got] += 1
            else:
                tally["exact answer", true == got] += 1
            if named(got) is not None:
                tally["valid JSON", named(got) != ""] += 1
            if true != got:
                wrong(f"  asked {asked!r}\n   true {true!r}\n    got {got!r}")
        close()
    return tally


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("weights")
    parse.add_argument("--count", type=int, default=500)
    parse.add_argument("--split", choices=list(SEED), default="test")
    parse.add_argument("--wrong", type=int, default=0, help="how many mistakes to show")
    args = parse.parse_args()
    torch.set_num_threads(1)
    mistakes = []
    tally = judge(load(args.weights), args.count, args.split, mistakes.append)
    print(f"{args.weights}: {args.count} dialogues, split {args.split}, seed {SEED[args.split]}")
    for name in sorted({n for n, _ in tally}, key=lambda n: (n.startswith("request"), n)):
        good, all_ = tally[name, True], tally[name, True] + tally[name, False]
        print(f"  {name:20} {good:5}/{all_:<5} {100 * good / all_:6.2f} %")
    print("\n".join(mistakes[:args.wrong]))


if __name__ == "__main__":
    main()
