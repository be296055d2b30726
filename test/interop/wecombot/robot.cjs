// WeCom's own SDK for Node as a bot: it says what it hears, a line each, and answers as its documentation shows.
const path = require('path');
const modules = process.env.MODULES;
const AiBot = require(path.join(modules, '@wecom/aibot-node-sdk'));
const Client = AiBot.WSClient || AiBot.default.WSClient;
const quiet = { debug() {}, info() {}, warn(...a) { console.error(...a); }, error(...a) { console.error(...a); } };
const say = (o) => console.log(JSON.stringify(o));
const client = new Client({
  botId: process.env.BOT_ID, secret: process.env.SECRET, wsUrl: process.env.WS_URL, heartbeatInterval: 1500, maxReconnectAttempts: 0, maxAuthFailureAttempts: 0, logger: quiet,
});
client.on('authenticated', () => say({ event: 'authenticated' }));
client.on('error', (e) => say({ event: 'error', text: String(e.message) }));
client.on('message.text', async (frame) => {
  say({ event: 'text', user: frame.body.from.userid, chat: frame.body.chatid || '', text: frame.body.text.content, quote: frame.body.quote ? frame.body.quote.text.content : '' });
  await client.replyStream(frame, 'stream-of-the-sdk', '一', false);
  await client.replyStream(frame, 'stream-of-the-sdk', '一二', true);
  await client.sendMessage(frame.body.from.userid, { msgtype: 'markdown', markdown: { content: '**pushed**' } });
  say({ event: 'answered' });
});
client.on('message.mixed', async (frame) => {
  const { image } = frame.body.mixed.msg_item.find((i) => i.msgtype === 'image');
  const { buffer } = await client.downloadFile(image.url, image.aeskey);
  say({ event: 'picture', text: buffer.toString('base64') });
});
client.on('event.enter_chat', async (frame) => {
  await client.replyWelcome(frame, { msgtype: 'text', text: { content: '欢迎' } });
  say({ event: 'welcomed' });
});
client.on('event.disconnected_event', () => say({ event: 'evicted' }));
client.connect();
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
