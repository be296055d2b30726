"""Opens and seals WeCom's envelopes with wechatpy. One JSON object a line in, one out."""
import json
import sys

from wechatpy.enterprise.crypto import WeChatCrypto

for line in sys.stdin:
    q = json.loads(line)
    crypto = WeChatCrypto(q["token"], q["aes_key"], q["receiver"])
    try:
        if q["do"] == "check":  # the verification of a callback's address
            said = crypto.check_signature(q["signature"], q["timestamp"], q["nonce"], q["echostr"])
        elif q["do"] == "open":
            said = crypto.decrypt_message(q["body"], q["signature"], q["timestamp"], q["nonce"])
        else:
            said = crypto.encrypt_message(q["text"], q["nonce"], q["timestamp"])
    except Exception as e:  # which, is what the test wants to know
        print(json.dumps({"error": type(e).__name__}), flush=True)
        continue
    if isinstance(said, bytes):
        said = said.decode()
    print(json.dumps({"said": said}), flush=True)
