import { useEffect, useState } from "react"
import { api } from "@/api/client"

/**
 * The business time, by which products mature and income accrues. A demo's runs faster than the wall's and comes with
 * the news (`lib/live`); one that goes by the wall is told on here, by the server's clock and not by this machine's.
 */
export function useNow(): string | undefined {
  const { data, dataUpdatedAt } = api.useQuery("get", "/api/v1/clock", {}, { staleTime: 60_000 })
  const byWall = data?.mode === "wall"
  const [here, setHere] = useState(0)
  useEffect(() => {
    if (!byWall) return
    const timer = setInterval(() => setHere(Date.now()), 10_000)
    return () => clearInterval(timer)
  }, [byWall])
  if (!data || !byWall) return data?.now
  return new Date(Date.parse(data.wall) + Math.max(0, here - dataUpdatedAt)).toISOString()
}
