import { Link, useNavigate } from "@tanstack/react-router"
import { Search } from "lucide-react"
import { useTranslation } from "react-i18next"
import { api, client } from "@/api/client"
import { useUser } from "@/api/session"
import { given } from "@/lib/form"
import { useList } from "@/lib/lists"
import { placeOf } from "@/lib/places"
import { present, useUrl } from "@/lib/url"
import { Badge } from "@/ui/badge"
import { Button } from "@/ui/button"
import { Card, PageHead } from "@/ui/card"
import { Field } from "@/ui/field"
import { Time } from "@/ui/shown"
import { Empty, Loaded } from "@/ui/states"
import { Events } from "../audit/trail"
import { JournalTable } from "../audit/journals"
import { Timeline } from "./timeline"

/** A state is called as where it is shown, be it a user's role, a subscription's or a request's. */
const stateNames = (state: string) => [
  `roles.${state}`,
  `states.${state}`,
  `approvalStatus.${state}`,
  `flowStatus.${state}`,
  `signalStatus.${state}`,
  `orderStatus.${state}`,
  `movements.${state}`,
  `bookAccounts.${state}`,
]

/** What an id is, where it is looked at, and all that was recorded and posted about it. */
export default function Trace() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const [name] = useUrl("name", "")
  return (
    <>
      <PageHead title={t("pages.trace")} />
      <form
        key={name}
        role="search"
        className="flex flex-wrap items-end gap-3"
        onSubmit={(event) =>
          void navigate({ to: "/trace", search: { name: given(event).name || undefined } as never })
        }
      >
        <div className="w-full max-w-xl">
          <Field name="name" label={t("find.label")} hint={t("find.hint")} defaultValue={name} required />
        </div>
        <Button type="submit" intent="primary" size="md" className="mb-5">
          <Search /> {t("find.find")}
        </Button>
      </form>
      {name ? <Results name={name} /> : <Empty title={t("find.nothingAsked")} />}
    </>
  )
}

function Results({ name }: { name: string }) {
  const { t } = useTranslation()
  const { permissions } = useUser()!
  const query = api.useQuery("get", "/api/v1/find", { params: { query: { name } } })
  const first = query.data?.[0]
  const uuid = /^[0-9a-f-]{36}$/i.test(name)
  return (
    <>
      <Loaded query={query}>
        {(found) => (
          <>
            {found.length === 0 && <Empty title={t("find.none", { name })}>{t("find.hint")}</Empty>}
            {found.map((one) => {
              const [, to, search] = placeOf(one, permissions) ?? []
              return (
                <Card
                  key={`${one.kind}:${one.id}`}
                  title={t(`find.kinds.${one.kind}`)}
                  actions={
                    to && (
                      <Button asChild intent="primary">
                        <Link to={to} search={search as never}>
                          {t("find.open")}
                        </Link>
                      </Button>
                    )
                  }
                >
                  <div className="flex flex-wrap items-center gap-2">
                    <span>{one.title}</span>
                    {one.state && (
                      <Badge>
                        {t(stateNames(one.state) as unknown as "roles.investor", { defaultValue: one.state })}
                      </Badge>
                    )}
                    <Time at={one.at} />
                    <code className="text-muted-foreground text-xs">{one.id}</code>
                    {one.kind === "user" && (
                      <Link
                        to="/trail"
                        search={{ actor: `${one.state}:${one.id}` } as never}
                        className="text-primary hover:underline"
                      >
                        {t("find.did")}
                      </Link>
                    )}
                  </div>
                  {one.kind === "subscription" && (
                    <div className="mt-4">
                      <Timeline id={one.id} />
                    </div>
                  )}
                </Card>
              )
            })}
          </>
        )}
      </Loaded>
      {!query.isPending && (
        <>
          <Recorded subject={first?.id ?? name} />
          {(first?.correlationId ?? (uuid ? name : null)) && (
            <Belonging correlation={first?.correlationId ?? name} />
          )}
        </>
      )}
    </>
  )
}

/** What was recorded about it itself. */
function Recorded({ subject }: { subject: string }) {
  const { t } = useTranslation()
  return (
    <Card title={t("find.recorded")} flush>
      <Events wanted={{ subject }} />
    </Card>
  )
}

/** What belongs to the same affair: events and journals. */
function Belonging({ correlation }: { correlation: string }) {
  const { t } = useTranslation()
  const journals = useList(["journals-of", correlation], async (cursor) => {
    const { data } = await client.GET("/api/v1/ledger/journals", {
      params: { query: { ...present({ correlationId: correlation }), cursor, limit: 100 } },
    })
    return data!
  })
  return (
    <>
      <Card title={t("find.belonging")} flush>
        <Events wanted={{ correlationId: correlation }} />
      </Card>
      <Card title={t("find.posted")} flush>
        <Loaded query={journals}>{(rows) => <JournalTable rows={rows} more={journals.more} />}</Loaded>
      </Card>
    </>
  )
}
