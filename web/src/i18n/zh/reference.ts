import type { reference as english } from "../en/reference"
import type { Texts } from "../texts"

export const reference: Texts<typeof english> = {
  reference: {
    count_one: "{{count}} 个接口",
    count_other: "{{count}} 个接口",
    document: "openapi.json",
    find: "查找接口",
    findWhat: "路径、名称、字段或权限",
    operations: "接口列表",
    all: "全部接口",
    none: "没有符合条件的接口。",
    unknown: "没有名为 {{name}} 的接口。",
    manners: "通用约定",
    who: "请求头携带 POST /api/v1/auth/login 返回的访问令牌（Authorization: Bearer …），或以 X-API-Key 携带 API 密钥。未携带返回 401，权限不足返回 403，他人的对象返回 404。",
    once: "写操作接受 Idempotency-Key：相同的键与请求体得到相同的应答，且只生效一次；相同的键配不同的请求体返回 409。",
    wire: "字段名为驼峰式；小数以字符串表示，保留全部位数；时间均为 UTC。",
    lists: "列表接受 limit 与 cursor：用上一页的 nextCursor 请求下一页。",
    problems: "错误应答",
    problemsWhy:
      "所有错误均为 RFC 9457 问题详情（application/problem+json）。code 稳定不变，供程序判断；field、value 与 mend 供人阅读；requestId 可在日志与审计轨迹中查到。",
    needs: "所需权限",
    open: "公开接口",
    parameters: "参数",
    body: "请求体",
    call: "调用示例",
    answer: "应答 {{status}}",
    noBody: "无应答体。",
    refusals: "可能的错误",
    required: "必填",
    example: "例如",
    fieldsOf: "{{type}} 的字段",
  },
}
