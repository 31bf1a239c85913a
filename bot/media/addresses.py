"""Which addresses belong to the public internet, so that nobody's link makes us ask our own network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

# https://www.iana.org/assignments/iana-ipv4-special-registry. A table of our own, because what
# `ipaddress` calls global differs between the releases of Python that we run on.
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds answer with credentials here
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

# https://www.iana.org/assignments/ipv6-address-space: only this block is handed out. All that wraps an IPv4
# address (mapped, compatible, NAT64), loopback, unique local, link-local and multicast lies outside.
_GLOBAL_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4 wraps an IPv4 address
        "3fff::/20",
    )
)


def is_public(address: str) -> bool:
    """Whether this IP address, in its textual form, is one of the public internet; False for what is none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    match parsed:
        case IPv4Address():
            return not any(parsed in network for network in _NOT_PUBLIC_V4)
        case IPv6Address():
            return parsed in _GLOBAL_V6 and not any(parsed in network for network in _NOT_PUBLIC_V6)
