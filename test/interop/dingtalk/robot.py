"""A robot made with DingTalk's own SDK: it says what it understood of each message, in every way the SDK has, and ends when it is told to."""
import json
import os
import sys

import dingtalk_stream
from dingtalk_stream import AckMessage, AICardReplier, ChatbotMessage


class Robot(dingtalk_stream.ChatbotHandler):
    async def process(self, callback):
        message = ChatbotMessage.from_dict(callback.data)
        understood = {
            "user": message.sender_staff_id, "sender": message.sender_id, "chat": message.conversation_type, "type": message.message_type,
            "texts": message.get_text_list(), "pictures": len(message.get_image_list() or []), "robot": message.robot_code,
            "expires": message.session_webhook_expired_time > message.create_at, "quote": (message.text.extensions if message.text else {}).get("isReplyMsg"),
        }
        print(json.dumps(understood), flush=True)
        if understood["texts"] == ["bye"]:
            return AckMessage.STATUS_OK, "OK"
        pictures = message.get_image_list() or []
        if pictures:
            print(json.dumps({"url": self.get_image_download_url(pictures[0])}), flush=True)
        self.reply_text("a text", message)
        self.reply_markdown("a title", "**Markdown**", message)
        card = AICardReplier(self.dingtalk_client, message)
        track = card.create_and_deliver_card(os.environ["TEMPLATE"], {"content": ""})
        card.streaming(track, "content", "half", append=False, finished=False, failed=False)
        card.streaming(track, "content", "the whole", append=False, finished=True, failed=False)
        return AckMessage.STATUS_OK, "OK"


client = dingtalk_stream.DingTalkStreamClient(dingtalk_stream.Credential(os.environ["KEY"], os.environ["SECRET"]))
client.register_callback_handler(ChatbotMessage.TOPIC, Robot())
sys.stderr.reconfigure(line_buffering=True)
client.start_forever()
