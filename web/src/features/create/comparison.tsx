import { Link } from "@tanstack/react-router"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { useUrl } from "@/lib/url"
import { Button } from "@/ui/button"
import { Empty, Loaded } from "@/ui/states"
import { ComparisonReport } from "./comparison-report"
import { STEADY } from "./run-form"

/** Kept runs whose ids stand in the address. */
export default function Comparison() {
  const { t } = useTranslation()
  const [ids] = useUrl("ids", "")
  const enough = ids.includes(",")
  const query = api.useQuery(
    "get",
    "/api/v1/backtests/compare",
    { params: { query: { ids } } },
    { ...STEADY, enabled: enough },
  )
  const others = (
    <Button asChild className="ml-auto">
      <Link to="/backtests">{t("compare.others")}</Link>
    </Button>
  )
  return enough ? (
    <Loaded query={query} rows={10}>
      {({ items }) => (
        <ComparisonReport
          runs={items}
          actions={others}
          named={(run, name) => (
            <Link to={`/backtests/${run.id}`} className="focusable text-primary rounded hover:underline">
              {name}
            </Link>
          )}
        />
      )}
    </Loaded>
  ) : (
    <Empty title={t("compare.how")}>{others}</Empty>
  )
}
