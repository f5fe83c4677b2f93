"""OpenAPI 3.1 said in the words of 3.0, for tools that know no newer one.

The Swagger UI that can be installed without a download of its own (`swagger-ui-bundle`) reads 3.0 only.
"""

from typing import Any

Document = dict[str, Any]

# Keywords of JSON Schema 2020-12 that 3.0 does not have and a reader can do without.
_DROPPED = frozenset({"$defs", "$schema", "propertyNames", "patternProperties", "unevaluatedProperties", "if", "then"})
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
# Below these keys stand names chosen by people, which must not be taken for keywords.
_NAMED = frozenset({"properties", "schemas", "paths", "responses", "mapping", "example", "default", "enum", "scopes"})
_LITERAL = frozenset({"example", "default", "enum", "mapping", "scopes"})


def to_3_0(document: Document) -> Document:
    """Translate a document; what has no counterpart becomes wider, never narrower."""
    translated: Document = _walk(document)
    translated["openapi"] = "3.0.3"
    return translated


def _walk(node: Any) -> Any:
    if isinstance(node, list):
        return [_walk(item) for item in node]
    if not isinstance(node, dict):
        return node
    translated = {}
    for key, value in node.items():
        if key in _LITERAL:
            translated[key] = value
        elif key in _NAMED and isinstance(value, dict):
            translated[key] = {name: _walk(item) for name, item in value.items()}
        elif key not in _DROPPED:
            translated[key] = _walk(value)
    return _schema(translated)


def _schema(node: Document) -> Document:
    if "const" in node:
        node["enum"] = [node.pop("const")]
    for bound, plain in _BOUNDS.items():
        if isinstance(node.get(bound), int | float) and not isinstance(node.get(bound), bool):
            node[plain] = node[bound]
            node[bound] = True
    if isinstance(node.get("examples"), list):
        examples = node.pop("examples")
        if examples:
            node.setdefault("example", examples[0])
    if "prefixItems" in node:
        del node["prefixItems"]
        node["items"] = {}
    if node.get("type") == "array" and not isinstance(node.get("items"), dict):
        node["items"] = {}
    if node.pop("contentMediaType", None) == "application/octet-stream":
        node["format"] = "binary"
    return _nullable(node)


def _nullable(node: Document) -> Document:
    if isinstance(node.get("type"), list):
        kinds = [kind for kind in node["type"] if kind != "null"]
        if len(kinds) < len(node["type"]):
            node["nullable"] = True
        del node["type"]
        if len(kinds) == 1:
            node["type"] = kinds[0]
    if node.get("type") == "null":
        del node["type"]
        node["nullable"] = True
    for choice in ("anyOf", "oneOf"):
        options = node.get(choice)
        if not isinstance(options, list):
            continue
        rest = [option for option in options if option != {"nullable": True}]
        if len(rest) == len(options):
            continue
        del node[choice]
        node["nullable"] = True
        if len(rest) == 1:
            # Beside `$ref` every other keyword is ignored, so it is wrapped.
            node |= {"allOf": rest} if "$ref" in rest[0] else rest[0] | node
        elif rest:
            node[choice] = rest
    return node
