import { useQuery } from "@tanstack/react-query"
import { Link } from "@tanstack/react-router"
import { useState } from "react"
import { useTranslation } from "react-i18next"
import { client } from "@/api/client"
import { begin, forget, hasEnded, useUser, type Role } from "@/api/session"
import { Outside } from "@/app/outside"
import { given, useAct } from "@/lib/form"
import { Button } from "@/ui/button"
import { Field } from "@/ui/field"
import { Failed } from "@/ui/states"

type Sign = { username: string; password: string; totpCode?: string; recoveryCode?: string }
type DemoUser = { username: string; password: string; role: Role }

const enter = async (sign: Sign) => {
  const { data } = await client.POST("/api/v1/auth/login", { body: sign })
  return data!
}

export function SignIn() {
  const { t } = useTranslation()
  const [recovering, setRecovering] = useState(false)
  const act = useAct(enter, begin)
  const before = useUser()
  return (
    <Outside title={t("signIn.title")} below={<Demo />}>
      <form
        className="space-y-3"
        onSubmit={(event) => {
          const { username, password, code } = given(event)
          act.mutate({
            username: username!,
            password: password!,
            ...(code ? { [recovering ? "recoveryCode" : "totpCode"]: code } : {}),
          })
        }}
      >
        {hasEnded() && !act.error && <p role="status">{t(before ? "signIn.endedHere" : "signIn.ended")}</p>}
        <Field
          name="username"
          label={t("signIn.username")}
          autoComplete="username"
          defaultValue={before?.username}
          required
        />
        <Field
          name="password"
          type="password"
          label={t("signIn.password")}
          autoComplete="current-password"
          required
        />
        <Field
          name="code"
          label={recovering ? t("signIn.recoveryCode") : t("signIn.code")}
          hint={t("signIn.codeHint")}
          autoComplete="one-time-code"
          inputMode={recovering ? undefined : "numeric"}
        />
        {act.error && <Failed error={act.error} />}
        <Button type="submit" intent="primary" size="md" className="w-full" disabled={act.isPending}>
          {t("signIn.title")}
        </Button>
        <div className="flex justify-between">
          <Button intent="ghost" onClick={() => setRecovering(!recovering)}>
            {recovering ? t("signIn.useCode") : t("signIn.useRecovery")}
          </Button>
          {before ? (
            <Button intent="ghost" onClick={forget}>
              {t("frame.signOut")}
            </Button>
          ) : (
            <Button intent="ghost" asChild>
              <Link to="/register">{t("register.title")}</Link>
            </Button>
          )}
        </div>
      </form>
    </Outside>
  )
}

/** The sign-ins that a demo publishes; elsewhere there are none. */
function Demo() {
  const { t } = useTranslation()
  const act = useAct(enter, begin)
  const { data } = useQuery({
    queryKey: ["demo"],
    staleTime: Infinity,
    refetchInterval: false,
    queryFn: async (): Promise<DemoUser[]> => {
      const answer = await fetch("/demo.json")
      return answer.ok && answer.headers.get("Content-Type")?.includes("json") ? answer.json() : []
    },
  })
  if (!data?.length) return null
  return (
    <section
      className="flex max-w-md flex-wrap items-center justify-center gap-1.5"
      aria-label={t("signIn.demo")}
    >
      <p className="text-muted-foreground w-full text-center text-xs">{t("signIn.demo")}</p>
      {data.map((user) => (
        <Button key={user.username} disabled={act.isPending} onClick={() => act.mutate(user)}>
          {t(`roles.${user.role}`)} {/-(\d+)$/.exec(user.username)?.[1]}
        </Button>
      ))}
      {act.error && <Failed error={act.error} />}
    </section>
  )
}
