import type { automation as english } from "../en/automation"
import type { Texts } from "../texts"

export const automation: Texts<typeof english> = {
  abilities: {
    names: {
      optimise: "参数优化",
      promote: "参数升级",
      rebalance: "组合再平衡",
      equity: "权益驱动调仓",
      protect: "分层止盈止损",
      calendar: "日历与事件优化",
      eliminate: "策略淘汰",
      onboard: "新策略上线",
      slide: "滑动止损线",
      hotlist: "热门榜",
    },
    modes: { off: "关闭", recommending: "仅建议", acting: "自动执行" },
    platform: "全平台",
  },
}
