/**
 * How many connections of its bottle the sidecar serves at once. Each takes up to 0.4 MB of its memory, one to an inspected
 * host up to 0.8 while nobody reads what it has; without a limit an agent could end its own sidecar.
 */
export const MOST_CONNECTIONS = 128;

/**
 * How many connections either process accepts from one address: no rule judges a request, or a TLS handshake, before it
 * is complete, and nobody has to complete one. The front tells those between of `MOST_CONNECTIONS`; what comes beyond
 * is closed unread. The back knows the front alone, and may notice its ends late.
 */
const MOST_ACCEPTED = 2 * MOST_CONNECTIONS;

/** What the headers of one request may hold together. */
export const MOST_HEADERS = "64 KB";

/** What is read ahead of a connection: squid wants it above `MOST_HEADERS`, and keeps of an unfinished handshake twice as much. */
const MOST_AHEAD = "72 KB";

/** What is the same for both: nothing kept, nothing told about itself, nothing cut that is still in use. */
export function settings(): readonly string[] {
  return [
    "logfile_rotate 0",
    "",
    "cache deny all",
    "cache_mem 0 MB",
    "memory_pools off",
    "max_filedescriptors 4096",
    "sslproxy_session_cache_size 0 MB",
    "pid_filename none",
    "coredump_dir none",
    "netdb_filename none",
    "pinger_enable off",
    "icp_port 0",
    "htcp_port 0",
    "snmp_port 0",
    "digest_generation off",
    "",
    "visible_hostname claude-bottle",
    "httpd_suppress_version_string on",
    "via off",
    "forwarded_for delete",
    "cachemgr_passwd disable all",
    "global_internal_static off",
    ...["Server", "X-Squid-Error", "Cache-Status"].map((header) => `reply_header_access ${header} deny all`),
    "# With a page for each that squid has in its image, which it takes what is missing from.",
    "error_directory /config",
    "email_err_data off",
    "",
    "hosts_file none",
    "dns_timeout 10 seconds",
    "# Also the shortest time that an answer is kept: what the rules judged is what is dialled.",
    "negative_dns_ttl 10 seconds",
    "",
    `request_header_max_size ${MOST_HEADERS}`,
    `client_request_buffer_max_size ${MOST_AHEAD}`,
    `client_ip_max_connections ${MOST_ACCEPTED}`,
    "client_lifetime 30 days",
    "read_timeout 1 day",
    "write_timeout 1 day",
    "connect_timeout 20 seconds",
    "request_start_timeout 1 minute",
    "request_timeout 1 minute",
    "shutdown_lifetime 0 seconds",
  ];
}
