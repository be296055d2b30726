// What is wrong, as the status says it, in Chinese. A text that stands in no line here is shown as it came: errors of Redis, Nacos and platforms
// are in their own words.

import { language } from "./words.js";

const lines = [
  [/^no server is registered: nothing answers$/, "没有已注册的服务端：没有人应答"],
  [/^it leaves, with (\d+) streams still running$/, "正在离开，还有 $1 个回答在进行"],
  [/^it gets no new turns; (\d+) streams run$/, "不再接收新请求；还有 $1 个回答在进行"],
  [/^(\d+) of (\d+) streams$/, "$1 / $2 个并发流"],
  [/^every server is drained, leaves or does not answer$/, "所有服务端都已摘流、正在离开或没有应答"],
  [/\bits breaker is open\b/, "熔断器已打开"],
  [/\bwithout key\b/, "没有密钥"],
  [/\b(\d+) keys could not be resolved \(its log says why\)/, "$1 个密钥引用无法解析（原因见其日志）"],
  [/\b(\d+) of (\d+) keys rest\b/, "$2 个密钥中有 $1 个在休息"],
  [/\bkey (\S+): /g, "密钥 $1："],
  [/, tried again now\b/g, "，正在重试"],
  [/, until (\S+)/g, "，直到 $1"],
  [/^not in force on (.*?): /, "未在 $1 上生效："],
  [/^servers do not run the same switches$/, "各服务端生效的开关不一致"],
  [/\bevery tenant\b/, "所有租户"],
  [/, instead of /, "，代替 "],
  [/^no effect: /, "没有效果："],
  [/^no client service has a heartbeat: nobody is answered$/, "没有客户端服务的心跳：没有人得到回答"],
  [/^it sees no server that it could use$/, "看不到可用的服务端"],
  [/^since (\S+) \((\S+)\): /, "自 $1 起（$2）："],
  [/^(\d+) conversations wait for a client service, the oldest for (\d+) s$/, "$1 个会话在等待客户端服务，最久的已等 $2 秒"],
  [/^(\d+) replies wait for their next try$/, "$1 条回复等待下一次发送"],
  [/^(\d+) dead letters$/, "$1 条死信"],
  [/ tokens today$/, " token（今日）"],
];

export const troubleText = (text) => (language() === "zh" ? lines.reduce((s, [find, put]) => s.replace(find, put), text) : text);
