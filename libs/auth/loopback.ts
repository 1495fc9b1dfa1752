/** @param host name or address, IPv6 in brackets */
export function isLoopbackHost(host: string): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(host);
}
