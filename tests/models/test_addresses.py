"""Where a user's URL may lead."""

import pytest

from agentsvc.models.addresses import AddressGuard, AddressRefused, looks_literal

PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_refused(address):
    assert not AddressGuard().permits("models.example.com", address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "104.18.6.192", "2606:4700::6810:84e5", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_what_is_public_is_not(address):
    assert AddressGuard().permits("models.example.com", address)


@pytest.mark.parametrize(
    "address", ["2130706433", "0x7f000001", "127.1", "0177.0.0.1", "localhost", "", "1.1.1.1.", "[::1]"]
)
def test_what_is_no_plain_address_is_refused(address):
    assert not AddressGuard().permits(address, address)


@pytest.mark.parametrize(
    ("allow", "host", "address"),
    [
        ("127.0.0.1", "localhost", "127.0.0.1"),
        ("127.0.0.1", "localhost", "::ffff:127.0.0.1"),
        ("10.0.0.0/8", "ollama.corp", "10.20.30.40"),
        ("10.0.0.1/8", "ollama.corp", "10.20.30.40"),
        ("fd00::/8", "ollama.corp", "fd12::1"),
        ("ollama.corp", "Ollama.Corp.", "10.20.30.40"),
        ("localhost", "localhost", "::1"),
    ],
)
def test_an_operator_can_allow_a_host_or_a_network(allow, host, address):
    assert AddressGuard([allow]).permits(host, address)


@pytest.mark.parametrize(
    ("allow", "host", "address"),
    [
        ("127.0.0.1", "localhost", "::1"),
        ("127.0.0.1", "localhost", "127.0.0.2"),
        ("ollama.corp", "evil.ollama.corp", "10.0.0.1"),
        ("ollama.corp", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.0/8", "ollama.corp", "fd12::1"),
    ],
)
def test_no_more_than_that_is_allowed(allow, host, address):
    assert not AddressGuard([allow]).permits(host, address)


@pytest.mark.parametrize("host", [*PRIVATE, "2130706433", "127.1", "127.0.0.1.", "010.0.0.1", "1"])
def test_an_address_in_a_url_is_looked_at_before_anything_resolves_it(host):
    assert looks_literal(host)
    with pytest.raises(AddressRefused, match="not a public address"):
        AddressGuard().check_literal(host)


@pytest.mark.parametrize("host", ["api.openai.com", "0x7f.0.0.1", "1.1.1.1"])
def test_names_and_public_addresses_pass(host):
    AddressGuard().check_literal(host)
