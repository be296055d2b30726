"""Drives Parley's /v1/ with OpenAI's own client for Python. Prints what it saw as JSON; an exception that nobody expected ends it."""

import base64
import json
import os

import openai
from openai import OpenAI

BASE, KEY = os.environ["BASE_URL"], os.environ["API_KEY"]
client = OpenAI(base_url=BASE, api_key=KEY, max_retries=0, timeout=60)
question = {"role": "user", "content": os.environ["QUESTION"]}
seen = {"version": openai.__version__}

seen["models"] = [m.id for m in client.models.list()]
seen["model"] = client.models.retrieve("chat").id

whole = client.chat.completions.create(
    model="chat", messages=[{"role": "system", "content": "中文"}, question], temperature=0.2, stop=["<end>"], max_completion_tokens=500
)
seen["text"] = whole.choices[0].message.content
seen["finish"] = whole.choices[0].finish_reason
seen["usage"] = whole.usage.total_tokens
seen["request_id"] = whole._request_id == whole.id

raw = client.chat.completions.with_raw_response.create(model="chat", messages=[question], user="u")
seen["answered_by"] = raw.headers["x-parley-model"]
seen["ignored"] = raw.headers["x-parley-ignored"]

# The answer of a client goes back into the dialog as the client dumps it.
dialog = [question, whole.choices[0].message.model_dump(), {"role": "user", "content": os.environ["SECOND"]}]
pieces, usage, finish = [], None, None
for chunk in client.chat.completions.create(model="chat", messages=dialog, stream=True, stream_options={"include_usage": True}):
    usage = chunk.usage or usage
    for choice in chunk.choices:
        pieces.append(choice.delta.content or "")
        finish = choice.finish_reason or finish
seen["pieces"], seen["streamed"], seen["stream_finish"] = len(pieces), "".join(pieces), finish
seen["stream_usage"] = usage.total_tokens

with client.chat.completions.stream(model="chat", messages=[question]) as stream:  # the helper that assembles by itself
    for _ in stream:
        pass
    seen["helper"] = stream.get_final_completion().choices[0].message.content

png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png}"}}
text = {"type": "text", "text": question["content"]}
seen["picture"] = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": [text, image]}]).choices[0].message.content


def refused(name, kind, call):
    try:
        call()
    except kind as e:
        seen[name] = {"class": type(e).__name__, "status": e.status_code, "code": e.code, "param": e.param}
    else:
        raise SystemExit(f"{name}: not refused")


def ask(**more):
    return lambda: client.chat.completions.create(**{"model": "chat", "messages": [question], **more})


refused("wrong_key", openai.AuthenticationError, lambda: OpenAI(base_url=BASE, api_key="sk-wrong", max_retries=0).models.list())
refused("no_model", openai.NotFoundError, ask(model="gpt-nothing"))
refused("bad_value", openai.BadRequestError, ask(temperature=9))
refused("tools", openai.BadRequestError, ask(tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]))
refused("quota", openai.RateLimitError, lambda: OpenAI(base_url=BASE, api_key=os.environ["POOR_KEY"]).chat.completions.create(model="chat", messages=[question]))
refused("overloaded", openai.InternalServerError, ask(messages=[{"role": "user", "content": os.environ["FAILS"]}]))

try:
    for _ in client.chat.completions.create(model="chat", messages=[{"role": "user", "content": os.environ["BREAKS"]}], stream=True):
        pass
    raise SystemExit("a broken stream looks complete")
except openai.APIError as e:
    seen["broken"] = {"class": type(e).__name__, "type": e.type}

print(json.dumps(seen))
