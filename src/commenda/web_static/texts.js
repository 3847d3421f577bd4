// Every text of the page in both languages, and how numbers and times are written.

const TEXTS = {
  en: {
    businessTime: "Business time", apiDocs: "API", metrics: "Metrics", signOut: "Sign out",
    languageName: "中文", toDark: "Dark", toLight: "Light", toRedUp: "Red up", toGreenUp: "Green up",
    wall: "wall time", driven: "replayed", paced: (day) => `a day in ${day}`, stopped: "stands still",
    live: "Live", polling: "Polling", away: "No live messages",
    stale: (seconds, at) => `No answer for ${seconds} s. What you see is as of ${at}.`,
    failed: (why) => `The overview could not be read: ${why}`,
    loading: "Reading the operation…", signIn: "Sign in", username: "Username", password: "Password",
    code: "Second factor (if you have one)", signInAs: "Sign in as", notStaff: (role) => `The role “${role}” may not see the operation. Its own pages come with the console; the API is open to it.`,
    badCredentials: "Username, password or code is not right.",
    title: "The operation", loop: "From registration to settlement", now: "now", ever: "so far", lastDay: "last business day",
    registered: "Registered", deposited: "Deposited", reserved: "Reserved", active: "Active", matured: "Matured",
    liquidating: "Liquidating", liquidated: "Liquidated", settled: "Settled", cancelled: "cancelled", investors: "investors", ofThem: "of them ever",
    asOf: (at) => `as of ${at}`, underManagement: "Under management", underManagementMore: (at) => `NAV of managed books, ${at}`,
    outstanding: "Principal outstanding", outstandingMore: (reserved) => `and ${reserved} reserved`,
    depositedSum: "Deposits", depositedMore: (withdrawn) => `withdrawn ${withdrawn}`,
    fees: "Platform earned", feesMore: (fee, cut) => `management ${fee}, cut ${cut}`,
    toCreators: "Profit share to creators", toCreatorsMore: "from settlements",
    referral: "Referral paid", referralMore: (pending) => `pending ${pending}`,
    navIndex: "NAV index of managed books", navMethod: "time-weighted (TWR), pooled, daily, before settlement; begins at 100",
    aum: "Under management by day", aumMethod: (asset) => `sum of NAV of open managed books, ${asset}`,
    chartSummary: (from, to, first, last, low, high) => `${from} to ${to}: from ${first} to ${last}; low ${low}, high ${high}.`,
    noNav: "No business day has closed with a managed book yet.",
    traces: "Latest settlements", tracesMethod: "return: to wallet over principal − 1, holding period, after all fees",
    noTraces: "Nothing has settled yet. Subscriptions settle after their term and a real liquidation.",
    settledAt: "Settled", investor: "Investor", product: "Product", principal: "Principal", toWallet: "To wallet", return: "Return", deviation: "Against matrix", trace: "Trace",
    days: (n) => `${n} d`, retries: "Liquidations being retried", noRetries: "No liquidation waits for a retry.",
    subscription: "Subscription", attempts: "Tries", nextTry: "Next try", reason: "The venue's reason", amount: "Amount",
    alerts: "Latest alerts", noAlerts: "No alert so far.", subject: "About", over: "over", at: "At", kind: "What", details: "Details",
    pools: "Pool income", noPools: "There is no pool product.", dailyRate: "Rate a day", nextRate: "Next rate", nextRateFrom: (rate, day) => `${rate} from ${day}`, sold: "Sold / quota", accrued: "Accrued yesterday", accruedThrough: "Accrued through",
    poolsSold: (sold, quota, asset) => `sold ${sold} of ${quota} ${asset}`, poolsAccrued: (day, amount, n) => `${day}: ${amount} accrued to ${n} holdings`, poolsWaiting: (day) => `${day}: not accrued yet`, poolsThrough: (day) => `all accrued through ${day}`,
    poolTypes: { fixed: "Fixed", flexible: "Flexible" }, cadences: { daily: "paid daily", weekly: "paid weekly" },
    signals: "Latest signals", noSignals: "No flow has signalled yet.", flow: "Flow", symbol: "Instrument", target: "Exposure", price: "Reference price", state: "State",
    machinery: "Workers and market feed", noWorkers: "No worker is registered: nothing moves the business.", worker: "Worker", leads: "leads the ticks", follows: "takes work",
    seen: (s) => `seen ${s} s ago`, silent: (s) => `silent for ${s} s`, lastTick: "last tick", feed: "Feed", feedNone: "no live marks", feedMarks: (n, at) => `${n} instruments, marks of ${at}`, up: "up", unknownState: "unknown",
    close: "Close", traceOf: (id) => `Subscription ${id}`, tSubscribed: "Subscribed", tAllocated: (n) => `${n} creators drawn`, tAllocatedMore: (v) => `rules ${v}; the seed and snapshot are stored, so the draw can be repeated`,
    tActivated: "Became a book of its own", tCopied: (n, done) => `${n} signals copied, ${done} in full`, tNone: "No signal reached this book.", tValued: "Valued each day", tMatured: "Matured", tRequested: (door) => `Liquidation asked for by ${door}`,
    tTry: (n) => `Try ${n}`, tFlat: "Every position closed", tStuck: "Not closed, tried again later", tSettled: "Settled in one journal", tReferred: "Referral commissions", tReleased: (at) => `released ${at}`, tHeld: (at) => `held until ${at}`,
    equity: "Equity at liquidation", managementFee: "Management fee", profitShare: "Profit share", thereof: "of it", creators: "to creators", platform: "to the platform", referrers: "to referrers", insurance: "Shortfall (from insurance)", wallet: "To the wallet", hurdle: "Hurdle (not shared)",
    tJournals: (n) => `${n} entries of the ledger`, tEvents: (n) => `${n} audit events`, journal: "Journal", account: "Account", creator: "Creator", weight: "Weight", side: "Side", quantity: "Quantity", status: "Status", when: "When", who: "Who", what: "What", result: "Result", level: "Level", nothing: "—",
    doors: { investor: "the investor", sweep: "the sweep of matured terms", operator: "an operator", margin: "the margin guard" }, all: "Show all",
    profiles: { conservative: "Conservative", balanced: "Balanced", aggressive: "Aggressive" }, tiers: {}, hurdleKinds: {}, kinds: { "liquidation.failed": "Liquidation failed", "alert.matured_not_liquidating": "Matured, not liquidating", "alert.liquidating_too_long": "Liquidating too long", "alert.liquidated_not_settled": "Liquidated, not settled", "alert.matured_not_settled": "Matured, not settled", "alert.settled_not_shared": "Settled, not shared", "alert.profit_share_failing": "Profit share failing", "alert.withdrawing_too_long": "Withdrawing too long", "alert.withdrawal_refused": "Withdrawal refused", "alert.flow_failed": "Flow failing", "alert.copy_failed": "Signal not copied", "alert.job_failed": "Job failed", "alert.staff_at_machine": "Staff account at the machine", "alert.bank_unmatched": "Bank entries unmatched", "alert.bank_reversed": "Bank took money back", "alert.unreconciled": "Does not reconcile" },
    levels: { NORMAL: "Normal", WARNING: "Warning", ALERT: "Alert", INSUFFICIENT: "Too short to judge" },
    roles: { investor: "Investor", creator: "Creator", operator: "Operator", risk: "Risk officer", auditor: "Auditor", admin: "Administrator" },
  },
  zh: {
    businessTime: "业务时间", apiDocs: "接口文档", metrics: "指标", signOut: "退出",
    languageName: "English", toDark: "深色", toLight: "浅色", toRedUp: "红涨", toGreenUp: "绿涨",
    wall: "真实时间", driven: "回放", paced: (day) => `一天 = ${day}`, stopped: "已停止",
    live: "实时", polling: "轮询", away: "无实时消息",
    stale: (seconds, at) => `${seconds} 秒没有回应，当前显示的是 ${at} 的数据。`,
    failed: (why) => `无法读取总览：${why}`,
    loading: "正在读取…", signIn: "登录", username: "用户名", password: "密码",
    code: "二次验证码（如已启用）", signInAs: "登录身份", notStaff: (role) => `“${role}”角色无权查看运营总览；其页面将随控制台提供，接口可直接使用。`,
    badCredentials: "用户名、密码或验证码不正确。",
    title: "运营总览", loop: "从注册到结算", now: "当前", ever: "累计", lastDay: "最近一个业务日",
    registered: "注册", deposited: "入金", reserved: "已占用", active: "运行中", matured: "已到期",
    liquidating: "清算中", liquidated: "已清算", settled: "已结算", cancelled: "已取消", investors: "位投资人", ofThem: "其中曾入金",
    asOf: (at) => `截至 ${at}`, underManagement: "管理规模", underManagementMore: (at) => `托管账簿净值，${at}`,
    outstanding: "在投本金", outstandingMore: (reserved) => `另占用 ${reserved}`,
    depositedSum: "累计入金", depositedMore: (withdrawn) => `累计出金 ${withdrawn}`,
    fees: "平台收入", feesMore: (fee, cut) => `管理费 ${fee}，分成 ${cut}`,
    toCreators: "创作者分成", toCreatorsMore: "来自结算",
    referral: "已付推荐佣金", referralMore: (pending) => `待发放 ${pending}`,
    navIndex: "托管账簿净值指数", navMethod: "时间加权（TWR），合并，按日，结算前；起点 100",
    aum: "每日管理规模", aumMethod: (asset) => `未结托管账簿净值合计，${asset}`,
    chartSummary: (from, to, first, last, low, high) => `${from} 至 ${to}：由 ${first} 到 ${last}；最低 ${low}，最高 ${high}。`,
    noNav: "尚无业务日在持有托管账簿时收盘。",
    traces: "最近结算", tracesMethod: "收益率：到账 ÷ 本金 − 1，持有期，扣除全部费用",
    noTraces: "尚无结算。订阅到期并真实清算后才会结算。",
    settledAt: "结算时间", investor: "投资人", product: "产品", principal: "本金", toWallet: "到账", return: "收益率", deviation: "对照收益矩阵", trace: "追溯",
    days: (n) => `${n} 天`, retries: "重试中的清算", noRetries: "没有等待重试的清算。",
    subscription: "订阅", attempts: "次数", nextTry: "下次重试", reason: "交易所给出的原因", amount: "金额",
    alerts: "最近告警", noAlerts: "暂无告警。", subject: "对象", over: "已结束", at: "时间", kind: "类型", details: "详情",
    pools: "理财产品收益", noPools: "没有理财产品。", dailyRate: "日利率", nextRate: "下一利率", nextRateFrom: (rate, day) => `${day} 起 ${rate}`, sold: "已售 / 额度", accrued: "昨日计息", accruedThrough: "已计息至",
    poolsSold: (sold, quota, asset) => `已售 ${sold} / ${quota} ${asset}`, poolsAccrued: (day, amount, n) => `${day}：向 ${n} 笔持仓计息 ${amount}`, poolsWaiting: (day) => `${day}：尚未计息`, poolsThrough: (day) => `全部已计息至 ${day}`,
    poolTypes: { fixed: "定期", flexible: "活期" }, cadences: { daily: "按日派息", weekly: "按周派息" },
    signals: "最近信号", noSignals: "尚无信号。", flow: "策略流", symbol: "标的", target: "敞口", price: "参考价", state: "状态",
    machinery: "工作进程与行情", noWorkers: "没有已登记的工作进程：业务不会推进。", worker: "进程", leads: "主持节拍", follows: "处理任务",
    seen: (s) => `${s} 秒前有心跳`, silent: (s) => `已沉默 ${s} 秒`, lastTick: "最近节拍", feed: "行情", feedNone: "无实时标记价", feedMarks: (n, at) => `${n} 个标的，标记价 ${at}`, up: "正常", unknownState: "未知",
    close: "关闭", traceOf: (id) => `订阅 ${id}`, tSubscribed: "申购", tAllocated: (n) => `抽取 ${n} 位创作者`, tAllocatedMore: (v) => `规则 ${v}；种子与快照已保存，可复现`,
    tActivated: "成为独立账簿", tCopied: (n, done) => `跟随 ${n} 个信号，完整成交 ${done} 个`, tNone: "没有信号到达此账簿。", tValued: "每日估值", tMatured: "到期", tRequested: (door) => `${door}发起清算`,
    tTry: (n) => `第 ${n} 次`, tFlat: "全部仓位已平", tStuck: "未能平仓，稍后重试", tSettled: "以一笔凭证结算", tReferred: "推荐佣金", tReleased: (at) => `已于 ${at} 发放`, tHeld: (at) => `${at} 前冻结`,
    equity: "清算时权益", managementFee: "管理费", profitShare: "利润分成", thereof: "其中", creators: "创作者", platform: "平台", referrers: "推荐人", insurance: "缺口（由保险金补足）", wallet: "到账", hurdle: "门槛收益（不分成）",
    tJournals: (n) => `${n} 条账本分录`, tEvents: (n) => `${n} 条审计事件`, journal: "凭证", account: "账户", creator: "创作者", weight: "权重", side: "方向", quantity: "数量", status: "状态", when: "时间", who: "操作者", what: "事件", result: "结果", level: "级别", nothing: "—",
    doors: { investor: "投资人", sweep: "到期清扫", operator: "运营人员", margin: "保证金守护" }, all: "全部显示",
    profiles: { conservative: "稳健", balanced: "平衡", aggressive: "进取" }, tiers: { silver: "银", gold: "金" }, hurdleKinds: { hard: "硬", soft: "软" }, kinds: { "liquidation.failed": "清算失败", "alert.matured_not_liquidating": "到期未清算", "alert.liquidating_too_long": "清算超时", "alert.liquidated_not_settled": "清算后未结算", "alert.matured_not_settled": "到期未结算", "alert.settled_not_shared": "结算后未分成", "alert.profit_share_failing": "分成失败重试", "alert.withdrawing_too_long": "部分赎回超时", "alert.withdrawal_refused": "部分赎回未能支付", "alert.flow_failed": "策略流出错", "alert.copy_failed": "信号未能复制", "alert.job_failed": "作业失败", "alert.staff_at_machine": "在主机上变更员工账户", "alert.bank_unmatched": "银行流水未匹配", "alert.bank_reversed": "银行撤回款项", "alert.unreconciled": "对账不符" },
    levels: { NORMAL: "正常", WARNING: "关注", ALERT: "告警", INSUFFICIENT: "持有太短，不评级" },
    roles: { investor: "投资人", creator: "创作者", operator: "运营", risk: "风控", auditor: "审计", admin: "管理员" },
  },
};

export const preferences = {
  language: localStorage.getItem("language") || (navigator.language.startsWith("zh") ? "zh" : "en"),
  theme: localStorage.getItem("theme") || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"),
  market: localStorage.getItem("market"),
};

export function prefer(name, value) {
  preferences[name] = value;
  localStorage.setItem(name, value);
  applyPreferences();
}

export function market() {
  return preferences.market || (preferences.language === "zh" ? "red-up" : "green-up");
}

export function applyPreferences() {
  const root = document.documentElement;
  root.lang = preferences.language === "zh" ? "zh-CN" : "en";
  root.dataset.theme = preferences.theme;
  root.dataset.market = market();
}

export function t(name, ...values) {
  const text = TEXTS[preferences.language][name];
  return typeof text === "function" ? text(...values) : text;
}

// A word of a fixed set, such as a role; as it is where there is no translation.
export function word(set, name) {
  return TEXTS[preferences.language][set][name] ?? name;
}

const locale = () => (preferences.language === "zh" ? "zh-CN" : "en-GB");

export function number(value, digits = 0, most = digits) {
  if (value === null || value === undefined) return t("nothing");
  return new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: most }).format(value);
}

// Times are UTC everywhere, and say so.
export function time(iso, seconds = false) {
  if (!iso) return t("nothing");
  const text = new Date(iso).toISOString().replace("T", " ");
  return seconds ? `${text.slice(0, 19)} UTC` : `${text.slice(0, 16)} UTC`;
}

export const day = (iso) => new Date(iso).toISOString().slice(0, 10);

export function span(seconds) {
  const chinese = preferences.language === "zh";
  if (seconds < 90) return `${number(seconds, 0, 1)} ${chinese ? "秒" : "s"}`;
  return `${number(seconds / 60, 0, 1)} ${chinese ? "分钟" : "min"}`;
}
