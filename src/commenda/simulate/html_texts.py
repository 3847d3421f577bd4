"""The words of the HTML report, in Chinese and English, side by side."""

from __future__ import annotations

from commenda.charts import Texts, Words

TEXTS: Texts = {
    # the head
    "simulated_market": ("模拟行情", "simulated market"),
    "recorded_market": ("历史行情回放", "recorded candles"),
    "period": ("{begin} 至 {end} UTC", "{begin} to {end} UTC"),
    "seed": ("随机种子 {seed}", "seed {seed}"),
    "candles": ("{minutes} 分钟 K 线", "{minutes}-minute candles"),
    "proof_clean": ("账目核验通过", "books verified: clean"),
    "proof_findings": ("核验发现 {count} 项问题", "findings of the verification: {count}"),
    "unexplained": ("未解释差额 {amount} {asset}", "unexplained {amount} {asset}"),
    "warning_simulated": (
        "模拟结果：行情由随机种子生成，投资人与创作者均为虚构。本报告展示业务如何运行，不代表任何人可以获得的收益。",
        "Simulated figures: prices are drawn from the seed, and investors and creators are made"
        " up. This shows how the business works, and nothing about what anybody could earn.",
    ),
    "warning_recorded": (
        "模拟结果：在历史行情上回放虚构的投资人与创作者。过往行情不预示未来收益。",
        "Simulated figures: made-up investors and creators, replayed over recorded prices. Past"
        " prices say nothing about future returns.",
    ),
    "basis": (
        "除另有说明：截至 {when} UTC · 币种 {asset} · 全部数字取自账簿",
        "Unless stated otherwise: as of {when} UTC · in {asset} · every figure read from the books",
    ),
    # key figures
    "key_figures": ("关键数字", "Key figures"),
    "investors": ("投资人", "Investors"),
    "investors_note": ("其中 {referred} 人由他人推荐", "{referred} of them referred by others"),
    "deposits": ("入金", "Deposits"),
    "deposits_note": ("认购合计 {amount}", "subscribed in all: {amount}"),
    "subscriptions": ("认购", "Subscriptions"),
    "settled_in": ("已结算：投入", "Settled: in"),
    "settled_in_note": ("{count} 笔已结算认购的本金", "principal of {count} settled subscriptions"),
    "settled_out": ("已结算：返还", "Settled: out"),
    "settled_out_note": ("扣除全部费用后转入钱包", "to the wallets, after all fees"),
    "settled_net": ("已结算：净收益", "Settled: net"),
    "settled_net_note": ("{share} 的认购盈利", "{share} of them gained"),
    "median_return": ("收益率中位数", "Median return"),
    "pooled_return": ("合并收益率", "Pooled return"),
    "return_note": ("持有期收益率，扣费后，未年化", "holding-period, net of fees, not annualised"),
    "pooled_note": (
        "净收益 ÷ 本金；持有期，扣费后",
        "net ÷ principal; holding-period, net of fees",
    ),
    "to_creators": ("分给创作者", "To creators"),
    "to_creators_note": ("业绩分成 {amount} 中", "out of {amount} of profit share"),
    "to_platform": ("平台收入", "To the platform"),
    "to_platform_note": (
        "管理费 {fee} + 分成留存 {cut}",
        "management fee {fee} + kept of the share {cut}",
    ),
    "to_referrers": ("推荐佣金", "To referrers"),
    "to_referrers_note": (
        "{payees} 人应得；冻结 30 天，已解冻 {released} 笔",
        "to {payees} payees; held for 30 days, {released} released",
    ),
    "nothing_settled": ("尚无已结算的认购。", "Nothing has settled yet."),
    "gross_note": ("已结算认购，扣费前", "settled subscriptions, before fees"),
    # sections
    "growth": ("规模与净值", "Size and value"),
    "results": ("投资人的结果", "What investors got"),
    "creators": ("创作者", "Creators"),
    "money": ("资金去向", "Where the money went"),
    "operations": ("清算与故障", "Liquidation and outages"),
    "proof": ("账目证明", "Proof"),
    # charts: title, summary, method
    "as_of_closes": ("每日收盘 00:00 UTC，至 {when}", "daily closes at 00:00 UTC, to {when}"),
    "as_of": ("截至 {when} UTC", "as of {when} UTC"),
    "unit_index": ("指数，起点 100", "index, 100 at its start"),
    "unit_percent": ("百分比", "percent"),
    "unit_count": ("笔数", "counts"),
    "aum": ("管理资产", "Assets under management"),
    "aum_summary": (
        "最高 {peak} {asset}（{day}），期末 {last} {asset}。",
        "At most {peak} {asset} ({day}); {last} {asset} at the last close.",
    ),
    "aum_method": (
        "所有未关闭托管账簿的净值：现金 + 持仓 × 标记价格，费用于结算时扣除；虚线为本金",
        "net asset value of all open managed books: cash + positions at mark, fees being taken"
        " at settlement; dashed: their principal",
    ),
    "nav": ("净值", "NAV"),
    "principal": ("本金", "principal"),
    "active": ("运行中的认购", "Active subscriptions"),
    "active_summary": (
        "最多 {peak} 笔（{day}），期末 {last} 笔。",
        "At most {peak} ({day}); {last} at the last close.",
    ),
    "active_method": ("已激活且未到期的认购数", "subscriptions activated and not yet matured"),
    "index": ("托管净值指数", "NAV index of managed books"),
    "index_summary": (
        "合并指数期末 {last}，最低 {low}，最高 {high}。",
        "The pooled index ends at {last}, between {low} and {high}.",
    ),
    "index_method": (
        "时间加权：逐日收益链接，按前一日净值对两日均在册的账簿加权，已剔除资金进出；扣费前；"
        "不含首尾不足一日的部分",
        "time-weighted: chained daily returns of the books open at both closes, weighted by NAV"
        " at the first, so that money joining or leaving has no effect; before fees; without the"
        " part days at either end of a book",
    ),
    "all": ("合并", "all"),
    "drawdown": ("合并指数的回撤", "Drawdown of the pooled index"),
    "drawdown_summary": ("最深 {deepest}（{day}）。", "Deepest: {deepest} ({day})."),
    "drawdown_method": (
        "指数 ÷ 此前最高点 − 1，按日收盘，扣费前",
        "index ÷ its highest close so far − 1, before fees",
    ),
    "returns": ("已结算收益率的分布", "Settled returns"),
    "returns_summary": (
        "{count} 笔：最差 {worst}，中位数 {median}，最好 {best}；{share} 盈利。",
        "{count} subscriptions: worst {worst}, median {median}, best {best}; {share} gained.",
    ),
    "returns_method": (
        "每笔认购的持有期收益率 = 返还 ÷ 本金 − 1，扣除全部费用，未年化",
        "holding-period return of each subscription = returned ÷ principal − 1, after all fees,"
        " not annualised",
    ),
    "class_hint": ("{begin} 至 {end}：{count} 笔", "{begin} to {end}: {count}"),
    "expected": ("预期与实际", "Expected against actual"),
    "expected_summary": (
        "{count} 个产品中 {above} 个达到或超过预期。",
        "{above} of {count} products met what was expected.",
    ),
    "expected_method": (
        "条：已结算认购的净收益 ÷ 本金，扣费后；竖线：收益矩阵按持有天数折算（ACT/365）",
        "bar: net gain ÷ principal of settled subscriptions, after fees; mark: the return matrix"
        " over the days held (ACT/365)",
    ),
    "days": ("{days} 天", "{days} d"),
    "own_followers": ("自营与跟随者的收益", "Own return and followers'"),
    "own_followers_summary": (
        "{count} 位创作者中 {own} 位自营盈利，{both} 位同时为跟随者盈利。",
        "{own} of {count} creators gained in their own books, {both} of them for their followers"
        " too.",
    ),
    "own_followers_method": (
        "横轴：自营账簿的时间加权收益率（TWR），全期；纵轴：已结算跟随部分的收益 ÷ 本金，扣费前",
        "across: time-weighted return (TWR) of the creator's own book, whole period; up: profit ÷"
        " capital of the followers' settled legs, before fees",
    ),
    "own": ("自营 TWR", "own TWR"),
    "followers": ("跟随者", "followers"),
    "own_drawdown": ("收益与最大回撤", "Return and deepest drawdown"),
    "own_drawdown_summary": (
        "最大回撤最深：{name} {deepest}；中位数 {median}。",
        "Deepest: {name} with {deepest}; median {median}.",
    ),
    "own_drawdown_method": (
        "自营账簿：最大回撤按日收盘，截至最近一次评分；TWR 为全期",
        "own books: deepest drawdown of daily closes, as last scored; TWR over the whole period",
    ),
    "max_drawdown": ("最大回撤", "deepest drawdown"),
    "flow": ("从交易盈亏到投资人", "From trading result to investors"),
    "flow_summary": (
        "交易盈亏合计 {gross} {asset}，投资人净得 {net} {asset}。",
        "Trading came to {gross} {asset} in all; investors keep {net} {asset}.",
    ),
    "flow_method": (
        "仅已结算认购；盈亏已扣交易与资金费用；业绩分成只取自盈利的认购",
        "settled subscriptions only; results are after trading and funding costs; profit is"
        " shared only where there is one",
    ),
    "gains": ("{count} 笔盈利", "gains of {count}"),
    "losses": ("{count} 笔亏损", "losses of {count}"),
    "gross": ("交易盈亏合计", "Trading result"),
    "management_fee": ("管理费（平台）", "management fee (platform)"),
    "creators_share": ("分成：创作者", "share: creators"),
    "platform_share": ("分成：平台", "share: platform"),
    "referral_share": ("分成：推荐人", "share: referrers"),
    "insurance_paid": ("保险补足", "paid by insurance"),
    "investors_net": ("投资人净收益", "Investors' net"),
    "tries": ("每日清算尝试", "Liquidation tries by day"),
    "tries_summary": (
        "{attempts} 次尝试：{through} 次完成，{refused} 次被拒后重试；最长等待 {hours} 小时。",
        "{attempts} tries: {through} went through, {refused} were refused and repeated; the"
        " longest wait was {hours} h.",
    ),
    "tries_method": (
        "每次尝试清空一笔认购的全部持仓",
        "a try closes all positions of a subscription",
    ),
    "tries_hint": (
        "{day}：完成 {through}，被拒 {refused}",
        "{day}: {through} through, {refused} refused",
    ),
    "through": ("完成", "through"),
    "refused": ("被拒", "refused"),
    "slippage": ("清算滑点", "Slippage of liquidations"),
    "slippage_summary": (
        "{orders} 个订单，成交 {notional} {asset}，平均 {bps} 个基点。",
        "{orders} orders over {notional} {asset}; {bps} bp on average.",
    ),
    "slippage_method": (
        "成交价相对下单时标记价的不利偏离，按成交额加权",
        "fill against the mark when the order was made, weighted by notional; positive costs",
    ),
    "unit_bps": ("基点", "basis points"),
    "bps": ("{bps} 基点 · {orders} 单", "{bps} bp · {orders} orders"),
    "refusals": ("被拒原因", "Why tries were refused"),
    "refusals_summary": ("共 {count} 次被拒。", "Refused in all: {count}."),
    "refusals_method": ("按场所给出的原因计数", "counted by the reason the venue gave"),
    "timeline": ("故障时间线", "Timeline of outages"),
    "timeline_summary": (
        "{count} 次故障，合计 {hours} 小时；清算被拒 {refused} 次。",
        "Outages: {count}, {hours} h together; {refused} liquidation tries refused.",
    ),
    "timeline_method": (
        "故障取自场景；被拒尝试按小时，高度按次数",
        "outages as the scenario sets them; refused tries by hour, height by their number",
    ),
    "every_instrument": ("全部品种", "all instruments"),
    "refused_tries": ("被拒的清算", "refused tries"),
    "none_refused": ("没有被拒的清算。", "No try was refused."),
    "no_close": ("尚无收盘。", "No day has closed yet."),
    "no_outages": ("没有故障。", "There were no outages."),
    "nothing_liquidated": ("尚无清算。", "Nothing has been liquidated yet."),
    # tables
    "quantiles": ("收益率分位数", "Quantiles of settled returns"),
    "worst": ("最差", "worst"),
    "median": ("中位数", "median"),
    "best": ("最好", "best"),
    "pooled": ("合并", "pooled"),
    "gained": ("盈利占比", "gained"),
    "by_product": ("按产品", "By product"),
    "profile": ("风险类型", "profile"),
    "term": ("期限", "term"),
    "tier": ("档位", "tier"),
    "settled": ("已结算", "settled"),
    "net_return": ("净收益率", "net return"),
    "expected_return": ("预期", "expected"),
    "deviation": ("相对收益矩阵的偏离", "Deviation from the return matrix"),
    "level": ("级别", "level"),
    "actual_gain": ("实际收益", "actual gain"),
    "expected_gain": ("预期收益", "expected gain"),
    "all_creators": ("全部创作者", "All creators"),
    "creator": ("创作者", "creator"),
    "strategy": ("策略", "strategy"),
    "symbol": ("品种", "symbol"),
    "earned": ("分成收入", "earned"),
    "followed": ("跟随资金", "followed capital"),
    "legs": ("跟随部分", "legs"),
    "signals": ("信号", "signals"),
    "score": ("评分", "score"),
    "doors": ("谁提出清算", "Who asked for liquidation"),
    "door": ("入口", "door"),
    "reason": ("原因", "reason"),
    "count": ("数量", "count"),
    "counts": ("执行规模", "Counts"),
    "executions": ("跟单执行", "executions"),
    "orders": ("母订单", "parent orders"),
    "fills": ("成交", "fills"),
    "journals": ("凭证", "journals"),
    "entries": ("分录", "entries"),
    "scopes": ("隔离账簿", "isolated books"),
    "reconciliation": ("与场所对账，截至 {when} UTC", "Reconciliation, as of {when} UTC"),
    "subject": ("对象", "subject"),
    "venue": ("场所", "venue"),
    "ledger": ("账簿", "ledger"),
    "explained": ("已解释", "explained"),
    "difference": ("未解释", "unexplained"),
    "balances": ("账户余额", "Balances by kind of account"),
    "kind": ("账户类型", "kind"),
    "owner": ("归属", "owner"),
    "accounts": ("账户数", "accounts"),
    "balance": ("余额", "balance"),
    "sum_of_all": ("全部余额之和", "sum of all balances"),
    "findings": ("核验发现", "Findings of the verification"),
    "digests": ("摘要", "Digests"),
    "digests_note": (
        "同一场景与种子得到同样的摘要。",
        "The same scenario and seed give the same digests.",
    ),
    "scenario": ("场景", "scenario"),
    "allocation": ("分配", "allocation"),
}

NAMES: Texts = {
    "conservative": ("稳健", "conservative"),
    "balanced": ("均衡", "balanced"),
    "aggressive": ("进取", "aggressive"),
    "RESERVED": ("已预留", "reserved"),
    "ACTIVE": ("运行中", "active"),
    "MATURED": ("已到期", "matured"),
    "LIQUIDATING": ("清算中", "liquidating"),
    "LIQUIDATED": ("已清算", "liquidated"),
    "SETTLED": ("已结算", "settled"),
    "CANCELLED": ("已取消", "cancelled"),
    "NORMAL": ("正常", "normal"),
    "WARNING": ("预警", "warning"),
    "ALERT": ("警报", "alert"),
    "INSUFFICIENT": ("期限不足", "insufficient"),
    "investor": ("投资人", "investor"),
    "operator": ("运营", "operator"),
    "sweep": ("定时扫描", "sweep"),
    "margin": ("保证金保护", "margin guard"),
    "completed": ("完成", "completed"),
    "partial": ("部分完成", "partial"),
    "failed": ("失败", "failed"),
    "skipped": ("跳过", "skipped"),
}


def words_in(language: str) -> Words:
    """The report's words in one language."""
    return Words(language, TEXTS, NAMES)
