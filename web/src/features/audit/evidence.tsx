import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { keep } from "@/lib/keep"
import { present } from "@/lib/url"
import { Button } from "@/ui/button"
import { Card } from "@/ui/card"
import { Field } from "@/ui/field"
import { Failed } from "@/ui/states"

/** Everything of a period as one archive that proves itself. */
export function Evidence() {
  const { t } = useTranslation()
  const act = useAct(async (wanted: Record<string, string>) => {
    const { data } = await client.GET("/api/v1/audit/evidence", {
      params: { query: wanted },
      parseAs: "blob",
    })
    keep(data as Blob, "evidence.zip")
  })
  return (
    <Card title={t("evidence.title")}>
      <p className="text-muted-foreground mb-3">{t("evidence.why")}</p>
      <form
        className="filters"
        onSubmit={(event) => {
          const { from, to, ownerId } = given(event)
          act.mutate(present({ from: from && `${from}:00Z`, to: to && `${to}:00Z`, ownerId }))
        }}
      >
        <Field name="from" label={t("common.fromUtc")} type="datetime-local" error={act.refused("from")} />
        <Field name="to" label={t("common.toUtc")} type="datetime-local" error={act.refused("to")} />
        <Field
          name="ownerId"
          label={t("evidence.owner")}
          pattern="[0-9a-fA-F-]{36}"
          error={act.refused("ownerId")}
        />
        <Button type="submit" size="md" disabled={act.isPending}>
          {act.isPending ? t("state.loading") : t("evidence.take")}
        </Button>
      </form>
      {act.error && <Failed error={act.error} />}
      {act.isSuccess && (
        <p role="status" className="mt-2">
          {t("evidence.taken")}
        </p>
      )}
    </Card>
  )
}
