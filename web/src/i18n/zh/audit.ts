import type { audit as english } from "../en/audit"
import type { Texts } from "../texts"

export const audit: Texts<typeof english> = {
  parts: { venue: "交易所资金", books: "账簿", liabilities: "负债", transit: "在途", holds: "冻结" },
  owners: { investor: "投资人", creator: "创作者", platform: "平台", product: "产品", venue: "交易所" },
  trail: { actor: "操作者", details: "详情", none: "没有此类事件" },
  journal: { entries: "分录", key: "键", rule: "规则版本", correlation: "关联" },
}
