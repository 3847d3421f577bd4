import { useTranslation } from "react-i18next"
import { client, type Schemas } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Money } from "@/ui/shown"
import { Failed } from "@/ui/states"
import { Presentation, tagsOf } from "./publish"

type Flow = Schemas["SharedFlow"]

/** Change how a flow presents itself and whom it takes. What it trades stands for its life. */
export function EditFlow({ flow, onClose }: { flow: Flow; onClose: () => void }) {
  const { t } = useTranslation()
  const act = useAct(async (body: Schemas["FlowDraft"], key) => {
    await client.POST("/api/v1/co-trading/flows", { params: { header: key }, body })
  }, onClose)
  return (
    <Dialog title={t("myFlows.edit")} onClose={onClose}>
      <p className="text-muted-foreground">{t("myFlows.editWhy", { count: flow.stats.followers })}</p>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const fields = given(event)
          act.mutate({
            flowId: flow.flowId,
            title: fields.title!,
            description: fields.description!,
            tags: tagsOf(fields.tags!),
            minInvestment: fields.minimum!,
            automatic: "automatic" in fields,
            maxFollowers: fields.most ? Number(fields.most) : null,
          })
        }}
      >
        <Presentation act={act} flow={flow} />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" disabled={act.isPending}>
          {t("myFlows.save")}
        </Button>
      </form>
    </Dialog>
  )
}

/** End a flow for good: its own book is closed, its money goes back to the wallet. */
export function CloseFlow({
  flow,
  book,
  onClose,
}: {
  flow: Flow
  book: Schemas["FlowSubscription"]
  onClose: () => void
}) {
  const { t } = useTranslation()
  const act = useAct(async () => {
    await client.DELETE("/api/v1/co-trading/subscriptions/{subscription_id}", {
      params: { path: { subscription_id: book.subscriptionId } },
    })
  }, onClose)
  return (
    <Dialog title={t("myFlows.close")} onClose={onClose}>
      <p>{t("myFlows.closeWhy")}</p>
      <p>
        {t("myFlows.ownBook")}: <Money amount={book.currentValue} asset={book.currency} />,{" "}
        {t("copy.exitFee")}: <Money amount={book.exitFee} asset={book.currency} />
      </p>
      {flow.stats.followers > 0 && (
        <p className="border-warn/40 bg-warn/5 rounded-lg border p-2">
          {t("myFlows.stillFollowed", { count: flow.stats.followers })}
        </p>
      )}
      {act.error && <Failed error={act.error} />}
      <Button
        intent="danger"
        disabled={act.isPending || flow.stats.followers > 0}
        onClick={() => act.mutate(undefined)}
      >
        {t("myFlows.close")}
      </Button>
    </Dialog>
  )
}
