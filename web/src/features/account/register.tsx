import { Link, useNavigate } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { begin } from "@/api/session"
import { Outside } from "@/app/outside"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Choice, Field } from "@/ui/field"
import { Failed } from "@/ui/states"

type Joining = { username: string; password: string; role: "investor" | "creator"; referrer: string | null }

/** Register and sign in with it. */
async function register(joining: Joining) {
  await client.POST("/api/v1/auth/register", { body: joining })
  const { username, password } = joining
  const { data } = await client.POST("/api/v1/auth/login", { body: { username, password } })
  return data!
}

export default function Register() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [role, setRole] = useState<Joining["role"]>("investor")
  const act = useAct(register, (signedIn) => (begin(signedIn), void navigate({ to: "/" })))
  return (
    <Outside title={t("register.title")}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { username, password, referrer } = given(event)
          act.mutate({ username: username!, password: password!, role, referrer: referrer || null })
        }}
      >
        <Choice
          label={t("register.as")}
          value={role}
          options={{ investor: t("register.investor"), creator: t("register.creator") }}
          onChange={setRole}
        />
        <Field
          name="username"
          label={t("signIn.username")}
          autoComplete="username"
          required
          error={act.refused("username")}
        />
        <Field
          name="password"
          type="password"
          label={t("signIn.password")}
          hint={t("register.passwordHint")}
          autoComplete="new-password"
          minLength={10}
          maxLength={128}
          required
          error={act.refused("password")}
        />
        <Field
          name="referrer"
          label={t("register.referrer")}
          hint={t("register.referrerHint")}
          defaultValue={new URLSearchParams(location.search).get("referrer") ?? ""}
          error={act.refused("referrer")}
        />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" size="md" className="w-full" disabled={act.isPending}>
          {t("register.title")}
        </Button>
        <Button intent="ghost" className="w-full" asChild>
          <Link to="/">{t("register.known")}</Link>
        </Button>
      </form>
    </Outside>
  )
}
