"""Dialogues for the tiny model: made from seeds, nothing downloaded.

A dialogue is a list of messages and tools in the form of the chat API. `segments` writes it as the model sees it, byte
for byte what `template.jinja` renders (`check.py` compares the two). Names and phrasings whose hash says so are kept
out of training: `held` decides, so that no list of them has to be shipped.
"""

import hashlib
import json

SPECIALS = ["<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|call|>", "<|end|>", "<|pad|>"]
SYSTEM, USER, ASSISTANT, TOOL, CALL, END, PAD = range(256, 263)
VOCAB = 288

TOOLS = {
    "list_dir": ["path"],
    "read_file": ["path"],
    "find_text": ["text", "path"],
    "write_file": ["path", "text"],
    "delete_file": ["path"],
}
# Offered beside the others, never the right answer.
DISTRACTORS = {
    "get_weather": ["city"],
    "send_mail": ["to", "text"],
    "run_command": ["command"],
    "get_time": [],
    "fetch_url": ["url"],
}

DISPOSITIONS = {
    "MALFORMED": "RETRYABLE", "MISROUTE": "RETRYABLE",
    "RATE_LIMITED": "WAIT", "LEASE_HELD": "WAIT",
    "SELF_MODIFY": "ESCALATE", "TRUST_VIOLATION": "ESCALATE",
    "DEFAULT_DENY": "TERMINAL", "POLICY_BLOCK": "TERMINAL", "SECRET_EXFIL": "TERMINAL", "UNWITNESSED": "TERMINAL",
    "OVERSIZE": "TERMINAL", "UNKNOWN_TOOL": "TERMINAL",
}
WHAT_TO_DO = {
    "TERMINAL": "I will not try it again.",
    "RETRYABLE": "The call has to be put right first.",
    "WAIT": "Ask me again later.",
    "ESCALATE": "A person has to decide this.",
}
ERRORS = ["no such file", "is a directory", "not a directory", "permission denied", "file too large", "timed out",
          "not valid text", "disk full", "connection lost", "name too long"]
HELLO = "I am a small demo model. I list, read, summarise, find, write and delete files. Ask me about a path."
NO_TOOL = "I have no tool for that."

ASK = {
    "list": [
        "list the files in {p}", "what is in {p}?", "show me the folder {p}", "ls {p}", "which files are in {p}?",
        "list {p} please", "list {p}", "what files does {p} have?", "show the contents of the folder {p}", "dir {p}",
        "please list the directory {p}", "can you list what is in {p}?", "look into the folder {p}",
        "give me the file names in {p}", "what does the folder {p} hold?", "I want to see what is in {p}",
        "tell me which files {p} holds", "could you list {p} for me?", "files in {p}?", "list everything in {p}",
    ],
    "read": [
        "read {p}", "open the file {p}", "show the file {p}", "what does {p} say?", "cat {p}",
        "print the contents of the file {p}", "read the file {p} please", "please read {p}", "show me the text of {p}",
        "can you open {p}?", "what is written in {p}?", "read {p} to me", "I want to read {p}", "give me the text of {p}",
        "could you read {p} for me?", "print {p}", "display the file {p}", "what text is in the file {p}?",
        "open {p} and tell me what it says", "let me see the file {p}",
    ],
    "sum": [
        "summarise {p}", "summarize {p}", "give me a summary of {p}", "what is {p} about?", "tl;dr of {p}",
        "sum up {p}", "{p} in short please", "summarise the file {p}", "a short summary of {p} please",
        "can you summarise {p}?", "what is the gist of {p}?", "please summarize the file {p}", "in short, what is {p} about?",
        "make a summary of {p}", "could you sum up {p} for me?", "briefly, what is in the file {p}?",
    ],
    "find": [
        "find {t} in {p}", "search {p} for {t}", "grep {t} {p}", "where is {t} in {p}?", "look for {t} in {p}",
        "which files in {p} mention {t}?", "search for {t} in {p}", "where does {t} occur in {p}?",
        "find the word {t} in {p}", "please search {p} for {t}", "does {t} occur in {p}?", "look for the text {t} in {p}",
        "can you find {t} in {p}?", "find every {t} in {p}",
    ],
    "write": [
        "write {t} to {p}", "write \"{t}\" into {p}", "save {t} as {p}", "put {t} into the file {p}",
        "create {p} with the text {t}", "store {t} in {p}", "make a file {p} that says {t}", "please write {t} into {p}",
        "save the text {t} to {p}", "write the file {p} with {t}", "can you write {t} to {p}?", "create the file {p} saying {t}",
    ],
    "delete": [
        "delete {p}", "remove {p}", "rm {p}", "please delete the file {p}", "delete the file {p}", "get rid of {p}",
        "remove the file {p}", "can you delete {p}?", "erase {p}", "throw {p} away", "please remove {p}", "I no longer need {p}, delete it",
    ],
    "named-read": [
        "read the {s} file in {p}", "what does the {s} file in {p} say?", "find the {s} file in {p} and read it",
        "open the {s} file in {p}", "look into {p} and read the {s} file", "show the {s} file in {p}",
        "list {p}, then read the {s} file", "please read the {s} file in {p}", "in {p} there is a {s} file, read it",
        "list {p} and open the {s} file", "can you read the {s} file in {p}?", "read me the {s} file from {p}",
    ],
    "named-sum": [
        "summarise the {s} file in {p}", "give me a summary of the {s} file in {p}", "what is the {s} file in {p} about?",
        "list {p} and sum up the {s} file", "sum up the {s} file in {p}", "find the {s} file in {p} and summarise it",
        "please summarize the {s} file in {p}", "look into {p} and summarise the {s} file", "tl;dr of the {s} file in {p}",
        "in {p} there is a {s} file, sum it up",
    ],
    "first-read": [
        "read the first file in {p}", "list {p} and read the first file", "open the first file in {p}",
        "what does the first file in {p} say?", "please read the first file in {p}", "look into {p} and read the first file",
        "show the first file in {p}", "list {p}, then open the first one", "can you read the first file in {p}?",
    ],
    "hello": ["hello", "hi", "hi there", "who are you?", "what can you do?", "good morning", "help", "hey", "what are you?",
              "how can you help me?", "hello, who are you?", "good evening"],
    "other": ["what is the weather in {s}?", "play {s}", "book a flight to {s}", "translate {s}", "call {s}", "what is {s} plus {s}?",
              "order a {s}", "tell me a joke about {s}", "who won the {s}?", "sing {s}", "draw a {s}", "what time is it in {s}?"],
}
NEEDS = {"list": "list_dir", "read": "read_file", "sum": "read_file", "find": "find_text", "write": "write_file",
         "delete": "delete_file", "named-read": "list_dir", "named-sum": "list_dir", "first-read": "list_dir"}
WEIGHTS = {"list": 14, "read": 16, "sum": 12, "find": 8, "write": 8, "delete": 6, "named-read": 14, "named-sum": 8,
           "first-read": 6, "hello": 3, "other": 5}
SYSTEMS = ["You are a helpful assistant.", "Answer in short.", "You work on the files of this machine.", "Be careful.",
           "You are a file clerk. Use the tools."]
PLAIN = ("notes readme report src main lib test docs data log config plan budget draft letter todo ideas index design backup "
         "images photos music work home project alpha beta old new archive summary meeting agenda invoice recipe travel team "
         "server client build tools script common core api model users orders sales stock garden kitchen river stone "
         "cloud winter summer spring autumn market school paper book page line table chair window door house street city "
         "market train engine wheel light sound water fire earth wind green blue red black white small large first final").split()
SAYS = ("the a one this that every some is was has needs gives takes keeps moves opens closes likes builds finds loses at on in "
        "under over before after with without and or but not very quite soon later today again").split()
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MIXED = LETTERS + "0123456789_-"
EXTENSIONS = ["txt", "md", "rs", "py", "json", "toml", "log", "csv", "html", "yaml", "c", "sh"]


# Chosen so that every kind of request has phrasings on both sides and the plainest ones are taught.
SALT = {"ask": "ask-2260", "name": "name"}


def _share(kind, text):
    return hashlib.sha256(f"{SALT[kind]}:{text}".encode()).digest()[0] / 256


def held(kind, text):
    """Whether a phrasing (one in five) or a name (one in ten) is kept out of training."""
    return _share(kind, text) < (0.2 if kind == "ask" else 0.1)


class Maker:
    """One stream of dialogues. `split`: "train", "test" (held-out names) or "para" (held-out names and phrasings)."""

    def __init__(self, rng, split="train"):
        self.r, self.split = rng, split

    def _kept(self, make):
        while True:
            name = make()
            if held("name", name) == (self.split != "train"):
                return name

    def _stem(self):
        r = self.r
        kind = r.random()
        if kind < 0.4:
            return r.choice(PLAIN)
        if kind < 0.5:
            return r.choice(PLAIN) + r.choice("-_") + r.choice(PLAIN)
        if kind < 0.6:
            return r.choice(PLAIN) + r.choice(["-", "_", ""]) + str(r.randint(1, 2030))
        if kind < 0.65:
            return r.choice(PLAIN).upper()
        if kind < 0.7:
            return r.choice(PLAIN).capitalize()
        return r.choice(LETTERS) + "".join(r.choices(MIXED if kind < 0.9 else LETTERS, k=r.randint(1, 9)))

    def stem(self):
        return self._kept(self._stem)

    def file(self, stem=None):
        return f"{stem or self.stem()}.{self.r.choice(EXTENSIONS)}"

    def folder(self):
        r = self.r
        if r.random() < 0.03:
            return "."
        lead = r.choices(["", "/", "./", "~/", "../"], [70, 18, 5, 4, 3])[0]
        return lead + "/".join(self.stem() for _ in range(r.choices([1, 2, 3], [60, 30, 10])[0]))

    def path(self):
        return self.file() if self.r.random() < 0.4 else f"{self.folder()}/{self.file()}"

    def sentence(self):
        r = self.r
        words = [r.choice(SAYS if r.random() < 0.5 else PLAIN) if r.random() < 0.8 else self.stem()
                 for _ in range(r.randint(2, 6))]
        return " ".join(words).capitalize() + r.choice("...!?")

    def text(self):
        return self.r.choice([" ", " ", "\n"]).join(self.sentence() for _ in range(self.r.choices([1, 2, 3, 4], [40, 30, 20, 10])[0]))

    def ask(self, kind, **names):
        want = self.split == "para"
        text = self.r.choice([a for a in ASK[kind] if held("ask", a) == want])
        text = text.format(**names)
        style = self.r.random()
        if style < 0.15:
            text = text[0].upper() + text[1:]
        elif style < 0.2 and text[-1] not in "?.":
            text += "."
        return text

    def words(self):
        return " ".join(self.stem() for _ in range(self.r.randint(1, 3)))

    def short(self):
        """Stage A: one call, nothing around it, so that copying is learned first."""
        kind = self.r.choice(["list", "read", "sum", "find", "write", "delete"])
        name = self.folder() if kind in ("list", "find") else self.path()
        text = self.stem() if kind == "find" else self.words()
        return {"tools": [], "kinds": [kind], "messages": [
            {"role": "user", "content": self.ask(kind, p=name, t=text)}, call(NEEDS[kind], arguments(kind, name, text))]}

    def dialogue(self, kinds=None):
        """Stage B: tools, one to three requests, and what may come of them."""
        r = self.r
        asks = kinds or r.choices(list(WEIGHTS), list(WEIGHTS.values()), k=r.choices([1, 2, 3], [50, 35, 15])[0])
        offered = {NEEDS[k] for k in asks if k in NEEDS}
        offered |= {"read_file" for k in asks if k[:5] in ("named", "first")}
        if kinds is None and len(offered) > 1 and r.random() < 0.15:
            offered.discard(r.choice(sorted(offered)))
        rest = [t for t in [*TOOLS, *r.sample(list(DISTRACTORS), 2)] if t not in offered]
        offered |= set(r.sample(rest, min(len(rest), r.randint(0, 3))))
        if kinds is None and r.random() < 0.06:
            offered = set(r.sample(list(DISTRACTORS), 2))
        order = sorted(offered)
        r.shuffle(order)
        messages = [{"role": "system", "content": r.choice(SYSTEMS)}] if r.random() < 0.15 else []
        for kind in asks:
            messages += self.request(kind, offered)
        return {"tools": [tool(name) for name in order], "kinds": asks, "messages": messages}

    def request(self, kind, offered):
        r = self.r
        if kind in ("hello", "other"):
            asked = self.ask(kind, s=self.stem())
            return [user(asked), says(HELLO if kind == "hello" else NO_TOOL)]
        folder = kind in ("list", "find") or kind[:5] in ("named", "first")
        name = self.folder() if folder else self.path()
        text = self.stem() if kind == "find" else self.words()
        stem = self.stem()
        out = [user(self.ask(kind, p=name, t=text, s=stem))]
        if NEEDS[kind] not in offered:
            return [*out, says(NO_TOOL)]
        out.append(call(NEEDS[kind], arguments(kind, name, text)))
        bad = self.fault(NEEDS[kind], name)
        if bad:
            return out + bad
        if kind[:5] not in ("named", "first"):
            return out + self.done(kind, name)
        return out + self.second(kind, name, stem, offered)

    def second(self, kind, folder, stem, offered):
        """The second step: a file chosen from the list, read, and told."""
        r = self.r
        files = [self.file() for _ in range(r.randint(1, 4))]
        files = [f for f in files if not f.startswith(stem)]
        if kind.startswith("named") and r.random() < 0.88 or not files:
            chosen = self.file(stem)
            files.insert(0 if kind.startswith("first") else r.randint(0, len(files)), chosen)
        elif kind.startswith("named"):
            return [result(self.listing(files)), says(f"There is no {stem} file in {folder}.")]
        else:
            chosen = files[0]
        out = [result(self.listing(files))]
        if "read_file" not in offered:
            return [*out, says(NO_TOOL)]
        path = f"{folder}/{chosen}"
        out.append(call("read_file", {"path": path}))
        bad = self.fault("read_file", path, 0.08)
        return out + (bad or self.done("sum" if kind.endswith("sum") else "read", path))

    def listing(self, files):
        return json.dumps(files, separators=(",", ":")) if self.r.random() < 0.6 else "\n".join(files)

    def fault(self, name, path, share=0.2):
        """A refusal, an error or a quarantined result, or None."""
        r = self.r
        if r.random() >= share:
            return None
        kind = r.random()
        if kind < 0.45:
            reason = r.choice(list(DISPOSITIONS))
            todo = DISPOSITIONS[reason] if r.random() < 0.9 else "ESCALATE"
            seen = {"_denied": True, "disposition": todo, "reason": reason}
            told = f"Denied: {reason}. {WHAT_TO_DO[todo]}"
        elif kind < 0.7:
            fault = r.choice(ERRORS)
            seen = {"error": fault}
            told = f"{name} failed: {fault}."
        else:
            seal = "q-" + "".join(r.choices("0123456789abcdef", k=r.choice([1, 4, 8, 12])))
            reason = r.choice(list(DISPOSITIONS))
            seen = {"_quarantined": True, "id": seal, "len": r.randint(1, 99999), "reason": reason}
            told = f"The result is sealed as {seal} ({reason}). I have not seen it."
        return [result(json.dumps(seen, separators=(",", ":"))), says(told)]

    def done(self, kind, name):
        r = self.r
        if kind == "list":
            files = [self.file() if r.random() < 0.8 else self.stem() + "/" for _ in range(r.choices([0, 1, 2, 3, 4, 5], [1, 3, 4, 4, 3, 2])[0])]
            seen = self.listing(files) if files else "[]"
            return [result(seen), says(f"{name} holds: {', '.join(files)}." if files else f"{name} is empty.")]
        if kind in ("read", "sum"):
            text = self.text()
            if kind == "read":
                return [result(text), says(f"{name} says: {text}")]
            end = min(at for at in (text.find(c) for c in ".!?") if at >= 0) + 1
            return [result(text), says(f"In short: {text[:end]}")]
        if kind == "find":
            files = [self.file() for _ in range(r.randint(0, 3))]
            return [result(self.listing(files) if files else "[]"), says(f"Found in: {', '.join(files)}." if files else "Not found.")]
        return [result("ok"), says(f"{'Wrote' if kind == 'write' else 'Deleted'} {name}.")]


def arguments(kind, name, text):
    if kind == "find":
        return {"text": text, "path": name}
    return {"path": name, "text": text} if kind == "write" else {"path": name}


def tool(name):
    names = {**TOOLS, **DISTRACTORS}[name]
    return {"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "properties": {n: {"type": "string"} for n in names}, "required": names}}}


def user(text):
    return {"role": "user", "content": text}


def says(text):
    return {"role": "assistant", "content": text}


def result(text):
    return {"role": "tool", "content": text}


def call(name, args):
    return {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": name, "arguments": args}}]}


def call_text(message):
    function = message["tool_calls"][0]["function"]
    return json.dumps({"name": function["name"], "arguments": function["arguments"]}, ensure_ascii=False)


def segments(dialogue):
    """[(head tokens, text, whether the model says it)], each followed by END."""
    out, messages = [], dialogue["messages"]
    tools = " ".join(f"{t['function']['name']}({', '.join(t['function']['parameters']['properties'])})" for t in dialogue["tools"])
    system = ""
    if messages and messages[0]["role"] == "system":
        system, messages = messages[0]["content"], messages[1:]
    system = "\n".join(part for part in (system, tools and f"tools: {tools}") if part)
    if system:
        out.append(([SYSTEM], system, False))
    for m in messages:
        if m["role"] == "user":
            out.append(([USER], m["content"], False))
        elif m["role"] == "tool":
            out.append(([TOOL], m["content"], False))
        elif "tool_calls" in m:
            out.append(([ASSISTANT, CALL], call_text(m), True))
        else:
            out.append(([ASSISTANT], m["content"], True))
    return out


def encode(dialogue):
    """(tokens, mask): mask[i] says whether token i is one the model has to produce."""
    tokens, mask = [], []
    for head, text, own in segments(dialogue):
        body = [*head[1:], *text.encode(), END]
        tokens += [head[0], *body]
        mask += [0] + [int(own)] * len(body)
    return tokens, mask
