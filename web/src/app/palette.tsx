import { useNavigate } from "@tanstack/react-router"
import { Command } from "cmdk"
import { Waypoints } from "lucide-react"
import { useEffect, useState, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { api } from "@/api/client"
import { useMay, useUser } from "@/api/session"
import { placeOf } from "@/lib/places"
import { Dialog } from "@/ui/dialog"
import { mayOpen, PAGES } from "./pages"

const PAUSE = 200
/** As many characters as the API reads of a name. */
const LONGEST = 200

/** Go anywhere by typing: a page's name, or the id of anything that one may see. */
export default function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const user = useUser()!
  const navigate = useNavigate()
  const mayTrace = useMay("audit")
  const [typed, setTyped] = useState("")
  const name = useSettled(typed.trim())
  const { data: found } = api.useQuery(
    "get",
    "/api/v1/find",
    { params: { query: { name } } },
    { enabled: name !== "", refetchInterval: false },
  )
  const go = (to: string, search?: Record<string, string>) => (
    onClose(),
    void navigate({ to, search: search as never })
  )
  return (
    <Dialog title={t("frame.seek")} onClose={onClose} bare>
      <Command label={t("frame.seek")}>
        <Command.Input
          value={typed}
          onValueChange={setTyped}
          maxLength={LONGEST}
          placeholder={t("frame.seekHint")}
          className="h-11 w-full border-b bg-transparent px-4 text-sm outline-none"
        />
        <Command.List className="max-h-80 overflow-y-auto p-2">
          <Command.Empty className="text-muted-foreground p-4 text-center">
            {t("frame.nothing")}
          </Command.Empty>
          {found?.map((one) => {
            const [, to, search] = placeOf(one, user.permissions) ?? []
            return (
              to && (
                // What begins with what was typed stands first.
                <Item
                  key={`${one.kind} ${one.id}`}
                  value={`${typed} ${one.kind} ${one.id}`}
                  onSelect={() => go(to, search)}
                >
                  <span className="min-w-0 truncate">{one.title}</span>
                  <Aside>{t(`find.kinds.${one.kind}`)}</Aside>
                </Item>
              )
            )
          })}
          {mayTrace && (found?.length || isId(name)) && (
            <Item value={`${typed} trace`} onSelect={() => go("/trace", { name })}>
              <Waypoints className="size-4 shrink-0" aria-hidden />
              <span className="min-w-0 truncate">{t("frame.trace", { name })}</span>
            </Item>
          )}
          {PAGES.filter((page) => !page.path.includes("$") && mayOpen(page, user.permissions)).map((page) => (
            <Item
              key={page.path}
              keywords={[page.path]}
              value={t(`pages.${page.name}`)}
              onSelect={() => go(page.path)}
            >
              {page.icon ? <page.icon className="size-4" aria-hidden /> : <span className="size-4" />}{" "}
              {t(`pages.${page.name}`)}
              <Aside>{t(`groups.${page.group}`)}</Aside>
            </Item>
          ))}
        </Command.List>
      </Command>
    </Dialog>
  )
}

type ItemProps = { value: string; keywords?: string[]; onSelect: () => void; children: ReactNode }

function Item(props: ItemProps) {
  return (
    <Command.Item
      className="data-[selected=true]:bg-muted flex h-9 cursor-default items-center gap-2 rounded-md px-2"
      {...props}
    />
  )
}

function Aside({ children }: { children: ReactNode }) {
  return <span className="text-muted-foreground ml-auto text-xs whitespace-nowrap">{children}</span>
}

/** What may be traced though nothing has it as its own: a correlation id runs through many. */
const isId = (name: string) => /^[0-9a-f-]{36}$/i.test(name)

/** What was typed, once it was left alone for a moment: not every key is a request. */
function useSettled(text: string) {
  const [settled, settle] = useState("")
  useEffect(() => {
    const timer = setTimeout(() => settle(text), PAUSE)
    return () => clearTimeout(timer)
  }, [text])
  return settled
}
