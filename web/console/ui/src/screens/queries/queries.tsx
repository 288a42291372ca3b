export function Queries() { return null }
