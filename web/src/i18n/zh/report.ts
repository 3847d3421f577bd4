import type { report as english } from "../en/report"
import type { Texts } from "../texts"

export const report: Texts<typeof english> = {
  report: {
    unknown: "没有「{{kind}}」这种报告：此页面比生成它的程序旧。",
  },
}
