"""The Merkle tree, held to the vectors of Certificate Transparency (RFC 9162 keeps the tree of RFC 6962)."""

from __future__ import annotations

import pytest

from gridtoll.envs.account.ledger.merkle import leaf_hash, proof_of, root_by_proof, root_of

# Leaves and roots of certificate-transparency-go, testdata of its package `merkle`.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert root_of(HASHES[:size]).hex() == ROOTS[size - 1]


@pytest.mark.parametrize("size", range(1, 9))
def test_every_proof_leads_to_the_root_and_to_no_other_place(size: int) -> None:
    for index in range(size):
        proof = proof_of(HASHES[:size], index)
        assert root_by_proof(HASHES[index], index, size, proof) == root_of(HASHES[:size])
        for other in range(size):
            if other != index:
                assert root_by_proof(HASHES[index], other, size, proof) != root_of(HASHES[:size])
        assert root_by_proof(HASHES[index], index, size, [*proof, HASHES[0]]) is None
        assert root_by_proof(HASHES[index], size, size, proof) is None
        if proof:
            assert root_by_proof(HASHES[index], index, size, proof[:-1]) != root_of(HASHES[:size])


def test_a_node_does_not_pass_for_a_leaf() -> None:
    assert leaf_hash(HASHES[0] + HASHES[1]) != root_of(HASHES[:2])
