// WeCom's crypto for Node: opens what stands on stdin, a line each, and seals its message for the same receiver.
const path = require('path');
const readline = require('readline');
const { decrypt, encrypt, getSignature } = require(path.join(process.env.MODULES, '@wecom/crypto'));
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const { token, key, timestamp, nonce, encrypt: sealed, signature } = JSON.parse(line);
  const { message, id } = decrypt(key, sealed);
  const again = encrypt(key, message, id);
  console.log(JSON.stringify({
    message, receiver: id, signed: getSignature(token, timestamp, nonce, sealed) === signature, encrypt: again, signature: getSignature(token, timestamp, nonce, again),
  }));
});
