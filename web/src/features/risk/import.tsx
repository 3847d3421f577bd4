import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Facts } from "@/ui/card"
import { Dialog } from "@/ui/dialog"
import { Check, Field } from "@/ui/field"
import { Time } from "@/ui/shown"
import { Failed } from "@/ui/states"

type Sent = Schemas["MarketFile"]

const inBase64 = async (file: File) => {
  const bytes = new Uint8Array(await file.arrayBuffer())
  let text = ""
  for (let at = 0; at < bytes.length; at += 32_768)
    text += String.fromCharCode(...bytes.subarray(at, at + 32_768))
  return btoa(text)
}

/** A file of candles: judged first, and kept once somebody has seen what is wrong with it. */
export function Import({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [judged, setJudged] = useState<Sent | null>(null)
  const act = useAct(
    async (body: Sent, key) =>
      (await client.POST("/api/v1/market/datasets", { params: { header: key }, body })).data!,
  )
  const report = act.data
  return (
    <Dialog title={t("market.import")} onClose={onClose}>
      <form
        className="space-y-3"
        onChange={() => (setJudged(null), act.reset())}
        onSubmit={(event) => {
          const file = new FormData(event.currentTarget).get("file") as File
          const { zone, append } = given(event)
          void inBase64(file).then((content) => {
            const sent = {
              name: file.name,
              content,
              zone: zone || null,
              append: append === "on",
              keep: false,
            }
            act.mutate(sent, { onSuccess: () => setJudged(sent) })
          })
        }}
      >
        <p className="text-muted-foreground">{t("market.importWhy")}</p>
        <Field
          name="file"
          type="file"
          label={t("bank.file")}
          hint={t("market.importName")}
          accept=".csv,.gz,.zip,.parquet"
          className="py-1.5 text-xs"
          required
          error={act.refused("name") ?? act.refused("content")}
        />
        <Field
          name="zone"
          label={t("market.zone")}
          hint={t("market.zoneHint")}
          maxLength={60}
          error={act.refused("zone")}
        />
        <Check name="append" label={t("market.append")} />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent={judged ? undefined : "primary"} disabled={act.isPending}>
          {t("market.judge")}
        </Button>
      </form>
      {report && (
        <div role="status" className="space-y-3">
          <Facts
            rows={[
              [t("common.symbol"), `${report.venue} ${report.symbol} ${report.interval ?? ""}`],
              [t("market.rows"), report.rows],
              [t("common.from"), <Time key="f" at={report.firstTs} />],
              [t("common.to"), <Time key="t" at={report.lastTs} />],
              ...Object.entries(report.counts).map(
                ([kind, count]) => [t(`findings.${kind as "gap"}`), count] as const,
              ),
              ...report.notes.map((note) => ["", note] as const),
            ]}
          />
          {report.findings.length > 0 && (
            <ul className="max-h-40 space-y-1 relative overflow-y-auto text-xs">
              {report.findings.map((one, place) => (
                <li key={place}>
                  <Time at={one.at} /> {t(`findings.${one.kind}`)}: {one.details}
                </li>
              ))}
            </ul>
          )}
          {report.outcome ? (
            <p className="text-good">{t(`market.outcome_${report.outcome}`)}</p>
          ) : (
            judged && (
              <Button
                intent="primary"
                disabled={act.isPending}
                onClick={() => act.mutate({ ...judged, keep: true }, { onSuccess: () => setJudged(null) })}
              >
                {t("market.keep")}
              </Button>
            )
          )}
        </div>
      )}
    </Dialog>
  )
}
