import { Link } from "@tanstack/react-router"
import {
  createSortedRowModel,
  rowSortingFeature,
  sortFns,
  tableFeatures,
  useTable,
  type ColumnDef,
} from "@tanstack/react-table"
import { useVirtualizer } from "@tanstack/react-virtual"
import { ArrowDown, ArrowUp } from "lucide-react"
import { useMemo, useRef, type ReactNode } from "react"
import { useTranslation } from "react-i18next"
import { cn } from "@/lib/cn"
import { useWalk } from "@/lib/keys"
import { usePreferences } from "@/lib/preferences"
import { useUrl } from "@/lib/url"
import { Button } from "./button"
import { Empty } from "./states"

export type Column<Row> = {
  key: string
  head: string
  cell: (row: Row) => ReactNode
  /** Numbers stand at the right. */
  right?: boolean
  /** Left out on a telephone: what the row's own page says, too. */
  wide?: boolean
  /** What rows are ordered by; without it the column cannot be. */
  sort?: (row: Row) => string | number
}

type TableProps<Row> = {
  label: string
  rows: readonly Row[]
  columns: readonly Column<Row>[]
  id: (row: Row) => string
  /** Where a row leads. */
  to?: (row: Row) => string
  empty: ReactNode
  /** The next page, where the list goes on. */
  more?: { load: () => void; loading: boolean }
}

const ROW = 34
const features = tableFeatures({ rowSortingFeature, sortedRowModel: createSortedRowModel(), sortFns })
type Features = typeof features

/**
 * A list. Only the rows in sight are in the document, so that thousands scroll as ten do (paper shows all); the order
 * that a reader chose is in the address.
 */
export function Table<Row extends object>({ label, rows, columns, id, to, empty, more }: TableProps<Row>) {
  const { t } = useTranslation()
  const { paper } = usePreferences()
  const [order, setOrder] = useUrl("sort", "")
  const [key = "", direction] = order.split(":")
  const sortable = columns.some((column) => column.key === key && column.sort)
  const table = useTable<Features, Row>({
    features,
    data: rows as Row[],
    columns: useMemo(
      () =>
        columns.map((column): ColumnDef<Features, Row> => ({
          id: column.key,
          accessorFn: (row) => column.sort?.(row) ?? "",
          enableSorting: !!column.sort,
        })),
      [columns],
    ),
    getRowId: (row) => id(row),
    state: { sorting: sortable ? [{ id: key, desc: direction === "desc" }] : [] },
  })
  const box = useRef<HTMLDivElement>(null)
  const sorted = table.getRowModel().rows
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoised by a compiler
  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 12,
    initialRect: { width: 0, height: 800 },
  })
  const walk = useWalk(box, sorted.length, (index) => virtual.scrollToIndex(index))
  const sight = virtual.getVirtualItems()
  const seen = paper ? sorted.map((_, index) => ({ index })) : sight
  const above = paper ? 0 : (sight[0]?.start ?? 0)
  const below = paper ? 0 : virtual.getTotalSize() - (sight.at(-1)?.end ?? 0)

  if (!rows.length) return <>{typeof empty === "string" ? <Empty title={empty} /> : empty}</>
  return (
    <>
      {/* A region that scrolls must be reachable by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- its rows are walked by keys */}
      <div
        ref={box}
        data-rows
        className="focusable paper:max-h-none paper:overflow-visible relative max-h-[70dvh] overflow-auto"
        role="region"
        aria-label={label}
        tabIndex={0}
        onKeyDown={walk}
      >
        <table className="w-full border-separate border-spacing-0 text-sm">
          <thead className="bg-card sticky top-0 z-10">
            <tr>
              {columns.map((column) => {
                const active = sortable && column.key === key
                const Arrow = direction === "desc" ? ArrowDown : ArrowUp
                return (
                  <th
                    key={column.key}
                    scope="col"
                    aria-sort={active ? (direction === "desc" ? "descending" : "ascending") : undefined}
                    className={cn(
                      "text-muted-foreground paper:px-1 paper:whitespace-normal border-b px-3 py-1.5 text-left text-xs font-normal whitespace-nowrap max-sm:px-2",
                      column.right && "text-right",
                      column.wide && "max-sm:hidden",
                    )}
                  >
                    {column.sort ? (
                      <button
                        type="button"
                        className="focusable hover:text-foreground inline-flex items-center gap-1 rounded"
                        onClick={() =>
                          setOrder(
                            !active ? `${column.key}:desc` : direction === "desc" ? `${column.key}:asc` : "",
                          )
                        }
                      >
                        {column.head} {active && <Arrow className="size-3" aria-hidden />}
                      </button>
                    ) : (
                      column.head
                    )}
                  </th>
                )
              })}
            </tr>
          </thead>
          <tbody>
            {above > 0 && <tr style={{ height: above }} />}
            {seen.map(({ index }) => {
              const row = sorted[index]!.original
              return (
                <tr
                  key={sorted[index]!.id}
                  data-index={index}
                  tabIndex={-1}
                  className="hover:bg-muted/60 focus-within:bg-muted/60 focusable group h-[34px] focus-visible:ring-inset"
                >
                  {columns.map((column, place) => (
                    <td
                      key={column.key}
                      className={cn(
                        "paper:px-1 border-b px-3 py-1 whitespace-nowrap max-sm:px-2",
                        column.right ? "num text-right" : "paper:whitespace-normal",
                        column.wide && "max-sm:hidden",
                      )}
                    >
                      {place === 0 && to ? (
                        <Link
                          to={to(row)}
                          className="focusable text-primary rounded hover:underline [&_code]:text-primary"
                        >
                          {column.cell(row)}
                        </Link>
                      ) : (
                        column.cell(row)
                      )}
                    </td>
                  ))}
                </tr>
              )
            })}
            {below > 0 && <tr style={{ height: below }} />}
          </tbody>
        </table>
      </div>
      {more && (
        <div className="border-t p-2 text-center">
          <Button intent="ghost" disabled={more.loading} onClick={more.load}>
            {more.loading ? t("state.loading") : t("common.more")}
          </Button>
        </div>
      )}
    </>
  )
}
