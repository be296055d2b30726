"""A bot made with Feishu's own SDK: it says what it understood of each message, and answers in every way that Parley does. MODE callback serves events
at a port that it tells first, stream fetches them over a connection, seal seals what it reads for somebody else to open."""
import base64
import hashlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import lark_oapi as lark
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from lark_oapi.api.cardkit.v1 import *
from lark_oapi.api.im.v1 import *

KEY, TOKEN = os.environ["KEY"], os.environ["TOKEN"]
client = lark.Client.builder().app_id(os.environ["APP"]).app_secret(os.environ["SECRET"]).domain(os.environ["ORIGIN"]).log_level(lark.LogLevel.ERROR).build()


def tell(what):
    print(json.dumps(what), flush=True)


def good(what, response):
    if not response.success():
        tell({"failed": f"{what}: {response.code} {response.msg}"})
    return response


def reply(message_id, kind, content, uuid):
    body = ReplyMessageRequestBody.builder().msg_type(kind).content(json.dumps(content)).uuid(uuid).build()
    return good("reply", client.im.v1.message.reply(ReplyMessageRequest.builder().message_id(message_id).request_body(body).build()))


def show(message_id):
    """A card that grows and ends, as the platform's page on streaming has it."""
    card = {"schema": "2.0", "config": {"streaming_mode": True}, "body": {"elements": [{"tag": "markdown", "element_id": "md", "content": "one"}]}}
    body = CreateCardRequestBody.builder().type("card_json").data(json.dumps(card)).build()
    card_id = good("create", client.cardkit.v1.card.create(CreateCardRequest.builder().request_body(body).build())).data.card_id
    reply(message_id, "interactive", {"type": "card", "data": {"card_id": card_id}}, "card-" + message_id)
    more = ContentCardElementRequestBody.builder().content("one two").sequence(1).build()
    good("content", client.cardkit.v1.card_element.content(ContentCardElementRequest.builder().card_id(card_id).element_id("md").request_body(more).build()))
    last = json.dumps([
        {"action": "partial_update_setting", "params": {"settings": {"config": {"streaming_mode": False}}}},
        {"action": "partial_update_element", "params": {"element_id": "md", "partial_element": {"content": "one two three"}}},
    ])
    end = BatchUpdateCardRequestBody.builder().sequence(2).actions(last).build()
    good("batch_update", client.cardkit.v1.card.batch_update(BatchUpdateCardRequest.builder().card_id(card_id).request_body(end).build()))
    late = client.cardkit.v1.card_element.content(ContentCardElementRequest.builder().card_id(card_id).element_id("md").request_body(
        ContentCardElementRequestBody.builder().content("late").sequence(3).build()).build())
    tell({"late": late.code})


def on_message(data):
    message, sender = data.event.message, data.event.sender
    understood = {
        "id": message.message_id, "user": sender.sender_id.open_id, "chat": message.chat_id, "type": message.message_type, "group": message.chat_type == "group",
        "content": json.loads(message.content), "mentions": [m.id.open_id for m in message.mentions or []], "app": data.header.app_id,
        "thread": message.thread_id or "", "parent": message.parent_id or "", "time": int(message.create_time) > 0,
    }
    tell(understood)
    if "image_key" in understood["content"]:
        got = client.im.v1.message_resource.get(
            GetMessageResourceRequest.builder().message_id(message.message_id).file_key(understood["content"]["image_key"]).type("image").build())
        tell({"picture": base64.b64encode(good("resource", got).file.read()).decode()})
        return
    reply(message.message_id, "text", {"text": "a text"}, "t-" + message.message_id)
    reply(message.message_id, "text", {"text": "a text"}, "t-" + message.message_id)  # swallowed
    reply(message.message_id, "post", {"zh_cn": {"content": [[{"tag": "md", "text": "**rich**"}]]}}, "p-" + message.message_id)
    show(message.message_id)
    item = good("get", client.im.v1.message.get(GetMessageRequest.builder().message_id(message.message_id).build())).data.items[0]
    tell({"fetched": item.body.content == message.content and item.sender.id == sender.sender_id.open_id})


handler = lark.EventDispatcherHandler.builder(KEY, TOKEN, lark.LogLevel.ERROR).register_p2_im_message_receive_v1(on_message).register_p2_im_chat_access_event_bot_p2p_chat_entered_v1(
    lambda data: tell({"entered": data.event.operator_id.open_id, "chat": data.event.chat_id})).register_p2_im_chat_member_bot_added_v1(
    lambda data: tell({"added": data.event.operator_id.open_id, "chat": data.event.chat_id})).build()


class Entry(BaseHTTPRequestHandler):
    def do_POST(self):
        request = lark.RawRequest()
        request.uri, request.body = self.path, self.rfile.read(int(self.headers["Content-Length"]))
        request.headers = dict(self.headers.items())
        response = handler.do(request)
        self.send_response(response.status_code)
        self.end_headers()
        self.wfile.write(response.content)

    def log_message(self, *args):
        pass


def seal(text):
    """The body and the signature of an event, by the words of the platform's page on encryption."""
    iv = os.urandom(16)
    sealed = AES.new(hashlib.sha256(KEY.encode()).digest(), AES.MODE_CBC, iv).encrypt(pad(text.encode(), 16))
    body = json.dumps({"encrypt": base64.b64encode(iv + sealed).decode()})
    return {"body": body, "signature": hashlib.sha256((os.environ["TIMESTAMP"] + "nonce" + KEY + body).encode()).hexdigest()}


if os.environ["MODE"] == "seal":
    for line in sys.stdin:
        tell(seal(line.rstrip("\n")))
elif os.environ["MODE"] == "callback":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Entry)
    tell({"port": server.server_port})
    server.serve_forever()
else:
    lark.ws.Client(os.environ["APP"], os.environ["SECRET"], event_handler=handler, domain=os.environ["ORIGIN"], log_level=lark.LogLevel.ERROR).start()
