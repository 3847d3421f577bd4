import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Choice, Field } from "@/ui/field"
import { Failed } from "@/ui/states"
import { useProof } from "../account/proof"

type Customer = "investor" | "creator"

/** A customer who cannot register themselves: they sign in with this password, and change it. */
export function NewCustomer({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [role, setRole] = useState<Customer>("investor")
  const proof = useProof()
  const act = useAct(
    async ({ word, ...body }: { word: string; username: string; password: string; role: Customer }) =>
      (await client.POST("/api/v1/users", { params: { header: { "X-Proof": word } }, body })).data!,
  )
  return (
    <Dialog title={t("newCustomer.title")} onClose={onClose}>
      {act.data ? (
        <p role="status">{t("newCustomer.made", { name: act.data.username })}</p>
      ) : (
        <form
          className="space-y-3"
          onSubmit={(event) => {
            const { username, password } = given(event)
            proof.ask((word) => act.mutate({ word, username: username!, password: password!, role }))
          }}
        >
          <p className="text-muted-foreground">{t("newCustomer.why")}</p>
          <Field
            name="username"
            label={t("signIn.username")}
            autoComplete="off"
            required
            error={act.refused("username")}
          />
          <Field
            name="password"
            type="password"
            label={t("signIn.password")}
            autoComplete="new-password"
            required
            error={act.refused("password")}
          />
          <Choice
            label={t("users.role")}
            value={role}
            options={{ investor: t("roles.investor"), creator: t("roles.creator") }}
            onChange={setRole}
          />
          {act.error && <Failed error={act.error} />}
          <Button type="submit" intent="primary" disabled={act.isPending}>
            {t("newCustomer.title")}
          </Button>
        </form>
      )}
      {proof.window}
    </Dialog>
  )
}
