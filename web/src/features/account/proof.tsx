import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { useUser } from "@/api/session"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Dialog } from "@/ui/dialog"
import { Field } from "@/ui/field"
import { Failed } from "@/ui/states"

type Act = (proof: string) => void

/**
 * Ask for the password (and the second factor) before something that a stolen session must not do. `ask(act)` opens
 * the window, and `act` is called with the proof; `window` is to be rendered.
 */
export function useProof() {
  const [act, setAct] = useState<Act | null>(null)
  const close = () => setAct(null)
  return {
    ask: (next: Act) => setAct(() => next),
    window: act && <ProofWindow onClose={close} onProven={(proof) => (close(), act(proof))} />,
  }
}

function ProofWindow({ onClose, onProven }: { onClose: () => void; onProven: Act }) {
  const { t } = useTranslation()
  const user = useUser()!
  const act = useAct(async ({ password, code }: { password: string; code?: string }) => {
    const { data } = await client.POST("/api/v1/auth/proof", {
      body: { password, ...(code ? { [/^\d{6}$/.test(code) ? "totpCode" : "recoveryCode"]: code } : {}) },
    })
    return data!.proof
  }, onProven)
  return (
    <Dialog title={t("proof.title")} onClose={onClose}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { password, code } = given(event)
          act.mutate({ password: password!, code })
        }}
      >
        <p className="text-muted-foreground">{t("proof.why")}</p>
        <Field
          name="password"
          type="password"
          label={t("signIn.password")}
          autoComplete="current-password"
          required
        />
        {user.secondFactor && (
          <Field name="code" label={t("signIn.code")} autoComplete="one-time-code" required />
        )}
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" disabled={act.isPending}>
          {t("proof.go")}
        </Button>
      </form>
    </Dialog>
  )
}
