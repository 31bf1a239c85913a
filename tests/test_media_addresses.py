"""Which addresses are public."""

from __future__ import annotations

import pytest

from bot.media.addresses import is_public

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:80b::200e",
)
NOT_PUBLIC = {
    "this network": "0.0.0.0",
    "private, class A": "10.1.2.3",
    "carrier-grade NAT": "100.64.0.1",
    "loopback": "127.0.0.1",
    "loopback, elsewhere": "127.255.255.254",
    "link-local, clouds' metadata": "169.254.169.254",
    "private, class B": "172.16.0.1",
    "private, class B, its end": "172.31.255.255",
    "protocol assignments": "192.0.0.8",
    "documentation 1": "192.0.2.1",
    "6to4 relay": "192.88.99.1",
    "private, class C": "192.168.1.1",
    "benchmarks": "198.18.0.1",
    "documentation 2": "198.51.100.7",
    "documentation 3": "203.0.113.7",
    "multicast": "224.0.0.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "v6 unspecified": "::",
    "v6 loopback": "::1",
    "v6 loopback, written out": "0:0:0:0:0:0:0:1",
    "v6 mapped loopback": "::ffff:127.0.0.1",
    "v6 mapped loopback, in hex": "::ffff:7f00:1",
    "v6 mapped public": "::ffff:8.8.8.8",
    "v6 compatible": "::127.0.0.1",
    "v6 translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1",
    "NAT64, local": "64:ff9b:1::a00:1",
    "discard": "100::1",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "ORCHID": "2001:20::1",
    "v6 documentation": "2001:db8::1",
    "6to4 of a private address": "2002:7f00:1::",
    "v6 documentation, new": "3fff::1",
    "segment routing": "5f00::1",
    "unique local": "fd12:3456:789a::1",
    "v6 link-local": "fe80::1",
    "v6 link-local with a scope": "fe80::1%eth0",
    "v6 site-local": "fec0::1",
    "v6 multicast": "ff02::1",
    "no address": "example.org",
    "nothing": "",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC.values(), ids=NOT_PUBLIC.keys())
def test_nothing_else_is(address: str) -> None:
    assert not is_public(address)
