"""Writes the README of the chart out of its values and their comments. `python deploy/helm/readme.py`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

CHART = Path(__file__).parent / "futago"
_MARK = "# -- "
# Its comments stand for the same values of the other processes.
_DESCRIBED_ONCE = "gateway"
_HEAD = """\
# futago

{description}. Version {version}, for Kubernetes {kubernetes}.

```console
$ helm install futago deploy/helm/futago --namespace futago --values my-values.yaml
```

[Kubernetes](../../../docs/how-to/kubernetes.md) explains installation, upgrade and rollback step by step.
`values.schema.json` refuses invalid values. `deploy/helm/readme.py` writes this page from `values.yaml`.

| value | default | |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Value:
    """One row."""

    path: tuple[str, ...]
    default: object
    comment: str


def values(text: str) -> Iterator[Value]:
    """Every value that has a comment, of its own or of the process described first."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)  # noqa: S101 (a values file is a mapping)
    yield from _below(root, (), lines, {})


def _below(
    node: yaml.MappingNode, path: tuple[str, ...], lines: list[str], known: dict[tuple[str, ...], str]
) -> Iterator[Value]:
    for key, value in node.value:
        here = (*path, str(key.value))
        comment = _comment(lines, key.start_mark.line) or known.get(here[1:], "")
        if not comment and isinstance(value, yaml.MappingNode) and not value.flow_style:
            yield from _below(value, here, lines, known)
            continue
        if here[0] == _DESCRIBED_ONCE:
            known[here[1:]] = comment
        yield Value(here, yaml.safe_load(yaml.serialize(value)), comment)


def _comment(lines: list[str], line: int) -> str:
    """The `# -- ` comment that ends right above a line."""
    above = lines[line - 1].strip() if line else ""
    return above.removeprefix(_MARK) if above.startswith(_MARK) else ""


def readme(chart: Path = CHART) -> str:
    """The whole page.

    Raises
    ------
    ValueError
        If a value is described nowhere.
    """
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    page = _HEAD.format(description=about["description"], version=about["version"], kubernetes=about["kubeVersion"])
    for row in values((chart / "values.yaml").read_text(encoding="utf-8")):
        if not row.comment:
            raise ValueError(f"values.yaml: {'.'.join(row.path)} has no `{_MARK}` comment")
        default = json.dumps(row.default, ensure_ascii=False)
        page += f"| `{'.'.join(row.path)}` | `{default}` | {row.comment} |\n"
    return page


if __name__ == "__main__":
    (CHART / "README.md").write_text(readme(), encoding="utf-8")
