export const audit = {
  parts: {
    venue: "Cash at venues",
    books: "Books",
    liabilities: "Liabilities",
    transit: "In transit",
    holds: "Holds",
  },
  owners: {
    investor: "Investors",
    creator: "Creators",
    platform: "Platform",
    product: "Products",
    venue: "Venues",
  },
  trail: { actor: "Actor", details: "Details", none: "No event of that kind" },
  journal: { entries: "Entries", key: "Key", rule: "Rules", correlation: "Belongs to" },
}
