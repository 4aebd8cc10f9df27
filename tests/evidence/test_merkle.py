"""Trees as RFC 6962 has them: its implementers' known roots, every path of many sizes, and nothing forged."""

from __future__ import annotations

import hashlib

import pytest

from deepunlearn_cli.evidence import merkle

# leaves and roots of the test suite that implementations of RFC 6962 share
LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243")] + [
    bytes.fromhex("5051525354555657"),
    bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100]


def leaves(size: int) -> list[bytes]:
    return [f"leaf {number}".encode() for number in range(size)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_everybody_has(size):
    assert merkle.root(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_has_a_path_to_the_root_and_to_no_other_place(size):
    tree = leaves(size)
    root = merkle.root(tree)
    for index, leaf in enumerate(tree):
        path = merkle.path(tree, index)
        assert merkle.root_from(leaf, index, size, path) == root
        assert merkle.root_from(b"another", index, size, path) != root
        for other in {index ^ 1, index + 1, size - 1} - {index}:
            assert merkle.root_from(leaf, other, size, path) != root


@pytest.mark.parametrize("size", SIZES)
def test_a_path_that_was_changed_leads_elsewhere(size):
    tree = leaves(size)
    root, index = merkle.root(tree), size // 2
    path = merkle.path(tree, index)
    for place in range(len(path)):
        bent = [*path]
        bent[place] = hashlib.sha256(bent[place]).digest()
        assert merkle.root_from(tree[index], index, size, bent) != root
    assert merkle.root_from(tree[index], index, size, [*path, b"\0" * 32]) is None
    assert merkle.root_from(tree[index], index, size, path[:-1]) is None or size == 1


@pytest.mark.parametrize(("index", "size"), [(-1, 4), (4, 4), (0, 0), (7, 4)])
def test_a_leaf_that_there_is_not_has_no_root(index, size):
    assert merkle.root_from(b"", index, size, [b"\0" * 32] * 2) is None
    with pytest.raises(IndexError):
        merkle.path(leaves(size), index)


def test_no_inner_node_passes_for_a_leaf():
    tree = leaves(4)
    left, right = merkle.root(tree[:2]), merkle.root(tree[2:])
    assert merkle.root([left + right]) != merkle.root(tree)
    assert merkle.root_from(left + right, 0, 1, []) != merkle.root(tree)
