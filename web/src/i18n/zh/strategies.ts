/**
 * What the strategies that come with the platform do, by name, a paragraph each. Their authors' own words are English
 * and stand in the strategy, as those of every other; so this has no counterpart. tests/console holds it to them.
 */
export const strategyWords: Record<string, string> = {
  ema_trend:
    "快线高于慢线超过 `band` 时做多，低于慢线超过 `band` 时做空。\n\n在该范围内保持原方向。`fast` 与 `slow` 以 K 线根数计，`band` 为比例。",
  zscore_reversion:
    "收盘价偏离滚动均值超过 `entry` 个标准差时反向开仓。\n\n回到均值的 `exit` 个标准差以内，或越过均值时平仓。`window` 以 K 线根数计。",
  donchian_breakout:
    "收盘价突破最近 `enter` 根 K 线的最高价时做多，跌破最近 `leave` 根的最低价时平仓；做空与此对称。\n\n通道只含当前 K 线之前的各根：K 线不可能突破包含自身的区间。",
  sma_cross:
    "快线上穿慢线时做多，直到下穿，其余时间空仓。\n\n一开始快线就在慢线之上不算上穿：该段趋势不参与。`fast` 与 `slow` 以 K 线根数计。",
}
