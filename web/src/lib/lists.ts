import { useInfiniteQuery, type InfiniteData } from "@tanstack/react-query"

type Page<Row> = { items: Row[]; nextCursor: string | null }

/** A list that comes page by page: what has come, and how to have more of it. */
export function useList<Row>(
  key: readonly unknown[],
  load: (cursor: string | undefined) => Promise<Page<Row>>,
  /** In how many milliseconds what has come is asked for again, where that is not the usual. */
  every?: (rows: Row[]) => number,
) {
  const query = useInfiniteQuery<
    Page<Row>,
    Error,
    InfiniteData<Page<Row>>,
    readonly unknown[],
    string | undefined
  >({
    queryKey: key,
    queryFn: ({ pageParam }) => load(pageParam),
    initialPageParam: undefined,
    getNextPageParam: (last) => last.nextCursor ?? undefined,
    ...(every && {
      refetchInterval: ({ state }) => every(state.data?.pages.flatMap((page) => page.items) ?? []),
    }),
  })
  return {
    ...query,
    data: query.data?.pages.flatMap((page) => page.items),
    more: query.hasNextPage
      ? { load: () => void query.fetchNextPage(), loading: query.isFetchingNextPage }
      : undefined,
  }
}
