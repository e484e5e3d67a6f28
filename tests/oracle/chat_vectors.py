"""Writes daemon/token/tests/vectors/chat/rows.jsonl: prompts as transformers renders them, from the templates beside it.

Run from the root of the repository, in an environment with tokenizers and transformers:
    python tests/oracle/chat_vectors.py
"""

import datetime
import json
import pathlib

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

OUT = pathlib.Path("daemon/token/tests/vectors/chat")
NOW = 1753531200
TOOLS = [
    {"type": "function", "function": {
        "name": "read_file", "description": "Reads a file, \"whole\" & <raw>; it's é漢🙂.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}, "max": {"type": "number", "default": 1.0}},
                       "required": ["path"]}}},
    {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {}, "return": {"type": "string"}}},
]
CALL = {"id": "abcdefghi", "type": "function",
        "function": {"name": "read_file", "arguments": {"path": "/a'b\"c\n", "max": 1e-7, "deep": [1, None, True, {}, []]}}}
CHATS = {
    "plain": [{"role": "user", "content": "Hi <|im_end|> & \"you\"\n"}],
    "system": [{"role": "system", "content": " Be brief. "}, {"role": "user", "content": "  Wer?  "},
               {"role": "assistant", "content": "Ich.\n"}, {"role": "user", "content": "漢字 🙂"}],
    "tools": [{"role": "user", "content": "Read."}, {"role": "assistant", "content": "", "tool_calls": [CALL]},
              {"role": "tool", "tool_call_id": "abcdefghi", "content": "{\"a\": 1}"}, {"role": "assistant", "content": "It is 1."},
              {"role": "user", "content": "Again."}],
    "two calls": [{"role": "user", "content": "Read."},
                  {"role": "assistant", "content": "<think>\nwell\n</think>\n\nSure.", "tool_calls": [CALL, CALL]},
                  {"role": "tool", "tool_call_id": "abcdefghi", "content": "one"},
                  {"role": "tool", "tool_call_id": "abcdefghi", "content": "two"}],
    "no content": [{"role": "user", "content": "x", "name": None}, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                   {"role": "tool", "tool_call_id": "abcdefghi", "content": "y"}],
    "bad id": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "1"}]}],
    "parts": [{"role": "user", "content": [{"type": "text", "text": " look "}, {"type": "image"}]}],
    "order": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "odd content": [{"role": "user", "content": 5}],
    "values": [{"role": "user", "content": "v", "x": x} for x in
               [True, None, 0, -3, 1.0, 0.1, 1e16, 123456789.125, 1e-5, 1.5e300, "it's", "say \"x\" 'y' \\ \t é \u0001", [], {},
                {"b": [1, 2.50], "a": {"é": "ü", "n": None}}, 12345678901234567]],
}


class Clock(datetime.datetime):
    """What `strftime_now` asks."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, datetime.timezone.utc)


def main():
    chat_template_utils.datetime = Clock
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token="<s>", eos_token="</s>")
    lines = []
    for path in sorted(OUT.glob("*.jinja")):
        template = path.read_text()
        for name, messages in CHATS.items():
            for tools in (None, TOOLS):
                for other in ({}, {"enable_thinking": False}):
                    if other and path.stem != "qwen-tools":
                        continue
                    row = {"template": path.stem, "chat": name, "messages": messages, "tools": tools,
                           "generation_prompt": name != "order", "other": other, "now": NOW}
                    try:
                        row["prompt"] = tokenizer.apply_chat_template(
                            messages, tools=tools, chat_template=template, tokenize=False,
                            add_generation_prompt=row["generation_prompt"], **other)
                    except Exception as error:
                        row["error"] = str(error)
                    lines.append(json.dumps(row, ensure_ascii=False))
    (OUT / "rows.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
