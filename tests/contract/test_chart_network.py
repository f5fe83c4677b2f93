"""Who may connect to whom in a cluster."""

from pathlib import Path

import pytest

from tests.contract.chart_render import SERVICES, WORKERS, Manifest, Network, Peer, render

POSTGRES, REDIS, S3 = (Peer(address=address) for address in ("10.1.2.3", "10.1.2.4", "192.168.7.7"))


@pytest.mark.parametrize("component", [*SERVICES, *WORKERS])
def test_only_the_gateway_reaches_services_and_nobody_a_worker(plain: list[Manifest], component: str):
    network = Network(plain)
    ports = SERVICES | WORKERS
    stranger = Peer({"app": "stranger"})
    elsewhere = Peer({"app": "stranger"}, namespace="elsewhere")
    prometheus, ingress = Peer(namespace="monitoring"), Peer(namespace="ingress-nginx")
    target = network.peers[component]
    allowed = {source for source, peer in network.peers.items() if network.lets(peer, target, ports[component])}
    expected = {"test"} if component == "gateway" else set() if component in WORKERS else {"gateway"}
    assert allowed == expected
    assert not network.lets(stranger, target, ports[component])
    assert not network.lets(elsewhere, target, ports[component])
    assert network.lets(prometheus, target, ports[component])
    assert network.lets(ingress, target, ports[component]) == (component == "gateway")
    assert not network.lets(prometheus, target, 22)


def test_pods_reach_names_and_stores_and_nothing_else(plain: list[Manifest]):
    network = Network(plain)
    names = Peer({"k8s-app": "kube-dns"}, namespace="kube-system")
    outside = Peer(address="203.0.113.9")
    for component, peer in network.peers.items():
        assert network.lets(peer, names, 53), component
        for server, port in ((POSTGRES, 5432), (REDIS, 6379), (REDIS, 26379), (S3, 443)):
            assert network.lets(peer, server, port) == (component != "test"), component
        assert not network.lets(peer, POSTGRES, 22), component
        assert not network.lets(peer, outside, 443), component
        assert not network.lets(peer, Peer({"app": "stranger"}), 443), component


def test_only_the_gateway_gets_out_where_that_is_allowed(folder: Path):
    rule = "networkPolicy.gatewayEgress[0]"
    values = f"{rule}.to[0].ipBlock.cidr=203.0.113.0/24,{rule}.ports[0].port=443"
    network = Network(render(folder, "--set", values))
    outside = Peer(address="203.0.113.9")
    assert {name for name, peer in network.peers.items() if network.lets(peer, outside, 443)} == {"gateway"}
