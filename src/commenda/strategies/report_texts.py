"""The words of a backtest's report, in Chinese and English, side by side."""

from __future__ import annotations

from commenda.charts import Texts, Words

TEXTS: Texts = {
    # the head
    "title": ("回测：{strategy}", "Backtest: {strategy}"),
    "facts": (
        "{data} · {begin} 至 {end} UTC · {bars} 根 {interval} K 线",
        "{data} · {begin} to {end} UTC · {bars} bars of {interval}",
    ),
    "simulated": ("回测结果，非实盘", "backtest, not a live record"),
    "warning": (
        "回测：用历史行情重演策略，没有真实成交。过往行情不预示未来收益；在同一数据上试得越多，最好的结果越不可信。",
        "Backtest: the strategy replayed over recorded prices; nothing was traded. Past prices say"
        " nothing about future returns, and the more that was tried on the same data, the less the"
        " best of it means.",
    ),
    "is_ruined": ("爆仓", "ruined"),
    "ruined": (
        "爆仓：{when} UTC 权益归零，此后不再交易；另欠 {owed}。",
        "Ruined: nothing was left at {when} UTC, and nothing was traded afterwards; {owed} more"
        " were owed.",
    ),
    "no_funding": (
        "本次运行未计资金费。",
        "Funding is not charged in this run.",
    ),
    "estimated_marks": (
        "{count} 个资金费时点没有标记价格，以 K 线收盘价计。",
        "{count} funding stamps had no mark price and were priced at a bar's close.",
    ),
    "missing_bars": (
        "数据缺 {count} 根 K 线，未作填补。",
        "The data lacks {count} bars; nothing was filled in.",
    ),
    "undecided": (
        "策略需预热 {warmup} 根 K 线，数据只有 {bars} 根：从未作出决定。",
        "The strategy warms up for {warmup} bars and the data has {bars}: it decided nothing.",
    ),
    "basis": (
        "金额为计价货币；权益按每根 K 线收盘价计，截至 {when} UTC；成交于下一根 K 线开盘",
        "Money in quote currency; equity marked at each bar's close, as of {when} UTC; targets"
        " fill at the next bar's open",
    ),
    # key figures
    "key_figures": ("关键数字", "Key figures"),
    "final_equity": ("期末权益", "Final equity"),
    "final_equity_note": (
        "期初 {cash}，未平仓按末根收盘价",
        "from {cash}; an open position at the last close",
    ),
    "total_return": ("总收益率", "Total return"),
    "total_return_note": (
        "期末 ÷ 期初 − 1，扣除全部成本，{days} 天，未年化",
        "final ÷ initial − 1, after all costs, over {days} days, not annualised",
    ),
    "annual_return": ("年化收益率", "Annual return"),
    "annual_return_note": ("复利，ACT/365", "compounded, ACT/365"),
    "under_a_year": ("不足一年，不作年化", "under a year: not annualised"),
    "benchmark_return": ("买入持有 {name}", "Buy & hold {name}"),
    "benchmark_return_note": (
        "首根开盘价买入，扣一次费用与滑点{funding}；回撤 {drawdown}",
        "bought at the first open, one fee and slippage{funding}; drawdown {drawdown}",
    ),
    "with_funding": ("及资金费", " and funding"),
    "max_drawdown": ("最大回撤", "Greatest drawdown"),
    "max_drawdown_note": ("收盘权益相对此前峰值", "of equity at closes from its peak so far"),
    "sharpe": ("夏普比率", "Sharpe ratio"),
    "sharpe_note": (
        "每根 {interval} K 线收益的均值 ÷ 标准差 × √{bars}（{year}），无风险利率 0",
        "mean ÷ deviation of {interval} bar returns × √{bars} ({year}); rate of zero",
    ),
    "every_day": ("一年 365 天，每天都有行情", "a year of 365 days with bars"),
    "sessions": ("一年 252 个交易日", "a year of 252 sessions"),
    "given": ("每年根数为指定值", "bars a year as given"),
    "sortino": ("索提诺比率", "Sortino ratio"),
    "sortino_note": ("同上，以下行偏差计", "the same over the downside deviation"),
    "short_record": (
        "；仅 {days} 天，由此推及一年并不可靠",
        "; from {days} days only, which says little of a year",
    ),
    "trades": ("已平仓交易", "Closed trades"),
    "trades_note": (
        "另有 {open} 笔未平；平均持有 {bars} 根",
        "and {open} open; held for {bars} bars on average",
    ),
    "win_rate": ("胜率", "Win rate"),
    "win_rate_note": ("盈利 ÷ 已平仓交易，扣费后", "gains ÷ closed trades, after fees"),
    "profit_factor": ("盈亏比", "Profit factor"),
    "profit_factor_note": (
        "总盈利 ÷ 总亏损；平均盈 {gain}，平均亏 {loss}",
        "sum of gains ÷ sum of losses; average {gain} and {loss}",
    ),
    "time_in_market": ("持仓时间", "Time in the market"),
    "time_in_market_note": (
        "有持仓的 K 线占比；换手 {turnover} 倍权益",
        "share of bars with a position; turnover {turnover} × equity",
    ),
    "undefined": ("无定义", "undefined"),
    # sections
    "growth": ("价格与权益", "Price and equity"),
    "results": ("收益分布", "Where the result came from"),
    "execution": ("执行", "Execution"),
    "reproduction": ("复现", "To repeat this run"),
    # charts
    "closes": ("收盘价，{begin} 至 {end} UTC", "closes, {begin} to {end} UTC"),
    "quote": ("计价货币", "quote currency"),
    "percent": ("百分比", "percent"),
    "count": ("笔数", "count"),
    "price": ("价格与成交", "Price and fills"),
    "price_summary": (
        "{fills} 次成交：{buys} 次买入，{sells} 次卖出；价格从 {first} 到 {last}。",
        "{fills} fills: {buys} buys and {sells} sells; the price went from {first} to {last}.",
    ),
    "price_method": (
        "▲ 买入，▼ 卖出，黄色为止损或强平；相邻的同向成交合为一个标记",
        "▲ buys, ▼ sells, amber for stops and liquidations; fills of one side that lie"
        " close together are one marker",
    ),
    "marker": (
        "{side} {quantity} @ {price} · {when} · {kind} · {fills} 次成交",
        "{side} {quantity} @ {price} · {when} · {kind} · fills: {fills}",
    ),
    "equity": ("权益", "Equity"),
    "equity_summary": (
        "策略 {strategy}，买入持有 {benchmark}。",
        "The strategy ends at {strategy}, buy & hold at {benchmark}.",
    ),
    "equity_method": (
        "扣除费用、滑点与资金费；每个像素列画出最低与最高值，不漏峰谷",
        "after fees, slippage and funding; the least and the greatest value of each pixel column"
        " are drawn, so that no peak is missed",
    ),
    "strategy_line": ("策略", "strategy"),
    "benchmark_line": ("买入持有", "buy & hold"),
    "drawdown": ("回撤（水下曲线）", "Drawdown (underwater)"),
    "drawdown_summary": (
        "最深 {deepest}：{begin} 起，{end} 见底，{recovered}。",
        "Deepest {deepest}: from {begin} to {end}, {recovered}.",
    ),
    "drawdown_none": ("从未低于此前峰值。", "Never below its peak."),
    "recovered": ("{when} 收复", "recovered on {when}"),
    "not_recovered": ("尚未收复", "not recovered"),
    "drawdown_method": ("权益 ÷ 此前峰值 − 1，按收盘", "equity ÷ its peak so far − 1, at closes"),
    "exposure": ("敞口", "Exposure"),
    "exposure_summary": (
        "{share} 的时间有持仓；平均敞口 {average}，最大 {greatest}。",
        "In the market {share} of the time; {average} on average, {greatest} at most.",
    ),
    "exposure_method": (
        "持仓 × 收盘价 ÷ 权益，带方向；每个像素列画出最低与最高值",
        "units × close ÷ equity, signed; least and greatest value of each pixel column",
    ),
    "months": ("月度收益", "Monthly returns"),
    "months_note": (
        "当月最后收盘权益 ÷ 上月最后收盘权益 − 1，UTC；* 为不完整月份；全年为各月复利",
        "last equity of the month ÷ last of the month before − 1, UTC; * is a month recorded in"
        " part; a year compounds its months",
    ),
    "year": ("年", "year"),
    "whole_year": ("全年", "year's return"),
    "profits": ("逐笔盈亏分布", "Distribution of trade profits"),
    "profits_summary": (
        "{count} 笔：最差 {worst}，平均 {average}，最好 {best}。",
        "{count} trades: worst {worst}, average {average}, best {best}.",
    ),
    "profits_method": (
        "已平仓交易，扣除费用与滑点，未计资金费",
        "closed trades after fees and slippage, before funding",
    ),
    "class_hint": ("{begin} 至 {end}：{count} 笔", "{begin} to {end}: {count}"),
    "no_trades": ("没有已平仓的交易。", "No trade was closed."),
    "cost": ("成本分解", "Costs"),
    "cost_summary": (
        "成本前 {gross}，费用与滑点等共 {costs}{lent}，净 {net}。",
        "{gross} before costs, {costs} of costs{lent}, {net} net.",
    ),
    "cost_lent": ("，出借方承担 {lent}", ", {lent} borne by the lender"),
    "cost_method": (
        "费用按成交额；滑点为成交价与参考价之差；资金费付出为负、收入为正",
        "fees on notional; slippage is fill against reference price; funding paid is negative,"
        " received positive",
    ),
    "gross": ("成本前", "before costs"),
    "fees": ("手续费", "fees"),
    "slippage": ("滑点", "slippage"),
    "funding": ("资金费", "funding"),
    "funding_left_out": ("资金费（未计）", "funding (not charged)"),
    "net": ("净结果", "net"),
    # tables
    "fills_and_liquidity": ("成交与流动性", "Fills and liquidity"),
    "fact": ("项目", "what"),
    "figure": ("数值", "figure"),
    "fills": ("成交", "fills"),
    "maker_fills": ("其中挂单成交", "of them as maker"),
    "fills_of": ("其中：{kind}", "of them: {kind}"),
    "target_changes": ("目标变化", "changes of target"),
    "greatest_share": ("占单根成交量的最大份额", "greatest share of a bar's volume"),
    "mean_share": ("平均份额（有成交的 K 线）", "mean share, of bars with fills"),
    "no_volume": ("成交于无成交量的 K 线", "bars without volume that were filled in"),
    "liquidity_note": (
        "份额 = 本策略在该根 K 线的成交量 ÷ 该根的市场成交量",
        "share = units filled in a bar ÷ what the market traded in it",
    ),
    "inside_bars": ("K 线内与场所限制", "Inside bars, and the venue's terms"),
    "inside_bars_note": (
        "一根 K 线说不出先后时取较差的结果，并计数；有更细 K 线时以其重演",
        "where a bar does not tell what came first the poorer result is taken, and counted; it is"
        " played on finer bars where there are some",
    ),
    "ambiguous": ("先后不明的 K 线", "ambiguous bars, taken the poorer way"),
    "refined": ("以更细 K 线重演", "bars played on finer ones"),
    "short_filled": ("因流动性不足未足额成交", "times that liquidity was short"),
    "clamped": ("因杠杆上限缩减", "targets cut down to the leverage"),
    "refused": ("被拒订单", "orders refused"),
    "shortfall": ("强平后的亏空", "shortfall beyond the collateral"),
    "terms": ("场所条款", "the venue's terms"),
    "finer": ("更细 K 线", "finer bars"),
    "book": ("抽样订单簿", "sampled book"),
    "inputs": ("输入", "Inputs"),
    "inputs_note": (
        "相同输入得到逐位相同的权益；哈希为 SHA-256（引擎取前 16 位）",
        "the same inputs give the same equity to the last bit; hashes are SHA-256, the engine's its"
        " first 16 digits",
    ),
    "strategy": ("策略", "strategy"),
    "parameters": ("参数", "parameters"),
    "code": ("代码哈希", "code hash"),
    "engine": ("引擎哈希", "engine hash"),
    "data": ("行情", "data"),
    "data_hash": ("行情哈希", "data hash"),
    "funding_hash": ("资金费哈希", "funding hash"),
    "costs": ("成本参数", "costs"),
    "cash": ("初始资金", "cash"),
    "size": ("目标 1 的含义", "a target of 1 is"),
    "of_equity": ("全部权益", "the whole equity"),
    "units": ("{count} 个单位", "units: {count}"),
    "seed": ("随机种子", "seed"),
    "nothing_drawn": ("无随机", "nothing is drawn"),
    "not_charged": ("未计", "not charged"),
    # comparison
    "compare_title": ("回测对比", "Backtests compared"),
    "compare_warning": (
        "只有相同行情、相同区间的回测才能比高下；不同之处见表。",
        "Only runs over the same bars can be held against each other; the table shows where they"
        " differ.",
    ),
    "curves": ("权益，起点 1", "Equity, 1 at the start"),
    "curves_summary": ("{count} 次回测的权益曲线。", "Equity curves of {count} runs."),
    "curves_method": (
        "权益 ÷ 初始资金，扣除全部成本；每个像素列画出最低与最高值",
        "equity ÷ initial cash, after all costs; least and greatest value of each pixel column",
    ),
    "multiple": ("初始资金的倍数", "multiples of the cash"),
    "figures_side_by_side": ("数字并列", "Side by side"),
    "compared_note": (
        "收益率为全区间、扣除全部成本；夏普与索提诺以每根 K 线收益 × √每年根数，无风险利率 0；"
        "不足一年不作年化",
        "returns over the whole period after all costs; Sharpe and Sortino of bar returns × √bars a"
        " year, rate of zero; nothing under a year is annualised",
    ),
    "period": ("区间", "period"),
    "same": ("相同", "same"),
}

NAMES: Texts = {
    "buy": ("买入", "buy"),
    "sell": ("卖出", "sell"),
    "target": ("目标", "target"),
    "stop": ("止损", "stop"),
    "trailing": ("移动止损", "trailing stop"),
    "equity_curve": ("权益曲线止损", "equity-curve stop"),
    "account": ("账户止损", "account stop"),
    "time": ("时间止损", "time stop"),
    "liquidation": ("强平", "liquidation"),
    "market": ("市价单", "market order"),
    "limit": ("限价单", "limit order"),
    "stop_order": ("止损单", "stop order"),
}


def words_in(language: str) -> Words:
    """The report's words in one language."""
    return Words(language, TEXTS, NAMES)
