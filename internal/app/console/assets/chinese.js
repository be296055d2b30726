export const chinese = {
  "Parley console": "Parley 控制台", "Log in": "登录", "Log out": "退出", Name: "用户名", Password: "密码", Pages: "页面", "Loading…": "正在加载…", "as of": "截至", OK: "确定", Cancel: "取消",
  "Or open the link that parley dev prints: it logs you in, once.": "或者打开 parley dev 打印的链接：它可登录一次。",
  "The session is over: log in again.": "登录已过期，请重新登录。", "The console does not answer.": "控制台没有应答。", "It took too long: look whether it was done.": "耗时过长：请确认是否已经完成。",
  "Somebody else changed it meanwhile: look at the new form and try again.": "期间有人修改过：请查看新内容后重试。", "Too many logins failed: wait for a minute.": "登录失败次数过多，请等一分钟。",
  "This name and password do not fit together.": "用户名或密码不正确。", viewer: "只读", operator: "运维", admin: "管理员", "Not known:": "未知：",

  Overview: "总览", "All is well": "一切正常", "Something should be looked at": "有需要留意的情况", "Something is wrong": "出现问题", "servers that answer": "有应答的服务器", "answers being written": "正在生成的回答",
  "client services": "客户端服务", "turns in flight": "处理中的轮次", "messages waiting": "等待中的消息", "tokens today": "今日 token", "What is not as it should be": "需要处理的情况", wrong: "故障", "to check": "留意", note: "提示",

  Servers: "服务器", Server: "服务器", State: "状态", Weight: "权重", Streams: "并发流", Version: "版本", Documents: "文档", Drain: "摘流", Restore: "恢复", "no answer": "无应答", leaving: "正在退出", disabled: "已停用",
  draining: "正在摘流", drained: "已摘流", "takes turns": "接收请求", "newest refused": "最新版本被拒绝",
  "Registry mode direct has no weights: no server can be drained here. SIGTERM ends one after its answers.": "直连模式没有权重，无法在此摘流。向服务器发送 SIGTERM，它会在答完后退出。",
  "It gets no new turns, and goes on with those that it has. Client services hear of it within 2 seconds.": "它不再接收新请求，已有的会继续完成。客户端服务在 2 秒内得知。",
  "It gets turns again, by its weight beside the others.": "它将按权重重新接收请求。", "also if no other server takes turns": "即使没有其他服务器接收请求", "No server is registered: nothing answers.": "没有注册的服务器：无法应答。",
  Provider: "供应商", Providers: "供应商", "Calls in flight": "进行中的调用", Keys: "密钥数", "Calls per key": "每密钥并发", "no limit": "不限", "breaker open": "已熔断", "without key": "没有密钥", "keys rest": "个密钥休息中", usable: "可用",
  "No server tells of providers.": "没有服务器报告供应商。",

  "Clients and tenants": "客户端与租户", Tenant: "租户", Tenants: "租户", Waiting: "等待", Running: "处理中", Ready: "待认领", "Oldest ready": "最久待认领", Postponed: "延后", "Dead letters": "死信", "Cap of the day": "当日上限", none: "无",
  "Client service": "客户端服务", "Client services": "客户端服务", Turns: "轮次", Since: "自", Channel: "渠道", Why: "原因", "Channels whose platform refuses all that is sent": "平台拒绝一切发送的渠道",
  "No tenant is known: no client service has a heartbeat.": "没有已知租户：没有客户端服务的心跳。", "No client service has a heartbeat: nobody is answered.": "没有客户端服务的心跳：无人得到回答。",

  Degradation: "降级", Switch: "开关", Switches: "开关", "Turns go to": "请求去往", Of: "范围", Until: "直到", By: "操作人", "in force": "生效中", returning: "正在恢复", over: "已到期", off: "关闭", "every tenant": "所有租户", "instead of": "代替",
  ramp: "渐变", restored: "手动恢复", "no effect:": "没有作用：", "Restore all": "全部恢复", "Return by share within": "按比例恢复的时长", "at once": "立即", "Reason, for the audit log": "原因（记入审计日志）",
  "Turns go where their routes say again: all at once, or by share within a time, since providers limit how fast load may rise.": "请求重新按路由分配：立即全部恢复，或在一段时间内按比例恢复，因为供应商限制负载上升的速度。",
  "The published form is faulty and comes into force nowhere:": "已发布的内容有误，未在任何地方生效：", "The live documents here are your own: this console shows them and never writes them.": "这里的配置文档是你自己的：控制台只显示，从不修改。",
  "There is no switch: turns go where their routes say.": "没有开关：请求按路由分配。", "To provider, or provider/model": "切换到供应商（或 供应商/模型）", "Only these tenants (empty: all)": "仅限租户（空：全部）",
  "Only turns that would use (empty: any)": "仅限本会使用的供应商（空：任意）", "Restore by itself after": "自动恢复时间", "never: until restored": "不自动恢复", "the last part of it by share": "最后一段按比例恢复", "no: all at the end": "否：到点全部恢复",
  "Asking every server…": "正在询问每台服务器…", "Publishing, and waiting for the servers…": "正在发布，等待服务器生效…", "Switch in spite of it": "仍然切换", "Drill: show what would happen": "演练：查看会发生什么", Degrade: "降级",
  "Send turns elsewhere": "切换请求去向", nothing: "无", "nothing: they fail": "无：将失败", "In force on": "已生效", servers: "台服务器", "It would be refused for what speaks against it.": "因以下原因将被拒绝。", "Nothing speaks against it.": "没有反对理由。",
  When: "时间", Who: "谁", What: "做了什么", History: "历史", "in spite of:": "不顾：", failed: "失败", "No change of the switches stands in the audit log.": "审计日志中没有开关的变更。", command: "命令行", console: "控制台", chat: "聊天",
  degrade: "降级", restore: "恢复", drain: "摘流", undrain: "恢复服务器", publish: "发布", retry: "重试", drop: "丢弃", login: "登录", login_refused: "登录被限制", look: "查看内容", forget: "忘记我",

  "The registry cannot be asked": "无法访问注册中心", "The documents cannot be read": "无法读取文档", "Redis cannot be asked": "无法访问 Redis", "No server": "没有服务器", "A server does not answer": "服务器无应答", "A server leaves": "服务器正在退出",
  "A server is drained": "服务器已摘流", "A server is nearly full": "服务器接近满载", "A server counts keys alone": "服务器单独计数密钥", "A provider is in trouble": "供应商异常", "No server takes turns": "没有服务器接收请求", "A document is refused": "文档被拒绝",
  "The fleet is split": "各服务器开关不一致", "A tenant's document does not fit the routes": "租户文档与路由不符", "A switch is in force": "开关生效中", "A switch should be mended": "开关需要修正", "No client service": "没有客户端服务",
  "A client service sees no server": "客户端服务找不到服务器", "A platform refuses all that is sent": "平台拒绝一切发送", "A server is left out": "服务器被排除", "Messages wait too long": "消息等待过久", "Replies wait for their next try": "回复等待重试", "A cap is nearly reached": "即将达到上限",

  "Usage and cost": "用量与费用", "Costs are not known:": "费用未知：", "There is no parley-prices: publish it, and costs are shown.": "没有 parley-prices 文档：发布后即可显示费用。", Days: "天数", "Split by": "分组", today: "今天", "7 days": "7 天", "14 days": "14 天", "30 days": "30 天",
  model: "模型", tenant: "租户", Show: "显示", cost: "费用", "Cost by day": "每日费用", "Tokens by day": "每日 token", "Nothing was spent in these days.": "这些天没有用量。", "By tenant and model": "按租户与模型", Model: "模型", Calls: "调用", Input: "输入",
  "of it cached": "其中缓存", Output: "输出", estimated: "估算", Cost: "费用", "By own keys": "自有密钥", "Without price": "无价格",

  Retry: "重试", Drop: "丢弃", all: "全选", "Have them answered after all?": "重新回答这些消息？", "Forget them for good?": "彻底丢弃？", "put at the end of their conversations, as new messages": "作为新消息排到各自会话末尾",
  "dropped: nobody is answered or told": "将被丢弃：不会回答，也不会通知", Letter: "死信", "Given up": "放弃于", Accepted: "收到于", Attempts: "尝试次数", "Turn, as in the log": "轮次（同日志）", "No message was given up in the last 7 days.": "最近 7 天没有被放弃的消息。",
  attempts: "多次尝试失败", undeliverable: "无法送达", no_channel: "渠道已不存在",

  Document: "文档", Revision: "版本", faulty: "有误", refused: "被拒绝", fine: "正常", warning: "警告", "refused by": "拒绝者", "New document": "新建文档", Edit: "编辑", "Live documents": "配置文档", "There is no document.": "没有文档。",
  "tenant.NAME is a tenant; parley-routes, parley-degradation and parley-prices are for all.": "tenant.NAME 是租户文档；parley-routes、parley-degradation、parley-prices 对全体有效。", Publish: "发布", "Check and compare": "检查并比较",
  "Every instance takes it over within seconds. One that finds it faulty keeps the form before.": "各实例会在数秒内采用；认为有误的实例会保留之前的内容。", "does not exist yet": "尚不存在",
  "What stands where a reference to a secret belongs, and is none, is not shown (***).": "本应写密钥引用之处写了明文，因此不显示（***）。", "It would make another document faulty:": "它会使另一文档出错：",
  "Nothing is wrong with it. This is what publishing it changes:": "没有错误。发布后的变化如下：", "Nothing is wrong with it, and it is as published.": "没有错误，且与已发布内容相同。",

  Conversation: "会话", "Find a conversation": "查找会话", "Its text is not read. A turn is found as long as its message waits, is worked on, or is a dead letter.": "不读取内容。轮次仅在消息等待、处理中或成为死信时可查。", "Id in the channel: a user, a group, …": "渠道内的 ID：用户、群……",
  "or a turn, as in the log": "或日志中的轮次", Find: "查找", "Read what was written?": "查看对话内容？", "These are people's own words. That you read them, and why, is entered in the audit log before they are shown.": "这是他人写下的内容。你的查看及原因会在显示之前记入审计日志。",
  Read: "查看", "Read the text…": "查看内容…", Record: "记录", "Worked on by": "处理者", "nobody; can be claimed": "无；可认领于", nobody: "无", Fence: "栅栏号", "Reply on its way": "发送中的回复", part: "第", tries: "次尝试", "Chosen model": "所选模型",
  "Told of the switch": "已告知的开关", "Turns kept": "保留的轮次", "History ends": "历史到期", "In the store": "存储位置", "Waiting messages, the first is worked on": "等待的消息（第一条为处理中）", Note: "备注", Text: "内容", "None waits.": "没有等待的消息。",
  "Question, tokens": "问题 token", "Answer, tokens": "回答 token", Question: "问题", Answer: "回答", "No turn is kept.": "没有保留的轮次。",

  "Audit log": "审计日志", "what operators did": "运维操作", Hash: "哈希", "The log is not as it was written.": "日志已被改动。", "The chain is whole:": "哈希链完整：", entries: "条", Entries: "记录", "No entry.": "没有记录。", Newest: "最新", Older: "更早",
  "Newest entry; kept elsewhere, it shows later whether the log was written anew (parley audit --anchor):": "最新一条；另存一份，日后可验证日志是否被重写（parley audit --anchor）：", "Log of a tenant's people (/forget), or": "某租户用户的日志（/forget），或",
};
