"""What the code never does, wherever it is: each of these opens a door that no test of behaviour would notice."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = [path for folder in ("services", "shared", "futago") for path in sorted((ROOT / folder).rglob("*.py"))]


@cache
def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@cache
def understood(path: Path) -> tuple[ast.AST, ...]:
    return tuple(node for node in ast.walk(ast.parse(text(path))) if isinstance(node, ast.Call | ast.keyword))


def nodes(words: set[str], *, beside: str = "") -> Iterator[tuple[Path, ast.AST]]:
    """The calls and arguments of all files that have one of these words somewhere, and the other one too."""
    for path in FILES:
        if beside in text(path) and any(word in text(path) for word in words):
            yield from ((path, node) for node in understood(path))


# Broken for signatures and certificates (ASVS 5.0, appendix C): where a format asks for one, the format is not used.
BROKEN_HASHES = {"md5", "sha1", "new"}


def calls(names: set[str], *, of: str | None = None) -> Iterator[str]:
    """Where a function is called by one of these names, as a plain name or of a module."""
    for path, node in nodes(names, beside=of or ""):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        plain = of is None and isinstance(function, ast.Name) and function.id in names
        attribute = (
            isinstance(function, ast.Attribute)
            and function.attr in names
            and isinstance(function.value, ast.Name)
            and function.value.id == of
        )
        if plain or attribute:
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def keywords(name: str, value: object) -> Iterator[str]:
    """Where an argument of this name is given this constant."""
    for path, node in nodes({name}):
        given = node.value if isinstance(node, ast.keyword) and node.arg == name else None
        if isinstance(given, ast.Constant) and given.value is value:
            yield f"{path.relative_to(ROOT)}:{given.lineno}"


def test_no_text_is_ever_run_as_code():
    assert [*calls({"eval", "exec", "compile", "__import__"})] == []


def test_no_command_goes_through_a_shell():
    shells = [*calls({"system", "popen"}, of="os"), *calls({"getoutput", "getstatusoutput"}, of="subprocess")]
    assert [*shells, *keywords("shell", True)] == []


def test_no_broken_hash_is_used():
    assert [*calls(BROKEN_HASHES, of="hashlib")] == []


def test_no_certificate_is_taken_unseen():
    assert [*keywords("verify", False), *keywords("ssl", False), *keywords("check_hostname", False)] == []


def test_no_secret_comes_from_predictable_numbers():
    predictable = {"seed", "random", "randint", "choice", "choices", "getrandbits", "randbytes"}
    used = [place for place in calls(predictable, of="random") if place.startswith(("services/gateway", "shared/"))]
    assert used == []


def test_no_answer_says_to_trust_every_origin_and_none_sets_a_cookie():
    for path in FILES:
        said = text(path).lower()
        assert "set_cookie(" not in said, path
        assert 'allow_origins=["*"]' not in said, path
