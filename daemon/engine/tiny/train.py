"""Trains the tiny model: first short calls (copying), then whole dialogues. Same steps, same seed: same weights.

    python train.py --out DIR --steps-a N --steps-b N --decay N     repeats a run
    python train.py --out DIR --until HH:MM                         lets the clock choose the three numbers and logs them

`--start CHECKPOINT --round N --rate F` goes on from a checkpoint: whole dialogues of another seed, rates times F.
"""

import argparse
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from data import PAD, Maker, encode
from model import Model

SEED = 20
BATCH_TOKENS, LENGTH_MAX = 4608, 704
LR_MATRIX, LR_OTHER = 0.02, 3e-3


def batches(seed, stage):
    """Endless batches of about BATCH_TOKENS tokens; dialogues of like length stand together."""
    rng = random.Random(seed)
    maker = Maker(rng)
    while True:
        made = [encode(maker.short() if stage == "a" or rng.random() < 0.05 else maker.dialogue()) for _ in range(256)]
        made = sorted((d for d in made if len(d[0]) <= LENGTH_MAX), key=lambda d: len(d[0]))
        chunks, chunk = [], []
        for d in made:
            if chunk and (len(chunk) + 1) * len(d[0]) > BATCH_TOKENS:
                chunks.append(chunk)
                chunk = []
            chunk.append(d)
        chunks.append(chunk)
        rng.shuffle(chunks)
        for chunk in chunks:
            length = max(len(t) for t, _ in chunk)
            yield (torch.tensor([t + [PAD] * (length - len(t)) for t, _ in chunk]),
                   torch.tensor([m + [0] * (length - len(m)) for _, m in chunk], dtype=torch.bool))


def loss_of(model, tokens, mask):
    own = mask[:, 1:]
    return F.cross_entropy(model.logits(model(tokens[:, :-1])[own]), tokens[:, 1:][own])


def optimisers(model):
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embd" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() != 2 or "embd" in n]
    return [(torch.optim.Muon(matrices, lr=LR_MATRIX, weight_decay=0.01, momentum=0.95), LR_MATRIX),
            (torch.optim.AdamW(others, lr=LR_OTHER, betas=(0.9, 0.95), weight_decay=0.0), LR_OTHER)]


def seconds_until(clock):
    hour, minute = map(int, clock.split(":"))
    now = time.localtime()
    return (hour - now.tm_hour) * 3600 + (minute - now.tm_min) * 60 - now.tm_sec


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--out", type=Path, required=True)
    parse.add_argument("--steps-a", type=int)
    parse.add_argument("--steps-b", type=int)
    parse.add_argument("--decay", type=int)
    parse.add_argument("--until")
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--start", type=Path)
    parse.add_argument("--round", type=int, default=1, help="which dialogues: a number per run that goes on")
    parse.add_argument("--rate", type=float, default=1.0)
    args = parse.parse_args()
    torch.set_num_threads(args.threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(SEED)
    model = Model()
    if args.start:
        model.load_state_dict(torch.load(args.start))
    opts = optimisers(model)
    print(f"parameters {sum(p.numel() for p in model.parameters())} seed {SEED}", flush=True)
    total = seconds_until(args.until) if args.until else None
    begin, saved, step, seen, mean = time.time(), time.time(), 0, 0, None
    steps_a, end, decay = args.steps_a, None, args.decay
    if not args.until:
        end = args.steps_a + args.steps_b
    stage, source = "a", batches(SEED, "a")
    while end is None or step < end:
        gone = time.time() - begin
        if stage == "a" and (step >= steps_a if steps_a is not None else gone > 0.2 * total or mean is not None and mean < 0.02):
            stage, source, steps_a = "b", batches(SEED + args.round, "b"), step
            print(f"steps-a {step}", flush=True)
        if end is None and gone > 0.6 * total:
            decay = max(1, int(step / gone * (total - gone)))
            end = step + decay
            print(f"steps-b {end - steps_a} decay {decay}", flush=True)
        factor = min(1.0, (step + 1) / 30)
        if end is not None:
            factor *= min(1.0, 0.02 + 0.98 * (end - step) / decay)
        for opt, rate in opts:
            for group in opt.param_groups:
                group["lr"] = rate * factor * args.rate
        tokens, mask = next(source)
        loss = loss_of(model, tokens, mask)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt, _ in opts:
            opt.step()
            opt.zero_grad(set_to_none=True)
        step, seen = step + 1, seen + tokens.numel()
        mean = loss.item() if mean is None else 0.97 * mean + 0.03 * loss.item()
        if step % 25 == 0:
            print(f"{gone:.0f} s step {step} stage {stage} tokens {seen / 1e6:.2f} M loss {mean:.4f}", flush=True)
        if time.time() - saved > 90 or step == end:
            saved = time.time()
            torch.save(model.state_dict(), args.out / "tiny.tmp")
            (args.out / "tiny.tmp").replace(args.out / "tiny.pt")


if __name__ == "__main__":
    main()
