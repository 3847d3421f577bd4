"""The words of a study's report, in Chinese and English, side by side."""

from __future__ import annotations

from commenda.charts import Texts, Words

TEXTS: Texts = {
    "title": ("参数研究：{strategy}", "Study: {strategy}"),
    "facts": (
        "{data} · {bars} 根 K 线 · {sampler} · 试验 {ran} / {trials} 次，其中爆仓 {ruined} 次，"
        "被策略拒绝 {refused} 次",
        "{data} · {bars} bars · {sampler} · {ran} of {trials} trials ran, {ruined} of them were"
        " ruined; {refused} were refused",
    ),
    "year": (
        "比率按每年 {bars} 根年化（{calendar}）",
        "ratios are of {bars} bars a year ({calendar})",
    ),
    "warning": (
        "在历史行情上选出的参数：过往行情不预示未来收益；在同一数据上试得越多，最好的结果越不可信。",
        "Parameters chosen on past prices, which say nothing about future returns; the more that"
        " was tried on the same data, the less the best of it means.",
    ),
    "unfinished": ("研究尚未完成：{state}", "This study is not finished: {state}"),
    "verdict": ("结论", "Verdict"),
    "findings": ("各项检验", "Tests"),
    "test": ("检验", "Test"),
    "grade": ("结果", "Finding"),
    "meaning": ("含义", "What it says"),
    "value": ("数值", "Figure"),
    "best": ("最优参数", "Best parameters"),
    "parameter": ("参数", "Parameter"),
    "setting": ("取值", "Value"),
    "searched": ("搜索范围", "Searched"),
    "fixed": ("固定", "fixed"),
    "objective": ("目标：{name}", "Objective: {name}"),
    "trial": ("第 {number} 次试验", "trial {number}"),
    "tried": ("试过的参数组合", "Configurations tried"),
    "tried_note": (
        "本策略在同一数据上的全部研究，收缩夏普比率按此计算",
        "in all studies of this strategy on this data; the deflated ratio counts them",
    ),
    "within": ("年化夏普比率区间", "Annual Sharpe ratio within"),
    "interval_note": ("{confidence} 置信，分块自助法", "at {confidence}, by block bootstrap"),
    "walked": ("逐段前推", "Walk forward"),
    "walked_note": (
        "每一段选出训练区间内最好的参数，再看它在测试区间的年化夏普比率。",
        "Each fold chooses what was best where it learned; its annual Sharpe ratio on both sides.",
    ),
    "fold": ("分段", "Fold"),
    "chosen": ("选中的试验", "Chosen trial"),
    "learned": ("训练夏普", "Sharpe learned"),
    "tested": ("测试夏普", "Sharpe tested"),
    "maps": ("参数敏感度", "Sensitivity"),
    "map": ("{y} × {x}", "{y} by {x}"),
    "map_summary": (
        "颜色越浓，{objective} 的平均值越好：{low} 至 {high}；空白处没有试过。",
        "The stronger, the better the mean {objective}: {low} to {high}; blank was not tried.",
    ),
    "map_ruined": ("爆仓：权益归零", "ruined: nothing was left"),
    "map_basis": (
        "每格为落在其中的试验的平均；× 为爆仓",
        "A cell is the mean of its trials; × was ruined",
    ),
    "inputs": ("输入", "Inputs"),
    "input": ("项目", "Input"),
    "content": ("内容", "Content"),
    # what each test says, by its name
    "deflated_sharpe_says": (
        "在此数据上试过的全部参数组合之后，最优夏普比率超出运气的概率",
        "Probability that the best ratio beats luck, over every configuration ever tried here",
    ),
    "overfitting_says": (
        "在一半历史上最好的参数，在另一半落入后半名的频率（CSCV）",
        "How often the best of one half of the history is in the lower half in the other (CSCV)",
    ),
    "efficiency_says": (
        "样本外夏普比率与样本内之比",
        "Sharpe ratio out of sample over that in sample",
    ),
    "holdout_says": (
        "最后一段从未用于选择的区间的年化夏普比率",
        "Annual Sharpe ratio in the last range, on which nothing was ever chosen",
    ),
    "plateau_says": (
        "相邻参数平均达到最优值的比例",
        "What the best's neighbours reach of it on average",
    ),
    "track_record_says": (
        "证明夏普比率为正至少需要的 K 线数",
        "Bars needed to show a ratio above zero",
    ),
    "trades_says": ("已平仓交易数", "Closed trades"),
    "interval_says": (
        "年化夏普比率置信区间的下限（分块自助法）",
        "Lower end of the annual ratio's confidence interval (block bootstrap)",
    ),
}

NAMES: Texts = {
    "every_day": ("一年 365 天", "365 days"),
    "sessions": ("一年 252 个交易日", "252 sessions"),
    "given": ("指定值", "as given"),
    "promote": ("通过", "promote"),
    "doubtful": ("存疑", "doubtful"),
    "overfit": ("过拟合", "overfit"),
    "running": ("运行中或已中断", "running or interrupted"),
    "cancelled": ("已取消", "cancelled"),
    "failed": ("失败", "failed"),
    "deflated_sharpe": ("收缩夏普比率", "deflated Sharpe ratio"),
    "overfitting": ("回测过拟合概率", "probability of overfitting"),
    "efficiency": ("前推效率", "walk-forward efficiency"),
    "holdout": ("保留区间", "holdout"),
    "plateau": ("参数平台", "plateau"),
    "track_record": ("最短记录", "minimum track record"),
    "trades": ("交易数", "trades"),
    "interval": ("置信区间", "confidence interval"),
    "sharpe": ("夏普比率", "Sharpe ratio"),
    "sortino": ("索提诺比率", "Sortino ratio"),
    "calmar": ("卡玛比率", "Calmar ratio"),
    "total_return": ("总收益率", "total return"),
    "max_drawdown": ("最大回撤", "maximum drawdown"),
    "profit_factor": ("盈亏比", "profit factor"),
    "turnover": ("年换手", "yearly turnover"),
}


def words_in(language: str) -> Words:
    """The report's words in one language."""
    return Words(language, TEXTS, NAMES)
